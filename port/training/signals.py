"""Requests from outside while a solver runs: Ctrl-C, SIGTERM, SIGHUP (Caffe's signal_handler)."""

import signal
from collections.abc import Mapping
from types import FrameType

from port.training.solver import SNAPSHOT, STOP

EFFECTS = {'stop': STOP, 'snapshot': SNAPSHOT, 'none': None}


class Interrupted(KeyboardInterrupt):
    """A stop was asked for, and the progress made is on disk; the text says where.

    Like KeyboardInterrupt it is no Exception, so that no handler of failures catches it.
    """


class Requests:
    """A queue of requests; calling it takes the next one, None where there is none.

    Used as a context, so that the handlers from before come back. effects: signal name -> 'stop',
    'snapshot' or 'none'. A second stop signal interrupts at once.
    """

    def __init__(self, effects: Mapping[str, str]) -> None:
        self.effects = {getattr(signal, name): EFFECTS[effect]
                        for name, effect in effects.items() if hasattr(signal, name)}
        self.pending: list[str] = []
        self.last: int | None = None

    def __enter__(self) -> 'Requests':
        self._before = {number: signal.signal(number, self._take) for number in self.effects}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        request = self.effects[number]
        if request == STOP and STOP in self.pending:
            raise KeyboardInterrupt
        self.last = number
        if request is not None:
            self.pending.append(request)

    def __call__(self) -> str | None:
        return self.pending.pop(0) if self.pending else None
