"""Writes a net as an ONNX file, and compares the file with our own engine."""
