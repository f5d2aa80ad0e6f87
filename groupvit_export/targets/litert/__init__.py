"""Target `litert`: LiteRT's files (.tflite), TensorFlow Lite until 2024."""
