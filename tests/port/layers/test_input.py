"""Input: shapes from the net file first, then as the user reshapes."""

import numpy as np
import pytest


def text(*shapes, tops=1):
    rows = [' '.join(f'dim: {n}' for n in shape) for shape in shapes]
    given = ' '.join(f'shape {{ {row} }}' for row in rows)
    return f'type: "Input" input_param {{ {given} }}' + ' top: "t"' * tops


@pytest.mark.parametrize(('shapes', 'tops', 'expected'), [
    ([(1, 3, 4, 5)], 1, [(1, 3, 4, 5)]), ([(2,)], 3, [(2,)] * 3), ([(2,), (3, 4)], 2,
                                                                   [(2,), (3, 4)]),
    ([], 2, [(), ()]), ([()], 1, [()])])
def test_the_first_shapes(drive, shapes, tops, expected):
    assert [t.shape for t in drive(text(*shapes, tops=tops), []).top] == expected


def test_keeps_what_the_user_reshaped_and_wrote(drive):
    driven = drive(text((2, 3)), [])
    driven.top[0].reshape(4, 5)
    driven.top[0].data.fill_(6)
    found = driven.forward()[0]
    assert found.shape == (4, 5) and np.all(found == 6)
    driven.backward([np.ones((4, 5))])


def test_refuses_another_number_of_shapes(drive):
    with pytest.raises(ValueError, match=r'2 shapes for 3 top\(s\)'):
        drive(text((1,), (2,), tops=3), [])
