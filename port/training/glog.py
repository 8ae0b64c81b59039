"""Caffe's log lines (glog): `I1120 07:38:19.123456  4711 solver.cpp:239] Iteration 20, …`.

Log parsers that people have read the time, and what follows the bracket.
"""

import logging
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from logging.handlers import MemoryHandler
from pathlib import Path
from typing import TypeVar

LETTER = {logging.DEBUG: 'I', logging.INFO: 'I', logging.WARNING: 'W', logging.ERROR: 'E',
          logging.CRITICAL: 'F'}
LINE = re.compile(rb'^[IWEF]\d{4} \d\d:\d\d:\d\d\.', re.MULTILINE)
Handler = TypeVar('Handler', bound=logging.Handler)
MANY = 1_000_000             # records held back before they are lost


class Format(logging.Formatter):
    """Write a record in glog's form, naming the file of Caffe that does the same."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created)
        source = record.name.removeprefix('port.').split('.')[0]
        stamp = f'{LETTER.get(record.levelno, "I")}{when:%m%d %H:%M:%S.%f}'
        head = f'{stamp} {os.getpid():5d} {source}.cpp:{record.lineno}] '
        return head + record.getMessage()


class LogFile(logging.FileHandler):
    """A log file that says nothing where the disk is full: saving the weights will fail and say so.
    """

    def handleError(self, record: logging.LogRecord) -> None:
        pass

    def close(self) -> None:
        with suppress(OSError):
            super().close()


def to_file(path: Path) -> logging.Handler:
    """Append the log to a file from now on; return the handler, for `stop`.

    Raises ValueError for a file that holds something else.
    """
    if path.is_file():
        with path.open('rb') as file:
            head = file.read(1 << 16)
        if head.strip() and not LINE.search(head):
            raise ValueError(f'{path}: is there and holds no log, and the log would be appended '
                             'to it; name another file')
    path.parent.mkdir(parents=True, exist_ok=True)
    return _start(LogFile(path, encoding='utf-8'))


def to_stderr() -> logging.Handler:
    """Show the log on stderr from now on; return the handler, for `stop`."""
    return _start(logging.StreamHandler(sys.stderr))


def to_stdout() -> logging.Handler:
    """Show the log on stdout from now on; return the handler, for `stop`."""
    return _start(logging.StreamHandler(sys.stdout))


def warnings() -> logging.Handler:
    """Show warnings, a plain line each, on stderr from now on; return the handler, for `stop`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.WARNING)
    return _start(handler, logging.Formatter('fcn: warning: %(message)s'))


def lines() -> logging.Handler:
    """Show the log, a plain line each, on stderr from now on; return the handler, for `stop`."""
    return _start(logging.StreamHandler(sys.stderr), logging.Formatter('fcn: %(message)s'))


def hold() -> MemoryHandler:
    """Keep the log in memory from now on, for `replay`; return the handler, for `stop`."""
    held = MemoryHandler(MANY, flushLevel=logging.CRITICAL + 1, flushOnClose=False)
    _start(held)
    return held


def replay(held: MemoryHandler, handlers: Iterable[logging.Handler]) -> None:
    """Give what was held to other handlers, and hold no more."""
    logging.getLogger('port').removeHandler(held)
    for handler in handlers:
        for record in held.buffer:
            if record.levelno >= handler.level:
                handler.handle(record)
    held.buffer.clear()


@contextmanager
def handling(handler: Handler) -> Iterator[Handler]:
    """Stop a handler when the block ends."""
    try:
        yield handler
    finally:
        stop(handler)


def _start(handler: logging.Handler, form: logging.Formatter | None = None) -> logging.Handler:
    handler.setFormatter(form or Format())
    root = logging.getLogger('port')
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    return handler


def stop(handler: logging.Handler) -> None:
    """End what one of the above began."""
    logging.getLogger('port').removeHandler(handler)
    handler.close()
