"""Fixtures for the layer tests: drive one layer by hand, and hold its backward against central
differences in double precision (Caffe's GradientChecker). And `torchrun`: work on several ranks.
"""

import faulthandler
import gc
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from google.protobuf import text_format

from netspec.schema.messages import TRAIN, LayerParameter, NetParameter
from port.cli import main
from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import create

SEED = 1701  # before every forward, so that a random layer draws the same numbers again


@pytest.fixture(scope='module')
def one_thread():
    """One thread: sums keep one order in every process, and narrow layers wait for no other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Driven:
    """A layer with its blobs: setup done, `forward` and `backward` as a net would call them."""

    def __init__(self, param: LayerParameter, arrays: list[np.ndarray], phase: int,
                 dtype: torch.dtype, in_place: bool) -> None:
        self.arrays, self.dtype = arrays, dtype
        self.layer: Layer = create(param, phase)
        self.layer.dtype = dtype
        names = list(param.bottom) or [f'bottom{i}' for i in range(len(arrays))]
        self.bottom = [Blob(n, a.shape, dtype) for n, a in zip(names, arrays, strict=True)]
        least, most = self.layer.facts.tops
        tops = list(param.top) or ['top'] * max(int(most != 0), least)
        param.bottom[:], param.top[:] = names, tops       # as every layer of a net has them
        self.top = self.bottom[:1] if in_place else [Blob(n, (), dtype) for n in tops]
        self.layer.check_arity(len(self.bottom), len(self.top))
        self.fill()
        with torch.no_grad():
            self.layer.setup(self.bottom, self.top)
        self.layer.param_propagate_down = [True] * len(self.layer.blobs)

    def fill(self) -> None:
        """Put the arrays into the bottoms (again: in place they are overwritten)."""
        for blob, array in zip(self.bottom, self.arrays, strict=True):
            blob.data = torch.tensor(array, dtype=self.dtype)

    def forward(self) -> list[np.ndarray]:
        """Fill, reshape, forward; return copies of the tops."""
        self.fill()
        torch.manual_seed(SEED)
        with torch.no_grad():
            self.layer.reshape(self.bottom, self.top)
            self.layer.forward(self.bottom, self.top)
        return [t.data.numpy().copy() for t in self.top]

    def backward(self, diffs: list[np.ndarray], propagate: list[bool] | None = None) -> None:
        """Put `diffs` into the tops, clear the parameters' diffs, backward."""
        for blob, array in zip(self.top, diffs, strict=True):
            blob.diff = torch.tensor(array, dtype=self.dtype)
        for blob in self.layer.blobs:
            blob.drop_diff()
        with torch.no_grad():
            self.layer.backward(self.top, propagate or [True] * len(self.bottom), self.bottom)


def layer_param(text: str) -> LayerParameter:
    """Parse the inside of a `layer { ... }`."""
    return text_format.Parse(text, LayerParameter())


@pytest.fixture(scope='session')
def drive() -> Callable[..., Driven]:
    """drive(layer_text, bottoms, phase=TRAIN, dtype=torch.float32, in_place=False) -> Driven.

    layer_text: the inside of a `layer { ... }`; its `top` lines give the number of tops.
    """
    def make(text: str | LayerParameter, bottoms: list[np.ndarray], phase: int = TRAIN,
             dtype: torch.dtype = torch.float32, in_place: bool = False) -> Driven:
        param = layer_param(text) if isinstance(text, str) else text
        return Driven(param, bottoms, phase, dtype, in_place)
    return make


def central(objective: Callable[[], float], array: np.ndarray, step: float) -> np.ndarray:
    """Return (f(x + step) - f(x - step)) / 2 step for every element x of `array`."""
    slope = np.zeros(array.shape)
    flat, out = array.reshape(-1), slope.reshape(-1)
    for i, held in enumerate(flat.copy()):
        flat[i] = held + step
        up = objective()
        flat[i] = held - step
        out[i] = (up - objective()) / (2 * step)
        flat[i] = held
    return slope


