"""fcn convert, and fcn surgery from what other libraries wrote: names, pixels, bits."""

from pathlib import Path

import numpy as np
import pytest
import torch

from netspec.families.fcn import fcn as make_net
from netspec.variants.data_splits import VOC_MEAN
from port.engine.torch_weights import read_weights
from surgery import param_shapes, write_caffemodel
from surgery.pixels import IMAGENET, to_bgr

WIDTH = 0.03125
FEATURES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
MODULES = [*(f'features.{i}' for i in FEATURES), 'classifier.0', 'classifier.3']


@pytest.fixture(scope='module')
def state() -> dict[str, torch.Tensor]:
    """torchvision's VGG16, narrow, to fit voc-fcn32s at WIDTH."""
    shapes = param_shapes(make_net('voc-fcn32s', 'deploy', WIDTH))
    names = [layer for layer in shapes if 'score' not in layer]
    torch.manual_seed(1)
    tensors = {}
    for module, layer in zip(MODULES, names, strict=True):
        weight = torch.randn(shapes[layer][0])
        tensors[f'{module}.weight'] = weight.flatten(1) if 'class' in module else weight
        tensors[f'{module}.bias'] = torch.randn(shapes[layer][1])
    return tensors | {'classifier.6.weight': torch.randn(10, 128), 'classifier.6.bias':
                      torch.randn(10)}


@pytest.fixture
def pth(state, tmp_path: Path) -> Path:
    torch.save(state, tmp_path / 'vgg16.pth')
    return tmp_path / 'vgg16.pth'


def test_torchvision_to_caffemodel(pth: Path, state, tmp_path: Path, fcn) -> None:
    out = tmp_path / 'VGG16.caffemodel'
    result = fcn('convert', pth, out)
    assert result.exit_code == 0 and result.stderr == ''
    assert result.stdout == (f"{pth}: torchvision's vgg16; conv1_1 now sees BGR in 0..255 less the "
                             f'mean of voc-fcn32s\nwrote {out}: 16 layers, 32 arrays\n')
    new = read_weights(out)
    weight, shift = to_bgr(state['features.0.weight'].numpy(), IMAGENET, VOC_MEAN)
    assert np.array_equal(new['conv1_1'][0], weight.astype('f'))
    assert np.array_equal(new['fc6'][0], state['classifier.0.weight'].numpy())
    assert new.types['conv1_2'] == 'Convolution'


def test_there_and_back_is_bit_exact_behind_the_first_layer(pth, state, tmp_path, fcn) -> None:
    assert fcn('convert', pth, tmp_path / 'a.npz').exit_code == 0
    result = fcn('convert', tmp_path / 'a.npz', tmp_path / 'b.pth', '--names', 'torchvision')
    assert result.exit_code == 0 and 'left out' not in result.stdout
    back = torch.load(tmp_path / 'b.pth', weights_only=True)
    assert back.keys() == state.keys()
    for key, value in state.items():
        assert torch.equal(back[key], value) or key.startswith('features.0.')
        assert torch.allclose(back[key], value, rtol=1e-5, atol=1e-5)


def test_formats_of_a_trained_net(trained: Path, tmp_path: Path, fcn) -> None:
    """Along every form and back to the first: the same bits, in the same order."""
    source = trained / 'trained.caffemodel'
    last = source
    for name in ('a.caffemodel.h5', 'b.safetensors', 'c.npz', 'd.pt', 'e.pth', 'f.caffemodel'):
        result = fcn('convert', last, tmp_path / name)
        assert result.exit_code == 0, result.output
        last = tmp_path / name
    old, new = read_weights(source), read_weights(last)
    assert old.keys() == new.keys()
    assert all((a.shape, a.tobytes()) == (b.shape, b.tobytes())
               for layer in old for a, b in zip(old[layer], new[layer], strict=True))


def test_layers_without_a_name_are_told(trained: Path, tmp_path: Path, fcn) -> None:
    result = fcn('convert', trained / 'trained.caffemodel', tmp_path / 'w.safetensors', '--names',
                 'timm')
    assert result.exit_code == 0
    assert 'left out, for timm has no such layer: score_fr, upscore\n' in result.stdout


