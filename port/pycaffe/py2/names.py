"""What Python 2 had under names that Python 3 lacks, or means otherwise."""

import builtins
import functools
import importlib
import itertools
import math
import operator
import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from port.pycaffe.py2.dicts import Py2Dict


def _whole(value: Any) -> bool:
    """Whether a value divides as a Python 2 integer: int, or an integer array or scalar."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.dtype.kind in 'iu'
    return isinstance(value, int)


def divide(a: Any, b: Any) -> Any:
    """Return a / b as Python 2 does: whole numbers stay whole, rounded down."""
    if _whole(a) and _whole(b):
        return operator.floordiv(a, b)
    if hasattr(type(a), '__div__') and not hasattr(type(a), '__truediv__'):
        return a.__div__(b)
    return operator.truediv(a, b)


def divide_in_place(a: Any, b: Any) -> Any:
    """Return a after a /= b."""
    return operator.ifloordiv(a, b) if _whole(a) and _whole(b) else operator.itruediv(a, b)


def _map(function: Callable | None, *lists: Iterable) -> list:
    rows = itertools.zip_longest(*lists) if len(lists) > 1 else builtins.zip(
        *lists, strict=False)
    if function is None:
        return [row if len(lists) > 1 else row[0] for row in rows]
    return [function(*row) for row in rows]


def _round(number: float, digits: int = 0) -> float:
    factor = 10.0 ** digits
    return math.copysign(math.floor(abs(number) * factor + 0.5) / factor, number)


def _next(iterator: Any) -> Any:
    return iterator.next() if hasattr(iterator, 'next') else next(iterator)


def _cmp(a: Any, b: Any) -> int:
    return (a > b) - (a < b)


def _sorted(items: Iterable, cmp: Callable | None = None, key: Callable | None = None,
            reverse: bool = False) -> list:
    if cmp is not None:
        order = functools.cmp_to_key(cmp)
        key = order if key is None else lambda item, inner=key: order(inner(item))
    return builtins.sorted(items, key=key, reverse=reverse)


NAMES: dict[str, Any] = {
    'xrange': range, 'range': lambda *limits: list(range(*limits)),
    'map': _map, 'zip': lambda *lists: list(builtins.zip(*lists, strict=False)),
    'filter': lambda test, items: list(builtins.filter(test, items)),
    'raw_input': input, 'unicode': str, 'basestring': str, 'long': int, 'unichr': chr,
    'file': open, 'reduce': functools.reduce, 'reload': importlib.reload, 'cmp': _cmp,
    'sorted': _sorted, 'round': _round, 'intern': sys.intern, 'buffer': memoryview,
    'apply': lambda function, args=(), named=None: function(*args, **(named or {})),
    '__py2_div__': divide, '__py2_idiv__': divide_in_place,
    '__py2_next__': _next, '__py2_dict__': Py2Dict,
}

MODULES = {
    'ConfigParser': 'configparser', 'HTMLParser': 'html.parser', 'Queue': 'queue',
    'StringIO': 'io', 'Tkinter': 'tkinter', '__builtin__': 'builtins', 'cPickle': 'pickle',
    'cStringIO': 'io', 'commands': 'subprocess', 'copy_reg': 'copyreg',
    'httplib': 'http.client', 'thread': '_thread', 'urllib2': 'urllib.request',
    'urlparse': 'urllib.parse'}

# (module, what it had): (module, what has it now)
MEMBERS = {
    ('itertools', 'izip'): ('builtins', 'zip'), ('itertools', 'imap'): ('builtins', 'map'),
    ('itertools', 'ifilter'): ('builtins', 'filter'),
    ('itertools', 'izip_longest'): ('itertools', 'zip_longest'),
    ('time', 'clock'): ('time', 'perf_counter'),
    ('sys', 'setdefaultencoding'): ('builtins', 'str'),    # text is UTF-8 now: nothing to do
    ('sys', 'maxint'): ('sys', 'maxsize'), ('os', 'getcwdu'): ('os', 'getcwd'),
    ('string', 'letters'): ('string', 'ascii_letters'),
    ('string', 'lowercase'): ('string', 'ascii_lowercase'),
    ('string', 'uppercase'): ('string', 'ascii_uppercase'),
    ('urllib', 'urlopen'): ('urllib.request', 'urlopen'),
    ('urllib', 'urlretrieve'): ('urllib.request', 'urlretrieve'),
    ('urllib', 'urlencode'): ('urllib.parse', 'urlencode'),
    ('urllib', 'quote'): ('urllib.parse', 'quote'),
    ('urllib', 'unquote'): ('urllib.parse', 'unquote')}

NUMPY_ALIASES = {'int': 'int', 'float': 'float', 'bool': 'bool', 'object': 'object',
                 'str': 'str', 'long': 'int', 'unicode': 'str', 'complex': 'complex'}
