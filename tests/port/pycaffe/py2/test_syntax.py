"""Each construct of Python 2 beside what Python 3 writes for it."""

import pytest

from port.pycaffe.py2.syntax import modernise
from port.pycaffe.py2.tokens import lex, text_of

PAIRS = [
    ('print', 'print()'), ('print a, b', 'print(a, b)'), ('print a,', "print(a, end=' ')"),
    ('print (a), b', 'print((a), b)'), ('print("a", b)', 'print(("a", b))'),
    ("print(a, end='')", "print(a, end='')"), ('print()', 'print()'),
    ('print >>f, a, b', 'print(a, b, file=f)'), ('print >> f', 'print(file=f)'),
    ('print >>f, a,', "print(a, file=f, end=' ')"),
    ('if x: print a; print b', 'if x: print(a); print(b)'),
    ('print a  # b, c', 'print(a)  # b, c'), ('print "a;b", `c`', 'print("a;b", repr(c))'),
    ('print "%s, %s" % (a,\n  b)\nc', 'print("%s, %s" % (a,\n  b))\nc'),
    ('x.print_it(a)', 'x.print_it(a)'), ('printed = 1', 'printed = 1'),
    ('except ValueError, e: pass', 'except ValueError as e: pass'),
    ('except (A, B), e:', 'except (A, B) as e:'), ('except (A, B):', 'except (A, B):'),
    ('except A as e:', 'except A as e:'), ('except: pass', 'except: pass'),
    ('raise E, "m"', 'raise E("m")'), ('raise E, ("a", b)', 'raise E("a", b)'),
    ('raise E, "m %s" % x, tb', 'raise E("m %s" % x).with_traceback(tb)'),
    ('raise E, (a) % b', 'raise E((a) % b)'), ('raise E(a, b)', 'raise E(a, b)'),
    ('raise', 'raise'), ('raise E, None, tb', 'raise E().with_traceback(tb)'),
    ('exec code', 'exec(code)'), ('exec code in d, e', 'exec(code, d, e)'),
    ('exec(code)', 'exec(code)'),
    ('a <> 0777', 'a != 0o777'), ('10L + 0xFFl + 0', '10 + 0xFF + 0'),
    ("ur'\\d' + u'a'", "r'\\d' + u'a'"), ('0.5e-3 + 08.5', '0.5e-3 + 08.5'),
    ('lambda (k, v): k + v', 'lambda _0: (lambda k, v: k + v)(*_0)'),
    ('f(lambda a, (b, c): b, d)', 'f(lambda a, _0: (lambda b, c: b)(*_0), d)'),
    ('lambda a: (a, b)', 'lambda a: (a, b)'),
    ('if x:\n\tif y:\n        \tz', 'if x:\n        if y:\n                z'),
    ('"print a"\n\'\'\'\nprint a\n\'\'\'', '"print a"\n\'\'\'\nprint a\n\'\'\''),
    ('from __future__ import print_function\nprint (a)',
     'from __future__ import print_function\nprint (a)')]


@pytest.mark.parametrize(('old', 'new'), PAIRS, ids=[old for old, _ in PAIRS])
def test_construct(old, new) -> None:
    assert modernise(old) == new


@pytest.mark.parametrize('old', [old for old, _ in PAIRS])
def test_tokens_lose_nothing(old) -> None:
    assert text_of(lex(old)) == old


def test_lines_keep_their_numbers() -> None:
    old = '\n'.join(f'{old}' for old, _ in PAIRS)
    assert modernise(old).count('\n') == old.count('\n')
