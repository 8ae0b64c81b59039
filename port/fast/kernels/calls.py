"""How Python calls a kernel: with one structure of named arguments, which its source declares and
which is read from there, and a range of the work (jobs.py).
"""

import ctypes
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import torch

from port.fast.kernels.planes import Plane, address, plane
from port.native.jobs import Job, pieces, run_job
from port.native.kept_memory import empty
from port.native.library import load

HERE = Path(__file__).parent
KERNEL = re.compile(r'^void (\w+)\(const (\w+) \*\w+, \w+ first, \w+ last', re.M)
STRUCTURE = re.compile(r'typedef struct \{([^}]*)\} (\w+);')
COMMENT = re.compile(r'/\*.*?\*/', re.S)
TYPES: dict[str, Any] = {'int': ctypes.c_int, 'size': ctypes.c_ssize_t, 'float': ctypes.c_float,
                         'double': ctypes.c_double, 'Plane': Plane}
Argument = torch.Tensor | float | None
Sums = tuple[Sequence[int], torch.dtype]
LAY: dict[Any, Callable[[Any], Any]] = {Plane: plane, ctypes.c_void_p: address}


@dataclass(frozen=True)
class Kernel:
    """The address of a function of a library, and the structure that it takes."""

    function: int
    structure: type[ctypes.Structure]

    @cached_property
    def lay(self) -> dict[str, Callable[[Any], Any]]:
        """By member, what makes its value of an argument."""
        fields: list[tuple[str, Any]] = [*self.structure._fields_]  # type: ignore[list-item]
        return {member: LAY.get(kind, _as_it_is) for member, kind in fields}


def _as_it_is(number: float) -> float:
    return number


def structure(text: str, name: str) -> type[ctypes.Structure]:
    """Return a structure of numbers, Planes and pointers as a source's text declares it."""
    bodies = {name: body for body, name in STRUCTURE.findall(COMMENT.sub('', text))}
    fields: list[tuple[str, Any]] = []
    for declaration in filter(None, map(str.strip, bodies[name].split(';'))):
        kind, names = declaration.removeprefix('const ').split(None, 1)
        fields.extend((member.lstrip('*'), ctypes.c_void_p if member[0] == '*' else TYPES[kind])
                      for member in map(str.strip, names.split(',')))
    return type(name, (ctypes.Structure,), {'_fields_': fields})


@cache
def libraries() -> dict[str, ctypes.CDLL]:
    """Return the loaded libraries by source; none at all unless every one can be had."""
    found = {}
    for path in sorted(HERE.glob('*.c')):
        library = load(path)
        if library is None:
            return {}
        found[path.name] = library
    return found


@cache
def kernels() -> dict[str, Kernel]:
    """Return the kernels of all libraries by name."""
    found = {}
    for source, library in libraries().items():
        text = (HERE / source).read_text(encoding='utf-8')
        for name, arguments in KERNEL.findall(text):
            function = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
            found[name] = Kernel(function or 0, structure(text, arguments))
    return found


def available() -> bool:
    """Whether there are kernels of our own: a C compiler, and not FCN_NATIVE=0."""
    return bool(libraries())


@cache
def constant(source: str, name: str) -> int:
    """Return a number that a source was compiled with, from the function of that name."""
    return getattr(libraries()[source], name)()


def vector_width() -> int:
    """Return how many floats the kernels take at a time."""
    return constant('winograd.c', 'vector_width')


def job(kernel: str, count: int, grain: int, members: Mapping[str, Argument], room: int = 0,
        sums: Sums | None = None) -> Job:
    """Return the job of a kernel that does all of 0..count, in pieces of a multiple of `grain`.

    members: of its structure; those that are not given are null. room: how many floats of memory
    each thread needs. sums: shape and type of what each piece adds to, from zero on.
    """
    called = kernels()[kernel]
    lay, bounds = called.lay, pieces(count, grain)
    arguments = called.structure(**{name: lay[name](value) for name, value in members.items()})
    found = None if sums is None else empty(len(bounds) - 1, *sums[0], dtype=sums[1]).zero_()
    return Job(called.function, arguments, bounds, room, found, [*members.values()])


def run(kernel: str, count: int, grain: int, members: Mapping[str, Argument], room: int = 0,
        sums: Sums | None = None) -> torch.Tensor | None:
    """Have a kernel do all of 0..count on all threads; as for `job`. Return the sums of the pieces,
    pieces x shape: added up in their order they do not depend on which ended first.
    """
    made = job(kernel, count, grain, members, room, sums)
    run_job(made)
    return made.sums
