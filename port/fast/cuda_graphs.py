"""Work on a GPU, recorded once and repeated by a single launch (CUDA graphs), for sizes that recur.

A recording keeps its tensors where they are: what changes is copied into its inputs, and its
results are overwritten by the next repetition. Where recording fails, all goes on without.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

log = logging.getLogger('port.fast')
WARM_UP = 2             # calls before a recording: kernels are chosen and caches filled
AGREEMENT = 0.01        # of the largest value, between a recording and the work it repeats
Tensors = list[torch.Tensor]
Work = Callable[[], Tensors]
Capture = Callable[[Work], tuple[Tensors, Callable[[], None]]]


_kept: list[list[torch.Tensor]] = []        # by the recordings under way


def keep(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor of a cache that recorded work reads. If a recording is being made, it keeps
    the tensor alive, as the work will be repeated when the cache may have let it go.
    """
    for kept in _kept:
        kept.append(tensor)
    return tensor


def record(how: Capture, work: Work) -> tuple[Tensors, Callable[[], None]]:
    """Record work; return its results and a function that repeats it, which keeps alive the
    tensors that the work passed through `keep`.
    """
    _kept.append([])
    try:
        results, repeat = how(work)
    finally:
        kept = _kept.pop()
    return results, Repeat(repeat, kept)


@dataclass(frozen=True)
class Repeat:
    """Recorded work, and tensors of caches that it reads."""

    run: Callable[[], None]
    kept: list[torch.Tensor]

    def __call__(self) -> None:
        self.run()


@cache
def _pool(device: int) -> Any:
    return torch.cuda.graph_pool_handle()


def capture(work: Work) -> tuple[Tensors, Callable[[], None]]:
    """Record what work asks of the GPU, without doing it; return its results' memory, and what
    fills that memory. RuntimeError where the work cannot be recorded.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=_pool(torch.cuda.current_device())):
        results = work()
    return results, graph.replay


def capture_for(device: torch.device) -> Capture | None:
    """Return how work is recorded on a device, None where it is not."""
    return capture if device.type == 'cuda' else None


def fetch(value: torch.Tensor | float) -> Callable[[], float]:
    """Ask for a number; the function returned waits for it, not for what the GPU got to do since.
    """
    if not isinstance(value, torch.Tensor) or value.device.type != 'cuda':
        return lambda: float(value)
    host = torch.empty((), dtype=value.dtype, pin_memory=True)
    host.copy_(value.detach(), non_blocking=True)
    there = torch.cuda.Event()
    there.record()

    def wait() -> float:
        there.synchronize()
        return float(host)
    return wait


class Replay:
    """A function of tensors of one shape each: recorded at its third call, from then on repeated.

    run: from tensors by number to results by name. Results are the caller's own.
    """

    def __init__(self, run: Callable[[dict[int, torch.Tensor]], dict[str, torch.Tensor]],
                 how: Capture) -> None:
        self.run, self.how, self.calls = run, how, 0
        self.inputs: dict[int, torch.Tensor] = {}
        self.results: dict[str, torch.Tensor] = {}
        self.repeat: Callable[[], None] | None = None

    def __call__(self, inputs: dict[int, torch.Tensor]) -> dict[str, torch.Tensor]:
        self.calls += 1
        if self.repeat is not None:
            return self._repeated(self.repeat, inputs)
        found = self.run(inputs)
        if self.calls == WARM_UP + 1:
            self._record(inputs, found)
        return found

    def _repeated(self, repeat: Callable[[], None],
                  inputs: dict[int, torch.Tensor]) -> dict[str, torch.Tensor]:
        for value, mine in self.inputs.items():
            mine.copy_(inputs[value])
        repeat()
        return {name: y.clone() for name, y in self.results.items()}

    def _record(self, inputs: dict[int, torch.Tensor], found: dict[str, torch.Tensor]) -> None:
        """Record the function; drop the recording where it does not give what was found."""
        self.inputs = {value: x.clone() for value, x in inputs.items()}
        try:
            results, repeat = record(self.how, lambda: list(self.run(self.inputs).values()))
            self.results = dict(zip(found, results, strict=True))
            if agree(self._repeated(repeat, inputs), found):
                self.repeat = repeat
                return
            log.info('a recording gave other results; it is not used')
        except RuntimeError as error:
            log.info('not recorded: %s', error)
        self.inputs, self.results = {}, {}


def agree(some: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> bool:
    """Whether results are the same but for another choice of kernels."""
    return all(bool((some[name] - y).abs().max() <= AGREEMENT * y.abs().max())
               for name, y in others.items() if y.numel())