def hold(name: str, ours: np.ndarray, slope: np.ndarray, tol: float) -> None:
    """Fail unless a diff equals the measured slope within tol of its largest magnitude."""
    off = np.abs(ours - slope).max(initial=0)
    reach = max(1.0, np.abs(slope).max(initial=0))
    assert off <= tol * reach, f'{name}: off by {off:.3g} where the slope reaches {reach:.3g}'


@pytest.fixture(scope='session')
def check_gradient(drive) -> Callable[..., Driven]:
    """check_gradient(layer_text, bottoms, ...): backward equals central differences, float64.

    The objective is a random weighting of the tops (only of top `top_index` where given; the
    other tops' diffs are zero). propagate: which bottoms are asked for a diff (default: all that
    take one). params: whether the parameters are checked, one bool or one each. Keep the bottoms
    further than `step` from kinks. Returns the driven layer.
    """
    def check(text: str | LayerParameter, bottoms: list[np.ndarray], *, phase: int = TRAIN,
              propagate: list[bool] | None = None, params: bool | list[bool] = True,
              step: float = 1e-4, tol: float = 1e-5, top_index: int | None = None,
              in_place: bool = False) -> Driven:
        bottoms = [np.array(b, dtype='float64', order='C') for b in bottoms]
        driven = drive(text, bottoms, phase, torch.float64, in_place)
        layer = driven.layer
        wanted = propagate or [layer.allow_force_backward(i) for i in range(len(bottoms))]
        asked = [params] * len(layer.blobs) if isinstance(params, bool) else list(params)
        layer.param_propagate_down = asked
        random = np.random.RandomState(SEED)
        weights = [random.uniform(0.5, 1.5, t.shape) * random.choice([-1, 1], t.shape)
                   * (top_index in (None, i)) for i, t in enumerate(driven.forward())]
        if not in_place:
            for blob, array in zip(driven.bottom, bottoms, strict=True):
                assert np.array_equal(blob.data.numpy(), array), f'{blob.name}: forward changed it'
        driven.backward(weights, wanted)
        found = [b.diff.numpy().copy() for b in driven.bottom]
        found_params = [b.diff.numpy().copy() for b in layer.blobs]

        def objective() -> float:
            return sum(float((w * t).sum())
                       for w, t in zip(weights, driven.forward(), strict=True))

        for i, (array, want) in enumerate(zip(bottoms, wanted, strict=True)):
            if want:
                hold(f'bottom {i}', found[i], central(objective, array, step), tol)
        for i, (blob, want) in enumerate(zip(layer.blobs, asked, strict=True)):
            if want:
                held = blob.data.numpy()
                hold(f'param {i}', found_params[i], central(objective, held, step), tol)
        return driven
    return check


RECORDED_TOL = 2e-4  # of the reference's largest magnitude: float32 sums in another order


@pytest.fixture(scope='session')
def recorded(drive, golden: Path) -> Callable[[str], Driven]:
    """recorded(name): hold a net of Input layers and one other against numbers Caffe recorded.

    name: of a case in tests/golden/layers. Compares outputs, diffs and params' diffs.
    """
    def close(key: str, ours: np.ndarray, theirs: np.ndarray) -> None:
        assert ours.shape == theirs.shape, f'{key}: shape {ours.shape}, Caffe {theirs.shape}'
        off, reach = np.abs(ours - theirs).max(initial=0), np.abs(theirs).max(initial=1e-6)
        assert off <= RECORDED_TOL * reach, f'{key}: off by {off:.3g} of {reach:.3g}'

    def check(name: str) -> Driven:
        text = (golden / 'layers' / f'{name}.prototxt').read_text()
        net = text_format.Parse(text, NetParameter())
        (param,) = (p for p in net.layer if p.type != 'Input')
        with np.load(golden / 'layers' / f'{name}.npz') as arrays:
            case = dict(arrays)
        driven = drive(param, [case[f'in:{b}'] for b in param.bottom], net.state.phase)
        for i, blob in enumerate(driven.layer.blobs):
            blob.data = torch.tensor(case[f'param:{param.name}:{i}'])
        for top, found in zip(param.top, driven.forward(), strict=True):
            close(f'out:{top}', found, case[f'out:{top}'])
        if net.force_backward:      # else no layer of a net without a loss goes backward
            driven.backward([case.get(f'topdiff:{t}', np.zeros_like(case[f'out:{t}']))
                             for t in param.top], [f'diff:{b}' in case for b in param.bottom])
        found = {f'diff:{b.name}': b for b in driven.bottom}
        found |= {f'pdiff:{param.name}:{i}': b for i, b in enumerate(driven.layer.blobs)}
        for key in found.keys() & case.keys():
            close(key, found[key].diff.numpy(), case[key])
        return driven
    return check


