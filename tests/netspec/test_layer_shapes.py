"""Top shapes against those that Caffe recorded, and what stays open."""

from pathlib import Path

import numpy as np
import pytest

from netspec.layer_types import top_shapes
from netspec.schema import parse_net, read_net

GOLDEN = Path(__file__).resolve().parents[1] / 'golden' / 'layers'
CASES = sorted(path.stem for path in GOLDEN.glob('*.prototxt'))


def check(prototxt: Path) -> None:
    """Follow a recorded net; every shape that a rule gives must be Caffe's."""
    shapes, chosen = {}, set()
    with np.load(prototxt.with_suffix('.npz')) as numbers:
        for layer in read_net(prototxt).layer:
            tops = top_shapes(layer, [shapes[name] for name in layer.bottom])
            shapes.update(zip(layer.top, tops, strict=False))      # a loss may leave its top out
            chosen.update(layer.top if layer.type == 'Filter' else ())
        for name, shape in shapes.items():         # in place, the last layer's shape is recorded
            if f'out:{name}' in numbers:
                recorded, first = numbers[f'out:{name}'].shape, name in chosen
                assert shape is not None and shape[first:] == recorded[first:], name


@pytest.mark.parametrize('case', CASES)
def test_shapes_are_those_that_caffe_made(case):
    check(GOLDEN / f'{case}.prototxt')


@pytest.mark.data
def test_shapes_of_every_recorded_case(shared):
    for path in sorted((shared / 'oracle' / 'layers').glob('*.prototxt')):
        check(path)


@pytest.mark.parametrize('layer,bottoms,tops', [
    ('type: "Upsample" upsample_param { scale: 2 pad_out_h: true }', [(1, 64, 23, 30)] * 2,
     [(1, 64, 45, 60)]),
    ('type: "Upsample" upsample_param { upsample_h: 9 upsample_w: 7 }', [(1, 2, None, None)] * 2,
     [(1, 2, 9, 7)]),
    ('type: "Upsample" upsample_param { scale_h: 3 scale_w: 2 }', [(1, 2, 4, None)] * 2,
     [(1, 2, 12, None)]),
    ('type: "Python" top: "color" top: "depth" top: "label"', [],
     [(None, 3, None, None), (None, 1, None, None), (None, 1, None, None)]),
    ('type: "Concat" top: "y"', [(1, 3, None, 5), (1, 1, None, 5)], [(1, 4, None, 5)]),
    ('type: "Slice" top: "a" top: "b" slice_param { slice_point: 1 }', [(2, 5, None)],
     [(2, 1, None), (2, 4, None)]),
    ('type: "Slice" top: "a" top: "b"', [(2, 6)], [(2, 3), (2, 3)]),
    ('type: "Pooling" top: "y" pooling_param { global_pooling: true }', [(1, 8, None, None)],
     [(1, 8, 1, 1)]),
    ('type: "Crop" top: "y"', [(1, 21, None, None), (1, 3, 40, 50)], [(1, 21, 40, 50)]),
    ('type: "Flatten" top: "y"', [(2, 3, 4, 5)], [(2, 60)]),
    ('type: "Filter" top: "a" top: "b"', [(5, 2), (5, 3, 4), (5, 1)], [(5, 2), (5, 3, 4)]),
    ('type: "Flatten" top: "y"', [(2, 3, None, 5)], [(2, None)]),
    ('type: "Reshape" top: "y" reshape_param { shape { dim: 0 dim: -1 dim: 2 } }', [(2, 3, 4, 5)],
     [(2, 30, 2)]),
    ('type: "Interp" top: "y" interp_param { shrink_factor: 8 }', [(1, 1, 100, None)],
     [(1, 1, 13, None)]),
    ('type: "Interp" top: "y" interp_param { height: 5 width: 7 }', [(1, 1, None, None)],
     [(1, 1, 5, 7)]),
    ('type: "Padding" top: "y" padding_param { pad_beg: -7 pad_end: -8 }', [(1, 3, 529, None)],
     [(1, 3, 514, None)]),
    ('type: "SegAccuracy" top: "y"', [(2, 3, 4, 5), (2, 1, 4, 5)], [(1, 1, 1, 3)]),
    ('type: "UniqueLabel" top: "y" unique_label_param { max_labels: 6 }', [(2, 1, None, None)],
     [(2, 6, 1, 1)]),
    ('type: "Unheard" top: "y"', [(1, 2)], [None]),
    ('type: "ReLU" top: "y"', [None], [None])])
def test_open_dimensions_stay_open(layer, bottoms, tops):
    names = ' '.join(f'bottom: "b{i}"' for i in range(len(bottoms)))
    message = parse_net(f'layer {{ name: "x" {layer} {names} }}').layer[0]
    assert top_shapes(message, bottoms) == tops
