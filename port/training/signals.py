"""Requests from outside while a solver runs: Ctrl-C, SIGTERM, SIGHUP (Caffe's signal_handler)."""

import signal
from collections.abc import Mapping
from types import FrameType

from port.training.solver import SNAPSHOT, STOP

EFFECTS = {'stop': STOP, 'snapshot': SNAPSHOT, 'none': None}


class Interrupted(KeyboardInterrupt):
    """A stop was asked for, and what was reached is on disk; the text says where.

    As Ctrl-C itself it is no Exception: nothing on the way may take it for a failure.
    """


class Requests:
    """Call it to take the next request; use as a context so that old handlers come back.

    effects: signal name -> 'stop', 'snapshot' or 'none'. A second stop signal interrupts at once.
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
