"""Devices by name: those that are here, and one line for others."""

import pytest
import torch

from port.engine.devices import find_device, gpu_count, gpus_here, parse_device


@pytest.mark.parametrize('count, text', [(0, 'no CUDA device is here'),
                                         (2, 'GPUs 0 to 1 are here')])
def test_what_is_here(count: int, text: str, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: count > 0)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: count)
    assert gpu_count() == count and gpus_here() == text
    assert find_device('cpu') == torch.device('cpu')
    if count:
        assert find_device('cuda:1') == torch.device('cuda', 1)
    with pytest.raises(ValueError, match=f"device 'cuda:2': {text}"):
        find_device('cuda:2')


@pytest.mark.parametrize('device', ['foo', 'meta', '', None])
def test_what_is_no_device(device) -> None:
    assert parse_device('cuda:3').index == 3                 # here or not
    with pytest.raises(ValueError, match="expected 'cpu', 'cuda' or 'cuda:N'"):
        parse_device(device)
