"""The base nets, each once: classifiers made convolutional up to their last features."""
