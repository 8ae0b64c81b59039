"""Binary messages in and out: .caffemodel, .solverstate, .binaryproto, Datum.

A file that is cut off or of another kind is named as what it is. Fields that this schema does not
know stay in the message and are written again.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from google.protobuf.message import DecodeError, EncodeError, Message

from netspec.schema.deeplab_numbers import present_numbers
from netspec.schema.files import existing, foreign, is_text, write_atomic
from netspec.schema.messages import BlobProto, Datum, NetParameter, SolverState
from netspec.schema.prototxt import named
from netspec.schema.upgrade import upgrade_net
from netspec.schema.wire import WireError, fields

M = TypeVar('M', bound=Message)
_HEAD = 4096
_LARGEST = 2 ** 31 - 1  # bytes of one message, protobuf's limit and Caffe's


def read_binary(path: str | Path, message: M, kind: str,
                prepare: Callable[[bytes], bytes] | None = None) -> M:
    """Fill a fresh message from a file; `kind` names in errors what was expected.

    `prepare` may rewrite the file's bytes before they are parsed.
    """
    with existing(path, kind).open('rb') as file:
        size = os.fstat(file.fileno()).st_size
        if size > _LARGEST:
            raise ValueError(f'{path}: {size} bytes; expected a {kind}, and protobuf messages end '
                             f'at {_LARGEST}')
        head = file.read(_HEAD)
        check_head(path, head, kind)
        raw = head + file.read()
    try:
        message.ParseFromString(prepare(raw) if prepare else raw)
    except (DecodeError, WireError):
        raise ValueError(f'{path}: {_damage(raw, kind)}') from None
    return message


def check_head(path: str | Path, head: bytes, kind: str) -> None:
    """Raise ValueError if a file's first bytes are those of another format."""
    if not head:
        raise ValueError(f'{path}: the file is empty; expected a {kind}')
    other = foreign(head) or is_text(head) and 'a text file (a prototxt?)'
    if other:
        raise ValueError(f'{path}: this is {other}; expected a {kind}')


def _damage(raw: bytes, kind: str) -> str:
    """Say where bytes stop being a message."""
    try:
        count = sum(1 for _ in fields(raw))
    except WireError as error:
        if error.cut:
            return (f'the file is cut off: {error} of {len(raw)}; '
                    f'fetch or copy the {kind} again')
        return f'no {kind}, or a damaged one: {error}'
    return f'no {kind}, or a damaged one: a field within its {count} fields cannot be read'


def read_net_binary(path: str | Path, upgrade: bool = True) -> NetParameter:
    """Read a .caffemodel, upgraded from V0 and V1; raises FileNotFoundError, ValueError.

    What DeepLab's forks wrote under numbers that BVLC uses otherwise is read as they meant it.
    """
    net = read_binary(path, NetParameter(), '.caffemodel', present_numbers)
    if not (net.layer or net.layers):
        raise ValueError(f'{path}: no layers in it; expected a .caffemodel (is it a .solverstate '
                         'or a .binaryproto?)')
    return named(str(path), upgrade_net, net) if upgrade else net


def read_solverstate(path: str | Path) -> SolverState:
    """Read a .solverstate; raises FileNotFoundError, ValueError."""
    state = read_binary(path, SolverState(), '.solverstate')
    if not state.HasField('iter'):
        raise ValueError(f'{path}: no iteration number in it; expected a .solverstate (is it a '
                         '.caffemodel?)')
    return state


def read_blob(path: str | Path) -> BlobProto:
    """Read a .binaryproto, for instance a mean image; raises FileNotFoundError, ValueError."""
    blob = read_binary(path, BlobProto(), '.binaryproto')
    if not (blob.data or blob.double_data or blob.diff or blob.double_diff):
        raise ValueError(f'{path}: no numbers in it; expected a .binaryproto of one blob')
    return blob


def read_datum(path: str | Path) -> Datum:
    """Read one Datum, a record of Caffe's databases; raises FileNotFoundError, ValueError."""
    return read_binary(path, Datum(), 'Datum')


def write_binary(path: str | Path, message: Message) -> None:
    """Write a message, whole or not at all; raises OSError, ValueError beyond protobuf's 2 GiB."""
    try:
        raw = message.SerializeToString(deterministic=True)
    except EncodeError as error:
        raise ValueError(f'{path}: not written: {error}') from error
    if len(raw) > _LARGEST:
        raise ValueError(f'{path}: not written: {len(raw)} bytes; Caffe reads at most {_LARGEST}, '
                         'write HDF5 instead')
    write_atomic(path, [raw])


write_solverstate = write_binary
write_blob = write_binary
