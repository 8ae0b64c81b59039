"""The fast engines' C kernels, each with the Python functions that call it on torch's tensors."""
