"""The least padding against running nets: one pixel less does not do, and what it saves."""

import pytest

from netspec.coord_map import AlignmentError
from netspec.families import make_net
from netspec.schema.messages import TEST
from netspec.variants import VARIANTS
from port.describe.least_padding import least_padding
from port.engine.net import Net


def covers(name: str, pad: int, size: tuple[int, int]) -> bool:
    """Whether the net can be built and gives a score for each pixel."""
    try:
        net = Net(make_net(name, 'deploy', width=1 / 64, pad=pad), TEST)
    except AlignmentError:
        return False
    net.blobs['data'].reshape(1, 3, *size)
    try:
        net.reshape()
    except ValueError:
        return False
    return net.blobs['score'].shape[2:] == size


@pytest.mark.parametrize(('name', 'size'), [
    ('voc-fcn32s', (375, 500)), ('voc-fcn8s', (120, 97)), ('voc-fcn-alexnet', (64, 64))])
def test_one_pixel_less_does_not_do(name: str, size: tuple[int, int]) -> None:
    found = least_padding(VARIANTS[name], [size], size)
    assert covers(name, found.pad, size) and not covers(name, found.pad - 1, size)
    assert 0 < found.saved < 1 and found.published == 100


def test_least_padding_of_fcn32s_follows_from_its_coordinates() -> None:
    """The published offset 19 is what 100 pixels leave: with 81 the scores begin with the image."""
    found = least_padding(VARIANTS['voc-fcn32s'], [(500, 500)], (500, 500))
    net = make_net('voc-fcn32s', 'deploy')
    assert net.layer[-1].crop_param.offset == [19] and found.pad == 100 - 19
    assert make_net('voc-fcn32s', 'deploy', pad=81).layer[-1].crop_param.offset == [0]


def test_a_range_asks_for_the_most_of_its_sizes() -> None:
    row = VARIANTS['voc-fcn-alexnet']
    alone = [least_padding(row, [(side, side)], (side, side)).pad for side in range(60, 70)]
    together = least_padding(row, [(side, side) for side in range(60, 70)], (64, 64)).pad
    assert together >= max(alone) > min(alone)


@pytest.mark.parametrize('name', ['voc-fcn8s-resnet34', 'deeplab-largefov', 'voc-fcn-googlenet'])
def test_nets_without_such_padding_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f'{name} does not pad the image'):
        least_padding(VARIANTS[name], [(64, 64)], (64, 64))
