"""Bilinear kernels against hand-computed values, Caffe's filler and plain loops."""

from types import SimpleNamespace

import numpy as np
import pytest

from surgery.bilinear import interp, upsample_filt


@pytest.mark.parametrize('size,line', [(1, [1]), (2, [.5, .5]), (3, [.5, 1, .5]),
                                       (4, [.25, .75, .75, .25])])
def test_small_kernels(size, line):
    np.testing.assert_allclose(upsample_filt(size), np.outer(line, line), rtol=1e-15)


@pytest.mark.parametrize('size', [5, 8, 16, 32, 63, 64])
def test_kernels_are_products_of_triangles(size):
    factor, middle = (size + 1) // 2, (size - 1) / 2
    expected = [[(1 - abs(y - middle) / factor) * (1 - abs(x - middle) / factor)
                 for x in range(size)] for y in range(size)]
    np.testing.assert_allclose(upsample_filt(size), expected, rtol=0, atol=1e-15)  # float64 sums


def test_the_kernel_is_caffes_bilinear_filler(golden):
    recorded = np.load(golden / 'layers' / 'deconv_bilinear_filler.npz')['param:l:0']
    net = {'up': [np.zeros_like(recorded)]}
    interp(net, ['up'])
    np.testing.assert_array_equal(net['up'][0], recorded)


@pytest.mark.parametrize('dressed', [False, True])
def test_channels_go_onto_themselves(dressed):
    weight = np.zeros((3, 3, 4, 4), np.float32)
    net = {'upscore': [weight]}
    if dressed:
        net = SimpleNamespace(params={'upscore': [SimpleNamespace(data=weight)]})
    interp(net, ['upscore'])
    for out in range(3):
        for into in range(3):
            expected = upsample_filt(4) if out == into else np.zeros((4, 4))
            np.testing.assert_array_equal(weight[out, into], expected)


def test_what_stands_off_the_diagonal_stays():
    net = {'up': [np.full((2, 2, 2, 2), 7, np.float32)]}
    interp(net, ['up'])
    assert (net['up'][0][0, 1] == 7).all() and (net['up'][0][1, 1] == .25).all()


@pytest.mark.parametrize('shape,says', [
    ((2, 3, 4, 4), 'as many output as input'), ((2, 2, 4, 5), 'square'), ((2, 2), '4 dimensions')])
def test_other_shapes_are_errors_and_nothing_changes(shape, says):
    net = {'up': [np.zeros((2, 2, 4, 4))], 'upscore': [np.zeros(shape)]}
    with pytest.raises(ValueError, match=f"layer 'upscore' blob 0: .*{says}.*") as error:
        interp(net, ['up', 'upscore'])
    assert str(shape) in str(error.value) and not net['up'][0].any()


def test_an_unknown_layer_is_named():
    with pytest.raises(KeyError, match="did you mean 'upscore2'"):
        interp({'upscore2': [np.zeros((2, 2, 4, 4))]}, ['upscore_2'])


def test_a_weight_that_its_file_left_out_is_named() -> None:
    with pytest.raises(ValueError, match="layer 'up' blob 0: left out by its file"):
        interp({'up': [None]}, ['up'])
