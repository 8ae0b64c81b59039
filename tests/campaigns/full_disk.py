"""make crash, second part: a full disk, by a limit on the size of files swept over every writer.

    python tests/campaigns/full_disk.py [--only w.,n.onnx] [--thin 10] [--counts FILE]

Each writer is tried at every byte to 4 kB and at 500 sizes up to its whole (--thin N: at each Nth).
It says which file was not written, what stood there before stays, nothing is left beside it.
"""

import argparse
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
sys.path.insert(0, str(Path(__file__).parent))

from children import ended, fast_disk, fork, load  # noqa: E402
from counts import Counts  # noqa: E402
from writers import Writer, writers  # noqa: E402


def points(size: int) -> Iterator[int]:
    """Yield the limits to try: every byte to 4 kB, then 500 to the size."""
    yield from range(min(4096, size))
    yield from range(4096, size, max(1, (size - 4096) // 500))
    yield from (size - 1, size)


def sweep(name: str, writer: Writer, room: Path, thin: int = 1) -> tuple[int, list[str]]:
    """Write a file under each limit of its size; return how many, and what went wrong."""
    folder = room / 'disk'
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = folder / name
    writer.begin(path)
    before = states(folder)
    writer.write(path)
    whole = states(folder)
    size = max(len(held) for held in whole.values())
    least = max((len(held) for held in before.values()), default=0) if writer.grows else 0
    todo = [limit for limit in points(size) if limit >= least][::thin]
    tried, faults = 0, []
    while tried < len(todo):
        read, told = os.pipe()
        pid = fork(partial(limited, path, writer, before, whole, todo[tried:], told), folder)
        os.close(told)
        with os.fdopen(read) as lines:
            heard = lines.read().splitlines()
        status = ended(pid)
        faults += [line for line in heard if line != '.']
        tried += len(heard)
        if status:
            faults.append(f'{name}: limit {todo[min(tried, len(todo) - 1)]}: ended with {status}')
            tried += 1
    return len(todo), faults


def states(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files in a folder; the lock of an LMDB names its process."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob('*'))
            if path.is_file() and path.name != 'lock.mdb'}


def limited(path: Path, writer: Writer, before: dict[str, bytes], whole: dict[str, bytes],
            todo: list[int], told: int) -> None:
    """In a child: try each limit, and say '.' or what went wrong, a line each."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    for limit in todo:
        for held in path.parent.iterdir():
            shutil.rmtree(held) if held.is_dir() else held.unlink()
        for name, raw in before.items():
            (path.parent / name).parent.mkdir(exist_ok=True, parents=True)
            (path.parent / name).write_bytes(raw)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        refusal, fault = tried(path, writer)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        fault = fault or wrong(states(path.parent), before, whole, limit, refusal)
        os.write(told, f'{path.name}: limit {limit}: {fault}\n'.encode() if fault else b'.\n')


def tried(path: Path, writer: Writer) -> tuple[bool, str]:
    """Write under a limit; return whether it was refused, and what is wrong with how."""
    try:
        writer.write(path)
    except OSError as error:
        named = any(name in str(error) for name in writer.names or (path.name,))
        return True, '' if named and 'not written' in str(error) else repr(error)
    except Exception as error:
        return True, repr(error)
    return False, ''


def wrong(found: dict[str, bytes], before: dict[str, bytes], whole: dict[str, bytes], limit: int,
          refusal: bool) -> str:
    """Return what is wrong with what lies there afterwards; '' for nothing."""
    for name, held in found.items():
        if name not in whole:
            return f'{name} was left behind'
        if held not in (before.get(name), whole[name]):
            return f'{name} is not whole'
    if gone := before.keys() - found.keys():
        return f'{sorted(gone)} is gone'
    fits = max(map(len, whole.values())) <= limit
    if not refusal and found != whole:
        return 'not all is written, and nothing is said'
    return 'refused though all of it fits' if refusal and fits else ''


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', default='', help='beginnings of the names of files, with commas')
    parser.add_argument('--thin', type=int, default=1, help='try each Nth limit')
    parser.add_argument('--counts', type=Path, help='a file of counts; what is in it is not done')
    given = parser.parse_args()
    load()
    counts, faults = Counts(given.counts and given.counts.resolve()), []
    room = Path(tempfile.mkdtemp(prefix='disk-', dir=fast_disk()))
    for name, writer in writers().items():
        if not name.startswith(tuple(given.only.split(','))) or counts.kinds.get(name):
            continue
        count, found = sweep(name, writer, room, given.thin)
        faults += found
        counts.add(name, Counter({'limits': count, 'fault': len(found)}), 0)
        print(f'{name:<18} {count:>6,} limits, {len(found)} fault(s)', *found[:3], sep='\n  ',
              flush=True)
    print(counts.table())
    shutil.rmtree(room)
    if faults:
        sys.exit(f'{len(faults)} fault(s)')


if __name__ == '__main__':
    main()
