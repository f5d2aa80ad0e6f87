"""Target `web`: the engines of the target `onnx`, and a page that runs them in a browser."""
