"""Printing in the published style: numbers and strings by hand, whole messages by round trips
through this reader and through protobuf's own, the published nets by their digests.
"""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.schema.messages import (
    BlobProto,
    Datum,
    LayerParameter,
    NetParameter,
    SolverParameter,
    V1LayerParameter,
    is_repeated,
    is_required,
)
from netspec.schema.printer import float32_text, message_digest, print_message
from netspec.schema.prototxt import read_net, read_solver
from netspec.schema.text import parse

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(('value', 'text'), [
    (1.0, '1'), (0.0, '0'), (-0.0, '-0'), (-3.0, '-3'), (0.01, '0.01'), (1e-4, '0.0001'),
    (1e-10, '1e-10'), (5e-4, '0.0005'), (0.99, '0.99'), (104.00699, '104.00699'), (1e6, '1000000'),
    (16777217.0, '16777216'), (1e17, '1e+17'), (3.4e38, '3.4e+38'), (1e-45, '1e-45'),
    (float('inf'), 'inf'), (float('-inf'), '-inf'), (float('nan'), 'nan'), (1 / 3, '0.33333334')])
def test_floats_in_the_fewest_digits(value, text):
    layer = LayerParameter(loss_weight=[value])
    assert float32_text(layer.loss_weight[0]) == text
    assert print_message(layer) == f'loss_weight: {text}\n'


def test_doubles_keep_all_their_digits():
    assert print_message(BlobProto(double_data=[0.1, 1 / 3, 2])) == (
        'double_data: 0.1\ndouble_data: 0.3333333333333333\ndouble_data: 2\n')


@given(st.floats(width=32, allow_nan=False))
def test_floats_read_back_the_same(value):
    read = parse(f'loss_weight: {float32_text(value)}', LayerParameter()).loss_weight[0]
    assert np.float32(read).tobytes() == np.float32(value).tobytes()


@pytest.mark.parametrize(('value', 'text'), [
    ("{'a': 1}", r'''"{\'a\': 1}"'''), ('say "hi"', r'"say \"hi\""'), ('a\\b', r'"a\\b"'),
    ('a\n\t\r', r'"a\n\t\r"'), ('\x00\x01\x7f7', r'"\000\001\1777"'), ('café', '"café"'),
    ('', '""')])
def test_strings_are_escaped_as_protobuf_escapes_them(value, text):
    assert print_message(LayerParameter(name=value)) == f'name: {text}\n'


def test_bytes_are_printed_in_octal():
    assert print_message(Datum(data=b"\xff\x00a'")) == 'data: "\\377\\000a\\\'"\n'


def test_a_layer_in_the_published_style():
    layer = LayerParameter(type='Pooling', name='pool1', bottom=['conv'], top=['pool1'])
    layer.pooling_param.pool = layer.pooling_param.MAX
    layer.pooling_param.global_pooling = False
    layer.param.add(lr_mult=2, decay_mult=0)
    net = NetParameter(layer=[layer])
    net.state.SetInParent()
    assert print_message(net) == '''\
state {
}
layer {
  name: "pool1"
  type: "Pooling"
  bottom: "conv"
  top: "pool1"
  param {
    lr_mult: 2
    decay_mult: 0
  }
  pooling_param {
    pool: MAX
    global_pooling: false
  }
}
'''


def _scalars(field):
    if field.enum_type:
        return st.sampled_from([value.number for value in field.enum_type.values])
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=8)
    signed = {FieldDescriptor.CPPTYPE_INT32: 31, FieldDescriptor.CPPTYPE_INT64: 63}
    if field.cpp_type in signed:
        top = 2 ** signed[field.cpp_type]
        return st.integers(-top, top - 1)
    return {FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2 ** 32 - 1),
            FieldDescriptor.CPPTYPE_FLOAT: st.floats(width=32, allow_nan=False),
            FieldDescriptor.CPPTYPE_DOUBLE: st.floats(allow_nan=False),
            FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
            FieldDescriptor.CPPTYPE_STRING: st.text(max_size=8)}[field.cpp_type]


@st.composite
def messages(draw, kind):
    """Draw a message: a few of its fields, drawn in the same way."""
    message = kind()
    descriptor = message.DESCRIPTOR
    required = {field.name for field in descriptor.fields if is_required(field)}
    names = draw(st.sets(st.sampled_from([field.name for field in descriptor.fields]), max_size=3))
    for name in sorted(names | required):
        field = descriptor.fields_by_name[name]
        for _ in range(draw(st.integers(1, 2)) if is_repeated(field) else 1):
            value = getattr(message, name)
            if field.message_type:
                inner = draw(messages(field.message_type._concrete_class))
                value.add().CopyFrom(inner) if is_repeated(field) else value.CopyFrom(inner)
            elif is_repeated(field):
                value.append(draw(_scalars(field)))
            else:
                setattr(message, name, draw(_scalars(field)))
    return message


@settings(max_examples=150, deadline=None)
@given(st.data())
@pytest.mark.parametrize('kind', [NetParameter, SolverParameter, LayerParameter, V1LayerParameter],
                         ids=lambda kind: kind.DESCRIPTOR.name)
def test_what_is_printed_is_read_back_by_us_and_by_protobuf(kind, data):
    message = data.draw(messages(kind))
    text = print_message(message)
    assert parse(text, kind()) == message
    assert text_format.Parse(text, kind()) == message


@settings(max_examples=100, deadline=None)
@given(messages(NetParameter), st.booleans())
def test_what_protobuf_prints_is_read(message, short):
    text = text_format.MessageToString(message, use_short_repeated_primitives=short)
    assert parse(text, NetParameter()) == message


def test_the_digest_is_that_of_fields_in_number_order():
    layer = LayerParameter(type='T', name='N')
    assert message_digest(layer) == hashlib.sha256(b'\x0a\x01N\x12\x01T').hexdigest()


def test_the_published_nets_are_printed_byte_for_byte(shared):
    """Digests of the published files; the texts are our own generated ones, equal to them."""
    rows = [line.split() for line in (shared / 'facts' / 'published_files.txt').read_text()
            .splitlines() if line and not line.startswith('#')]
    texts = messages_right = 0
    for of_text, of_message, _, name in rows:
        path = ROOT / name
        if not path.is_file():
            continue
        message = (read_solver if name.startswith('solvers') else read_net)(path)
        assert message_digest(message) == of_message, name
        messages_right += 1
        printed = hashlib.sha256(print_message(message).encode()).hexdigest()
        if name.startswith('prototxt') and not name.endswith('deploy.prototxt'):
            assert printed == of_text, name
            texts += 1
    if not messages_right:
        pytest.skip('prototxt/ and solvers/ are not generated: fcn generate --all')
    assert (texts, messages_right) == (30, 46)
