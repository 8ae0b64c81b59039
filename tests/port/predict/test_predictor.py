"""port.predictor: arrays and image files to scores, equal to the plain engine's."""

import json
import pydoc
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import port
from netspec.families.fcn import fcn
from netspec.schema import parse_net, print_net
from netspec.schema.messages import TEST
from netspec.variants import VARIANTS
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.predict.predictor import NetPredictor

MEAN = (104.00699, 116.66877, 122.67892)      # BGR, of VOC as published
TOLERANCE = 1e-5                              # of the largest score, float32


@pytest.fixture(scope='module')
def net() -> Net:
    net = Net(fcn('voc-fcn16s', 'deploy', width=0.03), TEST)
    random_weights(net, 1)
    return net


def same(found: torch.Tensor, plain: torch.Tensor) -> None:
    assert found.shape == plain.shape
    assert (found - plain).abs().max() <= TOLERANCE * plain.abs().max()


def test_arrays(net: Net) -> None:
    predict = port.predictor(net)
    assert predict.fast is not None and predict.layer == 'score'
    x = np.random.RandomState(0).randn(2, 3, 30, 41).astype('f') * 50
    same(predict(x), net.forward(data=x)['score'])


def test_from_files(net: Net, tmp_path) -> None:
    rng, paths = np.random.RandomState(0), []
    for i in range(2):
        paths.append(tmp_path / f'{i}.png')
        Image.fromarray(rng.randint(0, 256, (31, 20, 3)).astype(np.uint8)).save(paths[-1])
    weights = tmp_path / 'w.caffemodel'
    net.save(weights)
    (tmp_path / 'deploy.prototxt').write_text(print_net(fcn('voc-fcn16s', 'deploy', width=0.03)))
    predict = port.predictor(tmp_path / 'deploy.prototxt', weights, mean=MEAN)
    pixels = np.stack([np.asarray(Image.open(p), np.float64)[:, :, ::-1] - MEAN for p in paths])
    plain = net.forward(data=pixels.transpose(0, 3, 1, 2).astype('f'))['score'].clone()
    same(predict(paths), plain)
    same(predict(paths[0]), plain[:1])
    with pytest.raises(ValueError, match='mean'):
        port.predictor(tmp_path / 'deploy.prototxt', weights)(paths)


def test_falls_back_to_the_plain_engine() -> None:
    text = ('layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 2 '
            'dim: 3 dim: 4 } } } layer { name: "m" type: "MVN" bottom: "data" top: "score" }')
    net = Net(parse_net(text), TEST)
    predict = port.predictor(net)
    assert predict.fast is None and 'MVN' in predict.reason
    x = np.random.RandomState(0).randn(1, 2, 3, 4).astype('f')
    same(predict(x), net.forward(data=x)['score'])


@pytest.mark.parametrize('precision,tolerance', [('float32', 1e-5), ('bfloat16', 0.3)])
def test_segnet(precision: str, tolerance: float) -> None:
    """In bfloat16 maxima that lie close together change places."""
    row = replace(VARIANTS['camvid-segnet-basic'], frame=(96, 128))
    net = Net(fcn(row, 'deploy', width=0.25), TEST)
    random_weights(net, 1)
    predict = port.predictor(net, precision=precision)
    assert predict.fast is not None
    x = np.random.RandomState(0).randn(1, 3, 96, 128).astype('f') * 50
    plain = net.forward(data=x)['score'].clone()
    found = predict(x)
    assert not found.requires_grad
    assert float((found - plain).norm()) <= tolerance * float(plain.norm())


