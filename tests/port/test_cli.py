"""The frame of the command line: verbs, statuses, one line for an error, traceback on demand."""

import errno
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from port import cli

ROOT = Path(__file__).resolve().parents[2]
VERBS = cli.main.list_commands(click.Context(cli.main))


def call(*args: str):
    return CliRunner().invoke(cli.main, list(args), prog_name='fcn')


@pytest.fixture
def verb(monkeypatch):
    """verb(function) -> what `fcn` answers when its verb `list` does that."""
    def run(action, *options: str):
        command = click.Command('list', callback=action)
        monkeypatch.setattr(cli.Verbs, 'get_command', lambda self, ctx, name: command)
        return call(*options, 'list')
    return run


def raising(error: BaseException):
    def action() -> None:
        raise error
    return action


@pytest.mark.parametrize('name', VERBS)
def test_help_ends_with_an_example(name: str) -> None:
    result = call(name, '--help')
    assert result.exit_code == 0
    last = result.output.strip().split('\n\n')[-1]
    assert last.strip().startswith('Example:') and f'fcn {name}' in last


def test_help_lists_every_verb() -> None:
    result = call('--help')
    assert result.exit_code == 0
    assert all(f'\n  {name} ' in result.output for name in VERBS)
    assert {'list', 'generate', 'surgery', 'train', 'test', 'score', 'infer', 'export',
            'demo'} <= set(VERBS)


@pytest.mark.parametrize('args, words', [
    (['trian'], "No such command 'trian'; did you mean 'train'?"),
    (['xyzzy'], "No such command 'xyzzy'; expected one of "),
    (['list', '--jsn'], "No such option '--jsn'"),
    (['generate', 'voc-fcn8'],
     "no net, folder or prototxt is named 'voc-fcn8'; did you mean 'voc-fcn8s'?"),
    (['surgery', 'voc-fcn8s', '--from', 'x'], "Missing option '--out'"),
])
def test_wrong_usage_is_one_line_and_status_2(args: list[str], words: str) -> None:
    result = call(*args)
    assert result.exit_code == 2 and result.stdout == ''
    (line,) = result.stderr.splitlines()
    assert line.startswith('fcn: ') and words in line
    assert line.endswith('--help)')


@pytest.mark.parametrize('error, line', [
    (ValueError('two\n  lines'), 'two lines'),
    (KeyError("no blob 'x'"), "no blob 'x'"),
    (FileNotFoundError('/x: no such image'), '/x: no such image'),
    (FileNotFoundError(errno.ENOENT, 'No such file or directory', '/x/y'),
     '/x/y: No such file or directory'),
    (OSError(errno.ENOSPC, 'a.caffemodel: not written: No space left on device'),
     'a.caffemodel: not written: No space left on device'),
    (ZeroDivisionError(), 'ZeroDivisionError'),
    (ModuleNotFoundError('No module named lmdb'), 'No module named lmdb'),
    (RuntimeError('CUDA out of memory.'), 'CUDA out of memory.'),
])
def test_failure_is_one_line_and_status_1(error: Exception, line: str, verb) -> None:
    result = verb(raising(error))
    assert (result.exit_code, result.stderr) == (1, f'fcn: {line}\n')


def test_notes_stand_in_the_same_line(verb) -> None:
    error = ValueError('bad value')
    error.add_note("net.prototxt:3:\n  layer 'x'")
    assert verb(raising(error)).stderr == "fcn: bad value (net.prototxt:3: layer 'x')\n"


def test_debug_shows_the_traceback(verb) -> None:
    error = ValueError('bad value')
    result = verb(raising(error), '--debug')
    assert result.exception is error and result.exit_code == 1


def test_interruption(verb) -> None:
    result = verb(raising(KeyboardInterrupt()))
    assert (result.exit_code, result.stderr) == (130, 'fcn: interrupted\n')


def test_status_of_a_command_is_kept(verb) -> None:
    assert verb(lambda: None).exit_code == 0
    assert verb(lambda: sys.exit(7)).exit_code == 7
    assert verb(raising(click.exceptions.Exit(3))).exit_code == 3
    result = verb(raising(click.ClickException('differs')))
    assert (result.exit_code, result.stderr) == (1, 'fcn: differs\n')


def test_version() -> None:
    assert call('--version').output.startswith('fcn, version ')


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    """`fcn list | head -1` says nothing on stderr."""
    done = subprocess.run(f'"{sys.executable}" -m port.cli list --json | head -c 1', shell=True,
                          cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ('[', '')


def test_a_long_error_is_cut_to_a_screen(verb) -> None:
    done = verb(raising(ValueError('begin ' + 'x' * 1_700_000 + ' end')))
    assert done.exit_code == 1 and len(done.output) < 2100
    assert done.output.startswith('fcn: begin xxx') and done.output.endswith('xxx end\n')
    assert '(1,698,010 characters left out)' in done.output


def test_out_of_file_handles() -> None:
    """Python finds no file then, and would say that there is no such command."""
    text = ('import os\nfrom port import cli\n'
            'try:\n    while True: os.open(os.devnull, os.O_RDONLY)\nexcept OSError: pass\n'
            'cli.main(["train", "--solver", "x"])')
    done = subprocess.run(['sh', '-c', 'ulimit -n 64; exec "$0" -c "$1"', sys.executable, text],
                          capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert done.stderr == ('fcn: Too many open files: this shell allows no more (ulimit -n), or '
                           'other programs hold too many\n')
