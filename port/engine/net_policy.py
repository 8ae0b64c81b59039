"""What a net may do besides computing: import the modules of its Python layers, write files.

Caffe does whatever a prototxt says, and so may run code of its author. port.Net does too, and so do
the commands that run a user's own training. Commands that only look at a net build it under
`looking_only`, which allows neither unasked.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


class NotAllowed(ValueError):
    """A net asks for something that whoever looks at it has not allowed."""


@dataclass
class NetPolicy:
    """modules: what a net's Python layers may import; None is anything, as in Caffe.

    The project's own data layers are always allowed.
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
    """Within the block nets write no file and import, of modules that are not ours, only these."""
    before, POLICY.modules = POLICY.modules, frozenset(modules)
    try:
        yield
    finally:
        POLICY.modules = before
