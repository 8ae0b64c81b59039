"""port.reproduce.report_card: what a run ends with in the terminal."""

from pathlib import Path

import pytest

from port.reproduce.report_card import card, closing

LINE = {'metric': 'mean IU', 'measured': 46.0, 'published': 45.0, 'difference': 1.0,
        'source': 'SegNet paper Table 1', 'target': True, 'split': 'test'}


def row(name: str = 'n', split: str = 'test', **more: object) -> dict:
    return {'name': name, 'split': split, 'comparison': [LINE], 'refined': None, 'iterations': 8,
            'images': {'a': 0.5}, 'measured': {'pixel accuracy': 80.0, 'mean IU': 46.0},
            'metric': 'mean IU', **more}


def lines(caveats: list[str], *rows: dict) -> list[str]:
    content = {'stages': list(rows), 'caveats': caveats, 'released': False}
    return closing(content, Path('o')).splitlines()


@pytest.mark.parametrize(('split', 'cited'), [('test', 'SegNet paper Table 1'),
                                              ('val', 'SegNet paper Table 1, on test')])
def test_figures_that_are_of_another_list_say_so(split, cited):
    assert card(row(split=split)) == [['pixel accuracy', '80.00', '-', '-', ''],
                                      ['mean IU', '46.00', '45.0', '+1.00', cited]]


def test_the_net_asked_for_comes_first_and_caveats_stand_under_its_figures():
    found = lines(['scored on 12 images'], row('coarse'), row('fine'))
    assert found[0] == 'fine on test (1 images, after 8 iterations), in percent:'
    assert found[1].split() == ['metric', 'measured', 'published', 'difference', 'source']
    assert found[3].split(maxsplit=5)[2:] == ['46.00', '45.0', '+1.00', 'SegNet paper Table 1']
    assert found[4:7] == ['  not the published run:', '  - scored on 12 images',
                          'before it, coarse: mean IU 46.00, published 45.0 '
                          '(SegNet paper Table 1), +1.00']
    assert found[-1] == 'report: o/report.html, o/report.md, o/report.json'


def test_where_nothing_is_published_caveats_are_to_know():
    found = lines(['scored on 12 images'], row(comparison=[]))
    assert '  to know of these figures:' in found and not any('published' in s for s in found)


def test_without_caveats_none_are_announced_and_a_crf_is():
    found = lines([], row(refined={'crf': '3,3,4,121,5', 'mean IU': 47.0}))
    assert not any('not the published' in line for line in found)
    assert '  mean IU 47.00 after the dense CRF 3,3,4,121,5' in found


def test_of_released_weights_four_decimals():
    assert card(row(), released=True)[1][1:4] == ['46.0000', '45.0', '+1.0000']
