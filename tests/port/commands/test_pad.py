"""fcn pad: the figures it prints, ranges, the net that it tells to generate, and mistakes."""

import json
import re
from pathlib import Path

import pytest

from netspec.schema import read_net


def test_pad_and_the_net_it_tells_to_generate(tmp_path: Path, fcn) -> None:
    done = fcn('pad', 'voc-fcn32s', '--size', '375x500')
    first, cost, warning, command = done.output.splitlines()
    assert first == ('voc-fcn32s covers images of 375x500 with a padding of 81; published: 100')
    now, before, saved = map(float, re.fullmatch(
        r'([\d.]+) in place of ([\d.]+) G multiply-adds at 375x500: ([\d.]+)% less', cost).groups())
    told = json.loads(fcn('summary', 'voc-fcn32s', '--size', '375x500', '--json').output)
    assert before == pytest.approx(told['totals']['multiply_adds'] / 1e9, abs=0.05)
    assert saved == pytest.approx(100 * (1 - now / before), abs=0.1) and saved > 10
    assert 'finetuned with 100 want 100' in warning
    words = command.split()
    assert words[:5] == ['fcn', 'generate', 'voc-fcn32s', '--pad', '81']
    assert fcn(*words[1:-1], tmp_path).exit_code == 0
    layers = {layer.name: layer for layer in read_net(tmp_path / 'train.prototxt').layer}
    assert layers['conv1_1'].convolution_param.pad == [81]
    assert layers['conv1_2'].convolution_param.pad == [1]
    assert layers['score'].crop_param.offset == [0]


def test_a_range_is_named(fcn) -> None:
    done = fcn('pad', 'voc-fcn-alexnet', '--size', '60x64-66x64')
    assert done.output.startswith('voc-fcn-alexnet covers images of 60x64 to 66x64 with a padding')


@pytest.mark.parametrize(('args', 'code', 'text'), [
    (['voc-fcn8s', '--size', '500'], 2, 'expected HEIGHTxWIDTH'),
    (['voc-fcn8s', '--size', '500x500-400x600'], 2, 'first size is larger'),
    (['voc-fcn8s'], 2, '--size'),
    (['voc-fcn33s', '--size', '9x9'], 2, "did you mean 'voc-fcn32s'"),
    (['camvid-segnet', '--size', '360x480'], 1, 'does not pad the image')])
def test_mistakes(args: list[str], code: int, text: str, fcn) -> None:
    done = fcn('pad', *args)
    assert done.exit_code == code and text in done.output


def test_generate_refuses_too_little_padding(tmp_path: Path, fcn) -> None:
    done = fcn('generate', 'voc-fcn32s', '--pad', 80, '--out', tmp_path / 'n')
    assert done.exit_code == 1 and 'pad its input more' in done.output
    assert not list(tmp_path.iterdir())
