"""make crash: kill every writing command at random moments, and take its disk away at every byte.

    python tests/campaigns/crash.py --kills 300 --seed 1 [--only train,convert] [--sweep]

Half of the kills come on sight of a file in the making. What a killed command leaves is either
whole or not there; what it makes when it is run again has the bytes of a run that nobody killed.
Commands run in forked children of this process, which has torch loaded already.
"""

import argparse
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
sys.path.insert(0, str(Path(__file__).parent))

WIDTH, SIZE = '0.03125', (48, 64)
Content = dict[str, bytes]


def fork(work: Callable[[], object], cwd: Path) -> int:
    """Begin work in a child that is silent; return its number."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.chdir(cwd)
        null = os.open(os.devnull, os.O_RDWR)
        for handle in (0, 1):
            os.dup2(null, handle)
        said = os.open(str(cwd.parent / f'{cwd.name}.stderr'),
                       os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, 2)
        work()
        os._exit(0)
    except SystemExit as stop:
        os._exit(stop.code if isinstance(stop.code, int) else bool(stop.code))
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
    os._exit(99)


def command(args: list[str]) -> Callable[[], object]:
    """Return what runs `fcn` with arguments."""
    def run() -> None:
        from port.cli import main
        main(args)
    return run


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def making(folder: Path) -> bool:
    """Whether a file is in the making somewhere in a folder."""
    return any('.part' in name for _, folders, files in os.walk(folder)
               for name in (*folders, *files))


def kill(pid: int, folder: Path, wait: float, on_sight: bool) -> bool:
    """Kill a child after a while, or then on sight of a file in the making; False: it had ended."""
    end = time.monotonic() + wait
    while time.monotonic() < end:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return False
        time.sleep(.0005)
    while on_sight and not making(folder):
        if os.waitpid(pid, os.WNOHANG)[0]:
            return False
    os.kill(pid, signal.SIGKILL)
    ended(pid)
    return True


# -- jobs ------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Job:
    """A command to kill. args(folder): its words, run inside the folder, which may hold what
    earlier runs left. prepare: fills a new folder. several: kills before it may end.
    """

    name: str
    args: Callable[[Path], list[str]]
    prepare: Callable[[Path], None]
    several: int = 1


def contents(folder: Path) -> Content:
    """Return the bytes of all files that must be equal; of figures without the times in them."""
    found = {}
    for path in sorted(p for p in folder.rglob('*') if p.is_file()):
        name = str(path.relative_to(folder))
        if path.suffix in ('.caffemodel', '.solverstate', '.h5', '.npz', '.safetensors', '.pt',
                           '.png', '.onnx', '.prototxt', '.txt') and 'pictures' not in name:
            found[name] = path.read_bytes()
        elif path.parent.name == 'scores':
            figures = json.loads(path.read_text())
            del figures['seconds'], figures['trained']
            found[name] = json.dumps(figures).encode()
    return found


def nets(data: Path, **options) -> Callable[[Path], None]:
    """Return what writes a narrow net and its solver into a folder."""
    def write(folder: Path) -> None:
        from netspec.generate import write_variant
        settings = dict(base_lr=1e-9, max_iter=8, snapshot=2, display=0, random_seed=3,
                        snapshot_prefix='snapshot/train', test_iter=2) | options
        roots = {'sbdd_dir': str(data / 'sbdd' / 'dataset'),
                 'voc_dir': str(data / 'pascal' / 'VOC2011')}
        write_variant('voc-fcn32s', folder, solver_options=settings, width=float(WIDTH),
                      data_root=roots)
    return write


def train_args(*more: str) -> Callable[[Path], list[str]]:
    """Return the words that begin a training, or go on from its last snapshot."""
    def args(folder: Path) -> list[str]:
        found = sorted((int(p.name.split('_iter_')[1].split('.')[0]), p.name) for p in
                       (folder / 'snapshot').glob('train_iter_*.solverstate*'))
        words = ['train', '--solver', 'solver.prototxt', *more]
        return [*words, '--snapshot', f'snapshot/{found[-1][1]}'] if found else words
    return args


def jobs(data: Path, weights: Path) -> list[Job]:
    """Return all jobs. data: drawn scenes; weights: of the narrow net."""
    narrow = ['--width', WIDTH]
    out: list[Job] = [
        Job('train', train_args(), nets(data), 3),
        Job('train-fast', train_args('--fast'), nets(data), 3),
        Job('train-hdf5', train_args(), nets(data, snapshot_format='HDF5'), 3),
        Job('reproduce', lambda folder: [
            'reproduce', 'voc-fcn32s', '--data', str(data), *narrow, '--block', '4', '--blocks',
            '2', '--limit', '2', '--out', 'run'], lambda folder: None, 4),
        Job('ablate', lambda folder: [
            'ablate', 'voc', '--data', str(data), *narrow, '--block', '20', '--blocks', '1',
            '--limit', '1', '--out', 'run'], lambda folder: None, 6)]

    def once(name: str, *words: str) -> None:
        out.append(Job(name, lambda folder: list(words), lambda folder: None))
    for ending in ('caffemodel', 'caffemodel.h5', 'npz', 'safetensors', 'pt'):
        once(f'convert-{ending}', 'convert', str(weights), f'w.{ending}')
    once('export', 'export', 'voc-fcn32s', *narrow, '--weights', str(weights), '--out', 'n.onnx')
    once('infer', 'infer', 'voc-fcn32s', *narrow, '--weights', str(weights), '--out', 'labels',
         str(data / 'pascal/VOC2011/JPEGImages'))
    once('generate', 'generate', 'voc-fcn8s', '--out', 'nets')
    once('surgery', 'surgery', 'voc-fcn16s', *narrow, '--from', str(weights), '--out',
         'i.caffemodel')
    once('draw', 'draw', 'voc-fcn32s', '--out', 'n.png', '--no-graphviz')
    return out


class Fault(Exception):
    """What a kill broke."""


class Campaign:
    """Kills of jobs in turn, and their count."""

    def __init__(self, room: Path, rng: random.Random, minutes: float) -> None:
        self.room, self.rng, self.end = room, rng, time.monotonic() + 60 * minutes
        self.kills: dict[str, int] = {}
        self.runs: dict[str, tuple[Content, float]] = {}
        self.faults: list[str] = []
        self.unfit: set[str] = set()         # jobs that fail though nobody kills them

    def whole(self, job: Job) -> tuple[Content, float]:
        """Return the files of a run that nobody kills, and how long it takes."""
        if job.name not in self.runs:
            folder = self.fresh(job)
            start = time.monotonic()
            status = ended(fork(command(job.args(folder)), folder))
            if status:
                self.unfit.add(job.name)
                said = (self.room / 'work.stderr').read_text().strip()
                raise Fault(f'{job.name}: exit status {status} though nobody killed it: {said}')
            self.runs[job.name] = contents(folder), time.monotonic() - start
        return self.runs[job.name]

    def fresh(self, job: Job) -> Path:
        """Return the folder of all runs, empty but for what the job needs: paths stay the same."""
        folder = self.room / 'work'
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        job.prepare(folder)
        return folder

    def trial(self, job: Job) -> None:
        """Kill a job up to `several` times, let it end, and hold its files against a whole run."""
        expected, seconds = self.whole(job)
        folder = self.fresh(job)
        for _ in range(job.several):
            wait, on_sight = self.rng.uniform(0, seconds / job.several), self.rng.random() < .5
            pid = fork(command(job.args(folder)), folder)
            if not kill(pid, folder, wait, on_sight):
                break
            self.kills[job.name] = self.kills.get(job.name, 0) + 1
            self.check_left(job, folder, expected)
        if contents(folder) != expected or job.several == 1:
            status = ended(fork(command(job.args(folder)), folder))
            said = (self.room / 'work.stderr').read_text()
            if status and 'is at iteration' not in said:
                raise Fault(f'{job.name}: exit status {status} after a kill: {said[-500:]}')
        self.compare(job, contents(folder), expected)
        if making(folder):
            raise Fault(f'{job.name}: what a killed run left is still there')

    def check_left(self, job: Job, folder: Path, expected: Content) -> None:
        """Raise Fault where a file with the name of a result is not a whole one."""
        for name, held in contents(folder).items():
            if '.part' not in name and name in expected and held != expected[name] \
                    and not name.endswith(('.txt', 'run.json')):
                raise Fault(f'{job.name}: {name} is not whole after a kill')

    @staticmethod
    def compare(job: Job, found: Content, expected: Content) -> None:
        names = sorted(name for name in {*found, *expected}
                       if found.get(name) != expected.get(name))
        if names:
            raise Fault(f'{job.name}: other files or bytes than in a whole run: {names[:5]}')

    def run(self, todo: list[Job], kills: int) -> None:
        """Try all jobs in turn until so many kills were made."""
        while sum(self.kills.values()) < kills and time.monotonic() < self.end:
            todo = [job for job in todo if job.name not in self.unfit]
            if not todo:
                return
            for job in todo:
                try:
                    self.trial(job)
                except Fault as fault:
                    self.faults.append(str(fault))
                    print(f'FAULT {fault}', flush=True)
                    kept = self.room / f'fault-{len(self.faults)}'
                    shutil.copytree(self.room / 'work', kept, symlinks=True)


# -- a full disk -----------------------------------------------------------------------------------

def writers() -> dict[str, Callable[[Path], object]]:
    """Return all that writes files, by the name of the file."""
    import numpy as np
    import torch

    from netspec.families.fcn import fcn
    from netspec.schema import parse_net, write_blob, write_text
    from netspec.schema.blobs import array_blob
    from netspec.schema.messages import TEST
    from netspec.variants import VARIANTS
    from port.data.label_pictures import write_label, write_loss_curve
    from port.engine.net import Net
    from port.engine.random_weights import random_weights
    from port.engine.torch_weights import write_weights
    from port.export.onnx_file import export
    from port.layers.bases.mat_blobs import write_mat
    from port.layers.hdf5_output import append, create
    from port.training.snapshot import State, write_state
    rng = np.random.default_rng(1)
    weights = {'conv': [rng.normal(size=(8, 6, 3, 3)).astype('f')], 'b': [np.ones(700, 'f')]}
    state = State(3, 'w', 0, weights['conv'] + weights['b'], {'rng': 'A' * 5000})
    rows = {'data': rng.normal(size=(40, 3, 4, 4)).astype('f'),
            'label': np.ones((40, 1, 1, 1), 'f')}
    row = VARIANTS['camvid-fcn32s']
    net = Net(fcn(row, 'deploy', width=.02), TEST)
    random_weights(net, 1)
    torch.set_num_threads(1)

    def append_rows(path: Path) -> None:
        if path.read_bytes() == b'old':
            create(str(path), rows)
        append(str(path), rows)
    found: dict[str, Callable[[Path], object]] = {
        f'w.{ending}': lambda path: write_weights(path, weights)
        for ending in ('caffemodel', 'h5', 'npz', 'safetensors', 'pt')}
    return found | {
        's.solverstate': lambda path: write_state(path, state),
        's.solverstate.h5': lambda path: write_state(path, state),
        'n.prototxt': lambda path: write_text(path, parse_net('name: "%s"' % ('x' * 6000))),
        'm.binaryproto': lambda path: write_blob(path, array_blob(weights['conv'][0])),
        'l.png': lambda path: write_label(path, rng.integers(0, 200, (90, 90))),
        'b.mat': lambda path: write_mat(str(path), rows['data']),
        'o.h5': lambda path: create(str(path), rows), 'a.h5': append_rows,
        'c.png': lambda path: write_loss_curve(path, {'a': [(1, 2), (2, 3)]}),
        'n.onnx': lambda path: export(net, path, row)}


def points(size: int, seconds: float) -> Iterator[int]:
    """Yield the limits to try: every byte to 4 kB, then 500 to the size; fewer of what is slow."""
    every = 1 if seconds < .01 else 97
    yield from range(0, min(4096, size), every)
    yield from range(4096, size, max(1, (size - 4096) // (500 if every == 1 else 60)))
    yield from (size - 1, size)


def sweep(name: str, write: Callable[[Path], object], room: Path) -> tuple[int, list[str]]:
    """Write a file under each limit of its size; return how many, and what went wrong."""
    folder, appends = room / 'disk', name == 'a.h5'
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = folder / name
    path.write_bytes(b'old')
    if appends:
        write(path)
    before = path.read_bytes()
    took = []
    for _ in range(1 if appends else 3):
        start = time.process_time()
        write(path)
        took.append(time.process_time() - start)
    seconds, size = min(took), max(p.stat().st_size for p in folder.iterdir())
    todo = [limit for limit in points(size, seconds) if limit >= (len(before) if appends else 0)]
    tried, faults = 0, []
    while tried < len(todo):
        read, said = os.pipe()
        pid = fork(partial(limited, path, write, before, todo[tried:], said, size), folder)
        os.close(said)
        with os.fdopen(read) as lines:
            told = lines.read().splitlines()
        status = ended(pid)
        faults += [line for line in told if line != '.']
        tried += len(told)
        if status:
            faults.append(f'{name}: limit {todo[min(tried, len(todo) - 1)]}: ended with {status}')
            tried += 1
    return len(todo), faults


def limited(path: Path, write: Callable[[Path], object], before: bytes, todo: list[int],
            said: int, size: int) -> None:
    """In a child: try each limit, and say '.' or what went wrong, a line each."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    for limit in todo:
        path.write_bytes(before)
        fault = '.'
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            write(path)
            if limit < size and path.stat().st_size > limit:
                fault = f'{path.name}: limit {limit}: written beyond it'
        except OSError as error:
            if path.name not in str(error) or 'not written' not in str(error):
                fault = f'{path.name}: limit {limit}: {error!r}'
            elif path.read_bytes() != before:
                fault = f'{path.name}: limit {limit}: what stood there is gone'
        except Exception as error:
            fault = f'{path.name}: limit {limit}: {error!r}'
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        if (left := sorted(os.listdir(path.parent))) != [path.name]:
            fault = f'{path.name}: limit {limit}: left behind: {left}'
            for name in set(left) - {path.name}:
                (path.parent / name).unlink()
        os.write(said, f'{fault}\n'.encode())


