"""Recordings give what they repeat; what cannot be recorded goes on as before.

`by_hand` stands for a GPU: results keep their memory, and repeating fills it anew.
"""

from collections.abc import Callable

import pytest
import torch

from port.fast import cuda_graphs as graphs
from port.fast.cuda_graphs import Replay


def by_hand(work: graphs.Work) -> tuple[graphs.Tensors, Callable[[], None]]:
    with torch.random.fork_rng(devices=[]):     # recording draws no numbers
        results = work()

    def repeat() -> None:
        for mine, new in zip(results, work(), strict=True):
            mine.copy_(new)
    return results, repeat


def doubled(inputs: dict[int, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {'y': 2 * inputs[0], 'z': inputs[0].sum(0)}


def refused(work: graphs.Work) -> tuple[graphs.Tensors, Callable[[], None]]:
    raise RuntimeError('operation not permitted when stream is capturing')


def test_records_at_the_third_call() -> None:
    ran = []
    call = Replay(lambda x: ran.append(1) or doubled(x), by_hand)
    for i in range(6):
        x = torch.full((2, 3), float(i + 1))
        found = call({0: x})
        assert torch.equal(found['y'], 2 * x) and torch.equal(found['z'], x.sum(0))
        assert (call.repeat is not None) == (i >= graphs.WARM_UP)


def test_results_are_the_callers() -> None:
    call = Replay(doubled, by_hand)
    found = [call({0: torch.full((2,), float(i))})['y'] for i in range(6)]
    assert [y[0].item() for y in found] == [2. * i for i in range(6)]


@pytest.mark.parametrize('how', [refused, lambda work: ([0 * y for y in work()], lambda: None)],
                         ids=['refused', 'other results'])
def test_goes_on_without_a_recording(how: graphs.Capture, caplog) -> None:
    caplog.set_level('INFO')
    call = Replay(doubled, how)
    for i in range(5):
        assert call({0: torch.full((2,), i + 1.)})['y'][0] == 2 * (i + 1)
    assert call.repeat is None and call.calls == 5
    assert sum('record' in line for line in caplog.messages) == 1       # tried once


def test_numbers_without_a_gpu() -> None:
    assert graphs.fetch(torch.tensor(2.5))() == 2.5 and graphs.fetch(0.0)() == 0
    assert graphs.capture_for(torch.device('cpu')) is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
def test_on_a_gpu() -> None:
    call = Replay(doubled, graphs.capture)
    for i in range(6):
        x = torch.full((2, 3), float(i + 1), device='cuda')
        found = call({0: x})
        assert torch.equal(found['y'], 2 * x) and torch.equal(found['z'], x.sum(0))
    assert call.repeat is not None
    assert graphs.fetch(found['y'].sum())() == 72