# -- several ranks ---------------------------------------------------------------------------------

@dataclass(frozen=True)
class Ended:
    """How a rank ended: its exit status, minus the signal that killed it, and what it said."""

    status: int
    out: str
    err: str


class Torchrun:
    """Starts ranks as torchrun does: its variables, its store; in children of this process, which
    has imported everything already.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.launch, self.attempt = folder, 0, 0
        self.store: dist.TCPStore | None = None

    def run(self, *works: Callable[[], object], again: bool = False,
            timeout: float = 60) -> list[Ended]:
        """Run one function in each rank; all must end in time, of which what passed while this
        process could not look does not count. again: in place of ranks that ended, as
        --max-restarts does, which keeps their store.
        """
        self.attempt = self.attempt + 1 if again else 0
        if not again:
            self.launch += 1
            self.store = dist.TCPStore('localhost', 0, is_master=True, wait_for_workers=False)
        pids = [self._fork(work, rank, len(works), timeout) for rank, work in enumerate(works)]
        waited, found = 0.0, dict[int, int]()
        while len(found) < len(pids) and waited < timeout + 1:
            start = time.monotonic()
            for pid in (pid for pid in pids if pid not in found):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    found[pid] = os.waitstatus_to_exitcode(status)
            time.sleep(.01)
            waited += min(0.1, time.monotonic() - start)
        for pid in (pid for pid in pids if pid not in found):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            found[pid] = 1000                       # of a rank that hangs
        return [Ended(found[pid], self._said(rank, 'out'), self._said(rank, 'err'))
                for rank, pid in enumerate(pids)]

    def fcn(self, ranks: int, *args: object, again: bool = False) -> list[Ended]:
        """Run the same command in every rank."""
        return self.run(*[lambda: main([str(a) for a in args], prog_name='fcn')] * ranks,
                        again=again)

    def _file(self, rank: int, kind: str) -> Path:
        return self.folder / f'rank{rank}.{self.launch}.{self.attempt}.{kind}'

    def _said(self, rank: int, kind: str) -> str:
        return self._file(rank, kind).read_text()

    def _fork(self, work: Callable[[], object], rank: int, size: int, timeout: float) -> int:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', DeprecationWarning)     # a fork beside threads
            pid = os.fork()
        if pid:
            return pid
        gc.freeze()                   # a store let go of here would wait for threads of the parent
        status = 99
        try:
            for number, kind in ((1, 'out'), (2, 'err')):
                os.dup2(os.open(self._file(rank, kind), os.O_CREAT | os.O_WRONLY), number)
            sys.stdout, sys.stderr = open(1, 'w', closefd=False), open(2, 'w', closefd=False)
            os.environ |= {
                'RANK': str(rank), 'WORLD_SIZE': str(size), 'LOCAL_RANK': str(rank),
                'LOCAL_WORLD_SIZE': str(size), 'MASTER_ADDR': 'localhost',
                'MASTER_PORT': str(self.store.port), 'TORCHELASTIC_USE_AGENT_STORE': 'True',
                'TORCHELASTIC_RESTART_COUNT': str(self.attempt)}
            torch.set_num_threads(1)
            faulthandler.dump_traceback_later(timeout, file=sys.stderr)     # of one that hangs
            work()
            status = 0
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)


@pytest.fixture
def torchrun(tmp_path_factory):
    """torchrun.fcn(2, 'train', …) -> how each of two ranks ended; torchrun.run(work, other)."""
    found = Torchrun(tmp_path_factory.mktemp('ranks'))
    yield found
    found.store = None
