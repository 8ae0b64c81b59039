"""The SegNet paper's small nets run: sizes, starting scores, the published class weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from netspec.families.fcn import fcn
from netspec.schema.messages import TEST, TRAIN
from netspec.variants import VARIANTS
from netspec.variants.segnet_rows import MEDIAN_FREQUENCY
from port.engine.net import Net
from port.engine.starting_weights import prepare

SMALL = (36, 50)      # pooled: 18 x 25, 9 x 13, 5 x 7, 3 x 4: odd sizes in both directions


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    """Six small frames in CamVid's layout."""
    random = np.random.RandomState(2)
    for split in ('train', 'val'):
        (tmp_path / split).mkdir()
        (tmp_path / f'{split}annot').mkdir()
        (tmp_path / f'{split}.txt').write_text('a\nb\nc\n')
        for name in 'abc':
            label = np.repeat(np.repeat(random.randint(0, 12, (6, 5)), 6, 0), 10, 1)
            pixels = np.stack([label * 20, 255 - label * 20, label * 10], -1)
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / split / f'{name}.png')
            Image.fromarray(label.astype(np.uint8)).save(tmp_path / f'{split}annot/{name}.png')
    return tmp_path


def row(name: str):
    return replace(VARIANTS[name], frame=SMALL if 'segnet' in name else None, batch=3)


@pytest.mark.parametrize('name', ['camvid-segnet-basic-balanced', 'camvid-fcn-basic'])
def test_learns_a_batch_and_keeps_the_size(camvid, name):
    torch.manual_seed(1)
    net = Net(fcn(row(name), 'train', width=0.125, data_root=camvid), TRAIN)
    prepare(net)
    losses = []
    for _ in range(12):
        net.clear_param_diffs()
        losses.append(float(net.run_forward()))
        net.backward()
        for blob in (entry.blob for entry in net.learnable):
            blob.data -= 0.02 * blob.diff
    assert net.blobs['data'].shape == (3, 3, *SMALL)
    assert net.blobs['score'].shape == (3, 11, *SMALL)
    assert np.isfinite(losses).all() and min(losses[-3:]) < 0.8 * losses[0]
    test = Net(fcn(row(name), 'val', width=0.125, data_root=camvid), TEST)
    test.share_from(net)
    test.run_forward()
    assert test.blobs['score'].shape == (1, 11, *SMALL)


def test_fcn_basic_starts_from_interpolation():
    net = Net(fcn('camvid-fcn-basic', 'deploy', width=0.125), TEST)
    prepare(net)
    for node in net.nodes:                           # the normalisations pass everything on
        if node.name.endswith('_bn'):
            for blob, value in zip(node.layer.blobs, (0, 1 - node.layer.eps, 1), strict=True):
                blob.data.fill_(value)
    for i in range(1, 5):
        net.params[f'score_conv{i}_scale'][0].data.zero_()
    net.params['score_pool4_scale'][0].data.zero_()
    net.params['score_pool4_scale'][1].data.fill_(1)  # a constant score at the coarsest stage
    score = net.forward(data=np.zeros((1, 3, 64, 96), np.float32))['score'].numpy()
    assert np.allclose(score[0, :, 24:40, 40:56], 1)  # the same everywhere but at the borders


def test_segnet_basic_names_the_other_size():
    net = Net(fcn('camvid-segnet-basic', 'deploy', width=0.0625), TEST)
    with pytest.raises(ValueError, match='made for another image size|same 4 axes'):
        net.forward(data=np.random.RandomState(0).rand(1, 3, 45, 61).astype('f'))


@pytest.mark.data
def test_published_weights_are_nearly_median_over_frequency(shared):
    """Ours from the 367 frames: all within a fifth, but SignSymbol (6) 3.85 where 9.64 stands."""
    pixels, seen = np.zeros(11), np.zeros(11)
    for path in sorted((shared / 'camvid/trainannot').glob('*.png')):
        counts = np.bincount(np.asarray(Image.open(path)).reshape(-1), minlength=12)[:11]
        pixels += counts
        seen += (counts > 0) * counts.sum()
    frequency = pixels / seen
    quotient = np.array(MEDIAN_FREQUENCY) / (np.median(frequency) / frequency)
    assert ((0.8 < quotient) & (quotient < 1)).sum() == 10 and 2.4 < quotient[6] < 2.6
