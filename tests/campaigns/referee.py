"""make referee CAFFE=path: hold our engine against a Caffe that you have built, on random cases.

    python tests/campaigns/referee.py --caffe /path/to/caffe/python --count 500 --seed 1
        [--kinds layers,nets,solvers,old] [--python PYTHON] [--record FOLDER]

Both sides play the same cases, drawn from seeds (drawn_nets.py), in processes of their own: where
one ends in an abort, the next case goes on in a new one. Arrays agree where they differ by at most
2e-4 of their largest value. What only Caffe refuses is listed, what only we refuse is a fault.
"""

import argparse
import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parent))
from drawn_nets import KINDS, Case, draw  # noqa: E402

Arrays = dict[str, np.ndarray]
# As for the recorded cases (tests/port/engine/test_recorded.py); after six steps five times that.
TOLERANCE, LEARNT, FLOOR, CANCELLED, STEPS = 2e-4, 1e-3, 2e-5, 2e-6, 6
REFUSALS = re.compile(r'Check failed|NOT_IMPLEMENTED|Not Implemented|Error|FATAL', re.I)


# -- one side: play cases with some pycaffe -------------------------------------------------------

def fill(net: Any, random: np.random.RandomState, classes: int) -> None:
    """Put random values into the inputs and parameters; labels are whole numbers."""
    for name in net.inputs:
        blob = net.blobs[name]
        low, high = (0, classes) if name == 'label' else (-1.5, 1.5)
        values = random.uniform(low, high, blob.data.shape)
        blob.data[...] = np.floor(values) if name == 'label' else values
    kinds = dict(zip(net._layer_names, [layer.type for layer in net.layers], strict=True))
    for name in sorted(net.params):
        for blob in net.params[name]:
            values = random.uniform(-.8, .8, blob.data.shape)
            blob.data[...] = np.abs(values) + .5 if kinds[name] == 'BatchNorm' else values


def learnt(net: Any, what: str) -> Arrays:
    return {f'{what}:{name}:{i}': np.array(getattr(blob, what))
            for name in net.params for i, blob in enumerate(net.params[name])}


def play_net(caffe: Any, case: Case, seed: int) -> Arrays:
    """Run a net forward, twice, and back; return its blobs and the gradients asked for."""
    Path('net.prototxt').write_text(case.text)
    net = caffe.Net('net.prototxt', case.phase, level=case.level, stages=list(case.stages))
    random = np.random.RandomState(seed)
    fill(net, random, case.classes)
    for _ in range(2):
        net.forward()
    made = {top for name in net._layer_names for top in net.top_names[name]
            if '_split_' not in top and '_split' not in name}     # Caffe lists these, we do not
    found = {f'out:{name}': np.array(net.blobs[name].data) for name in sorted(made)}
    found |= {f'shape:{k[4:]}': np.array(v.shape) for k, v in found.items()}
    for blobs in net.params.values():
        for blob in blobs:
            blob.diff[...] = 0
    weights = net.blob_loss_weights
    for name in net.outputs:
        if not weights[name]:
            net.blobs[name].diff[...] = random.uniform(-1, 1, net.blobs[name].data.shape)
    if 'force_backward' in case.text or any(weights.values()):
        net.backward()
    if 'force_backward' in case.text and 'propagate_down' not in case.text:
        found |= {f'diff:{name}': np.array(net.blobs[name].diff)
                  for name in net.inputs if name != 'label'}
        kinds = dict(zip(net._layer_names, [layer.type for layer in net.layers], strict=True))
        found |= {key: value for key, value in learnt(net, 'diff').items()
                  if kinds[key.split(':')[1]] != 'BatchNorm'}
    return found | learnt(net, 'data')


def play_solver(caffe: Any, case: Case, seed: int) -> Arrays:
    """Step; return the parameters after each step."""
    Path('net.prototxt').write_text(case.text)
    Path('solver.prototxt').write_text(case.solver)
    solver = caffe.get_solver('solver.prototxt')
    fill(solver.net, np.random.RandomState(seed), case.classes)
    found: Arrays = {}
    for step in range(STEPS):
        solver.step(1)
        found |= {f'{key}:{step}': value for key, value in learnt(solver.net, 'data').items()}
    return found


def play(caffe: Any, kind: str, first: int, count: int, folder: Path) -> None:
    """Play cases into folder/SEED.npz, or .txt with what refused it; .begun tells of an abort."""
    home = Path.cwd()
    for seed in range(first, first + count):
        (folder / f'{seed}.begun').touch()
        place = folder / f'{seed}.work'
        place.mkdir()
        os.chdir(place)
        case = draw(kind, seed)
        try:
            with np.errstate(all='ignore'):
                found = (play_solver if case.solver else play_net)(caffe, case, seed)
            np.savez(folder / f'{seed}.npz', **found)
        except Exception as error:
            (folder / f'{seed}.txt').write_text(f'{type(error).__name__}: {error}')
        os.chdir(home)
        shutil.rmtree(place)


