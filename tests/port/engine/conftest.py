"""Modules of torch whose parameters and statistics are drawn."""

from collections.abc import Callable

import pytest
import torch
from torch import nn


def alive(module: nn.Module) -> nn.Module:
    """Give every parameter and statistic values that keep the signal alive; eval mode."""
    torch.manual_seed(3)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            for tensor in (part.running_mean, part.bias.data):
                tensor.normal_(0, 0.3)
            for tensor in (part.running_var, part.weight.data):
                tensor.uniform_(0.5, 1.5)
        elif isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(part.weight)
            if part.bias is not None:
                part.bias.data.normal_(0, 0.3)
    return module.eval()


@pytest.fixture
def lively() -> Callable[[nn.Module], nn.Module]:
    """lively(module) -> the module, its values drawn."""
    return alive
