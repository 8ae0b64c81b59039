"""torchvision's and timm's state dicts to Caffe's layers and back, on scaled-down tensors."""

import numpy as np
import pytest

from netspec.variants.data_splits import VOC_MEAN
from surgery.pixels import HALVES, IMAGENET, to_bgr
from surgery.torch_names import TABLES, Table
from surgery.torchvision import check_trunk, find_table, from_caffe, to_caffe

RNG = np.random.default_rng(4)
VGG16 = [f'features.{i}' for i in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)]
IDS = [f'{t.library}-{t.name}' for t in TABLES]


def random(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype('f')


def vgg16() -> dict[str, np.ndarray]:
    """torchvision's VGG16, two channels wide: every name that it has."""
    tensors = {}
    for i, module in enumerate(VGG16):
        tensors |= {f'{module}.weight': random(2, 2 if i else 3, 3, 3), f'{module}.bias': random(2)}
    for module, width in (('classifier.0', 2 * 49), ('classifier.3', 6), ('classifier.6', 6)):
        tensors |= {f'{module}.weight': random(6, width), f'{module}.bias': random(6)}
    return tensors


def any_dict(table: Table) -> dict[str, np.ndarray]:
    """Tensors under a table's names, two channels wide (kernels of no account)."""
    tensors = {}
    for i, row in enumerate(table.rows):
        shape = (2, 2, row.window, row.window) if row.window else (2, 2)
        weight = random(*shape) if row.inner else random(2, 2 if i else 3, 3, 3)
        tensors[f'{row.module}.weight'] = weight
        if row.norm:
            names = ('weight', 'bias', 'running_mean', 'running_var')
            tensors |= {f'{row.norm}.{name}': abs(random(2)) + 1 for name in names}
            tensors[f'{row.norm}.num_batches_tracked'] = np.array(7)
        if row.inner or not row.norm or table.name.startswith('vgg'):
            tensors[f'{row.module}.bias'] = random(2)
    return tensors


def test_vgg16_moves_bit_for_bit_behind_the_first_layer() -> None:
    tensors = vgg16()
    weights = to_caffe(tensors, VOC_MEAN)
    assert list(weights)[:2] == ['conv1_1', 'conv1_2'] and list(weights)[-1] == 'fc8'
    assert (weights.name, weights.version) == ('vgg16', 'torchvision')
    assert weights.types['conv5_3'] == 'Convolution' and weights.types['fc6'] == 'InnerProduct'
    modules = [*VGG16, 'classifier.0', 'classifier.3', 'classifier.6']
    for module, layer in list(zip(modules, weights, strict=True))[1:]:
        assert np.array_equal(weights[layer][0], tensors[f'{module}.weight'])
        assert np.array_equal(weights[layer][1], tensors[f'{module}.bias'])


def test_the_first_layer_is_rewritten() -> None:
    tensors = vgg16()
    weights = to_caffe(tensors, VOC_MEAN)
    weight, shift = to_bgr(tensors['features.0.weight'], IMAGENET, VOC_MEAN)
    assert np.array_equal(weights['conv1_1'][0], weight.astype('f'))
    assert np.array_equal(weights['conv1_1'][1], (tensors['features.0.bias'] + shift).astype('f'))
    assert all(blob.dtype == np.float32 for blobs in weights.values() for blob in blobs)
    other = to_caffe(tensors, VOC_MEAN, HALVES)['conv1_1'][0]
    assert np.allclose(other * 0.5, weights['conv1_1'][0] * np.array(
        IMAGENET.std[::-1])[:, None, None], rtol=1e-5)


@pytest.mark.parametrize('table', TABLES, ids=IDS)
def test_every_architecture_is_recognised(table: Table) -> None:
    tensors = any_dict(table)
    found = find_table(tensors)
    same_names = table.library == 'timm'
    assert found.name == table.name and (found.library == table.library or same_names)
    weights = to_caffe(tensors, VOC_MEAN)
    layers = {layer for row in table.rows for layer in (row.layer, *row.kept)}
    assert set(weights) == set(weights.types) == layers
    headless = {key: value for key, value in tensors.items() if not any(
        key.startswith(f'{row.module}.') for row in table.rows if row.head)}
    assert find_table({k: v for k, v in headless.items() if 'aux' not in k}).name == table.name


@pytest.mark.parametrize('wrapper', ['module.', 'model.', 'module._orig_mod.'])
def test_wrappers_are_taken_off(wrapper: str) -> None:
    tensors = vgg16()
    weights = to_caffe({wrapper + key: value for key, value in tensors.items()}, VOC_MEAN)
    assert np.array_equal(weights['fc8'][0], tensors['classifier.6.weight'])


def test_timms_convolutional_heads_become_inner_products() -> None:
    table = next(t for t in TABLES if (t.name, t.library) == ('vgg16', 'timm'))
    tensors = any_dict(table)
    weights = to_caffe(tensors, VOC_MEAN)
    assert weights['fc6'][0].shape == (2, 2 * 49)
    assert np.array_equal(weights['fc6'][0].ravel(), tensors['pre_logits.fc1.weight'].ravel())
    back, left = from_caffe(weights, VOC_MEAN, library='timm')
    assert back['pre_logits.fc1.weight'].shape == (2, 2, 7, 7) and not left
    assert back['pre_logits.fc2.weight'].shape == (2, 2, 1, 1)


@pytest.mark.parametrize('table', [t for t in TABLES if not t.folds],
                         ids=lambda t: f'{t.library}-{t.name}')
def test_there_and_back(table: Table) -> None:
    """All but the first layer comes back bit for bit, that one to rounding."""
    tensors = {key: value for key, value in any_dict(table).items() if 'num_batches' not in key}
    back, left = from_caffe(to_caffe(tensors, VOC_MEAN), VOC_MEAN, library=table.library)
    assert not left and back.keys() == tensors.keys()
    first = (f'{table.rows[0].module}.', f'{table.rows[0].norm}.running_mean')
    for key, value in tensors.items():
        assert back[key].shape == value.shape and back[key].dtype == value.dtype
        assert np.array_equal(back[key], value) or key.startswith(first)
        assert np.allclose(back[key], value, rtol=1e-5, atol=1e-4)


def test_caffes_batch_norm_is_a_sum_and_its_weight() -> None:
    table = next(t for t in TABLES if t.name == 'resnet18')
    tensors = any_dict(table)
    weights = to_caffe(tensors, IMAGENET.centre)
    assert np.array_equal(weights['bn2a_branch2a'][1], tensors['layer1.0.bn1.running_var'])
    assert weights['bn2a_branch2a'][2].tolist() == [1]
    for i, blob in enumerate(weights['bn2a_branch2a']):
        weights['bn2a_branch2a'][i] = blob * 4
    weights['conv1'].append(np.array([1, 2], 'f'))          # as ResNet-50's caffemodel has it
    back, _ = from_caffe(weights, IMAGENET.centre)
    assert np.array_equal(back['layer1.0.bn1.running_mean'],
                          tensors['layer1.0.bn1.running_mean'])
    assert np.allclose(back['bn1.running_mean'], tensors['bn1.running_mean'] - [1, 2], atol=1e-5)
    assert 'conv1.bias' not in back


def test_what_has_no_name_there_is_told() -> None:
    weights = to_caffe(vgg16(), VOC_MEAN)
    weights['fc6'][0] = weights['fc6'][0].reshape(6, 2, 7, 7)       # as FCN's
    weights['score_fr'] = [random(21, 6, 1, 1), random(21)]
    weights['fc7'][1] = weights['fc7'][1].reshape(1, 1, 1, 6)       # as of 2014
    tensors, left = from_caffe(weights, VOC_MEAN)
    assert left == ['score_fr'] and tensors['classifier.0.weight'].shape == (6, 98)
    assert tensors['classifier.3.bias'].shape == (6,)


def test_refusals() -> None:
    tensors = vgg16()
    with pytest.raises(ValueError, match='named neither'):
        to_caffe({'stem.weight': random(2)}, VOC_MEAN)
    less = {key: value for key, value in tensors.items() if key != 'features.28.bias'}
    with pytest.raises(ValueError, match="of torchvision's vgg16, but lack features.28.bias$"):
        to_caffe(less, VOC_MEAN)
    with pytest.raises(ValueError, match='vgg16, but have besides extra.weight$'):
        to_caffe(tensors | {'extra.weight': random(2)}, VOC_MEAN)
    with pytest.raises(ValueError, match='of no net that torchvision has'):
        from_caffe({'stem': [random(2)]}, VOC_MEAN)
    grouped = {f'conv{i}': [random(4, 3 if i == 1 else 2, 3, 3), random(4)] for i in range(1, 6)}
    with pytest.raises(ValueError, match="CaffeNet's weights, whose conv2"):
        from_caffe(grouped, VOC_MEAN)


def test_only_the_trunks_own_architecture_fits() -> None:
    weights = to_caffe(vgg16(), VOC_MEAN)
    check_trunk(weights, 'vgg16', 'voc-fcn32s')
    check_trunk({'conv1_1': []}, 'alexnet', 'voc-fcn-alexnet')      # a caffemodel's
    with pytest.raises(ValueError, match="made of alexnet, these .* torchvision's vgg16"):
        check_trunk(weights, 'alexnet', 'voc-fcn-alexnet')
    alexnet = to_caffe(any_dict(next(t for t in TABLES if t.name == 'alexnet')), VOC_MEAN)
    with pytest.raises(ValueError, match='no groups, 64, .*bvlc_reference_caffenet'):
        check_trunk(alexnet, 'alexnet', 'voc-fcn-alexnet')
    resnet = to_caffe(any_dict(next(t for t in TABLES if t.name == 'resnet34')), VOC_MEAN)
    with pytest.raises(ValueError, match="made of vgg16, these are the .* resnet34"):
        check_trunk(resnet, 'vgg16', 'voc-fcn32s')