def test_a_classifier_runs_its_convolutions_by_the_fast_engine() -> None:
    text = ('layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 '
            'dim: 9 dim: 9 } } } layer { name: "c" type: "Convolution" bottom: "data" top: "c" '
            'convolution_param { num_output: 8 kernel_size: 3 weight_filler { type: "msra" } } } '
            'layer { name: "f" type: "InnerProduct" bottom: "c" top: "score" inner_product_param '
            '{ num_output: 5 weight_filler { type: "xavier" } } }')
    net = Net(parse_net(text), TEST)
    predict = port.predictor(net)
    assert predict.fast is None and 'InnerProduct' in predict.reason
    x = np.random.RandomState(0).randn(1, 3, 9, 9).astype('f')
    plain = net.forward(data=x)['score'].clone()
    net.blobs['c'].data = torch.zeros(1, 8, 7, 7)
    assert float((predict(x) - plain).abs().max()) <= 1e-5 * float(plain.abs().max())


def test_images_are_filled_up_to_sizes_that_the_net_takes() -> None:
    row = replace(VARIANTS['deeplab-resnet101-plain'], width=1 / 32)
    predict = port.predictor(row)
    random_weights(predict.net, 1)
    x = np.random.RandomState(0).randn(1, 3, 33, 46).astype('f') * 50
    filled = np.zeros((1, 3, 33, 49), 'f')
    filled[..., :46] = x
    found = predict(x)
    assert found.shape == (1, 21, 33, 46)
    same(found, predict.net.forward(data=filled)['score'][..., :46])


def test_says_that_a_precision_has_no_use(caplog) -> None:
    text = ('layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 2 '
            'dim: 3 dim: 4 } } } layer { name: "m" type: "MVN" bottom: "data" top: "score" }')
    port.predictor(Net(parse_net(text), TEST), precision='bfloat16')
    assert 'computed in float32' in caplog.text


def test_falls_back_for_a_size(net: Net) -> None:
    """A kernel that overhangs a bottom smaller than it is Caffe's own affair."""
    text = ('layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 '
            'dim: 9 dim: 9 } } } layer { name: "c" type: "Convolution" bottom: "data" top: "c" '
            'convolution_param { num_output: 1 kernel_size: 4 stride: 3 weight_filler { '
            'type: "constant" value: 1 } } }')
    net = Net(parse_net(text), TEST)
    predict = NetPredictor(net)
    for size in (9, 3, 9):
        x = torch.ones(1, 1, size, size)
        same(predict(x), net.forward(data=x)['c'])


def test_bfloat16(net: Net) -> None:
    x = torch.randn(1, 3, 40, 40, generator=torch.Generator().manual_seed(0)) * 50
    found, plain = port.predictor(net, precision='bfloat16')(x), net.forward(data=x)['score']
    assert found.dtype == torch.float32
    assert (found - plain).abs().max() <= 0.05 * plain.abs().max()     # 8 bits, 15 layers


@pytest.mark.parametrize('options,text', [
    (dict(precision='double'), 'float32, tf32, bfloat16, float16'),
    (dict(precision='tf32'), 'GPU'), (dict(precision='float16'), 'GPU'),
    (dict(layer='scores'), 'score'), (dict(device='cuda'), 'is on cpu already')])
def test_refuses(net: Net, options, text: str) -> None:
    with pytest.raises((ValueError, KeyError), match=text):
        port.predictor(net, **options)


def test_refuses_arrays_that_do_not_fit(net: Net) -> None:
    predict = port.predictor(net)
    with pytest.raises(ValueError, match='takes 1'):
        predict(np.zeros((1, 3, 4, 4)), np.zeros((1, 3, 4, 4)))


def test_refuses_files_that_are_none(net: Net, tmp_path) -> None:
    predict = port.predictor(net, mean=MEAN)
    with pytest.raises(ValueError, match='no image file was given'):
        predict([])
    with pytest.raises(ValueError, match=f'{tmp_path} is a folder'):
        predict(tmp_path)


