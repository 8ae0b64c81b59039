"""What a net may do beyond computing: import the modules that its Python layers name, write files.

Caffe does whatever a prototxt says, which runs code of its author. So do port.Net and commands
that run a user's own training; commands that only look at a net do it under `looking_only`.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


class NotAllowed(ValueError):
    """A net asks for something that whoever looks at it has not allowed."""


@dataclass
class NetPolicy:
    """modules: those that a net's Python layers may import; None is any, as in Caffe.

    The data layers that come along are ours and always allowed.
    """

    modules: frozenset[str] | None = None

    @property
    def looking(self) -> bool:
        """Whether the net is only looked at."""
        return self.modules is not None

    def check_module(self, name: str) -> None:
        """Raise NotAllowed for a module of the user's that has not been allowed."""
        if self.modules is not None and name not in self.modules:
            raise NotAllowed(f'asks for the Python module {name!r}, and importing it runs its '
                             'code, which looking at a net must not; read it, then allow it with '
                             f'--allow-python {name}')

    def check_file(self, path: str) -> None:
        """Raise NotAllowed where a net that is only looked at would write a file."""
        if self.looking:
            raise NotAllowed(f'writes the file {path!r}, which looking at a net must not; take '
                             'the layer out, or run the net with `fcn test` or `fcn caffe`')


POLICY = NetPolicy()     # of the process: a thread that makes a net is held to it too


@contextmanager
def looking_only(modules: Iterable[str] = ()) -> Iterator[None]:
    """Within the block, let nets write no file and import these modules of users' only."""
    before, POLICY.modules = POLICY.modules, frozenset(modules)
    try:
        yield
    finally:
        POLICY.modules = before
