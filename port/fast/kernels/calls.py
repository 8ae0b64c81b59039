"""How Python calls a kernel: with one structure of named arguments and a range of the work.

Every kernel is `void kernel(const Arguments *, size first, size last, float *room, void *sums)`: it
does a part of the work, in memory of its own for what it only needs meanwhile (room), and adds to
sums where it has any. The structure is the one that its source declares, read from there.
"""

import ctypes
import re
import threading
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch

from port.fast.kernels.planes import Plane, address, plane
from port.native.large_pages import in_large_pages
from port.native.library import load
from port.native.threads import share

HERE = Path(__file__).parent
SIGNATURE = (ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_ssize_t, ctypes.c_void_p, ctypes.c_void_p)
KERNEL = re.compile(r'^void (\w+)\(const (\w+) \*\w+, \w+ first, \w+ last', re.M)
STRUCTURE = re.compile(r'typedef struct \{([^}]*)\} (\w+);')
COMMENT = re.compile(r'/\*.*?\*/', re.S)
TYPES: dict[str, Any] = {'int': ctypes.c_int, 'float': ctypes.c_float, 'Plane': Plane}
Argument = torch.Tensor | float | None


class Kernel(NamedTuple):
    """A function of a library, and the structure that it takes."""

    function: Any
    structure: type[ctypes.Structure]


def structure(text: str, name: str) -> type[ctypes.Structure]:
    """Return a structure of ints, floats, Planes and pointers as a source's text declares it."""
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
            function = getattr(library, name)
            function.argtypes, function.restype = SIGNATURE, None
            found[name] = Kernel(function, structure(text, arguments))
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


def run(kernel: str, count: int, grain: int, members: Mapping[str, Argument], room: int = 0,
        sums: Callable[[int], torch.Tensor] | None = None) -> None:
    """Have a kernel do all of 0..count on all threads, in pieces of a multiple of `grain`.

    members: of its structure; those that are not given are null. room: how many floats of memory it
    needs. sums: returns what a piece adds to, from its first.
    """
    function, declared = kernels()[kernel]
    lay: dict[Any, Callable[[Any], Any]] = {Plane: plane, ctypes.c_void_p: address}
    types: dict[str, Any] = dict(declared._fields_)  # type: ignore[arg-type]
    arguments = declared(**{name: lay.get(types[name], lambda number: number)(value)
                            for name, value in members.items()})

    def piece(first: int, last: int) -> None:
        mine = None if sums is None else sums(first)
        function(ctypes.byref(arguments), first, last, _room(room).data_ptr(), address(mine))
    share(piece, count, grain)


_kept = threading.local()


def _room(size: int) -> torch.Tensor:
    """Return memory for a thread's own use until the kernel that it runs ends. It is kept, as the
    system fills new memory with zeros, which can take as long as the kernel.
    """
    if not hasattr(_kept, 'room') or _kept.room.numel() < size:
        _kept.room = in_large_pages(torch.empty(size))
    return _kept.room
