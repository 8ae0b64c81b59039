"""Classifiers run densely: made convolutional, over sliding windows, by shift and stitch."""
