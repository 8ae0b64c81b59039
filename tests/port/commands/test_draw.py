"""fcn draw: pictures of names and files, and one line for each mistake."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from port.cli import main

ROOT = Path(__file__).resolve().parents[3]


def invoke(*args: str):
    return CliRunner().invoke(main, ['draw', *args])


@pytest.mark.parametrize('net', ['voc-fcn16s', str(ROOT / 'prototxt/voc-fcn16s/train.prototxt')])
def test_draw(net: str, tmp_path: Path) -> None:
    out = tmp_path / 'net.svg'
    done = invoke(net, '--size', '64x64', '--out', str(out), '--no-graphviz')
    assert done.exit_code == 0 and done.output.strip() == str(out)
    assert out.stat().st_size > 10_000


def test_mistakes(tmp_path: Path) -> None:
    done = invoke('voc-fcn8s', '--width', '0.0625', '--out', str(tmp_path / 'net.txt'))
    assert done.exit_code == 1 and done.output.startswith('fcn: ') and '.svg' in done.output
    done = invoke('voc-fcn9s', '--out', str(tmp_path / 'net.svg'))
    assert done.exit_code == 2 and 'did you mean' in done.output
