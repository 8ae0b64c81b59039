"""--gpu of the commands that several processes share: a process for each GPU."""

import os
import sys

import pytest

from port.commands._ranks import all_of, own_device
from port.distributed.alone import ALONE, Alone
from port.engine import devices


class Started(Exception):
    """In place of becoming another program."""


@pytest.fixture
def two_gpus(monkeypatch) -> list[str]:
    """A machine with two GPUs, where nothing is started; what would be."""
    started: list[str] = []

    def become(program: str, args: list[str]) -> None:
        started.extend(args)
        raise Started
    monkeypatch.setattr(devices, 'gpu_count', lambda: 2)
    monkeypatch.setattr(os, 'execv', become)
    return started


@pytest.mark.parametrize('command, gpus', [
    (('train', '--solver', 's.prototxt'), ('--gpu', '0,1')),
    (('score', 'voc-fcn8s', '--weights', 'w'), ('--gpu', 'all')),
    (('reproduce', 'voc-fcn8s'), ('--gpu', '1,0'))])
def test_several_gpus_start_torchrun(two_gpus, fcn, monkeypatch, command, gpus) -> None:
    monkeypatch.setattr(sys, 'argv', ['fcn', *command, *gpus])
    assert isinstance(fcn(*command, *gpus).exception, Started)
    assert two_gpus == [sys.executable, '-m', 'torch.distributed.run', '--standalone',
                        '--nproc-per-node', '2', '-m', 'port', *command, *gpus]


@pytest.mark.parametrize('flag', ['all', '0,1'])
def test_so_does_caffe_train(two_gpus, fcn, monkeypatch, tmp_path, flag: str) -> None:
    from port.caffe_tool import tool
    monkeypatch.setattr(tool, 'gpu_count', lambda: 2)
    solver = tmp_path / 's.prototxt'
    solver.write_text('net: "n" base_lr: 1 lr_policy: "fixed" max_iter: 1')
    args = 'caffe', 'train', '-solver', str(solver), '-gpu', flag
    monkeypatch.setattr(sys, 'argv', ['fcn', *args])
    assert isinstance(fcn(*args).exception, Started)
    assert two_gpus[4:] == ['--nproc-per-node', '2', '-m', 'port', *args]


def test_each_rank_takes_the_gpu_in_its_place(two_gpus, monkeypatch) -> None:
    class Second(Alone):
        rank, size, place = 5, 8, 1
    monkeypatch.setenv('LOCAL_WORLD_SIZE', '2')
    assert own_device((1, 0), Second(), False) == 'cuda:0'
    assert own_device(None, Second(), False) == own_device(None, ALONE, False) == 'cpu'
    with pytest.raises(ValueError, match='2 processes on this machine, and --gpu names 1 GPU'):
        own_device((0,), Second(), False)


def test_gpus_that_are_not_here(two_gpus, fcn) -> None:
    assert all_of('all') == (0, 1) and all_of(None) == ()
    with pytest.raises(RuntimeError, match='--gpu 0,2: GPUs 0 to 1 are here; leave --gpu out'):
        all_of((0, 2))
    for wrong in ('-1', 'one', '0,0', ''):
        assert fcn('train', '--solver', 's', '--gpu', wrong).exit_code == 2
