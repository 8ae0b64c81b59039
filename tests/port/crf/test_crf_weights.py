"""The published weights, and how weights are asked for."""

import re
from pathlib import Path

import pytest

from port.crf.crf_weights import SOURCES, CrfWeights, crf_weights


def test_by_name_and_by_numbers() -> None:
    assert crf_weights('deeplab-largefov') == CrfWeights(3, 3, 4, 121, 5)
    assert crf_weights('3,3,4,121,5') == crf_weights('deeplab-largefov')
    assert crf_weights(' 2.5, 3,4, 49 ,5') == CrfWeights(2.5, 3, 4, 49, 5)
    assert str(CrfWeights(2.5, 3, 4, 121, 5)) == '2.5,3,4,121,5'


@pytest.mark.parametrize('name', SOURCES)
def test_every_row_can_be_written_and_read(name: str) -> None:
    weights, source = SOURCES[name]
    assert crf_weights(str(weights)) == weights and source
    assert [term[0] for term in weights.terms()] == ['gaussian', 'bilateral']


def test_a_weight_of_nothing_is_no_term() -> None:
    assert crf_weights('0,3,4,121,5').terms() == [('bilateral', 4, 121, 5)]
    assert crf_weights('3,3,0,121,5').terms() == [('gaussian', 3, 3)]


def test_the_page_lists_them(tree: Path) -> None:
    """docs/crf.md has a row for each weights, with the names that share them."""
    page = (tree / 'docs' / 'crf.md').read_text(encoding='utf-8')
    rows = [line.split('|')[1:3] for line in page.splitlines() if line.startswith('| `deeplab')]
    listed = {}
    for names, weights in rows:
        first, *others = re.findall(r'`([^`]+)`', names)
        for name in (first, *(first.replace('-largefov', end) for end in others)):
            listed[name] = weights.strip()
    assert listed == {name: str(weights) for name, (weights, _) in SOURCES.items()}


@pytest.mark.parametrize('text, message', [
    ('deeplab-largfov', "did you mean 'deeplab-largefov'"),
    ('xyzzy', 'neither a model with published weights nor five numbers .* names: deeplab-4x4,'),
    ('3,3,4,121', r'has 4 number\(s\); expected five: pos_w,pos_xy,bi_w,bi_xy,bi_rgb'),
    ('3,3,4,121,5,1', r'has 6 number\(s\)'),
    ('3,0,4,121,5', 'standard deviations above 0'),
    ('0,0,4,121,5', 'standard deviations above 0'),
    ('3,3,nan,121,5', 'standard deviations above 0'),
    ('3,3,4,inf,5', 'standard deviations above 0'),
])
def test_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        crf_weights(text)
