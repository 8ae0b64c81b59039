"""Compile caffe.proto into what messages.py loads: python -m netspec.schema.build

Needed only after caffe.proto was edited; takes grpcio-tools (a development dependency).
"""

from pathlib import Path

HERE = Path(__file__).parent


def compile_proto(target: Path) -> None:
    """Write the serialised FileDescriptorSet of caffe.proto to `target`."""
    from grpc_tools import protoc
    if protoc.main(['protoc', f'-I{HERE}', f'--descriptor_set_out={target}', 'caffe.proto']):
        raise RuntimeError(f'{HERE / "caffe.proto"}: protoc refused it; its messages stand above')


if __name__ == '__main__':
    compile_proto(HERE / 'caffe.desc')
