"""Compile caffe.proto into what messages.py loads, and its type stubs, messages.pyi.

Run after caffe.proto was edited: python -m netspec.schema.build. Takes grpcio-tools, the extra
`schema` of the package.
"""

from pathlib import Path

from netspec.schema.stubs import read_descriptor, stub_text

HERE = Path(__file__).parent


def compile_proto(target: Path) -> None:
    """Write the serialised FileDescriptorSet of caffe.proto to `target`."""
    from grpc_tools import protoc
    if protoc.main(['protoc', f'-I{HERE}', f'--descriptor_set_out={target}', 'caffe.proto']):
        raise RuntimeError(f'{HERE / "caffe.proto"}: protoc refused it; its messages stand above')


if __name__ == '__main__':
    compile_proto(HERE / 'caffe.desc')
    (HERE / 'messages.pyi').write_text(stub_text(read_descriptor(HERE / 'caffe.desc')))
