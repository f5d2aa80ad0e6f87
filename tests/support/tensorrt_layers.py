"""The layers of a graph as TensorRT-RTX parses it."""

from __future__ import annotations

from collections import Counter

import onnx

from groupvit_export.targets.tensorrt.choose import choose_flavor
from groupvit_export.targets.tensorrt.network import network_facts, parse
from groupvit_export.targets.tensorrt.options import TrtOptions
from groupvit_runtime.engines.tensorrt_flavors import logger_of


def count_layers(model: onnx.ModelProto) -> Counter[str]:
    """How many layers of each type."""
    trt = choose_flavor(TrtOptions(flavor="rtx")).trt
    parsed = parse(trt, logger_of(trt), model)
    return Counter(network_facts(trt, parsed.network, stages=0).layers)
