"""Loading a full-size .caffemodel (134 M parameters, 538 MB) against reading its bytes.

Claim: read_caffemodel takes at most 1.5 times the time of a plain read of the file, and makes no
second copy. Since the weights are mapped, their pages come when they are touched: so the time to
load AND sum every value is held against read AND sum too. All in one run, in turn, medians:

    python benchmarks/caffemodel_load.py [--dir /tmp] [--repeat 5] [--cold]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from forward import machine

from netspec.families.fcn import fcn
from surgery import param_shapes, read_caffemodel, write_caffemodel

NET = 'voc-fcn8s'
LIMIT = 1.5


def make_file(path: Path) -> dict[str, int]:
    """Write random weights in the shapes of the net; return their count and the file's size."""
    noise = np.random.default_rng(0).standard_normal(1 << 20, np.float32)
    shapes = param_shapes(fcn(NET, 'deploy'))
    weights = {layer: [np.resize(noise, shape) for shape in blobs]
               for layer, blobs in shapes.items()}
    begin = time.perf_counter()
    write_caffemodel(path, weights)
    return {'parameters': sum(blob.size for blobs in weights.values() for blob in blobs),
            'bytes': path.stat().st_size, 'write_s': round(time.perf_counter() - begin, 3)}


def plain_read(path: Path) -> bytes:
    """Read the file's bytes."""
    return path.read_bytes()


def read_and_touch(path: Path) -> int:
    """Read the file's bytes and combine all of them, four at a time."""
    raw = plain_read(path)
    return int(np.bitwise_xor.reduce(np.frombuffer(raw, np.uint32, len(raw) // 4)))


def load_and_touch(path: Path) -> int:
    """Load the weights and combine the bits of all of them."""
    return int(np.bitwise_xor.reduce([np.bitwise_xor.reduce(blob.reshape(-1).view(np.uint32))
                                      for blobs in read_caffemodel(path).values()
                                      for blob in blobs]))


def load_and_copy(path: Path) -> list[np.ndarray]:
    """Load the weights and copy all of them, as a net does into its own parameters."""
    return [blob.copy() for blobs in read_caffemodel(path).values() for blob in blobs]


TASKS: dict[str, Callable[[Path], object]] = {
    'read': plain_read, 'load': read_caffemodel, 'read_and_touch': read_and_touch,
    'load_and_touch': load_and_touch, 'load_and_copy': load_and_copy}
PAIRS = {'load': 'read', 'load_and_touch': 'read_and_touch', 'load_and_copy': 'read'}


def measure(path: Path, repeat: int, cold: bool) -> dict[str, float]:
    """Run the tasks in turn, `repeat` times; return the median seconds of each."""
    seconds = {task: [] for task in TASKS}
    path.read_bytes()
    for _ in range(repeat):
        for task, run in TASKS.items():
            if cold:
                drop_from_cache(path)
            begin = time.perf_counter()
            result = run(path)
            seconds[task].append(time.perf_counter() - begin)
            del result
    return {task: round(statistics.median(times), 4) for task, times in seconds.items()}


def drop_from_cache(path: Path) -> None:
    """Ask the kernel to forget the file's pages, so that they come from the disk."""
    with path.open('rb') as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def peak_memory(path: Path, task: str) -> dict[str, float]:
    """Run one task in a process of its own; return its growth in MB, own pages and mapped ones."""
    code = (f'import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n'
            'import caffemodel_load as b\nfrom pathlib import Path\n'
            f'before = b.status(); kept = b.TASKS[{task!r}](Path({str(path)!r}))\n'
            'after = b.status(); print(*(round((after[k] - before[k]) / 1024) for k in before))')
    out = subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True)
    own, mapped, peak = map(float, out.stdout.split())
    return {'own_mb': own, 'mapped_mb': mapped, 'peak_mb': peak}


def status() -> dict[str, int]:
    """Return this process's memory in kB: own pages, pages of mapped files, the peak of both."""
    lines = Path('/proc/self/status').read_text().splitlines()
    table = dict(line.split(':', 1) for line in lines if 'kB' in line)
    return {key: int(table[key].split()[0]) for key in ('RssAnon', 'RssFile', 'VmHWM')}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--dir', help='where the file is made (and removed)')
    parser.add_argument('--repeat', type=int, default=5)
    parser.add_argument('--cold', action='store_true', help='from the disk, not the page cache')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        path = Path(folder) / f'{NET}.caffemodel'
        result = {'file': make_file(path)}
        result['seconds'] = seconds = measure(path, options.repeat, options.cold)
        result['memory'] = {task: peak_memory(path, task) for task in TASKS}
    result['ratio'] = {f'{ours} / {plain}': round(seconds[ours] / seconds[plain], 3)
                       for ours, plain in PAIRS.items()}
    result['machine'] = machine() | {'cold': options.cold}
    print(json.dumps(result, indent=1))
    sys.exit(max(result['ratio'].values()) > LIMIT)


if __name__ == '__main__':
    main()
