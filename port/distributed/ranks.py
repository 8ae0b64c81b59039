"""The processes that torchrun started for one piece of work, over torch.distributed: gloo between
CPUs, NCCL between GPUs.

Where one of them ends, all end: whoever fails leaves its words in torchrun's store, the others
find their connection to it closed, and look there. Each machine says the cause once.
"""

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from torch.autograd.graph import increment_version

from port.distributed.alone import Alone, Facts, Result

PATIENCE = timedelta(hours=2)      # for a rank that works alone: it writes a report, say
WORDS = 5.0                        # seconds in which a rank that fails says why
SOON = 0.01                        # seconds until what the others do is looked at again
FAILED, HERE, SAID, PROCESS, LEFT = 'failed', 'here', 'said', 'process', 'left'


class AlreadySaid(RuntimeError):
    """A failure that another process on this machine tells of."""

    said = True


class StoppedFirst(KeyboardInterrupt):
    """A stop that was asked for, and that another process on this machine tells of."""

    said = True


class RankLost(RuntimeError):
    """Another rank is gone, or whoever started this one ends it."""


class Ranks(Alone):
    """One process of several. gpu: it works on one, so that NCCL carries its tensors."""

    def __init__(self, gpu: bool = False) -> None:
        self.rank, self.size = int(os.environ['RANK']), int(os.environ['WORLD_SIZE'])
        self.place = int(os.environ.get('LOCAL_RANK', self.rank))
        self.attempt = os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')
        kept = os.environ.get('TORCHELASTIC_USE_AGENT_STORE') == 'True'
        self.host = socket.gethostname()
        self.store_here = not kept and self.rank == 0
        self.store = dist.TCPStore(os.environ['MASTER_ADDR'], int(os.environ['MASTER_PORT']),
                                   self.size, is_master=self.store_here,
                                   timeout=timedelta(minutes=5))
        self._store_keys = dist.PrefixStore(f'fcn/{self.attempt}', self.store)
        self._store_keys.set(f'{PROCESS}/{self.rank}', f'{self.host} {os.getpid()}')
        dist.init_process_group('nccl' if gpu and torch.cuda.is_available() else 'gloo',
                                rank=self.rank, world_size=self.size, timeout=PATIENCE,
                                store=dist.PrefixStore('group', self._store_keys))
        # Of its own, so that its messages need not keep the order of the gradients'.
        self._control = dist.new_group(backend='gloo', timeout=PATIENCE)
        self._meetings, self._processes = 0, dict[int, str]()
        self._refused = False      # whether all ranks know why they end

    # -- together --------------------------------------------------------------------------------

    def sums(self, values: Sequence[float]) -> list[float]:
        return self.add(torch.tensor(list(values), dtype=torch.float64)).tolist()

    def add(self, tensor: torch.Tensor) -> torch.Tensor:
        with _reaching():
            dist.all_reduce(tensor, group=self._group(tensor))
        return _written(tensor)

    def spread(self, tensor: torch.Tensor) -> torch.Tensor:
        with _reaching():
            dist.broadcast(tensor, 0, group=self._group(tensor))
        return _written(tensor)

    def _group(self, tensor: torch.Tensor) -> dist.ProcessGroup | None:
        return self._control if tensor.is_cpu else None

    def gathered(self, value: Any) -> list[Any]:
        mine = json.dumps(value).encode()
        counts = torch.zeros(self.size, dtype=torch.int64)
        counts[self.rank] = len(mine)
        most = int(self.add(counts).max())
        sent = torch.frombuffer(bytearray(mine.ljust(most)), dtype=torch.uint8)
        parts = [torch.empty(most, dtype=torch.uint8) for _ in range(self.size)]
        with _reaching():
            dist.all_gather(parts, sent, group=self._control)
        return [json.loads(part.numpy().tobytes()) for part in parts]

    def meet(self) -> None:
        self._meetings += 1
        place, store = f'met/{self._meetings}', self._store_keys
        with _reaching():
            store.add(place, 1)
            pause = SOON
            while store.add(place, 0) < self.size:
                gone = store.check([FAILED]) or not all(map(self._lives, range(self.size)))
                if gone and store.add(place, 0) < self.size:    # not one that has met and ended
                    raise RankLost('a rank is gone')
                time.sleep(pause)
                pause = min(1, 1.5 * pause)

    def leave(self) -> None:
        """End well, together: who went first would close connections on which slower ranks still
        wait for its last numbers, and the store with them, where it is in this process.
        """
        self.meet()
        self._store_keys.add(LEFT, 1)
        end = time.monotonic() + WORDS
        while self.store_here and self._store_keys.add(LEFT, 0) < self.size \
                and time.monotonic() < end:
            time.sleep(SOON)
        dist.destroy_process_group()

    def by_first(self, work: Callable[[], Result]) -> Result:
        found: Any = None
        with self.agreed():
            if self.first:
                found = work()
        return self.gathered(found)[0]

    @contextmanager
    def agreed(self) -> Iterator[Facts]:
        facts: Facts = {}
        problem: Exception | None = None
        try:
            yield facts
        except RankLost:
            raise
        except Exception as error:
            problem = error
        told = self.gathered(['' if problem is None else words(problem), facts])
        texts = [text for text, _ in told]
        if any(texts):
            self._refuse(texts, problem)
        for rank, (_, theirs) in enumerate(told):
            for what, value in told[0][1].items():
                if theirs.get(what) != value:
                    self._refuse([f'rank {rank} has another {what} than rank 0 (by their SHA-256): '
                                  'give every process the same'] * self.size, None)

    def _refuse(self, texts: list[str], problem: Exception | None) -> None:
        """End this rank, as every other ends: one of each machine with the words of who failed."""
        self._refused = True
        rank = next(i for i, text in enumerate(texts) if text)
        if not self._claim():
            raise AlreadySaid(texts[rank]) from problem
        alike = all(text == texts[rank] for text in texts)
        if problem is None or not alike and self.rank != rank:
            problem = ValueError(texts[rank])
        if not alike:
            problem.add_note(f'rank {rank} of {self.size}')
        raise problem

    # -- ending ----------------------------------------------------------------------------------

    def ended(self, error: BaseException) -> BaseException:
        """Return what this rank ends with after an error, having let the others know."""
        if self._refused:
            return error
        with suppress(RuntimeError):            # a store that is gone, as torchrun is
            if isinstance(error, KeyboardInterrupt):
                self._store_keys.set(FAILED, words(error))
                return error if self._claim() else StoppedFirst(str(error))
            if isinstance(error, RankLost):
                cause = self._cause(error)
                self._store_keys.set(FAILED, cause)
                found = RuntimeError(cause) if self._claim() else AlreadySaid(cause)
                for note in getattr(error, '__notes__', ()):     # of how far this rank had come
                    if note not in cause:
                        found.add_note(note)
                return found
            mine, where = words(error), f'rank {self.rank} of {self.size}'
            speaks = self._claim(mine)             # before the others know of it
            first = self._store_keys.compare_set(FAILED, '', f'{mine} ({where})').decode()
            if not speaks:
                return AlreadySaid(mine)
            if first == f'{mine} ({where})':
                error.add_note(where)
        return error

    def _claim(self, text: str = '') -> bool:
        """Tell whether this process is the first of its machine to speak of a failure; or the first
        with this text.
        """
        key, mine = f'{SAID}/{self.host}', f'{self.rank} {text}'
        first = self._store_keys.compare_set(key, '', mine).decode()
        return first == mine or bool(text) and not first.partition(' ')[2].startswith(text)

    def _cause(self, error: BaseException) -> str:
        """Return why another rank is gone: its own words, or which it was."""
        store = self._store_keys
        store.set(f'{HERE}/{self.rank}', '1')
        start = time.monotonic()
        while (waited := time.monotonic() - start) < WORDS:
            if store.check([FAILED]):
                return store.get(FAILED).decode()
            silent = [rank for rank in range(self.size) if not store.check([f'{HERE}/{rank}'])]
            gone = [rank for rank in silent if not self._lives(rank)]
            if gone and waited > 1 or not silent:
                break
            time.sleep(0.1)
        gone = gone or [rank for rank in silent if not self._near(rank)]
        if not gone:
            return f'ended by whoever started the {self.size} ranks ({error})'
        which = ', '.join(map(str, gone))
        return (f'rank {which} of {self.size} ended without a word: killed, out of memory, or its '
                'machine is down')

    def _process(self, rank: int) -> tuple[str, str]:
        """Return the machine and the number of a rank's process."""
        if rank not in self._processes:
            self._processes[rank] = self._store_keys.get(f'{PROCESS}/{rank}').decode()
        host, _, number = self._processes[rank].rpartition(' ')
        return host, number

    def _near(self, rank: int) -> bool:
        """Whether a rank is on this machine and /proc tells of its process."""
        return self._process(rank)[0] == self.host and Path('/proc/self/stat').exists()

    def _lives(self, rank: int) -> bool:
        """Whether a rank's process is there; True where that cannot be seen."""
        if not self._near(rank):
            return True
        with suppress(OSError):
            status = Path('/proc', self._process(rank)[1], 'stat').read_text()
            return status.rpartition(')')[2].split()[0] not in 'ZX'
        return False

    # -- over restarts ---------------------------------------------------------------------------

    def note(self, key: str, text: str) -> None:
        self.store.set(f'fcn/kept/{key}', text)

    def noted(self, key: str) -> str:
        return self.store.get(f'fcn/kept/{key}').decode() \
            if self.store.check([f'fcn/kept/{key}']) else ''


