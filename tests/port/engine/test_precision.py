"""TF32 for a while, and the settings that were there afterwards."""

import click
import pytest
import torch

from port.commands._shared import device
from port.engine import precision
from port.engine.precision import tf32


def settings() -> tuple[bool, bool]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize('on', [True, False])
def test_tf32_is_put_back(on: bool) -> None:
    before = settings()
    with pytest.raises(RuntimeError, match='inside'), tf32(on):
        assert settings() == (on, on)
        raise RuntimeError('inside')
    assert settings() == before


def test_tf32_is_asked_for_together_with_a_gpu(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
    monkeypatch.setattr(precision, '_asked', False)
    with tf32(False):
        assert device(0) == 'cuda:0' and settings() == (False, False)
        assert device(0, tf32=True) == 'cuda:0' and settings() == (True, True)
        precision.exact_by_default(torch.device('cuda'))     # as every net on a GPU does
        assert settings() == (True, True)
    with pytest.raises(click.UsageError, match='--gpu ID'):
        device(None, tf32=True)
