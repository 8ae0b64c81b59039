"""Caffe's log lines (glog): `I1120 07:38:19.123456  4711 solver.cpp:239] Iteration 20, …`.

Log parsers that people have read the time, and what follows the bracket.
"""

import logging
import os
import sys
from datetime import datetime
from pathlib import Path

LETTER = {logging.DEBUG: 'I', logging.INFO: 'I', logging.WARNING: 'W', logging.ERROR: 'E',
          logging.CRITICAL: 'F'}


class Format(logging.Formatter):
    """One record in glog's form; the file named is Caffe's of the same task."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created)
        source = record.name.removeprefix('port.').split('.')[0]
        stamp = f'{LETTER.get(record.levelno, "I")}{when:%m%d %H:%M:%S.%f}'
        head = f'{stamp} {os.getpid():5d} {source}.cpp:{record.lineno}] '
        return head + record.getMessage()


def to_file(path: Path) -> logging.Handler:
    """Append the log to a file from now on; return the handler, for `stop`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return _start(logging.FileHandler(path, encoding='utf-8'))


def to_stderr() -> logging.Handler:
    """Show the log on stderr from now on; return the handler, for `stop`."""
    return _start(logging.StreamHandler(sys.stderr))


def _start(handler: logging.Handler) -> logging.Handler:
    handler.setFormatter(Format())
    root = logging.getLogger('port')
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    return handler


def stop(handler: logging.Handler) -> None:
    """End what to_file or to_stderr began."""
    logging.getLogger('port').removeHandler(handler)
    handler.close()
