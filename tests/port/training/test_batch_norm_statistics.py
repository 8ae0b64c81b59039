"""BatchNorm's statistics counted anew before a test."""

import os
import signal
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from netspec.families.fcn import fcn
from netspec.schema.messages import TEST, TRAIN
from netspec.variants import VARIANTS
from port.engine.net import Net
from port.engine.starting_weights import prepare
from port.reproduce.recipe import Settings
from port.reproduce.report_pictures import Drawn
from port.reproduce.reproduction import Clock, reproduce
from port.training.batch_norm_statistics import PASSES, recount
from port.training.signals import Interrupted
from surgery import read_caffemodel, write_caffemodel

ROW = replace(VARIANTS['camvid-fcn-basic'], batch=2)


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    random = np.random.RandomState(8)
    for split in ('train', 'val'):
        (tmp_path / split).mkdir()
        (tmp_path / f'{split}annot').mkdir()
        (tmp_path / f'{split}.txt').write_text('a\nb\nc\nd\n')
        for name in 'abcd':
            pixels = random.randint(0, 256, (24, 32, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / split / f'{name}.png')
            label = random.randint(0, 12, (24, 32)).astype(np.uint8)
            Image.fromarray(label).save(tmp_path / f'{split}annot/{name}.png')
    return tmp_path


def trained(camvid: Path) -> Net:
    torch.manual_seed(1)
    net = Net(fcn(ROW, 'train', width=0.125, data_root=camvid), TRAIN)
    prepare(net)
    for _ in range(3):
        net.run_forward()
    return net


def test_a_test_net_with_the_statistics_of_one_batch_scores_it_as_training_does(camvid):
    net = trained(camvid)
    assert recount(net, net.run_forward, 1) == 13
    test = Net(fcn(ROW, 'deploy', width=0.125), TEST)
    for key, blobs in net.params.items():          # a copy: the next pass counts itself in
        for mine, theirs in zip(test.params[key], blobs, strict=True):
            mine.data = theirs.data.clone()
    net.run_forward()                              # the batch that was counted
    scores = net.blobs['score'].data
    found = test.forward(data=net.blobs['data'].data)['score']
    apart, other = ((found - s).square().mean().sqrt() / scores.std()
                    for s in (scores, scores.flip(0)))
    assert apart < 0.1 < other                     # its variances are the unbiased ones


def test_statistics_are_means_over_the_batches(camvid):
    net, seen = trained(camvid), []
    bn = next(node for node in net.nodes if node.name == 'conv1_bn')

    def forward():
        net.run_forward()
        seen.append(bn.layer.mean.clone())
    recount(net, forward, 3)
    total, _, weight = (blob.data for blob in bn.layer.blobs)
    assert float(weight) == 3 and len(seen) == 3
    assert torch.allclose(total / weight, torch.stack(seen).mean(0), rtol=1e-5, atol=1e-6)
    assert bn.layer.fraction == pytest.approx(0.95)


def test_training_goes_on_as_without_it(camvid):
    net, plain = trained(camvid), trained(camvid)
    for _ in range(2):
        recount(net, net.run_forward, 2)
        net.run_forward()
        plain.run_forward()
        assert torch.equal(net.blobs['data'].data, plain.blobs['data'].data)
        assert torch.equal(net.blobs['score'].data, plain.blobs['score'].data)


def test_nets_without_batch_norm_are_left_alone(camvid):
    net = Net(fcn(VARIANTS['camvid-fcn32s'], 'train', width=0.02, data_root=camvid), TRAIN)
    assert recount(net, lambda: pytest.fail('ran')) == 0


def test_a_net_from_scratch_may_go_on_from_weights_of_its_own(camvid, tmp_path, monkeypatch):
    monkeypatch.setattr('port.reproduce.report_pictures.draw', lambda *args: Drawn())
    net, weights = trained(camvid), tmp_path / 'begun.caffemodel'
    net.save(weights)
    settings = Settings('camvid-fcn-basic', str(camvid), str(weights), width=0.125, block=1,
                        blocks=1, options={'base_lr': 0.0}, fast=True)
    reproduce(settings, tmp_path / 'out', torch.device('cpu'), lambda line: None)
    found = read_caffemodel(
        tmp_path / 'out/camvid-fcn-basic/snapshot/train_iter_1.caffemodel')
    assert np.array_equal(found['conv3'][0], net.params['conv3'][0].data.numpy())
    assert found['conv3_bn'][2] == pytest.approx(PASSES)


@pytest.mark.parametrize('heard', ['SIGINT', 'SIGHUP'])
def test_a_signal_in_a_blocks_last_iteration_leaves_the_counted_statistics(camvid, tmp_path,
                                                                           monkeypatch, heard):
    """What is kept is what was scored, and what an unbroken run keeps."""
    monkeypatch.setattr('port.reproduce.report_pictures.draw', lambda *args: Drawn())
    settings = Settings('camvid-fcn-basic', str(camvid), width=0.125, block=24, blocks=1)
    reproduce(settings, tmp_path / 'whole', torch.device('cpu'), lambda line: None)

    def tick(clock, stage, iteration, loss):
        if iteration == 2:
            os.kill(os.getpid(), getattr(signal, heard))
    monkeypatch.setattr(Clock, 'tick', tick)
    with pytest.raises(Interrupted) if heard == 'SIGINT' else nullcontext():
        reproduce(settings, tmp_path / 'broken', torch.device('cpu'), lambda line: None)
    reproduce(settings, tmp_path / 'broken', torch.device('cpu'), lambda line: None)
    whole, broken = (read_caffemodel(
        tmp_path / run / 'camvid-fcn-basic/snapshot/train_iter_2.caffemodel')
        for run in ('whole', 'broken'))
    assert broken['conv3_bn'][2] == pytest.approx(PASSES)
    assert all(np.array_equal(a, b) for key in whole
               for a, b in zip(whole[key], broken[key], strict=True))


@pytest.mark.parametrize('released', [False, True])
def test_weights_of_another_net_are_refused(camvid, tmp_path, released: bool):
    weights = tmp_path / 'other.caffemodel'
    write_caffemodel(weights, {'conv1_1': [np.zeros((8, 3, 3, 3), np.float32)]})
    settings = Settings('camvid-fcn-basic', str(camvid), str(weights), width=0.125, block=1,
                        blocks=1, released=released)
    with pytest.raises(ValueError, match="other.caffemodel: nothing for 35 of .*: conv1, conv1_bn"):
        reproduce(settings, tmp_path / 'out', torch.device('cpu'), lambda line: None)
    assert not [*(tmp_path / 'out').glob('*/s*/*')]


@pytest.mark.parametrize(('statistics', 'batches'), [(3, 3), (0, 2)])
def test_the_statistics_may_be_those_of_the_whole_training_list(camvid, tmp_path, monkeypatch,
                                                                statistics, batches):
    """Four frames in batches of three are shown by two of them."""
    monkeypatch.setattr('port.reproduce.report_pictures.draw', lambda *args: Drawn())
    settings = Settings('camvid-fcn-basic', str(camvid), width=0.125, block=1, blocks=1, images=1,
                        train_data={'batch': 3, 'shuffle': True}, statistics=statistics)
    reproduce(settings, tmp_path / 'o', torch.device('cpu'), lambda line: None)
    found = read_caffemodel(tmp_path / 'o/camvid-fcn-basic/snapshot/train_iter_1.caffemodel')
    assert found['conv3_bn'][2] == pytest.approx(batches)