# -- the whole -------------------------------------------------------------------------------------

def trained(room: Path, data: Path) -> Path:
    """Return weights of the narrow net."""
    from netspec.families.fcn import fcn
    from netspec.schema.messages import TEST
    from netspec.variants import VARIANTS
    from port.engine.net import Net
    from port.engine.random_weights import random_weights
    net = Net(fcn(VARIANTS['voc-fcn32s'], 'deploy', width=float(WIDTH)), TEST)
    random_weights(net, 5)
    net.save(room / 'w.caffemodel')
    return room / 'w.caffemodel'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--kills', type=int, default=300)
    parser.add_argument('--minutes', type=float, default=60, help='begin no new round after that')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--only', default='', help='names or beginnings of jobs, with commas')
    parser.add_argument('--sweep', action='store_true', help='sweep the writers, kill nothing')
    given = parser.parse_args()
    import torch
    torch.set_num_threads(1)
    from port.data.scenes import draw_dataset
    # a disk in memory where there is one: fsync would take most of the time of a sweep
    disk = '/dev/shm' if given.sweep and os.access('/dev/shm', os.W_OK) else None
    room, faults = Path(tempfile.mkdtemp(prefix='crash-', dir=disk)), []
    if given.sweep:
        for name, write in writers().items():
            if name.startswith(tuple(given.only.split(','))):
                count, found = sweep(name, write, room)
                faults += found
                print(f'{name:<18} {count:>6,} limits, {len(found)} fault(s)', *found[:3],
                      sep='\n  ', flush=True)
    else:
        data = draw_dataset(room / 'data', 6, 3, SIZE)
        campaign = Campaign(room, random.Random(given.seed), given.minutes)
        todo = [job for job in jobs(data, trained(room, data))
                if job.name.startswith(tuple(given.only.split(',')))]
        campaign.run(todo, given.kills)
        faults = campaign.faults
        for name, count in campaign.kills.items():
            print(f'{name:<22} {count:>5} kills')
        print(f'{"all":<22} {sum(campaign.kills.values()):>5} kills, {len(faults)} fault(s)')
    if faults:
        sys.exit(f'{len(faults)} fault(s); the folders are kept in {room}')
    shutil.rmtree(room)


if __name__ == '__main__':
    main()
