"""Caffe's solvers: updates, rates, snapshots, signals and the log."""
