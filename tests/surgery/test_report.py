"""The report is loud exactly where the net would be useless."""

import numpy as np

from surgery.report import Report
from surgery.transplant import transplant

ONES = np.ones((2, 2, 1, 1), np.float32)
ZEROS = np.zeros((2, 2, 1, 1), np.float32)


def net(**layers: np.ndarray) -> dict[str, list[np.ndarray]]:
    return {layer: [weight.copy()] for layer, weight in layers.items()}


def loud(new: dict, old: dict) -> str:
    return '\n'.join(transplant(new, old).loud)


def test_a_layer_of_zeros_is_named_with_the_dropped_one_that_is_like_it():
    said = loud(net(conv1=ZEROS, fc6=ZEROS), net(conv1=ONES, fc6_conv=ONES))
    assert said.startswith('fc6: no weights') and 'ALL OUTPUTS WILL BE ZERO' in said
    assert 'fc6_conv, which was dropped, meant for fc6' in said


def test_score_and_upsampling_layers_may_be_zero():
    assert not loud(net(conv1=ZEROS, score_fr=ZEROS, score_frcolor=ZEROS, upscore2=ZEROS),
                    net(conv1=ONES))


def test_a_renamed_deconvolution_is_named():
    assert 'deconv: no weights' in loud(net(conv1=ZEROS, deconv=ZEROS), net(conv1=ONES))


def test_kernels_must_be_there_in_the_end():
    report = Report(missing={'upscore': [0]})
    report.warn(net(upscore=ZEROS), upsampling=True)
    assert 'upscore: no weights' in report.loud[0]


def test_a_random_layer_is_named_as_untrained():
    new = net(conv1=ZEROS, fc6=ONES * [[[[1]], [[2]]]])
    said = loud(new, net(conv1=ONES))
    assert said.startswith('fc6') and 'filler' in said and 'ZERO' not in said


def test_a_constant_layer_is_fine():
    assert not loud(net(conv1=ZEROS, scale_pool4=np.full(2, .01)), net(conv1=ONES))


def test_zeros_that_came_from_the_source_are_named():
    said = loud(net(conv1=ZEROS, conv2=ZEROS), net(conv1=ZEROS, conv2=ONES))
    assert said.startswith('conv1: the weights that came are all zero')


def test_nothing_in_common_is_named():
    assert 'nothing was transplanted' in loud(net(score=ZEROS), net(conv1=ONES))
    assert 'it holds no weights' in loud(net(score=ZEROS), {})


def test_text_tells_every_part():
    report = transplant(net(a=ZEROS, b=ZEROS, fc=ZEROS, lost=ZEROS),
                        net(a=ONES, b=ONES, fc=ONES.reshape(2, 2), fc8=ONES))
    assert str(report).splitlines()[:4] == [
        'copied (2): a, b', 'coerced (1): fc[0] (2, 2) -> (2, 2, 1, 1)', 'dropped (1): fc8',
        'without weights (1): lost']
    assert str(report).splitlines()[4].startswith('WARNING: lost: no weights')


def test_merge_is_missing_only_what_neither_brought():
    first = Report(copied={'a': [0]}, missing={'b': [0, 1], 'c': [0]})
    first.merge(Report(copied={'b': [0]}, missing={'a': [0], 'b': [1], 'c': [0]}))
    assert first.missing == {'b': [1], 'c': [0]} and first.copied == {'a': [0], 'b': [0]}


def test_what_a_filler_will_draw_is_not_alarming():
    """In a net without random numbers a layer is zero that training would start from its filler."""
    new = {'fc8': [ZEROS], 'fc7': [ZEROS]}
    report = Report(missing={'fc8': [0], 'fc7': [0]})
    report.warn(new, upsampling=True, drawn=['fc8'])
    assert [line.partition(':')[0] for line in report.loud] == ['fc7', 'fc8']
    assert 'ALL OUTPUTS WILL BE ZERO' in report.loud[0] and 'from the filler' in report.loud[1]
