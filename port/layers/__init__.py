"""One file per Caffe layer type; the file's name is the type's name in snake case."""
