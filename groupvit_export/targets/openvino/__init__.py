"""Target `openvino`: OpenVINO IR."""
