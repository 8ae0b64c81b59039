"""Runs Caffe nets on PyTorch: the executor, its layers, the solver, data, scores and exports."""