def test_arrays_of_negative_strides(net: Net) -> None:
    rgb = np.random.RandomState(0).randn(1, 3, 30, 41).astype('f') * 50
    bgr = np.ascontiguousarray(rgb[:, ::-1])
    plain = net.forward(data=bgr)['score'].clone()
    for found in (port.predictor(net)(rgb[:, ::-1]), net.forward(data=rgb[:, ::-1])['score']):
        same(found, plain)
    net.feed(data=bgr[..., ::-1])
    bgr[...] = 0                                     # the net keeps arrays of its own
    assert (net.blobs['data'].data == torch.from_numpy(rgb[:, ::-1, :, ::-1].copy())).all()


PICTURE = Image.fromarray(np.zeros((9, 8, 3), np.uint8))
PLANES = np.zeros((1, 3, 9, 8), np.float32)


@pytest.mark.parametrize('images, text', [
    ((None,), 'got NoneType'), ((5,), 'got int'), ((b'a.png',), 'got bytes'),
    (([PLANES[0], PLANES[0]],), 'got list of ndarray .*np.stack'),
    (({'data': PLANES},), 'got dict'),
    ((PLANES.astype(object),), 'real numbers, got an array of object'),
    ((PLANES + 0j,), 'real numbers, got an array of complex64')])
def test_refuses_what_is_no_image(net: Net, images, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        port.predictor(net, mean=MEAN)(*images)


def test_refuses_a_missing_input() -> None:
    two = Net(fcn('nyud-fcn32s-color-hha', 'deploy', width=0.02), TEST)
    with pytest.raises(TypeError, match="input 'hha': expected an array .*, got NoneType"):
        port.predictor(two)(PLANES, None)
    with pytest.raises(ValueError, match='takes 2: color, hha'):
        port.predictor(two)(PLANES)


@pytest.mark.parametrize('mean', [(1, 2), 3, 'abc', (1, 2, float('nan')), (1, 2, None)])
def test_refuses_means(net: Net, mean) -> None:
    with pytest.raises(ValueError, match='^mean .*: expected three numbers, blue green red'):
        port.predictor(net, mean=mean)


def test_refuses_nets_that_feed_themselves(tmp_path) -> None:
    text = ('name: "own" layer { name: "d" type: "DummyData" top: "score" dummy_data_param { '
            'shape { dim: 1 dim: 3 dim: 4 dim: 4 } } }')
    for source in (parse_net(text), Net(parse_net(text), TEST),
                   fcn('voc-fcn32s', 'val', width=0.02)):          # before its data is looked for
        with pytest.raises(ValueError, match='has no inputs, .* give a deploy net'):
            port.predictor(source)


@pytest.mark.parametrize('source, error, text', [
    (None, TypeError, 'net: expected .*, got NoneType'), (5, TypeError, 'got int'),
    ('voc-fcn8', KeyError, "did you mean 'voc-fcn8s'"),
    ('none/voc-fcn8s', FileNotFoundError, 'no such prototxt')])
def test_refuses_what_is_no_net(source, error: type, text: str) -> None:
    with pytest.raises(error, match=text):
        port.predictor(source)


@pytest.mark.parametrize('device', ['foo', 'meta', 'cuda:x', (1, 2)])
def test_refuses_devices(net: Net, device) -> None:
    for source in (net, fcn('voc-fcn16s', 'deploy', width=0.03)):
        with pytest.raises(ValueError, match="expected 'cpu', 'cuda' or 'cuda:N'"):
            port.predictor(source, device=device)


@pytest.mark.parametrize('count, text', [(0, 'no CUDA device is here'),
                                         (2, 'GPUs 0 to 1 are here')])
def test_refuses_gpus_that_are_not_there(count: int, text: str, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: count > 0)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: count)
    with pytest.raises(ValueError, match=f"device 'cuda:2': {text}; leave it out"):
        port.predictor(fcn('voc-fcn16s', 'deploy', width=0.03), device='cuda:2')


def test_a_folder_of_ones_own(tmp_path) -> None:
    own = {'name': 'x', 'classes': ['a', 'b'], 'mean': [1, 2, 3], 'images_in': {'val': 1},
           'ignore_label': 255, 'stride': 32, 'pixels': 100, 'width': 0.03}
    (tmp_path / 'dataset.json').write_text(json.dumps(own))
    predict = port.predictor(tmp_path)
    assert predict.net.blobs['score'].shape[1] == 2 and list(predict.mean) == [1, 2, 3]
    assert predict.net.params['conv1_1'][0].shape[0] == 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
