"""Memory: blobs beyond Caffe's count, nets and trainings beyond the machine, each in one line."""

import pytest

from netspec.schema import parse_net, parse_solver
from netspec.schema.messages import TEST
from port.engine import memory
from port.engine.net import Net
from port.training.solver import Solver

INPUT = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [%s] } } } '


def layer(kind: str, param: str, bottom: str = 'x') -> str:
    return f'layer {{ name: "y" type: "{kind}" bottom: "{bottom}" top: "y" {param} }}'


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of 1 GiB, on which nothing of this is taken."""
    monkeypatch.setattr(memory, 'machine_memory', lambda: 1 << 30)


def test_what_the_machine_has() -> None:
    assert 1 << 28 < memory.machine_memory() < 1 << 50


@pytest.mark.parametrize(('text', 'said'), [
    (INPUT % '1, 3, 40000, 40000', r"blob 'x': the shape \[1, 3, 40000, 40000\] has 4,800,000,000"),
    (INPUT % '1, 1, 1, 1' + layer('Tile', 'tile_param { axis: 1 tiles: 2000000000 }'),
     'would take .* GiB'),
    (INPUT % '1, 1, 1, 1000' + layer('Tile', 'tile_param { axis: 1 tiles: 2000000000 }'),
     'has 2,000,000,000,000 values'),
    (INPUT % '1, 3, 9, 9' + layer('Convolution',
     'convolution_param { num_output: 2000000000 kernel_size: 1 }'), 'has 6,000,000,000 values'),
    (INPUT % '1, 3, 9, 9' + layer('Convolution', 'convolution_param { num_output: 300000000 '
     'kernel_size: 1 }'), 'parameter 0 of shape .* would take 3.4 GiB of memory; this machine '
     'has 1.0'),
    (''.join(INPUT.replace('"x"', f'"x{i}"') % '1, 30, 1000, 1000' for i in range(10)),
     "layer 'x8' .*the net up to here would take 1.0 GiB")])
def test_a_net_beyond_the_machine(small: None, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Net(parse_net(text), TEST)


@pytest.mark.parametrize(('tops', 'fits'), [('xxx', True), ('abc', False)])
def test_what_works_in_place_counts_once(small: None, tops: str, fits: bool) -> None:
    """0.75 GiB of data and three ReLUs over it, in place or not."""
    text = INPUT % '1, 200, 1000, 1000' + ''.join(
        f'layer {{ name: "{i}" type: "ReLU" bottom: "x" top: "{top}" }}'
        for i, top in enumerate(tops))
    if fits:
        assert Net(parse_net(text), TEST).blobs['x'].shape == (1, 200, 1000, 1000)
    else:
        with pytest.raises(ValueError, match='the net up to here would take 1.5 GiB'):
            Net(parse_net(text), TEST)


def test_a_training_beyond_the_machine(small: None) -> None:
    """0.6 GiB of parameters, as much of gradients, twice as much of Adam's history."""
    ip = ('layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" '
          'inner_product_param { num_output: 15000 bias_term: false } }')
    solver = parse_solver('base_lr: 0.1 lr_policy: "fixed" type: "Adam" max_iter: 1')
    solver.net_param.CopyFrom(parse_net(INPUT % '1, 10000' + ip))
    with pytest.raises(ValueError, match='150,000,000 parameters, their gradients and 2 of history '
                                         'would take 2.2 GiB'):
        Solver(solver)
