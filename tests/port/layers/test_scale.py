"""Scale against numpy's broadcasting: parameter or second bottom, bias, in place; recorded."""

import numpy as np
import pytest
import torch

from netspec.schema.messages import TRAIN

GAUSS = '{ type: "gaussian" std: 1 }'


def case(seed):
    """Random shape, the axes that the scale spans, the axis as given, and whether with bias."""
    r = np.random.RandomState(seed)
    shape = tuple(r.randint(2, 5, r.randint(1, 5)))
    at = r.randint(len(shape))
    many = r.randint(0, len(shape) - at + 1)
    return r, shape, at, many, at - len(shape) * r.randint(2), bool(r.randint(2))


def wide(scale, shape, at):
    return scale.reshape((1,) * at + scale.shape + (1,) * (len(shape) - at - scale.ndim))


def gathered(dy, at, many):
    return dy.sum(tuple(a for a in range(dy.ndim) if not at <= a < at + many))


@pytest.mark.parametrize('in_place', [False, True])
@pytest.mark.parametrize('seed', range(16))
def test_as_a_parameter(drive, close, seed, in_place):
    r, shape, at, many, given, biased = case(seed)
    x, dy = r.standard_normal(shape), r.standard_normal(shape)
    count = -1 if at + many == len(shape) else many
    driven = drive(f'type: "Scale" scale_param {{ axis: {given} num_axes: {count} '
                   f'bias_term: {str(biased).lower()} filler {GAUSS} bias_filler {GAUSS} }}', [x],
                   TRAIN, torch.float64, in_place)
    scale, *bias = (b.data.numpy() for b in driven.layer.blobs)
    assert len(bias) == biased and scale.shape == shape[at:at + many]
    close(driven.forward()[0], x * wide(scale, shape, at)
          + sum(wide(b, shape, at) for b in bias), 1e-12)
    driven.backward([dy])
    close(driven.bottom[0].diff.numpy(), dy * wide(scale, shape, at), 1e-12)
    close(driven.layer.blobs[0].diff.numpy(), gathered(dy * x, at, many), 1e-12)
    for blob in driven.layer.blobs[1:]:
        close(blob.diff.numpy(), gathered(dy, at, many), 1e-12)


@pytest.mark.parametrize('in_place', [False, True])
@pytest.mark.parametrize('seed', range(16))
def test_as_the_second_bottom(drive, close, seed, in_place):
    r, shape, at, many, given, biased = case(seed)
    x, dy, scale = (np.asarray(r.standard_normal(s)) for s in (shape, shape, shape[at:at + many]))
    driven = drive(f'type: "Scale" scale_param {{ axis: {given} bias_term: '
                   f'{str(biased).lower()} bias_filler {GAUSS} }}', [x, scale], TRAIN,
                   torch.float64, in_place)
    bias = [wide(b.data.numpy(), shape, at) for b in driven.layer.blobs]
    close(driven.forward()[0], x * wide(scale, shape, at) + sum(bias), 1e-12)
    driven.backward([dy])
    close(driven.bottom[0].diff.numpy(), dy * wide(scale, shape, at), 1e-12)
    close(driven.bottom[1].diff.numpy(), gathered(dy * x, at, many), 1e-12)
    for blob in driven.layer.blobs:
        close(blob.diff.numpy(), gathered(dy, at, many), 1e-12)


@pytest.mark.parametrize(('shape', 'sums'), [((2, 3), True), ((1, 3), False), ((1, 3, 1), False)])
def test_a_scale_as_large_as_the_bottom_is_overwritten(drive, shape, sums):
    """Caffe multiplies straight into such a scale's diff, so that two passes do not add up."""
    driven = drive('type: "Scale" scale_param { bias_term: true }', [np.ones(shape)])
    driven.forward()
    for _ in range(2):
        driven.top[0].diff = torch.ones(shape)
        driven.layer.backward(driven.top, [True], driven.bottom)
    scale, bias = (b.diff.tolist() for b in driven.layer.blobs)
    assert bias == [2 * shape[0]] * 3
    assert scale == ([4] * 3 if sums else [1] * 3)


@pytest.mark.parametrize('in_place', [False, True])
def test_gradient(check_gradient, in_place):
    x = np.random.RandomState(1).standard_normal((2, 3, 4))
    check_gradient('type: "Scale" scale_param { bias_term: true }', [x], in_place=in_place)
    check_gradient('type: "Scale" scale_param { axis: 0 bias_term: true }', [x, x[:, :, 0]])


def test_starts_as_the_identity(drive):
    x = np.random.RandomState(2).standard_normal((2, 3)).astype('f')
    assert np.array_equal(drive('type: "Scale" scale_param { bias_term: true }',
                                [x]).forward()[0], x)


def test_a_fixed_scale_in_place_keeps_no_copy(overwrites, drive):
    driven = drive('type: "Scale"', [np.ones((2, 3))], in_place=True)
    driven.layer.param_propagate_down = [False]
    driven.forward()
    assert driven.layer.kept is None
    overwrites('type: "Scale"')


@pytest.mark.parametrize(('options', 'said'), [
    ('axis: 3', 'axis 3 is out of range'), ('axis: 1 num_axes: 3', 'reach past the 3 axes'),
    ('num_axes: -2', 'num_axes is -2')])
def test_refuses_axes_that_are_not_there(drive, options, said):
    with pytest.raises(ValueError, match=said):
        drive(f'type: "Scale" scale_param {{ {options} }}', [np.ones((2, 3, 4))])


def test_refuses_a_second_bottom_that_does_not_fit(drive):
    with pytest.raises(ValueError, match='does not fit bottom'):
        drive('type: "Scale"', [np.ones((2, 3, 4)), np.ones(4)]).forward()


@pytest.mark.parametrize('name', ['scale_bias', 'scale_channel', 'scale_scalar_const',
                                  'scale_two_bottoms'])
def test_recorded(recorded, name):
    recorded(name)
