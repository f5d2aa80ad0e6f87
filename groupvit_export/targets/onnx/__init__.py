"""Target `onnx`: the typed graph, executed by ONNX Runtime."""
