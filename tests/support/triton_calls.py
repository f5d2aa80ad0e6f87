"""Calls of a Triton server by NVIDIA's own clients, in a Python that has them.

Arguments: HOST:PORT of HTTP, of gRPC, FOLDER. In FOLDER is `plan.json`: "images" (files), "labels",
"vocabulary" (a name), "replacement" (a file to put in its place), "place", and "many" (requests at once).
What came back is written there: `answers.npz`, `errors.json`, `many.npz`.
"""

from __future__ import annotations

import json
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tritonclient.grpc
import tritonclient.http
from PIL import Image
from tritonclient.utils import InferenceServerException

MODEL = "groupvit_segment"
TYPES = {"pixels": "UINT8", "threshold": "FP32", "background_threshold": "FP32"}


def texts(*values: str | bytes) -> np.ndarray:
    return np.array([[v.encode() if isinstance(v, str) else v for v in values]], np.object_)


def infer(client, library, **tensors: np.ndarray):
    inputs = []
    for name, value in tensors.items():
        one = library.InferInput(name, list(value.shape), TYPES.get(name, "BYTES"))
        one.set_data_from_numpy(value)
        inputs.append(one)
    return client.infer(MODEL, inputs)


def refusal(client, library, **tensors: np.ndarray) -> str:
    try:
        infer(client, library, **tensors)
    except InferenceServerException as error:
        return error.message()
    return ""


def main(http: str, grpc: str, folder: Path) -> None:
    plan = json.loads((folder / "plan.json").read_text())
    files = [Path(file).read_bytes() for file in plan["images"]]
    labels, vocabulary = plan["labels"], texts(plan["vocabulary"])
    clients = (
        (
            tritonclient.http.InferenceServerClient(http, connection_timeout=300, network_timeout=300),
            tritonclient.http,
        ),
        (tritonclient.grpc.InferenceServerClient(grpc), tritonclient.grpc),
    )
    answers = {}
    for client, library in clients:
        kind = library.__name__.rpartition(".")[2]
        assert client.is_model_ready(MODEL)
        asked = {
            "file": {"image": texts(files[0]), "labels": texts(*labels)},
            "pixels": {
                "pixels": np.asarray(Image.open(plan["images"][0]).convert("RGB"))[None],
                "labels": texts(*labels),
            },
            "vocabulary": {"image": texts(files[0]), "vocabulary": vocabulary},
            "negatives": {
                "image": texts(files[0]),
                "labels": texts(*labels[:2]),
                "negatives": texts(*labels[2:]),
                "threshold": np.array([[0.5]], np.float32),
            },
        }
        for name, tensors in asked.items():
            result = infer(client, library, **tensors)
            answers[f"{kind}.{name}.labels"] = result.as_numpy("label_map")[0]
            answers[f"{kind}.{name}.names"] = np.array([n.decode() for n in result.as_numpy("names")[0]])
            answers[f"{kind}.{name}.scores"] = result.as_numpy("scores")[0]

    client, library = clients[1]
    errors = {
        "no image": refusal(client, library, labels=texts(*labels)),
        "no words": refusal(client, library, image=texts(files[0])),
        "both": refusal(client, library, image=texts(files[0]), labels=texts("a"), vocabulary=vocabulary),
        "broken": refusal(client, library, image=texts(files[0][:500]), labels=texts(*labels)),
        "unknown": refusal(client, library, image=texts(files[0]), vocabulary=texts("nothing")),
        "utf-8": refusal(client, library, image=texts(files[0]), labels=texts(b"\xff")),
        "many": refusal(client, library, image=texts(files[0]), labels=texts(*map(str, range(10_000)))),
        "type": refusal(client, library, image=np.zeros((1, 1), np.object_), labels=texts(*labels)),
        "shape": refusal(client, library, pixels=np.zeros((1, 4, 4, 4), np.uint8), labels=texts(*labels)),
    }
    (folder / "errors.json").write_text(json.dumps(errors))

    def one(number: int) -> np.ndarray:
        words = [labels[number % len(labels)], labels[(number + 1) % len(labels)]]
        image = texts(files[number % len(files)])
        if number % 10 == 9:
            assert refusal(client, library, image=texts(b"none"), labels=texts(*words))
        return infer(client, library, image=image, labels=texts(*words)).as_numpy("label_map")[0]

    with ThreadPoolExecutor(plan["many"]) as pool:
        many = list(pool.map(one, range(plan["many"])))
    np.savez(folder / "many.npz", *many)

    shutil.copy(plan["replacement"], plan["place"])
    client.load_model(MODEL)
    result = infer(client, library, image=texts(files[0]), vocabulary=vocabulary)
    answers["replaced.names"] = np.array([n.decode() for n in result.as_numpy("names")[0]])
    answers["replaced.labels"] = result.as_numpy("label_map")[0]
    # A file that is none: the model that was loaded goes on answering.
    Path(plan["place"]).write_bytes(b"no vocabulary")
    try:
        client.load_model(MODEL)
    except InferenceServerException as error:
        answers["broken reload"] = np.array(error.message())
    result = infer(client, library, image=texts(files[0]), vocabulary=vocabulary)
    answers["kept.labels"] = result.as_numpy("label_map")[0]
    np.savez(folder / "answers.npz", **answers)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
