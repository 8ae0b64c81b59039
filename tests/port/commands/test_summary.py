"""fcn summary: names and files, sizes, JSON, and one line for each mistake."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from port.cli import main

ROOT = Path(__file__).resolve().parents[3]


def invoke(*args: str):
    return CliRunner().invoke(main, ['summary', *args])


def test_name_and_file_agree() -> None:
    by_name = invoke('voc-fcn32s', '--size', '64x64')
    by_file = invoke(str(ROOT / 'prototxt' / 'voc-fcn32s' / 'deploy.prototxt'), '--size', '64x64')
    assert by_name.exit_code == 0 and by_name.output == by_file.output
    assert '16 parameter layers, 134,346,581 parameters learnt' in by_name.output


def test_json() -> None:
    done = invoke('camvid-fcn8s', '--width', '0.0625', '--size', '64x96', '--json')
    assert json.loads(done.output)['layers'][0]['shape'] == [1, 3, 64, 96]


@pytest.mark.parametrize(('args', 'code', 'text'), [
    (['voc-fcn33s'], 2, "did you mean 'voc-fcn32s'"),
    (['none/net.prototxt'], 1, 'none/net.prototxt'),
    (['voc-fcn32s', '--size', '10x10,20x20'], 2, 'one size'),
    (['camvid-segnet-basic', '--size', '45x61'], 1, 'is made for images of 360x480'),
    ([str(ROOT / 'prototxt/voc-fcn32s/deploy.prototxt'), '--width', '0.5'], 2, 'its own width')])
def test_mistakes(args: list[str], code: int, text: str) -> None:
    done = invoke(*args)
    assert done.exit_code == code and text in done.output


def test_warnings_come_last_and_with_the_json() -> None:
    narrow = ('voc-fcn8s-resnet34', '--size', '64x96', '--width', '0.0625')
    lines = invoke(*narrow).output.splitlines()
    assert [line.split()[:2] for line in lines if line.startswith('warning')] == [
        ['warning:', 'upscore32c'], ['warning:', 'upscore16c'], ['warning:', 'score']]
    assert "lies 8 pixels up and left from 'score_res4'" in lines[-3]
    told = json.loads(invoke(*narrow, '--json').output)['warnings']
    assert [f'warning: {text}' for text in told] == lines[-3:]
    assert json.loads(invoke('voc-fcn8s', '--json').output)['warnings'] == []
