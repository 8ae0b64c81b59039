"""make referee CAFFE=path: hold our engine against a Caffe that you have built, on random cases.

    python tests/campaigns/referee.py --caffe /path/to/caffe/python --count 500 --seed 1
        [--kinds layers,nets,data] [--python PYTHON] [--record FOLDER]

Both sides play the same cases, drawn from seeds (drawn_nets.py), in processes of their own, which
import Caffe once: where a case ends in an abort, the next goes on in a new child. Arrays agree
where they differ by at most 2e-4 of their largest value; where they do not, but our own numbers
move as far when the inputs change by a millionth, that is said. What only Caffe refuses is listed,
what only we refuse is a fault. With --counts FILE a run goes on where the last one ended.
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
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parent))
import children  # noqa: E402
from counts import Counts  # noqa: E402
from drawn_nets import KINDS, Case, draw  # noqa: E402

Arrays = dict[str, np.ndarray]
# As for the recorded cases (tests/port/engine/test_recorded.py); after six steps five times that.
TOLERANCE, LEARNT, FLOOR, CANCELLED, STEPS = 2e-4, 1e-3, 2e-5, 2e-6, 6
STRETCH = 500                    # cases that a process plays before their numbers are compared
NOISE, SHAKEN = 'REFEREE_NOISE', 1e-6          # by what share inputs are changed, to see what moves
REFUSALS = re.compile(r'Check failed|NOT_IMPLEMENTED|Not Implemented|Error|FATAL', re.I)


# -- one side: play cases with some pycaffe -------------------------------------------------------

def fill(net: Any, random: np.random.RandomState, classes: int) -> None:
    """Put random values into the inputs and parameters; labels are whole numbers."""
    noise = np.random.RandomState(int(os.environ.get(NOISE, '0')))
    share = SHAKEN if NOISE in os.environ else 0
    for name in net.inputs:
        blob = net.blobs[name]
        low, high = (0, classes) if name == 'label' else (-1.5, 1.5)
        values = random.uniform(low, high, blob.data.shape)
        blob.data[...] = np.floor(values) if name == 'label' else values * (
            1 + share * noise.uniform(-1, 1, values.shape))
    kinds = dict(zip(net._layer_names, [layer.type for layer in net.layers], strict=True))
    for name in sorted(net.params):
        for blob in net.params[name]:
            values = random.uniform(-.8, .8, blob.data.shape)
            blob.data[...] = np.abs(values) + .5 if kinds[name] == 'BatchNorm' else values


def learnt(net: Any, what: str) -> Arrays:
    return {f'{what}:{name}:{i}': np.array(getattr(blob, what))
            for name in net.params for i, blob in enumerate(net.params[name])}


def play_net(caffe: Any, case: Case, seed: int) -> Arrays:
    """Run a net forward, twice or more, and back; return its blobs and the gradients asked for."""
    Path('net.prototxt').write_text(case.text)
    if case.prepare:
        case.prepare(Path())
    if case.run:
        found: Arrays = case.run(caffe)
        return found
    net = caffe.Net('net.prototxt', case.phase, level=case.level, stages=list(case.stages))
    random = np.random.RandomState(seed)
    fill(net, random, case.classes)
    if case.feed:
        case.feed(net)
    made = {top for name in net._layer_names for top in net.top_names[name]
            if '_split_' not in top and '_split' not in name}     # Caffe lists these, we do not
    found = {}
    for step in range(case.passes):
        net.forward()
        if case.followed:
            found |= {f'pass {step}:{name}': np.array(net.blobs[name].data) for name in made}
    found |= {f'out:{name}': np.array(net.blobs[name].data) for name in sorted(made)}
    found |= {f'shape:{k[4:]}': np.array(v.shape) for k, v in found.items() if k[:4] == 'out:'}
    found |= gradients(net, case, random) | learnt(net, 'data')
    del net                              # Caffe closes its files only now
    return found | (case.after() if case.after else {})


def gradients(net: Any, case: Case, random: np.random.RandomState) -> Arrays:
    """Run a net back; return the gradients that it was told to compute."""
    for blobs in net.params.values():
        for blob in blobs:
            blob.diff[...] = 0
    weights = net.blob_loss_weights
    for name in net.outputs:
        if not weights[name]:
            net.blobs[name].diff[...] = random.uniform(-1, 1, net.blobs[name].data.shape)
    if 'force_backward' in case.text or any(weights.values()):
        net.backward()
    if 'force_backward' not in case.text or 'propagate_down' in case.text:
        return {}
    found = {f'diff:{name}': np.array(net.blobs[name].diff)
             for name in net.inputs if name != 'label'}
    kinds = dict(zip(net._layer_names, [layer.type for layer in net.layers], strict=True))
    return found | {key: value for key, value in learnt(net, 'diff').items()
                    if kinds[key.split(':')[1]] != 'BatchNorm'}


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
    """Play cases into folder/SEED.npz, or .txt with what refused it; `begun` tells of an abort."""
    for seed in range(first, first + count):
        (folder / 'begun').write_text(str(seed))
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
        os.chdir(folder)
        shutil.rmtree(place)


def play_in_children(module: str, kind: str, first: int, count: int, folder: Path) -> None:
    """Play a stretch of cases in children of this process, a new one behind each abort."""
    caffe = importlib.import_module(module)
    sys.modules['caffe'] = caffe                     # for layers in Python
    caffe.set_mode_cpu()
    if module != 'caffe':
        children.load('netspec.schema', 'port.engine', 'port.layers')
    at, end = first, first + count
    while at < end:
        status = children.ended(children.fork(
            partial(play, caffe, kind, at, end - at, folder), folder))
        if status == 0:
            return
        last = int((folder / 'begun').read_text())
        lines = children.said(folder).read_text(errors='replace').splitlines()
        told = [line for line in lines if REFUSALS.search(line)]
        (folder / f'{last}.npz').unlink(missing_ok=True)
        (folder / f'{last}.txt').write_text(f'abort: {(told or ["a signal"])[-1]}')
        shutil.rmtree(folder / f'{last}.work', ignore_errors=True)
        at = last + 1


def side(python: str, module: str, path: str | None, kind: str, first: int, count: int,
         folder: Path, noise: int = 0) -> None:
    """Play a stretch of cases with a module, in a process that imports it once.

    noise: not 0, the inputs are changed by a millionth, as this number says.
    """
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'GLOG_minloglevel': '2',
                   'PYTHONPATH': os.pathsep.join(filter(None, [
                       path or str(HERE.parents[2]), os.environ.get('PYTHONPATH')]))}
    environment |= {NOISE: str(noise)} if noise else {}
    done = subprocess.run(
        [python, str(HERE), '--play', module, kind, str(first), str(count), str(folder)],
        env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f'{module} of {path} does not start:\n{done.stderr[-2000:]}')


# -- the comparison -------------------------------------------------------------------------------

def difference(ours: Arrays, theirs: Arrays, tolerance: float, fed: float = 0) -> str:
    """Return the first array that differs and by how much; '' where none does.

    A value may be the sum of much larger ones that cancel (a mean behind a BatchNorm, a gradient
    behind a softmax): its rounding is measured by the largest of the case, a gradient's by what is
    fed to the backward pass too.
    """
    if ours.keys() != theirs.keys():
        return f'blobs {sorted(ours.keys() ^ theirs.keys())} on one side only'
    summed = {what: max((np.abs(value).max(initial=0) for key, value in theirs.items()
                         if key.startswith(what)), default=0) for what in ('diff:', 'out:')}
    summed['diff:'] = max(summed['diff:'], fed)
    for key, value in theirs.items():
        a, b = np.asarray(ours[key], 'd'), np.asarray(value, 'd')
        if a.shape != b.shape:
            return f'{key}: shape {list(a.shape)}, Caffe {list(b.shape)}'
        if not b.size:
            continue
        peak, off = np.abs(b).max(), np.abs(a - b).max()
        rounding = CANCELLED * summed.get(key[:key.find(':') + 1], 0)
        if not off <= tolerance * max(peak, 1e-6) + FLOOR * min(1, peak) + rounding:
            return f'{key}: off by {off:.3g} where Caffe reaches {peak:.3g}'
    return ''


def finite(arrays: Arrays) -> bool:
    return all(np.isfinite(value).all() and np.abs(value).max(initial=0) < 1e12
               for value in arrays.values())


LAYER = re.compile(r'name: "(\w+)" type: "(\w+)"(.*)')


def loses_gradient(text: str) -> bool:
    """Whether a Flatten reads what a Reshape made, or a Slice or Concat of one blob, which share
    their diff as well: there Caffe loses the gradient (deviations).
    """
    sharing: dict[str, bool] = {}
    for _, kind, rest in LAYER.findall(text):
        below, above = (re.findall(rf'{what}: "(\w+)"', rest) for what in ('bottom', 'top'))
        if kind == 'Flatten' and sharing.get(below[0]):
            return True
        shares = kind == 'Reshape' or kind in ('Slice', 'Concat') and len(below) == len(above) == 1
        sharing |= {top: shares for top in above if top not in below}
    return False


def verdict(folders: tuple[Path, Path], seed: int, tolerance: float,
            fed: float) -> tuple[str, str]:
    """Return how a case went, and what is to be said of it. fed: its largest loss weight."""
    refused = [folder / f'{seed}.txt' for folder in folders]
    said = [path.read_text() if path.exists() else '' for path in refused]
    if all(said):
        return 'refused by both', ' | '.join(said)
    if said[0]:
        return 'REFUSED HERE ONLY', said[0]
    if said[1]:
        return 'refused by Caffe only', said[1]
    ours, theirs = (dict(np.load(folder / f'{seed}.npz')) for folder in folders)
    if not finite(theirs):
        return 'not finite', ''
    if not finite(ours):             # a comparison of Caffe's drops NaN (docs/deviations.md)
        return 'NaN kept here', 'look whether Caffe has one on the way'
    off = difference(ours, theirs, tolerance, fed)
    return ('DIFFERENT', off) if off else ('equal', '')


def moves(folder: Path, seed: int, tolerance: float, kind: str) -> bool:
    """Whether our own numbers change as much when the inputs change by a millionth: a maximum,
    a clip or ReLU decides between values that are equal within rounding, or large sums cancel.
    """
    ours = dict(np.load(folder / f'{seed}.npz'))
    for noise in range(1, 4):
        with tempfile.TemporaryDirectory(dir=children.fast_disk()) as place:
            again = Path(place, 'again', f'{seed}.npz')
            again.parent.mkdir()
            side(sys.executable, 'port.pycaffe', None, kind, seed, 1, again.parent, noise)
            if again.exists() and difference(dict(np.load(again)), ours, tolerance):
                return True
    return False


def record(folder: Path, kind: str, seed: int, arrays: Arrays) -> None:
    """Keep a case that was equal, as Caffe's numbers, for tests/golden/referee."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / f'{kind}-{seed}.npz', **arrays)


