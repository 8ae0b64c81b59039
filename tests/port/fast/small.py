"""Small nets written in a line each, for the tests of the fast engines."""

from collections.abc import Sequence

import torch

from netspec.schema import parse_net
from netspec.schema.messages import TEST
from port.engine.net import Net


def source(name: str, *shape: int) -> str:
    dims = ' '.join(f'dim: {n}' for n in shape)
    return f'layer {{ name: "{name}" type: "Input" top: "{name}" ' \
           f'input_param {{ shape {{ {dims} }} }} }}\n'


def layer(kind: str, bottom: str | Sequence[str], top: str, more: str = '') -> str:
    bottoms = [bottom] if isinstance(bottom, str) else bottom
    read = ' '.join(f'bottom: "{b}"' for b in bottoms)
    return f'layer {{ name: "to_{top}_{kind}" type: "{kind}" {read} top: "{top}" {more} }}\n'


def conv(bottom: str, top: str, outputs: int, kernel: int, more: str = '', outer: str = '') -> str:
    return layer('Convolution', bottom, top, f'''{outer} convolution_param {{
        num_output: {outputs} kernel_size: {kernel} {more} weight_filler {{ type: "msra" }}
        bias_filler {{ type: "gaussian" std: 0.5 }} }}''')


def loss(scores: str, label: str, top: str) -> str:
    return layer('SoftmaxWithLoss', [scores, label], top, 'loss_param { ignore_label: 2 }')


def make(text: str, phase: int = TEST, seed: int = 0) -> Net:
    torch.manual_seed(seed)
    return Net(parse_net(text), phase)


def labels(*shape: int) -> torch.Tensor:
    return torch.randint(0, 4, shape).float()
