"""A net as an ONNX file, and the file held against our own executor."""
