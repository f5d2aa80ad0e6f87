"""ONNX Runtime."""

from groupvit_runtime.without_telemetry import telemetry_off

with telemetry_off("onnxruntime"):
    import onnxruntime

__all__ = ["onnxruntime"]
