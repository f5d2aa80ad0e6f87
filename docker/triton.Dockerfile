# Triton Inference Server with what groupvit_segment needs. See docs/docker.md and docs/triton.md.
#   docker build -f docker/triton.Dockerfile -t groupvit-triton .
#   docker run --rm --read-only --tmpfs /tmp --shm-size 1g --cap-drop ALL --security-opt no-new-privileges \
#     -p 127.0.0.1:8000-8002:8000-8002 -v "$PWD/models:/models:ro" groupvit-triton
ARG TRITON=25.08
FROM nvcr.io/nvidia/tritonserver:${TRITON}-py3

# openvino, onnxruntime or onnxruntime-gpu: what runs the bundle.
ARG ENGINE=openvino==2026.4.1

WORKDIR /source
COPY runtimes/python runtimes/python
# NumPy 1, whatever the runtime asks for: docs/triton.md says why.
# hadolint ignore=DL3013
RUN python3 -m pip install --no-cache-dir --break-system-packages \
    numpy==1.26.4 ftfy==6.3.1 pillow==13.0.0 safetensors==0.8.0 simplejpeg==1.9.0 tokenizers==0.23.3 "${ENGINE}" \
    && python3 -m pip install --no-cache-dir --break-system-packages --no-deps ./runtimes/python \
    && rm -rf /source

WORKDIR /models
# triton-server, by its number.
USER 1000
EXPOSE 8000 8001 8002
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s --retries=3 \
    CMD ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/v2/health/ready', timeout=2)"]
ENTRYPOINT ["tritonserver", "--model-repository=/models", "--cache-config=local,size=67108864"]
