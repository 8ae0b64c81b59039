"""The message classes: the compiled descriptor is that of caffe.proto, and what it declares."""

from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from netspec.schema import build, messages, stubs
from netspec.schema.messages import LayerParameter, SolverParameter, is_repeated, is_required

FOLDER = Path(build.__file__).parent


def test_the_descriptor_is_compiled_from_the_proto(tmp_path):
    pytest.importorskip('grpc_tools', reason='grpcio-tools compiles caffe.proto; not installed')
    build.compile_proto(tmp_path / 'caffe.desc')
    read = descriptor_pb2.FileDescriptorSet.FromString
    assert read((tmp_path / 'caffe.desc').read_bytes()) == (
        read((FOLDER / 'caffe.desc').read_bytes()))


def test_phases_and_messages_are_exported():
    assert (messages.TRAIN, messages.TEST) == (0, 1)
    assert set(messages.DESCRIPTOR.message_types_by_name) <= set(messages.__all__)
    for name in messages.__all__:
        assert hasattr(messages, name)


@pytest.mark.parametrize(('message', 'field', 'value'), [
    ('LRNParameter', 'beta', 0.75), ('ConvolutionParameter', 'bias_term', True),
    ('PoolingParameter', 'round_mode', 0), ('SolverParameter', 'type', 'SGD'),
    ('SolverParameter', 'random_seed', -1), ('NetState', 'phase', 1),
    ('DataParameter', 'prefetch', 4),
    ('WindowDataParameter', 'crop_mode', 'warp'), ('FillerParameter', 'sparse', -1)])
def test_defaults_are_caffes(message, field, value):
    assert getattr(getattr(messages, message)(), field) == value


@pytest.mark.parametrize(('message', 'field', 'number'), [
    ('NetParameter', 'layer', 100), ('LayerParameter', 'interp_param', 8001),
    ('LayerParameter', 'upsample_param', 8011), ('LayerParameter', 'bn_param', 8012),
    ('LayerParameter', 'mat_read_param', 8151), ('ImageDataParameter', 'label_type', 16),
    ('TransformationParameter', 'crop_height', 10), ('ConvolutionParameter', 'hole', 8017),
    ('LossParameter', 'weight_by_label_freqs', 8001), ('LossParameter', 'class_weighting', 8002),
    ('PoolingParameter', 'dilation', 8013), ('LayerParameter', 'clip_param', 148),
    ('BlobProto', 'double_diff', 9),
    ('V0LayerParameter', 'hdf5_output_param', 1001), ('V1LayerParameter', 'blob_share_mode', 1002)])
def test_numbers_are_caffes(message, field, number):
    assert getattr(messages, message).DESCRIPTOR.fields_by_name[field].number == number


def test_fields_of_forks_are_numbered_beyond_caffes():
    forks = {'interp_param', 'upsample_param', 'bn_param', 'weight_by_label_freqs',
             'class_weighting', 'fcn_state'}
    found = {field.name for message in messages.DESCRIPTOR.message_types_by_name.values()
             for field in message.fields if field.number > 8000}
    assert forks <= found


def test_repeated_and_required_fields_are_told():
    layer = LayerParameter.DESCRIPTOR.fields_by_name
    clip = messages.ClipParameter.DESCRIPTOR.fields_by_name
    assert is_repeated(layer['top']) and not is_repeated(layer['name'])
    assert is_required(clip['min']) and not is_required(layer['name'])


def test_older_protobufs_tell_by_label():
    class Field:
        LABEL_REPEATED, LABEL_REQUIRED, label = 3, 2, 3
    assert is_repeated(Field()) and not is_required(Field())


def test_enum_values_are_at_hand_as_in_pycaffe():
    assert SolverParameter.GPU == 1 and messages.PoolingParameter.STOCHASTIC == 2
    assert messages.EltwiseParameter.EltwiseOp.Value('MAX') == 2


def test_the_stubs_are_those_of_the_descriptor():
    text = stubs.stub_text(stubs.read_descriptor(FOLDER / 'caffe.desc'))
    assert (FOLDER / 'messages.pyi').read_text() == text, 'run python -m netspec.schema.build'


def test_stubs_say_of_every_field_what_it_is():
    file = stubs.read_descriptor(FOLDER / 'caffe.desc')
    (message,) = (m for m in file.message_type if m.name == 'PoolingParameter')
    lines = list(stubs.message_lines(message, file.package, ''))
    assert {'class PoolingParameter(Message):', '    PoolMethod: EnumTypeWrapper', '    MAX: int',
            '    kernel_size: int', '        pool: int | str | None = ...,'} <= set(lines)
    (net,) = (m for m in file.message_type if m.name == 'NetParameter')
    text = '\n'.join(stubs.message_lines(net, file.package, ''))
    assert ('    @property\n    def layer(self) -> RepeatedCompositeFieldContainer[LayerParameter]'
            ': ...') in text
    assert '    def input(self) -> RepeatedScalarFieldContainer[str]: ...' in text