def test_surgery_takes_torchvisions_vgg16(pth: Path, state, tmp_path: Path, fcn) -> None:
    for name in ('a.caffemodel', 'b.safetensors'):
        result = fcn('surgery', 'voc-fcn32s', '--from', pth, '--out', tmp_path / name, '--width',
                     WIDTH)
        assert result.exit_code == 0 and 'WARNING' not in result.stdout, result.output
        new = read_weights(tmp_path / name)
        weight, shift = to_bgr(state['features.0.weight'].numpy(), IMAGENET, VOC_MEAN)
        assert np.array_equal(new['conv1_1'][0], weight.astype('f'))
        assert np.array_equal(new['conv1_1'][1],
                              (state['features.0.bias'].numpy() + shift).astype('f'))
        assert np.array_equal(new['fc6'][0].reshape(128, -1), state['classifier.0.weight'].numpy())
        assert new['upscore'][0].any()


def test_surgery_for_other_pixels(pth: Path, state, tmp_path: Path, fcn) -> None:
    half = ('--rgb-mean', '0.5,0.5,0.5', '--rgb-std', '0.5,0.5,0.5')
    out = tmp_path / 'w.caffemodel'
    assert fcn('surgery', 'voc-fcn32s', '--from', pth, '--out', out, '--width', WIDTH,
               *half).exit_code == 0
    expected = state['features.0.weight'].numpy()[:, ::-1] / 127.5
    assert np.allclose(read_weights(out)['conv1_1'][0], expected)
    assert fcn('surgery', 'nyud-fcn32s-hha', '--from', pth, '--out', out, '--width',
               WIDTH).exit_code == 0
    assert np.allclose(read_weights(out)['conv1_1'][1], state['features.0.bias'].numpy())


def test_train_and_infer_take_tensors(trained: Path, tmp_path: Path, scenes, fcn) -> None:
    """A net's own weights in .safetensors go wherever --weights stands."""
    weights = tmp_path / 'w.safetensors'
    assert fcn('convert', trained / 'trained.caffemodel', weights).exit_code == 0
    result = fcn('infer', trained / 'deploy.prototxt', scenes.image('val_000000'), '--mean',
                 'voc-fcn32s', '--weights', weights, '--out', tmp_path / 'labels')
    assert result.exit_code == 0, result.output


def test_refusals(pth: Path, trained: Path, tmp_path: Path, refused) -> None:
    line = refused('convert', pth, tmp_path / 'b.pth', '--names', 'torchvision')
    assert 'has the names of torchvision already' in line
    caffe = trained / 'trained.caffemodel'
    line = refused('convert', caffe, tmp_path / 'b.caffemodel', '--names', 'torchvision')
    assert 'expected a name that ends in .safetensors, .npz, .pt, .pth' in line
    line = refused('convert', pth, tmp_path / 'no' / 'b.npz')
    assert 'does not exist; make it first' in line
    write_caffemodel(tmp_path / 'other.caffemodel', {'stem': [np.ones((4, 3, 3, 3), 'f')]})
    line = refused('convert', tmp_path / 'other.caffemodel', tmp_path / 'o.npz', '--names', 'timm')
    assert 'other.caffemodel: layers stem are those of no net that timm has' in line
    line = refused('surgery', 'voc-fcn-alexnet', '--from', pth, '--out', tmp_path / 'w')
    assert 'vgg16.pth: voc-fcn-alexnet is made of alexnet' in line
    line = refused('convert', pth, tmp_path / 'b', '--rgb-mean', '0.5,0.5,0.5', status=2)
    assert 'give --rgb-mean and --rgb-std, or neither' in line
    line = refused('convert', pth, tmp_path / 'b', '--rgb-mean', '0.5', status=2)
    assert 'is not three numbers of 0..1' in line
    line = refused('export', 'voc-fcn32s', '--weights', pth, '--width', WIDTH, '--out',
                   tmp_path / 'm.onnx')
    assert "these are torchvision's vgg16" in line
    torch.save(torch.nn.Linear(1, 1), tmp_path / 'whole.pt')
    line = refused('convert', tmp_path / 'whole.pt', tmp_path / 'b.npz')
    assert 'holds more than tensors' in line


def test_a_donor_is_not_written_over(pth: Path, refused) -> None:
    for args in (['convert', pth, pth], ['surgery', 'voc-fcn32s', '--from', pth, '--out', pth]):
        assert f'{pth}: is read here, and would be written over' in refused(*args)


def test_an_unknown_ending_is_refused(pth: Path, refused) -> None:
    out = pth.with_name('w.onxx')
    for name in (out, pth.with_name('none')):
        line = refused('convert', pth, name)
        assert '.caffemodel, .h5, .safetensors, .npz, .pt, .pth' in line, line
    line = refused('export', 'voc-fcn32s', '--random-weights', '--out', out)
    assert f'{out}: its ending says no format; expected a name that ends in .onnx' in line
