"""Old scripts, converted in memory: Python 2 source to code that runs the same on Python 3.

Written here because lib2to3 left the standard library: tokens for the syntax, the tree for the
meaning (integer division, lists from map and keys, renamed modules).
"""

from port.pycaffe.py2.loader import Py2Finder, Script
from port.pycaffe.py2.tree import convert

__all__ = ['Py2Finder', 'Script', 'convert']
