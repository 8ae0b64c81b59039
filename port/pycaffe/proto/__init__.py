"""caffe.proto: the messages, as `caffe.proto.caffe_pb2`."""

from port.pycaffe.proto import caffe_pb2

__all__ = ['caffe_pb2']