def hold(kind: str, args: argparse.Namespace, first: int, count: int) -> Counter[str]:
    """Play cases of a kind on both sides and say what differs; return how they went."""
    counts: Counter[str] = Counter()
    tolerance = LEARNT if kind == 'solvers' else TOLERANCE
    with tempfile.TemporaryDirectory(dir=children.fast_disk()) as place:
        folders = Path(place) / 'ours', Path(place) / 'caffe'
        for folder, (python, module, path) in zip(folders, (
                (sys.executable, 'port.pycaffe', None), (args.python, 'caffe', args.caffe)),
                strict=True):
            folder.mkdir()
            side(python, module, path, kind, first, count, folder)
        for seed in range(first, first + count):
            weights = re.findall(r'loss_weight: ([\d.]+)', draw(kind, seed).text)
            result, said = verdict(folders, seed, tolerance, max(map(float, ['1', *weights])))
            if result == 'DIFFERENT':
                if 'diff:' in said and loses_gradient(draw(kind, seed).text):
                    result = 'gradient lost by Flatten'
                elif moves(folders[0], seed, tolerance, kind):
                    result = 'moved by rounding'
            counts[result] += 1
            if said and (result != 'refused by both' or args.verbose):
                print(f"{kind} {seed}: {result}: {said[:300]}", flush=True)
            if result == 'equal' and args.record and counts[result] <= args.keep:
                record(args.record, kind, seed, dict(np.load(folders[1] / f'{seed}.npz')))
    return counts


