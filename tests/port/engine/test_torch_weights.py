"""Torch's files in and out: weights-only, state dicts inside checkpoints, what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch

from netspec.schema import parse_net
from netspec.schema.messages import TEST
from netspec.variants import VARIANTS
from netspec.variants.data_splits import HHA_MEAN, VOC_MEAN
from port.engine.net import Net
from port.engine.torch_weights import donor_mean, read_donor, read_weights, write_weights
from surgery.pixels import IMAGENET

TEXT = '''
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 dim: 4 dim: 4 } } }
layer { name: "conv/3x3" type: "Convolution" bottom: "x" top: "c"
        convolution_param { num_output: 2 kernel_size: 3 weight_filler { type: "msra" } } }
layer { name: "ip" type: "InnerProduct" bottom: "c" top: "y" inner_product_param {
        num_output: 5 weight_filler { type: "xavier" } } }
'''
FILES = ['w.pt', 'w.pth', 'w.safetensors', 'w.npz', 'w.caffemodel', 'w.caffemodel.h5']


def net() -> Net:
    return Net(parse_net(TEXT), TEST)


def bits(layers: dict) -> dict:
    return {layer: [(b.shape, b.tobytes()) for b in blobs] for layer, blobs in layers.items()}


def bits_of(n: Net) -> dict:
    return bits({layer: [b.data.numpy() for b in blobs] for layer, blobs in n.params.items()})


@pytest.mark.parametrize('name', FILES)
def test_a_net_writes_and_reads_every_form(tmp_path: Path, name: str) -> None:
    one, other = net(), net()
    one.save(tmp_path / name)
    assert bits(read_weights(tmp_path / name)) == bits_of(one)
    other.copy_from(tmp_path / name)
    assert bits_of(other) == bits_of(one)
    assert bits_of(Net(parse_net(TEXT), TEST, weights=str(tmp_path / name))) == bits_of(one)


@pytest.mark.parametrize('first', FILES)
@pytest.mark.parametrize('second', FILES)
def test_every_form_becomes_every_other(tmp_path: Path, first: str, second: str) -> None:
    weights = {'a/b.c': [np.float32([1e-42, -0.0, 3]), np.float64([[1 / 3]])],
               'd': [np.ones(2, 'f')]}
    write_weights(tmp_path / first, weights)
    write_weights(tmp_path / f'2{second}', read_weights(tmp_path / first))
    assert bits(read_weights(tmp_path / f'2{second}')) == bits(weights)


def test_a_state_dict_that_torch_saved_fits(tmp_path: Path) -> None:
    one, other = net(), net()
    torch.save(one.state_dict(), tmp_path / 'w.pth')
    other.copy_from(tmp_path / 'w.pth')
    assert bits_of(other) == bits_of(one)
    one.save(tmp_path / 'ours.pth')
    third = net()
    third.load_state_dict(torch.load(tmp_path / 'ours.pth', weights_only=True))
    assert bits_of(third) == bits_of(one)


@pytest.mark.parametrize('key', ['state_dict', 'model_state_dict', 'model'])
@pytest.mark.parametrize('old', [False, True])
def test_state_dicts_inside_checkpoints(tmp_path: Path, key: str, old: bool) -> None:
    state = {'ip.0': torch.ones(2, dtype=torch.bfloat16), 'ip.1': torch.ones(2, 3).T}
    torch.save({'epoch': 3, 'optimizer': {'a': [1]}, key: state}, tmp_path / 'w',
               _use_new_zipfile_serialization=not old)
    one, other = read_weights(tmp_path / 'w')['ip']
    assert one.dtype == np.float32 and other.shape == (3, 2)


def test_refusals(tmp_path: Path) -> None:
    path = tmp_path / 'w.pth'
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(ValueError, match=r'w.pth: holds more than tensors.*state_dict\(\)'):
        read_weights(path)
    torch.save({'epoch': 3}, path)
    with pytest.raises(ValueError, match=r"w.pth: expected a state dict .* it holds \['epoch'\]"):
        read_weights(path)
    torch.save([1], path)
    with pytest.raises(ValueError, match='it holds list'):
        read_weights(path)
    torch.save({'a.0': torch.ones(2, dtype=torch.complex64)}, path)
    with pytest.raises(ValueError, match="tensor 'a.0' is torch.complex64"):
        read_weights(path)
    torch.save({'a.0': torch.ones(999)}, path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ValueError, match='w.pth: no state dict: truncated, damaged'):
        read_weights(path)
    with pytest.raises(FileNotFoundError, match='did you mean .*w.pth'):
        read_weights(tmp_path / 'w.pht')


def test_torchvisions_names_are_not_copied_into_a_net(tmp_path: Path) -> None:
    state = {f'features.{i}.{part}': torch.ones(
        2 if part == 'bias' else (2, 2 if i else 3, 3, 3))
        for i in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28) for part in ('weight', 'bias')}
    torch.save(state, tmp_path / 'vgg16.pth')
    with pytest.raises(ValueError, match="vgg16.pth: these are torchvision's vgg16: .*fcn surgery"):
        net().copy_from(tmp_path / 'vgg16.pth')
    weights = read_donor(tmp_path / 'vgg16.pth', VARIANTS['voc-fcn32s'])
    assert list(weights)[0] == 'conv1_1' and weights.path.endswith('vgg16.pth')
    with pytest.raises(ValueError, match='vgg16.pth: voc-fcn-alexnet is made of alexnet'):
        read_donor(tmp_path / 'vgg16.pth', VARIANTS['voc-fcn-alexnet'])


def test_what_is_no_colour_keeps_the_bias() -> None:
    assert donor_mean(VARIANTS['voc-fcn8s']) == VOC_MEAN
    assert VARIANTS['nyud-fcn32s-hha'].mean == HHA_MEAN
    assert donor_mean(VARIANTS['nyud-fcn32s-hha']) == IMAGENET.centre


def test_a_tensor_of_stride_nothing_is_not_written_out(tmp_path: Path) -> None:
    """1.5 kB that would become 160 GB."""
    torch.save({'a.0': torch.ones(1).expand(200000, 200000)}, tmp_path / 'w.pth')
    with pytest.raises(ValueError, match=r"w.pth: tensor 'a.0' .* asks for 160,000,000,000 bytes"):
        read_weights(tmp_path / 'w.pth')


def test_many_tensors_over_the_same_numbers(tmp_path: Path) -> None:
    """Tied weights are two or three names; a thousand views of one storage are none."""
    base = torch.ones(1000)
    torch.save({f'a{i}.0': base for i in range(3)}, tmp_path / 'tied.pth')
    assert len(read_weights(tmp_path / 'tied.pth')) == 3
    torch.save({f'a{i}.0': base.view(10, 100).t() for i in range(1000)}, tmp_path / 'w.pth')
    with pytest.raises(ValueError, match='1000 tensors ask for 4,000,000 bytes'):
        read_weights(tmp_path / 'w.pth')


def test_the_old_format_damaged_anywhere(tmp_path: Path) -> None:
    """IndexError, AssertionError, struct.error …: one ValueError that names the file."""
    path = tmp_path / 'w.pth'
    torch.save({'a.0': torch.arange(6.)}, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    for at in range(0, len(whole), 3):
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1:]):
            path.write_bytes(damaged)
            try:
                read_weights(path)
            except ValueError as error:
                assert str(path) in str(error)
