"""port.pycaffe.py2 and fcn run: old scripts run whole, as Python 2 ran them."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from port.cli import main


def run(folder: Path, script: str, *options: str, args: tuple[str, ...] = ()) -> Result:
    return CliRunner().invoke(main, ['run', *options, str(folder / script), *args])


# Each line prints; beside it what Python 2.7 prints.
LINES = [
    ('print 7 / 2, -7 / 2, 7 / 2.0', '3 -4 3.5'),
    ('print np.array([7, 8]) / 2, np.array([7.]) / 2', '[3 4] [3.5]'),
    ('x = 7; x /= 2; print x', '3'),
    ('print str(dict(split="train", mean=(1, 2), seed=1337))',
     "{'seed': 1337, 'split': 'train', 'mean': (1, 2)}"),
    ('a = np.arange(4); a /= 2; print a', '[0 0 1 1]'),
    ('d["k"] /= 2; print d["k"]', '3'),
    ('print d.keys()[0], d.has_key("k"), d.has_key("z")', 'k True False'),
    ('print sorted(d.iteritems()), d.itervalues().next()', "[('k', 3)] 3"),
    ('print map(None, [1, 2], [3]), map(str, range(2)), zip([1], [2])',
     "[(1, 3), (2, None)] ['0', '1'] [(1, 2)]"),
    ('print filter(None, [0, 1]), range(3) + [4], reduce(lambda a, b: a + b, xrange(4))',
     '[1] [0, 1, 2, 4] 6'),
    ('print round(2.5), round(-1.25, 1), cmp(1, 2)', '3.0 -1.3 -1'),
    ('print sorted([3, 1, 2], cmp=lambda a, b: cmp(b, a))', '[3, 2, 1]'),
    ('print isinstance("a", basestring), unicode(3), long(2) + 1, unichr(65)', 'True 3 3 A'),
    ('print np.int(3.7), np.float(2), np.zeros(1, dtype=np.bool)[0]', '3 2.0 False'),
    ('print [x for x in Count()], bool(Count()), Count().next()', '[1, 2] False 1'),
    ('print list(izip([1], [2])), cPickle.loads(cPickle.dumps(5)), sys.maxint > 9',
     '[(1, 2)] 5 True'),
    ('print StringIO.StringIO("text").read(), Queue.Queue().empty()', 'text True'),
    ('print sorted(d.items(), key=lambda (k, v): -v), `d`', "[('k', 3)] {'k': 3}"),
    ('reload(sys); sys.setdefaultencoding("utf8"); print time.clock() > 0', 'True'),
    ('print old_division(7)', '3'),
    ('print new_division(7)', '3.5'),
    ('print __name__, os.path.basename(__file__)', '__main__ script.py')]

HEAD = '''import os, sys, time, cPickle, StringIO, Queue
from itertools import izip
import numpy as np
from beside import old_division
from future import new_division

class Count:
    def __init__(self):
        self.i = 0
    def __iter__(self):
        return self
    def next(self):
        self.i += 1
        if self.i > 2:
            raise StopIteration, "done"
        return self.i
    def __nonzero__(self):
        return False

d = {"k": 7}
'''


@pytest.fixture(scope='module')
def printed(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp('old')
    (folder / 'beside.py').write_text('def old_division(x):\n    return x / 2\n')
    (folder / 'future.py').write_text('from __future__ import division\n'
                                      'def new_division(x):\n    return x / 2\n')
    (folder / 'script.py').write_text(HEAD + '\n'.join(line for line, _ in LINES) + '\n')
    done = run(folder, 'script.py', '--py2')
    assert done.exit_code == 0, done.stderr
    assert not list(folder.rglob('*.pyc'))
    return done.stdout.splitlines()


@pytest.mark.parametrize('k', range(len(LINES)), ids=[line for line, _ in LINES])
def test_line(printed, k) -> None:
    assert printed[k] == LINES[k][1]


def test_errors_show_the_scripts_own_lines(tmp_path) -> None:
    (tmp_path / 's.py').write_text('print "first"\n\ndef f():\n    raise ValueError, "no"\nf()\n')
    done = run(tmp_path, 's.py', '--py2')
    assert done.exit_code == 1 and done.stdout == 'first\n'
    assert done.stderr.splitlines()[0] == 'Traceback (most recent call last):'
    assert 's.py", line 5' in done.stderr.splitlines()[1]
    assert 'line 4, in f' in done.stderr and 'raise ValueError, "no"' in done.stderr
    (tmp_path / 't.py').write_text('x = 1\nwhile = 2\n')
    bad = run(tmp_path, 't.py', '--py2')
    assert bad.exit_code == 1 and 't.py", line 2' in bad.stderr and 'SyntaxError' in bad.stderr
    hint = run(tmp_path, 's.py')
    assert hint.exit_code == 1 and hint.stderr.endswith('Python 2: fcn run --py2 …\n')


def test_without_py2_nothing_is_converted(tmp_path) -> None:
    (tmp_path / 's.py').write_text('import sys\nprint(7 / 2, sys.argv[1:])\n')
    before = sys.argv, list(sys.path), sys.modules['__main__']
    assert run(tmp_path, 's.py', args=('--py2', '-x')).stdout == "3.5 ['--py2', '-x']\n"
    assert before == (sys.argv, sys.path, sys.modules['__main__'])


def test_exit_and_missing_scripts(tmp_path) -> None:
    (tmp_path / 's.py').write_text('import sys\nsys.exit(3)\n')
    assert run(tmp_path, 's.py').exit_code == 3
    missing = run(tmp_path, 'absent.py')
    assert missing.exit_code == 1 and 'absent.py: no such script' in missing.stderr
