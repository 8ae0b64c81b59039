"""fcn weights: what comes along, and whether a download is whole."""

import json
import re
from pathlib import Path

from click.testing import CliRunner

from netspec.known_weights import WEIGHTS, kept_file, kept_weights
from port.cli import main

RUNNER = CliRunner()


def test_the_list() -> None:
    done = RUNNER.invoke(main, ['weights'])
    assert done.exit_code == 0
    card = kept_file('camvid-fcn-basic').with_name('README.md').read_text(encoding='utf-8')
    found = re.search(r'these weights, (on val [^|]*) \| ([^|]*) \|', card)
    assert found and 'camvid-fcn-basic ' in done.output
    assert f'{found[1]}: {found[2]}' in done.output
    assert 'VGG_ILSVRC_16_layers.caffemodel' in done.output
    kept = json.loads(RUNNER.invoke(main, ['weights', '--json']).output)['kept']
    assert {row['name'] for row in kept} >= {'camvid-fcn-basic', 'camvid-segnet-basic'}


def test_the_page_has_what_the_cards_have() -> None:
    page = (WEIGHTS.parent / 'docs/weights.md').read_text(encoding='utf-8')
    rows = dict(re.findall(r'^\| `([\w-]+)`, [\d.]+ MB \| [^|]* \| ([\d.]+) \|', page, re.M))
    assert rows == {one.name: re.search(r'on val \(101 frames\) \| [\d.]+ / [\d.]+ / ([\d.]+)',
                                        one.card)[1] for one in kept_weights()}


def test_a_file_that_is_as_named_and_one_that_is_not(tmp_path: Path) -> None:
    good = kept_file('camvid-fcn-basic')
    done = RUNNER.invoke(main, ['weights', 'check', str(good)])
    assert (done.exit_code, done.output) == (0, f'{good}: camvid-fcn-basic, trained here\n')
    bad = tmp_path / 'bvlc_alexnet.caffemodel'
    bad.write_bytes(b'<html>')
    done = RUNNER.invoke(main, ['weights', 'check', str(bad)])
    assert done.exit_code == 1 and 'that of AlexNet is 9116a64c' in done.output
