"""A score layer grows: old classes first, the new ones as they were."""

import numpy as np
import pytest

from surgery.expand_score import expand_score


@pytest.mark.parametrize('old_bias', [(2,), (1, 1, 1, 2)])
@pytest.mark.parametrize('new_bias', [(5,), (1, 1, 1, 5)])
@pytest.mark.parametrize('old_weight', [(2, 3, 1, 1), (2, 3)])
def test_old_classes_come_first(old_bias, new_bias, old_weight):
    old = {'score': [np.arange(1, 7.).reshape(old_weight), np.array([8., 9]).reshape(old_bias)]}
    new = {'score59': [np.full((5, 3, 1, 1), -1.), np.full(new_bias, -1.)]}
    expand_score(new, 'score59', old, 'score')
    assert new['score59'][0].reshape(5, 3).tolist() == [[1, 2, 3], [4, 5, 6]] + [[-1] * 3] * 3
    assert new['score59'][1].reshape(-1).tolist() == [8, 9, -1, -1, -1]


def test_a_layer_without_bias():
    new = {'score': [np.zeros((3, 2, 1, 1)), np.zeros(3)]}
    expand_score(new, 'score', {'s': [np.ones((2, 2, 1, 1))]}, 's')
    assert new['score'][0].sum() == 4 and not new['score'][1].any()


@pytest.mark.parametrize('weight,bias', [((6, 3, 1, 1), (6,)), ((2, 4, 1, 1), (2,)),
                                         ((2, 3, 1, 1), (9,))])
def test_what_does_not_fit_is_an_error_and_nothing_is_copied(weight, bias):
    new = {'score': [np.zeros((5, 3, 1, 1)), np.zeros(5)]}
    with pytest.raises(ValueError, match="'old' blob . .*'score'"):
        expand_score(new, 'score', {'old': [np.ones(weight), np.ones(bias)]}, 'old')
    assert not new['score'][0].any()


def test_an_unknown_layer_is_named():
    with pytest.raises(KeyError, match="did you mean 'score_fr'"):
        expand_score({'score_fr': []}, 'score_f', {'a': []}, 'a')
