"""Reference modules to ONNX graphs: encoders, named passes, capture, the function body, checks."""
