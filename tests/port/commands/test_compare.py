"""fcn compare: table, files, exit status, and one line for each mistake."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from netspec.families.fcn import fcn
from netspec.schema.messages import TEST
from port.cli import main
from port.engine.net import Net
from port.export.onnx_file import export, random_weights


def invoke(*args) -> object:
    return CliRunner().invoke(main, ['compare', *map(str, args)])


@pytest.fixture(scope='module')
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('models')
    net = Net(fcn('voc-fcn16s', 'deploy', width=1 / 16), TEST)
    random_weights(net, 5)
    net.save(folder / 'w.caffemodel')
    export(net, folder / 'same.onnx', 'voc-fcn16s')
    random_weights(net, 6)
    export(net, folder / 'other.onnx', 'voc-fcn16s')
    return folder


def test_same_net(models: Path, scenes, tmp_path: Path) -> None:
    done = invoke(f'voc-fcn16s:{models}/w.caffemodel', models / 'same.onnx', '--width', 1 / 16,
                  '--images', scenes.voc / 'JPEGImages', f'--json={tmp_path / "r.json"}', '--html',
                  tmp_path / 'r.html', '--check')
    assert done.exit_code == 0, done.output
    assert 'of the largest score' in done.output
    assert json.loads((tmp_path / 'r.json').read_text())['total']['agreement'] > .9999
    assert (tmp_path / 'r.html').read_text().startswith('<!doctype html>')


def test_no_model(scenes) -> None:
    done = invoke('a', 'b', '--images', scenes.voc / 'JPEGImages')
    assert done.exit_code == 1 and "no net, folder or prototxt is named 'a'" in done.output
    done = invoke('voc-fcn8s', 'b', '--images', scenes.voc / 'JPEGImages')
    assert "'voc-fcn8s' names no weights; expected NET:WEIGHTS, opencv:" in done.output


def test_other_weights_fail_the_check(models: Path, scenes) -> None:
    args = (models / 'same.onnx', models / 'other.onnx', '--images', scenes.voc / 'JPEGImages')
    assert invoke(*args).exit_code == 0
    done = invoke(*args, '--check')
    assert done.exit_code == 1 and 'do not agree' in done.output


@pytest.mark.parametrize(('args', 'code', 'text'), [
    (['a', 'b'], 2, '--images'),
    (['a', 'b', '--images', '.', '--mean', '1,2'], 2, "'1,2' is no mean"),
    (['a', 'b', '--images', '.', '--net', 'voc-fcn8s'], 2, '--net is now --mean'),
    (['a', 'b', '--images', 'none.png'], 1, 'none.png: no such image'),
    (['a', 'b', '--images', 'tests/golden'], 1, 'no pictures in this folder')])
def test_mistakes(args: list[str], code: int, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).resolve().parents[3])
    done = invoke(*args)
    assert done.exit_code == code and text in done.output