def words(error: BaseException) -> str:
    """Return an error's text on one line, with its notes."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    notes = ''.join(f' ({note})' for note in getattr(error, '__notes__', ()))
    return ' '.join((text + notes).split()) or type(error).__name__


def _written(tensor: torch.Tensor) -> torch.Tensor:
    """Count a change that torch did not see: who keeps what it made of the values looks there."""
    if not tensor.is_inference():
        increment_version((tensor,))
    return tensor


@contextmanager
def _reaching() -> Iterator[None]:
    """Raise RankLost where another rank cannot be reached."""
    try:
        yield
    except RuntimeError as error:
        raise RankLost(words(error)) from error


def send(tensor: torch.Tensor) -> dist.Work | None:
    """Begin to sum a tensor over the ranks; return what to wait for."""
    with _reaching():
        return dist.all_reduce(tensor, async_op=True)


def wait(work: dist.Work) -> None:
    """Wait for a message under way; RankLost where another rank cannot be reached."""
    with _reaching():
        work.wait()


@contextmanager
def joined(gpu: bool = False) -> Iterator[Ranks]:
    """Be one of the ranks within the block; an error in it ends all of them."""
    def terminate(number: int, frame: FrameType | None) -> None:
        raise RankLost('SIGTERM')

    before = signal.signal(signal.SIGTERM, terminate)
    ranks = Ranks(gpu)
    try:
        yield ranks
        ranks.leave()
    except BaseException as error:
        # torchrun's, to ranks that are still there: this one ends with its own words and status.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ending = ranks.ended(error)
        if ending is error:
            raise
        raise ending from error
    signal.signal(signal.SIGTERM, before)
