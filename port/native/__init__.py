"""C kernels: compiled by the machine's own compiler, kept safely, loaded, shared among threads."""
