"""Joins of tops whose centres lie apart: told by how much, and what is said to mend it does."""

import re

import pytest

from netspec.families import make_net
from netspec.schema import parse_net
from netspec.schema.messages import TEST
from netspec.variants import VARIANTS
from port.describe.alignment import misaligned
from port.describe.net_shapes import shaped_net

# Nets that lie apart as their authors published them: the layers, and by how many pixels.
KNOWN = {'voc-fcn8s-resnet34': {'upscore32c': 8, 'upscore16c': 4, 'score': 3.5},
         'deeplab-4x4': {'score': 0.5}}
DATA = '''layer { name: "data" type: "Input" top: "data" input_param { shape {
    dim: 1 dim: 3 dim: 60 dim: 80 } } }
'''


def warnings(layers: str) -> list[str]:
    return misaligned(shaped_net(parse_net(DATA + layers), TEST))


def conv(name: str, bottom: str, options: str) -> str:
    return (f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}" '
            f'convolution_param {{ num_output: 3 {options} }} }}\n')


def join(kind: str, *bottoms: str, options: str = '') -> str:
    named = ' '.join(f'bottom: "{bottom}"' for bottom in bottoms)
    return f'layer {{ name: "join" type: "{kind}" {named} top: "join" {options} }}\n'


@pytest.mark.parametrize('name', VARIANTS)
def test_every_variant_but_the_known_ones_is_aligned(name: str) -> None:
    found = misaligned(shaped_net(make_net(name, 'deploy', width=1 / 16), TEST))
    told = {re.match(r'(\S+) \(', line)[1]: float(re.search(r'lies ([\d.]+) pixels', line)[1])
            for line in found}
    assert told == KNOWN.get(name, {})


def test_aligned_resnet34_is() -> None:
    """`aligned` mends what its authors have: the warnings are right about the kernels' parity."""
    net = make_net('voc-fcn8s-resnet34', 'deploy', width=1 / 16, aligned=True)
    assert not misaligned(shaped_net(net, TEST))


@pytest.mark.parametrize('kind', ['Eltwise', 'Concat'])
def test_whole_steps_are_cropped_away(kind: str) -> None:
    """Two 3 x 3 convolutions without padding begin two pixels further in than none."""
    branch = conv('a', 'data', 'kernel_size: 3') + conv('b', 'a', 'kernel_size: 3')
    padded = conv('c', 'data', 'kernel_size: 5 pad: 2')
    cut = '''layer { name: "d" type: "Crop" bottom: "c" bottom: "b" top: "d"
             crop_param { offset: %d } }\n'''
    [line] = warnings(branch + padded + cut % 0 + join(kind, 'd', 'b'))
    assert line == ("d (Crop): what is left of 'c' lies 2 pixels up and left from 'b'; "
                    'offset: 2 lays them on one another')
    assert not warnings(branch + padded + cut % 2 + join(kind, 'd', 'b'))


def test_a_join_by_itself() -> None:
    """Sizes agree by chance: 5 x 5 padded on one way, cropped at its end on the other."""
    layers = conv('a', 'data', 'kernel_size: 5') + '''
        layer { name: "b" type: "Crop" bottom: "data" bottom: "a" top: "b" }'''
    assert len(warnings(layers)) == 1                  # the Crop itself; its join is not told again
    assert len(warnings(layers + join('Eltwise', 'b', 'a'))) == 1
    quarter = conv('a', 'data', 'kernel_size: 2 stride: 2') + conv(
        'b', 'data', 'kernel_size: 1 stride: 2')
    [line] = warnings(quarter + join('Eltwise', 'a', 'b'))
    assert line.startswith("join (Eltwise): 'b' lies 0.5 pixels up and left from 'a', -0.25 of "
                           'their step of 2; no Crop mends that: change strides or padding')


def test_rows_and_columns_are_told_apart() -> None:
    layers = conv('a', 'data', 'kernel_h: 5 kernel_w: 3 pad_h: 0 pad_w: 1') + '''
        layer { name: "b" type: "Crop" bottom: "data" bottom: "a" top: "b"
                crop_param { offset: 1 offset: 0 } }'''
    [line] = warnings(layers)
    assert 'lies 1 pixels up from' in line and 'offset: 2 x 0' in line
    assert not warnings(layers.replace('offset: 1', 'offset: 2'))


def test_half_a_step_asks_for_the_other_parity() -> None:
    """A kernel of 4 upsamples by 2 to half a pixel beside a map of odd kernels."""
    down = conv('down', 'data', 'kernel_size: 3 stride: 2 pad: 1')
    up = '''layer { name: "up" type: "Deconvolution" bottom: "down" top: "up" convolution_param {
            num_output: 3 kernel_size: %d stride: 2 pad: 1 } }
        layer { name: "cut" type: "Crop" bottom: "data" bottom: "up" top: "cut" }\n'''
    [line] = warnings(down + up % 4)
    assert 'lies 0.5 pixels down and right' in line and 'an even kernel_size beside' in line
    assert not warnings(down + up % 3)


def test_an_offset_below_zero_asks_for_padding() -> None:
    """The padding that is asked for is enough: FCN's reason for 100 pixels around the image."""
    layers = 'layer { name: "tiny" type: "Input" top: "tiny" input_param { shape { ' + (
        'dim: [1, 3, 40, 40] } } }\n') + conv('a', 'data', 'kernel_size: 9 stride: 4 pad: %d') + '''
        layer { name: "up" type: "Deconvolution" bottom: "a" top: "up"
                convolution_param { num_output: 3 kernel_size: 3 stride: 4 } }
        layer { name: "cut" type: "Crop" bottom: "up" bottom: "tiny" top: "cut" }'''
    [line] = warnings(layers % 0)
    assert "lies 3 pixels down and right from 'tiny'; the offset would be -3: pad the input" in line
    assert line.endswith('by 3 more')
    assert not warnings(layers % 3)


def test_different_steps_never_meet() -> None:
    layers = conv('a', 'data', 'kernel_size: 1 stride: 2') + '''
        layer { name: "b" type: "Crop" bottom: "data" bottom: "a" top: "b" }'''
    [line] = warnings(layers)
    assert line.endswith("one step of 'data' is 1 pixels of the data, of 'a' 2: they meet in one "
                         'place at most')


def test_tops_without_places_are_left_alone() -> None:
    flat = '''layer { name: "f" type: "Flatten" bottom: "data" top: "f" }
              layer { name: "g" type: "ReLU" bottom: "f" top: "g" }'''
    assert not warnings(flat + join('Eltwise', 'f', 'g'))