def side(python: str, module: str, path: str | None, kind: str, first: int, count: int,
         folder: Path) -> None:
    """Play a stretch of cases in as many processes as its aborts need."""
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'GLOG_minloglevel': '2',
                   'PYTHONPATH': os.pathsep.join(filter(None, [
                       path or str(HERE.parents[2]), os.environ.get('PYTHONPATH')]))}
    at, end = first, first + count
    while at < end:
        done = subprocess.run(
            [python, str(HERE), '--play', module, kind, str(at), str(end - at), str(folder)],
            env=environment, capture_output=True, text=True)
        begun = [int(p.stem) for p in folder.glob('*.begun')]
        if done.returncode == 0:
            return
        last = max(begun, default=-1)
        if last < at:
            raise RuntimeError(f'{module} of {path} does not start:\n{done.stderr[-2000:]}')
        said = [line for line in done.stderr.splitlines() if REFUSALS.search(line)]
        (folder / f'{last}.npz').unlink(missing_ok=True)
        (folder / f'{last}.txt').write_text(f'abort: {(said or ["a signal"])[-1]}')
        at = last + 1


# -- the comparison -------------------------------------------------------------------------------

def difference(ours: Arrays, theirs: Arrays, tolerance: float) -> str:
    """Return the first array that differs and by how much; '' where none does.

    A gradient may be the sum of much larger ones that cancel (all behind a softmax): its rounding
    is measured by the largest of the case.
    """
    if ours.keys() != theirs.keys():
        return f'blobs {sorted(ours.keys() ^ theirs.keys())} on one side only'
    summed = max((np.abs(value).max(initial=0) for key, value in theirs.items()
                  if key.startswith('diff:')), default=0)
    for key, value in theirs.items():
        a, b = np.asarray(ours[key], 'd'), np.asarray(value, 'd')
        if a.shape != b.shape:
            return f'{key}: shape {list(a.shape)}, Caffe {list(b.shape)}'
        if not b.size:
            continue
        peak, off = np.abs(b).max(), np.abs(a - b).max()
        rounding = CANCELLED * summed if key.startswith('diff:') else 0
        if not off <= tolerance * max(peak, 1e-6) + FLOOR * min(1, peak) + rounding:
            return f'{key}: off by {off:.3g} where Caffe reaches {peak:.3g}'
    return ''


def finite(arrays: Arrays) -> bool:
    return all(np.isfinite(value).all() and np.abs(value).max(initial=0) < 1e12
               for value in arrays.values())


def verdict(folders: tuple[Path, Path], seed: int, tolerance: float) -> tuple[str, str]:
    """Return how a case went, and what is to be said of it."""
    refused = [folder / f'{seed}.txt' for folder in folders]
    said = [path.read_text() if path.exists() else '' for path in refused]
    if all(said):
        return 'refused by both', ''
    if said[0]:
        return 'REFUSED HERE ONLY', said[0]
    if said[1]:
        return 'refused by Caffe only', said[1]
    ours, theirs = (dict(np.load(folder / f'{seed}.npz')) for folder in folders)
    if not finite(theirs):
        return 'not finite', ''
    off = difference(ours, theirs, tolerance)
    return ('DIFFERENT', off) if off else ('equal', '')


def record(folder: Path, kind: str, seed: int, arrays: Arrays) -> None:
    """Keep a case that was equal, as Caffe's numbers, for tests/golden/referee."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / f'{kind}-{seed}.npz', **arrays)


def hold(kind: str, args: argparse.Namespace) -> Counter:
    """Play the cases of a kind on both sides and say what differs."""
    counts: Counter = Counter()
    tolerance = LEARNT if kind == 'solvers' else TOLERANCE
    with tempfile.TemporaryDirectory() as place:
        folders = Path(place) / 'ours', Path(place) / 'caffe'
        for folder, (python, module, path) in zip(folders, (
                (sys.executable, 'port.pycaffe', None), (args.python, 'caffe', args.caffe)),
                strict=True):
            folder.mkdir()
            side(python, module, path, kind, args.seed, args.count, folder)
        for seed in range(args.seed, args.seed + args.count):
            result, said = verdict(folders, seed, tolerance)
            counts[result] += 1
            if said and (result.isupper() or args.verbose):
                print(f'{kind} {seed}: {result}: {said[:200]}', flush=True)
            if result == 'equal' and args.record and counts[result] <= args.keep:
                record(args.record, kind, seed, dict(np.load(folders[1] / f'{seed}.npz')))
    print(f'{kind}: ' + ', '.join(f'{n} {what}' for what, n in sorted(counts.items())), flush=True)
    return counts


def main() -> int:
    if sys.argv[1:2] == ['--play']:
        module, kind, first, count, folder = sys.argv[2:]
        caffe = importlib.import_module(module)
        caffe.set_mode_cpu()
        play(caffe, kind, int(first), int(count), Path(folder))
        return 0
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--caffe', default='', help='the folder python/ of a built Caffe')
    parser.add_argument('--python', default=sys.executable, help='the Python it was built for')
    parser.add_argument('--kinds', default=','.join(KINDS))
    parser.add_argument('--count', type=int, default=200, help='cases of each kind')
    parser.add_argument('--seed', type=int, default=1, help='the first case')
    parser.add_argument('--record', type=Path, help='keep equal cases here')
    parser.add_argument('--keep', type=int, default=12, help='how many of each kind')
    parser.add_argument('--verbose', action='store_true', help='say what Caffe alone refuses')
    args = parser.parse_args()
    if not args.caffe:
        print('skipped: no Caffe to hold against; CAFFE=/path/to/caffe/python names one')
        return 0
    if not (Path(args.caffe) / 'caffe').is_dir():
        print(f'{args.caffe}: holds no package caffe; name the folder python/ of a built Caffe')
        return 2
    total = sum((hold(kind, args) for kind in args.kinds.split(',')), Counter())
    return int(bool(total['DIFFERENT'] or total['REFUSED HERE ONLY']))


if __name__ == '__main__':
    sys.exit(main())
