"""make fuzz: read damaged files and run changed nets; a signal, a traceback, a hang or memory
beyond the bound is a fault, and is kept as a file.

    python tests/campaigns/fuzz.py --minutes 10 --seed 1 [--only net,hdf5] [--keep finds]

Mutant number n of a kind is the same on every machine with the same versions. Batches run in
forked children, under a limit on memory and an alarm for each mutant.
"""

import argparse
import faulthandler
import mmap
import os
import random
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
sys.path.insert(0, str(Path(__file__).parent))

import mutants  # noqa: E402
import readers  # noqa: E402

BATCH, SECONDS, MEMORY = 100, 20, 3 << 30
WEIGHT = {'net': 10, 'solver': 3, 'hdf5': 2}          # how many batches of each kind in a round


class Hang(BaseException):
    """A mutant took too long."""


def ring(number: int, frame: object) -> None:
    raise Hang(f'longer than {SECONDS} s')


def one(kind: str, number: int, folder: Path) -> tuple[str, str]:
    """Make a mutant and read it; return a fault and its traceback, or what became of it."""
    rng = random.Random(f'{kind} {number}')
    name, ways = readers.READERS[kind]
    path = folder / name
    path.write_bytes(mutants.MAKERS[kind](rng, folder))
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        rng.choice(ways)(path, rng)
        return '', 'read'
    except (Hang, Exception) as error:
        fault = str(error) if isinstance(error, Hang) else readers.complaint(error)
        return fault, traceback.format_exc() if fault else 'refused'
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def child(kind: str, first: int, count: int, shared: mmap.mmap, keep: Path) -> None:
    """Go through a batch, noting in shared memory how far it came; write faults into `keep`."""
    signal.signal(signal.SIGALRM, ring)
    warnings.simplefilter('ignore')
    readers.bound_memory(MEMORY)
    faulthandler.enable(open(os.devnull, 'w'))
    tally: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix='fuzz-') as folder:
        for number in range(first, first + count):
            shared[:8] = struct.pack('<q', number)
            fault, text = one(kind, number, Path(folder))
            tally[text if not fault else 'fault'] += 1
            if fault:
                save(kind, number, Path(folder), keep, f'{fault}\n{text}')
            shared[8:32] = struct.pack('<3q', tally['read'], tally['refused'], tally['fault'])
    os._exit(0)


def save(kind: str, number: int, folder: Path, keep: Path, text: str) -> None:
    """Keep a mutant and what it did."""
    keep.mkdir(parents=True, exist_ok=True)
    source = folder / readers.READERS[kind][0]
    if source.exists():
        (keep / f'{kind}-{number}{source.suffix}').write_bytes(source.read_bytes())
    (keep / f'{kind}-{number}.txt').write_text(text)


def batch(kind: str, first: int, count: int, keep: Path) -> Counter[str]:
    """Run a batch in a child; go on behind a mutant that ended it. Return what became of all."""
    tally: Counter[str] = Counter()
    while count:
        shared = mmap.mmap(-1, 32)
        pid = os.fork()
        if not pid:
            try:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                os.dup2(1, 2)
                child(kind, first, count, shared, keep)
            finally:
                os._exit(99)
        status = waited(pid, shared)
        at, read, refused, fault = struct.unpack('<4q', shared[:])
        tally.update(read=read, refused=refused, fault=fault)
        if status == 0:
            return tally
        tally['fault'] += 1
        save(kind, at, Path('/nowhere'), keep, f'the process ended with {status}')
        with tempfile.TemporaryDirectory() as folder:       # make it once more, unread
            path = Path(folder) / readers.READERS[kind][0]
            path.write_bytes(mutants.MAKERS[kind](random.Random(f'{kind} {at}'), Path(folder)))
            save(kind, at, Path(folder), keep, f'the process ended with {status}')
        count, first = first + count - at - 1, at + 1
    return tally


def waited(pid: int, shared: mmap.mmap) -> int:
    """Wait for a child; kill it where one mutant holds it up beyond its alarm."""
    before, since = b'', time.monotonic()
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if shared[:8] != before:
            before, since = shared[:8], time.monotonic()
        elif time.monotonic() - since > 2 * SECONDS:
            os.kill(pid, signal.SIGKILL)
        time.sleep(.02)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--minutes', type=float, default=10)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--only', default='', help='kinds, with commas')
    parser.add_argument('--keep', type=Path, default=Path('fuzz-finds'))
    given = parser.parse_args()
    kinds = given.only.split(',') if given.only else list(mutants.MAKERS)
    import torch
    torch.set_num_threads(1)
    mutants.types()
    end, turn, tallies = time.monotonic() + 60 * given.minutes, 0, {k: Counter() for k in kinds}
    while time.monotonic() < end:
        for kind in kinds:
            for _ in range(WEIGHT.get(kind, 1)):
                first = (given.seed << 40) + turn * BATCH
                tallies[kind] += batch(kind, first, BATCH, given.keep)
                turn += 1
                if time.monotonic() > end:
                    break
        done = sum(tallies.values(), Counter())
        print(f'… {done.total():,} mutants, {done["fault"]} fault(s)', file=sys.stderr, flush=True)
    print(f'{"kind":<12} {"mutants":>9} {"read":>9} {"refused":>9} {"faults":>7}')
    for kind, t in [*tallies.items(), ('all', sum(tallies.values(), Counter()))]:
        print(f'{kind:<12} {t.total():>9,} {t["read"]:>9,} {t["refused"]:>9,} {t["fault"]:>7,}')
    faults = sum(t['fault'] for t in tallies.values())
    if faults:
        sys.exit(f'{faults} fault(s), kept in {given.keep}')


if __name__ == '__main__':
    main()
