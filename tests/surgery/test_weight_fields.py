"""The parts of the wire format that only weights need; values are encoded by hand."""

import numpy as np
import pytest

from netspec.schema.wire import Field, WireError
from surgery.weight_fields import floats, integer, integers, runs, text


def test_runs_of_floats_come_as_one():
    raw = memoryview(b'\x08\x07' b'\x2d\0\0\x80\x3f\x2d\0\0\0\x40'
                     b'\x3d\0\0\x40\x40' b'\x08\x01')
    found = list(runs(raw))
    assert [(field.number, stride) for field, stride in found] == [(1, 0), (5, 5), (7, 5), (1, 0)]
    assert floats(raw, *found[1], '<f4').tolist() == [1, 2]
    assert floats(raw, *found[2], '<f4').tolist() == [3]


def test_a_value_that_looks_like_a_tag_does_not_stretch_the_run():
    run = b''.join(b'\x2d' + bytes([0x2d] * 4) for _ in range(40))
    (first, stride), (second, _) = runs(memoryview(run + b'\x0a\x02\x2d\x2d'))
    assert (first.end, stride, second.number) == (200, 5, 1)


@pytest.mark.parametrize('raw,numbers', [
    (b'\x05', [5]), (b'\xac\x02', [300]), (b'\xff' * 9 + b'\x01', [-1])])
def test_integers(raw, numbers):
    assert integers(memoryview(raw), Field(1, 0, 0, len(raw))) == numbers
    packed = memoryview(raw + raw)
    assert integers(packed, Field(1, 2, 0, len(packed))) == numbers * 2


def test_no_integer_reads_as_the_default():
    assert integer(memoryview(b''), Field(1, 2, 0, 0)) == 0


@pytest.mark.parametrize('kind,end,dtype', [(2, 5, '<f4'), (5, 4, '<f8'), (0, 4, '<f4')])
def test_bytes_that_are_no_floats(kind, end, dtype):
    with pytest.raises(WireError):
        floats(memoryview(bytes(8)), Field(5, kind, 0, end), 5, dtype)


def test_views_are_not_copies():
    raw = bytearray(8)
    view = floats(memoryview(raw), Field(5, 2, 0, 8), 0, '<f4')
    view[1] = 1
    assert raw[4:] == b'\0\0\x80\x3f' and np.shares_memory(view, np.frombuffer(raw, np.uint8))


def test_bytes_that_are_no_text_survive():
    name = text(memoryview(b'a\xff'), Field(1, 2, 0, 2))
    assert name.encode('utf-8', 'surrogateescape') == b'a\xff'
