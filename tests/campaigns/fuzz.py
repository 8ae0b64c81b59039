"""make fuzz: read damaged files and run changed nets; a signal, a traceback, a hang or memory
beyond the bound is a fault, and is kept as a file.

    python tests/campaigns/fuzz.py --minutes 10 --seed 1 [--only net,hdf5] [--keep finds]
        [--counts build/campaigns/fuzz.json]

Mutant number n of a kind is the same on every machine with the same versions. Batches run in
forked children, under a limit on memory and on each mutant's seconds of a processor. With a file
of counts a run goes on where the last one ended.
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
from functools import partial
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
sys.path.insert(0, str(Path(__file__).parent))

import children  # noqa: E402
import mutants  # noqa: E402
import readers  # noqa: E402
from counts import Counts  # noqa: E402

BATCH, SECONDS, MEMORY = 100, 20, 3 << 30
ASLEEP = 900                     # seconds by the clock; a busy machine may be slow
WEIGHT = {'net': 10, 'solver': 3, 'hdf5': 2}          # how many batches of each kind in a round


class Hang(BaseException):
    """A mutant took too long."""


def ring(number: int, frame: object) -> None:
    raise Hang(f'longer than {SECONDS} s of a processor')


def one(kind: str, number: int, folder: Path) -> tuple[str, str]:
    """Make a mutant and read it; return a fault and its traceback, or what became of it."""
    rng = random.Random(f'{kind} {number}')
    name, ways = readers.READERS[kind]
    path = folder / name
    path.write_bytes(mutants.MAKERS[kind](rng, folder))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        rng.choice(ways)(path, rng)
        return '', 'read'
    except (Hang, Exception) as error:
        fault = str(error) if isinstance(error, Hang) else readers.complaint(error)
        return fault, traceback.format_exc() if fault else 'refused'
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def child(kind: str, first: int, count: int, shared: mmap.mmap, folder: Path, keep: Path) -> None:
    """Go through a batch, noting in shared memory how far it came; write faults into `keep`."""
    signal.signal(signal.SIGPROF, ring)
    warnings.simplefilter('ignore')
    readers.bound_memory(MEMORY)
    faulthandler.enable(open(os.devnull, 'w'))
    tally: Counter[str] = Counter()
    for number in range(first, first + count):
        shared[:8] = struct.pack('<q', number)
        fault, text = one(kind, number, folder)
        tally[text if not fault else 'fault'] += 1
        if fault:
            save(kind, number, folder, keep, f'{fault}\n{text}')
        shared[8:32] = struct.pack('<3q', tally['read'], tally['refused'], tally['fault'])


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
        with tempfile.TemporaryDirectory(prefix='fuzz-', dir=children.fast_disk()) as place:
            status = waited(children.fork(
                partial(child, kind, first, count, shared, Path(place), keep), Path(place)), shared)
            children.said(Path(place)).unlink()
            at, read, refused, fault = struct.unpack('<4q', shared[:])
            tally.update(read=read, refused=refused, fault=fault)
            if status == 0:
                return tally
            tally['fault'] += 1
            save(kind, at, Path(place), keep, f'the process ended with {status}')
        count, first = first + count - at - 1, at + 1
    return tally


def waited(pid: int, shared: mmap.mmap) -> int:
    """Wait for a child; kill it where one mutant holds it up beyond its alarm, or sleeps."""
    before, used, since = b'', 0., time.monotonic()
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if shared[:8] != before:
            before, used, since = shared[:8], processor(pid), time.monotonic()
        elif processor(pid) - used > 2 * SECONDS or time.monotonic() - since > ASLEEP:
            os.kill(pid, signal.SIGKILL)
        time.sleep(.02)


def processor(pid: int) -> float:
    """Return the seconds that a process has computed."""
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--minutes', type=float, default=10)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--only', default='', help='kinds, with commas')
    parser.add_argument('--keep', type=Path, default=Path('fuzz-finds'))
    parser.add_argument('--counts', type=Path, help='a file of counts to go on from')
    given = parser.parse_args()
    kinds = given.only.split(',') if given.only else list(mutants.MAKERS)
    children.load()
    mutants.types()
    mutants.nets()
    counts, end = Counts(given.counts), time.monotonic() + 60 * given.minutes
    keep, before = given.keep.resolve(), counts.all['fault']
    while time.monotonic() < end:
        for kind in kinds:
            for _ in range(WEIGHT.get(kind, 1)):
                turn = counts.next.get(kind, 0)
                first = (given.seed << 40) + turn * BATCH
                counts.add(kind, batch(kind, first, BATCH, keep), turn + 1)
                if time.monotonic() > end:
                    break
        print(f'… {counts.all.total():,} mutants, {counts.all["fault"]} fault(s)', file=sys.stderr,
              flush=True)
    print(counts.table())
    if counts.all['fault'] > before:
        sys.exit(f'{counts.all["fault"] - before} fault(s), kept in {given.keep}')


if __name__ == '__main__':
    main()