def main() -> int:
    if sys.argv[1:2] == ['--play']:
        module, kind, first, count, folder = sys.argv[2:]
        play_in_children(module, kind, int(first), int(count), Path(folder))
        return 0
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--caffe', default='', help='the folder python/ of a built Caffe')
    parser.add_argument('--python', default=sys.executable, help='the Python it was built for')
    parser.add_argument('--kinds', default=','.join(KINDS))
    parser.add_argument('--count', type=int, default=200, help='cases of each kind')
    parser.add_argument('--seed', type=int, default=1, help='the first case')
    parser.add_argument('--counts', type=Path, help='a file of counts to go on from')
    parser.add_argument('--record', type=Path, help='keep equal cases here')
    parser.add_argument('--keep', type=int, default=12, help='how many of each kind')
    parser.add_argument('--verbose', action='store_true', help='say what both refuse')
    args = parser.parse_args()
    if not args.caffe:
        print('skipped: no Caffe to hold against; CAFFE=/path/to/caffe/python names one')
        return 0
    if not (Path(args.caffe) / 'caffe').is_dir():
        print(f'{args.caffe}: holds no package caffe; name the folder python/ of a built Caffe')
        return 2
    os.environ['REFEREE_SCRIPTS'] = args.caffe
    counts, this_time = Counts(args.counts), Counter[str]()
    for done in range(0, args.count, STRETCH):
        for kind in args.kinds.split(','):
            first, count = counts.next.get(kind, args.seed), min(STRETCH, args.count - done)
            found = hold(kind, args, first, count)
            counts.add(kind, found, first + count)
            this_time += found
        print(f'… {this_time.total():,} cases', file=sys.stderr, flush=True)
    print(counts.table())
    return int(bool(this_time['DIFFERENT'] or this_time['REFUSED HERE ONLY']))


if __name__ == '__main__':
    sys.exit(main())
