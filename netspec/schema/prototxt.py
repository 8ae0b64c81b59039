"""Net and solver files in and out of prototxt; on reading upgraded as Caffe upgrades them.

`defines` fills placeholders, `${NAME}`, beside those of schema.placeholders.placeholders.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from google.protobuf.message import Message

from netspec.schema.files import write_atomic
from netspec.schema.messages import NetParameter, SolverParameter
from netspec.schema.placeholders import fill
from netspec.schema.printer import print_message
from netspec.schema.text import parse, parse_marked, read_text
from netspec.schema.upgrade import upgrade_net, upgrade_solver
from netspec.schema.upgrade_v0 import LayerRefused

M = TypeVar('M', bound=Message)
Defines = Mapping[str, str] | None


def parse_net(text: str, source: str = '<string>', upgrade: bool = True,
              defines: Defines = None) -> NetParameter:
    """Return the net that a prototxt text holds; raises PrototxtError, ValueError on a conflict."""
    return parse_net_with_lines(text, source, upgrade, defines)[0]


def parse_solver(text: str, source: str = '<string>', upgrade: bool = True,
                 defines: Defines = None) -> SolverParameter:
    """Return the solver that a prototxt text holds; nets inside it are upgraded as well."""
    solver = parse(fill(text, source, defines), SolverParameter(), source)
    if upgrade:
        named(source, upgrade_solver, solver)
        for name, value in solver.ListFields():
            if name.message_type is NetParameter.DESCRIPTOR:
                for net in [value] if isinstance(value, NetParameter) else value:
                    named(source, upgrade_net, net)
    return solver


def read_net(path: str | Path, upgrade: bool = True, defines: Defines = None) -> NetParameter:
    """Return the net of a prototxt file; raises FileNotFoundError and what parse_net raises."""
    return parse_net(read_text(path), str(path), upgrade, defines)


def read_solver(path: str | Path, upgrade: bool = True,
                defines: Defines = None) -> SolverParameter:
    """Return the solver of a prototxt file; raises as parse_solver, FileNotFoundError."""
    return parse_solver(read_text(path), str(path), upgrade, defines)


def parse_net_with_lines(text: str, source: str = '<string>', upgrade: bool = True,
                         defines: Defines = None) -> tuple[NetParameter, dict[int, int]]:
    """Parse a net; return it and, by index of its layers, the line on which each begins."""
    net = NetParameter()
    marks = parse_marked(fill(text, source, defines), net, source, ('layer', 'layers', 'input'))
    lines = [line for name, line in marks if name != 'input']
    if upgrade:
        named(source, lambda net: upgrade_net(net, lines), net, lines)
    inputs = [line for name, line in marks if name == 'input']
    return net, {i: line or inputs[0] for i, line in enumerate(lines)}


def read_net_with_lines(path: str | Path, upgrade: bool = True,
                        defines: Defines = None) -> tuple[NetParameter, dict[int, int]]:
    """Read a net; return it and, by index of its layers, the line on which each begins."""
    return parse_net_with_lines(read_text(path), str(path), upgrade, defines)


def write_text(path: str | Path, message: Message) -> None:
    """Write a message as prototxt, whole or not at all."""
    write_atomic(path, [print_message(message).encode()])


def named(source: str, upgrade: Callable[[M], M], message: M, lines: Sequence[int] = ()) -> M:
    """Upgrade a message; an error names the source, and the line of the layer if it is known."""
    try:
        return upgrade(message)
    except LayerRefused as error:
        where = f'{source}:{lines[error.index]}' if lines else source
        raise ValueError(f'{where}: {error}') from error
    except ValueError as error:
        raise ValueError(f'{source}: {error}') from error
