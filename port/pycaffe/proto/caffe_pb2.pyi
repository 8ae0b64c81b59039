"""What type checkers see of caffe_pb2: the messages, their enums and numbers."""

from google.protobuf import text_format as text_format

from netspec.schema.messages import *  # noqa: F403
