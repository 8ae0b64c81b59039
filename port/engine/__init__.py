"""The plain engine: nets, layers, blobs and parameters as Caffe has them, on PyTorch."""
