"""Building TensorRT and TensorRT-RTX engines, and reading what their parser made of a graph."""