@pytest.mark.parametrize('precision,tolerance', [      # 23, 10, 7, 10 bits; grown by the weights
    ('float32', 1e-4), ('tf32', 0.03), ('bfloat16', 0.2), ('float16', 0.03)])
def test_on_a_gpu(precision: str, tolerance: float) -> None:
    net = Net(fcn('voc-fcn16s', 'deploy', width=0.25), TEST)
    random_weights(net, 1)
    x = torch.randn(1, 3, 60, 70) * 50
    plain = net.forward(data=x)['score'].clone()
    predict = port.predictor(net.to('cuda'), precision=precision)
    for _ in range(5):                       # from the third on a recording
        assert (predict(x).cpu() - plain).abs().max() <= tolerance * plain.abs().max()
    exact = port.predictor(net)(x).cpu()     # whatever the other was asked for
    assert (exact - plain).abs().max() <= 1e-4 * plain.abs().max()


@pytest.mark.parametrize('name', ['voc-fcn8s', 'camvid-segnet-basic'])
def test_threads_take_turns(impatient, name: str) -> None:
    """From the first call on, which packs the weights; each gets its own image's scores."""
    row = VARIANTS[name] if 'voc' in name else replace(VARIANTS[name], frame=(24, 32))
    net = Net(fcn(row, 'deploy', width=0.1), TEST)
    random_weights(net, 1)
    images = [50 * torch.randn(1, 3, 24, 32) for _ in range(6)]
    wanted = [port.predictor(net)(image) for image in images]
    for _ in range(3):
        predict, ready = port.predictor(net), threading.Barrier(len(images))

        def run(image: torch.Tensor, predict=predict, ready=ready) -> torch.Tensor:
            ready.wait()
            return predict(image)
        with ThreadPoolExecutor(len(images)) as pool:
            found = [*pool.map(run, images)]
        assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize('name', ['voc-fcn8s', 'camvid-segnet-basic'])
@pytest.mark.parametrize('made_inside', [False, True])
def test_inside_inference_mode(name: str, made_inside: bool) -> None:
    row = VARIANTS[name] if 'voc' in name else replace(VARIANTS[name], frame=(24, 32))
    with torch.inference_mode(made_inside):
        net = Net(fcn(row, 'deploy', width=0.1), TEST)
        random_weights(net, 1)
        predict = port.predictor(net)
    x = 50 * torch.randn(1, 3, 24, 32)
    wanted = predict(x)
    with torch.inference_mode():
        assert torch.equal(predict(x), wanted)
        inner = predict(x + torch.zeros(1))              # an inference tensor
        found = predict(x)
    assert torch.equal(inner, wanted) and torch.equal(predict(x), wanted)
    assert not found.is_inference() and not found.requires_grad
    net.learnable[0].blob.data.mul_(0.5) if not made_inside else None
    assert torch.equal(predict(x), wanted) == made_inside
    with torch.inference_mode():
        net.learnable[0].blob.data.mul_(0.5)
    assert not torch.equal(predict(x), wanted)


def test_a_predictor_made_by_name_inside_inference_mode() -> None:
    """Its net is made there too, and its weights can be packed once."""
    text = ('layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 '
            'dim: 9 dim: 9 } } } layer { name: "c" type: "Convolution" bottom: "data" top: "c" '
            'convolution_param { num_output: 2 kernel_size: 3 pad: 1 } }')
    with torch.inference_mode():
        predict = port.predictor(parse_net(text))
        predict(torch.ones(1, 3, 9, 9))
    assert not predict.net.learnable[0].blob.data.is_inference()


def test_help_is_there() -> None:
    assert 'weights: ' in pydoc.render_doc(port.predictor)
