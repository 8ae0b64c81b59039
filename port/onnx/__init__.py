"""The ONNX graph that layers write themselves into; it knows nothing of nets."""
