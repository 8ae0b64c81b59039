"""port.reproduce.report_pictures: what the lines of the curves are called."""

from pathlib import Path

import pytest

from port.reproduce import report_pictures as pictures


@pytest.mark.parametrize(('split', 'label'), [
    ('val', 'n, SEG Table 1 on test'), ('test', 'n, SEG Table 1')])
def test_a_published_line_names_its_list_where_it_is_another(tmp_path: Path, monkeypatch, split,
                                                             label):
    drawn, axes = [], pictures._axes

    def kept(*size):
        drawn.append(axes(*size))
        return drawn[-1]
    monkeypatch.setattr(pictures, '_axes', kept)
    target = {'metric': 'mean IU', 'published': 45.0, 'source': 'SEG Table 1', 'target': True,
              'split': 'test'}
    blocks = [{'iteration': i, 'mean IU': 10.0 * i} for i in (1, 2)]
    pictures.block_curve(tmp_path / 'c.png', [{'name': 'n', 'metric': 'mean IU', 'split': split,
                                               'blocks': blocks, 'comparison': [target]}])
    ((_, curve),) = drawn
    assert [text.get_text() for text in curve.get_legend().get_texts()] == ['n', label]
