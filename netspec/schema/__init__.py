"""Caffe's messages, and nets, solvers and weights read and written as text and in binary."""

from netspec.schema.binary import (
    read_binary,
    read_blob,
    read_datum,
    read_net_binary,
    read_solverstate,
    write_binary,
    write_blob,
    write_solverstate,
)
from netspec.schema.blobs import array_blob, blob_array, blob_parts, blob_shape, fill_blob
from netspec.schema.files import (
    check_ending,
    read_json,
    replacing,
    spare,
    special,
    workroom,
    write_atomic,
)
from netspec.schema.lexer import PrototxtError
from netspec.schema.placeholders import placeholders
from netspec.schema.printer import message_digest, print_message, print_net, print_solver
from netspec.schema.prototxt import (
    parse_net,
    parse_net_with_lines,
    parse_solver,
    read_net,
    read_net_with_lines,
    read_solver,
    write_text,
)
from netspec.schema.text import parse, read_text
from netspec.schema.upgrade import (
    complete_snapshot_prefix,
    net_needs_upgrade,
    solver_needs_upgrade,
    upgrade_net,
    upgrade_solver,
)

__all__ = [
    'PrototxtError', 'array_blob', 'blob_array', 'blob_parts', 'blob_shape', 'check_ending',
    'complete_snapshot_prefix', 'fill_blob', 'message_digest', 'net_needs_upgrade', 'parse',
    'parse_net', 'parse_net_with_lines', 'parse_solver', 'placeholders', 'print_message',
    'print_net', 'print_solver', 'read_binary', 'read_blob', 'read_datum', 'read_json',
    'read_net', 'read_net_binary', 'read_net_with_lines', 'read_solver', 'read_solverstate',
    'read_text', 'replacing', 'solver_needs_upgrade', 'spare', 'special', 'upgrade_net',
    'upgrade_solver', 'workroom', 'write_atomic', 'write_binary', 'write_blob',
    'write_solverstate', 'write_text']
