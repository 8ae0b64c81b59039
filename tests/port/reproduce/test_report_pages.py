"""port.reproduce.report_pages: a net without published figures says so."""

from port.reproduce.report_pages import remarks

ROW = {'note': '', 'comparison': [], 'spread_of_others': None, 'absent': {'classes': []},
       'best': {'iteration': 4}, 'iterations': 4, 'refined': None}
LINE = {'metric': 'mean IU', 'measured': 1.0}


def test_none_published_is_said() -> None:
    assert remarks(ROW) == ['Figures of this net: none published.']
    assert remarks(ROW | {'comparison': [LINE]}) == []
