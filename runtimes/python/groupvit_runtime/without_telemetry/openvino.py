"""OpenVINO."""

from groupvit_runtime.without_telemetry import telemetry_off

with telemetry_off("openvino"):
    import openvino

__all__ = ["openvino"]
