"""Py2Dict shows its keys as Python 2.7 did, known from the data layers of the published nets."""

import pytest

from netspec.variants.data_splits import (
    CONTEXT_LAYER,
    NYUD_LAYER,
    SBDD_LAYER,
    SIFTFLOW_LAYER,
    VOC_LAYER,
)
from port.pycaffe.py2.dicts import Py2Dict, Table, hash_of

# layer, the keywords as the published net.py gives them, what it adds to the dict afterwards
PUBLISHED = [
    (SBDD_LAYER, ['split', 'mean', 'seed'], ['sbdd_dir']),
    (VOC_LAYER, ['split', 'mean', 'seed'], ['voc_dir']),
    (NYUD_LAYER, ['nyud_dir', 'split', 'tops', 'seed'], []),
    (SIFTFLOW_LAYER, ['siftflow_dir', 'split', 'seed'], []),
    (CONTEXT_LAYER, ['voc_dir', 'context_dir', 'split', 'seed'], [])]


@pytest.mark.parametrize(('layer', 'named', 'added'), PUBLISHED, ids=lambda p: str(p)[:40])
def test_the_orders_that_were_published(layer, named, added) -> None:
    made = Py2Dict(**dict.fromkeys(named, 1))
    for key in added:
        made[key] = 1
    assert str(made) == str(dict.fromkeys(layer.keys, 1))


def test_hashes_of_python_2() -> None:
    """hash('a'), hash('') and hash(-1) of Python 2.7 on 64 bits, as its documentation's CRCs."""
    assert hash_of('') == 0 and hash_of(5) == 5 and hash_of(-1) == 2 ** 64 - 2
    assert hash_of('a') == 12416037344
    assert hash_of('split') != hash_of('tilps')


def test_a_table_grows_and_keys_that_collide_move_on() -> None:
    table = Table()
    for key in (8, 0, 16, 1):                    # all of 8, 0, 16 begin at slot 0 of 8
        table.put(key)
    assert table.keys()[0] == 8 and sorted(table.keys()) == [0, 1, 8, 16]
    for key in range(100, 130):
        table.put(key)
    assert len(table.slots) == 128 and len(table.keys()) == 34
    assert [k for k in table.keys() if k < 20] == [0, 1, 8, 16]     # no collision in 128 slots


def test_it_is_a_dict_in_all_else() -> None:
    made = Py2Dict([('b', 1)], a=2)
    assert isinstance(made, dict) and made == {'a': 2, 'b': 1} and list(made) == ['b', 'a']
    del made['a']
    assert str(made) == "{'b': 1}" and str(Py2Dict({(1, 2): 3})) == '{(1, 2): 3}'
