"""The wire format by hand and against protobuf's own encoder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.schema.messages import BlobProto, BlobShape, NetParameter
from netspec.schema.wire import BYTES, FIXED32, FIXED64, VARINT, Field, WireError, fields, varint


@pytest.mark.parametrize(('value', 'encoded'), [
    (0, b'\x00'), (1, b'\x01'), (127, b'\x7f'), (128, b'\x80\x01'), (300, b'\xac\x02')])
def test_varint_by_hand(value, encoded):
    assert varint(value) == encoded


@given(st.integers(0, 2 ** 63 - 1))
def test_varint_is_protobufs(value):
    assert b'\x0a' + varint(len(varint(value))) + varint(value) == (
        BlobShape(dim=[value]).SerializeToString())


def test_fields_of_every_wire_type():
    wire = b'\x08\xac\x02' + b'\x11' + bytes(8) + b'\x1a\x02ab' + b'\x25' + bytes(4) + b'\xa2\x06\0'
    assert list(fields(wire)) == [
        Field(1, VARINT, 1, 3), Field(2, FIXED64, 4, 12), Field(3, BYTES, 14, 16),
        Field(4, FIXED32, 17, 21), Field(100, BYTES, 24, 24)]


def test_fields_of_a_message_and_of_a_view_of_it():
    wire = NetParameter(name='net', input=['a', 'bc']).SerializeToString()
    assert [(f.number, wire[f.start:f.end]) for f in fields(memoryview(wire))] == [
        (1, b'net'), (3, b'a'), (3, b'bc')]
    assert list(fields(b'')) == []


@pytest.mark.parametrize(('wire', 'at', 'cut'), [
    (b'\x0a\x05abc', 0, True), (b'\x08\x01\x0a', 3, True), (b'\x08\x80', 2, True),
    (b'\x0d\0\0', 0, True), (b'\x0b', 0, False), (b'\x02\x00', 0, False),
    (b'\x08' + b'\x80' * 11, 11, False)])
def test_bytes_that_are_no_message(wire, at, cut):
    with pytest.raises(WireError) as caught:
        list(fields(wire))
    assert (caught.value.at, caught.value.cut) == (at, cut)


def test_every_cut_of_a_message_is_noticed_but_between_fields():
    wire = BlobProto(num=3, data=[1, 2], shape={'dim': [2]}).SerializeToString()
    whole = {0} | {field.end for field in fields(wire)}
    for size in range(len(wire)):
        if size in whole:
            list(fields(wire[:size]))
        else:
            with pytest.raises(WireError):
                list(fields(wire[:size]))
