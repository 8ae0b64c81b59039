"""Transplanting between nets of both kinds: values, shapes, reports and refusals."""

from types import SimpleNamespace

import numpy as np
import pytest

from surgery.transplant import transplant

RNG = np.random.default_rng(3)


def random(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def zeros(**shapes: list[tuple[int, ...]]) -> dict[str, list[np.ndarray]]:
    return {layer: [np.zeros(shape, np.float32) for shape in blobs]
            for layer, blobs in shapes.items()}


def as_net(weights: dict[str, list[np.ndarray]]) -> SimpleNamespace:
    """Dress arrays up as pycaffe does: net.params[layer][i].data."""
    return SimpleNamespace(params={layer: [SimpleNamespace(data=blob) for blob in blobs]
                                   for layer, blobs in weights.items()})


def vgg() -> dict[str, list[np.ndarray]]:
    return {'conv1': [random(4, 3, 3, 3), random(4)], 'fc6': [random(5, 4 * 2 * 2), random(5)],
            'fc8': [random(10, 5), random(10)]}


def fcn() -> dict[str, list[np.ndarray]]:
    return zeros(conv1=[(4, 3, 3, 3), (4,)], fc6=[(5, 4, 2, 2), (5,)],
                 score_fr=[(3, 5, 1, 1), (3,)], upscore=[(3, 3, 4, 4)])


@pytest.mark.parametrize('new_kind', [dict, as_net])
@pytest.mark.parametrize('old_kind', [dict, as_net])
def test_copies_coerces_and_drops(new_kind, old_kind):
    old, new = vgg(), fcn()
    report = transplant(new_kind(new), old_kind(old))
    np.testing.assert_array_equal(new['conv1'][0], old['conv1'][0])
    np.testing.assert_array_equal(new['conv1'][1], old['conv1'][1])
    for o in range(5):                             # an InnerProduct row is a kernel, row by row
        for i in range(4):
            for y in range(2):
                for x in range(2):
                    assert new['fc6'][0][o, i, y, x] == old['fc6'][0][o, i * 4 + y * 2 + x]
    assert not new['score_fr'][0].any()
    assert report.copied == {'conv1': [0, 1], 'fc6': [1]}
    assert report.coerced == {'fc6': [(0, (5, 16), (5, 4, 2, 2))]}
    assert report.dropped == {'fc8': [0, 1]}
    assert report.missing == {'score_fr': [0, 1], 'upscore': [0]}
    assert report.loud == []


def test_a_convolution_becomes_an_inner_product():
    old, new = {'fc6': [random(5, 4, 2, 2)]}, zeros(fc6=[(5, 16)])
    transplant(new, old)
    np.testing.assert_array_equal(new['fc6'][0].reshape(-1), old['fc6'][0].reshape(-1))


def test_old_shapes_with_leading_ones_fit():
    old = {'fc': [random(1, 1, 6, 4), random(1, 1, 1, 6)]}
    new = zeros(fc=[(6, 4), (6,)])
    report = transplant(new, old)
    np.testing.assert_array_equal(new['fc'][0], old['fc'][0][0, 0])
    np.testing.assert_array_equal(new['fc'][1], old['fc'][1][0, 0, 0])
    assert report.loud == [] and list(report.coerced) == ['fc']


def test_suffix_names_the_target_layers():
    old = vgg()
    new = {layer + 'hha': blobs for layer, blobs in fcn().items()}
    report = transplant(new, old, suffix='hha')
    np.testing.assert_array_equal(new['conv1hha'][0], old['conv1'][0])
    assert list(report.copied) == ['conv1hha', 'fc6hha'] and list(report.dropped) == ['fc8']


def test_other_floats_are_converted():
    old, new = {'a': [np.arange(3.)]}, zeros(a=[(3,)])
    transplant(new, old)
    assert new['a'][0].dtype == np.float32 and new['a'][0].tolist() == [0, 1, 2]


def test_further_blobs_are_dropped_and_absent_ones_missing():
    report = transplant(zeros(a=[(2, 1)], b=[(2, 1), (2,)]),
                        {'a': [random(2, 1), random(2)], 'b': [random(2, 1)]})
    assert report.dropped == {'a': [1]} and report.missing == {'b': [1]}


def test_a_blob_left_out_of_hdf5_is_missing():
    new = zeros(a=[(2, 1), (2,)])
    report = transplant(new, {'a': [None, np.ones(2)]})
    assert report.missing == {'a': [0]} and new['a'][1].tolist() == [1, 1]


def test_skipped_layers_are_dropped():
    new = fcn()
    report = transplant(new, vgg(), skip=['conv1'])
    assert not new['conv1'][0].any() and 'conv1' in report.dropped


@pytest.mark.parametrize('blob', [0, 1])
def test_another_count_is_an_error_and_nothing_is_copied(blob):
    old = vgg() | {'score_fr': [random(3, 5, 1, 1), random(3)]}
    old['score_fr'][blob] = random(21, *old['score_fr'][blob].shape[1:])
    new = fcn()
    with pytest.raises(ValueError) as error:
        transplant(new, old)
    said = str(error.value)
    assert f"layer 'score_fr' blob {blob}" in said and '\n' not in said
    assert str(old['score_fr'][blob].shape) in said and str(new['score_fr'][blob].shape) in said
    assert not any(blob.any() for blobs in new.values() for blob in blobs)


def test_a_transposed_weight_is_coerced_loudly():
    report = transplant(zeros(fc=[(6, 4)]), {'fc': [random(4, 6)]})
    assert 'transposed' in report.loud[0] and 'fc' in report.coerced


def test_torch_tensors_are_seen_through():
    torch = pytest.importorskip('torch')
    tensor = torch.zeros(3)
    transplant(SimpleNamespace(params={'a': [SimpleNamespace(data=tensor)]}), {'a': [np.ones(3)]})
    assert tensor.tolist() == [1, 1, 1]


@pytest.mark.parametrize('kind', [dict, as_net])
def test_a_shared_blob_is_filled_once_for_all(kind):
    """Of layers that share by param { name } the donor knows one; none of them is missing."""
    new = zeros(conv1=[(4, 3, 3, 3), (4,)], other=[(2,)])
    new['conv1_res05'] = new['conv1']
    report = transplant(kind(new), vgg())
    assert report.missing == {'other': [0]} and new['conv1_res05'][0].any()
