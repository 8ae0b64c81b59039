"""Claim: two processes of one thread each train voc-fcn32s at a quarter of its width on at least
1.7 times as many images a second as one process of one thread.

torchrun starts them; each draws the same files and reads its share. Beside them, what bounds it:
two processes at once that know nothing of one another, each as fast as this machine lets two be.
All take turns, and the fastest turn of each counts, as whatever else runs can only slow it.
waiting: the share of a step that a rank waits for the sums of gradients.
    python benchmarks/scale.py [--width 0.25] [--steps 12] [--turns 2] [--engine fast]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from forward import machine
from loading import SIZE, make_solver, write_files

NET, BAR, WARM, RANKS = 'voc-fcn32s', 1.7, 3, 2
KINDS = {'one process': (1, False), 'two ranks': (RANKS, True), 'two apart': (RANKS, False)}


def work(root: Path, width: float, steps: int, fast: bool) -> dict[str, float]:
    """Train some steps, alone or as one of several ranks; return images a second and more."""
    import torch

    from port.distributed.alone import launched
    from port.distributed.buckets import BucketedSums
    torch.set_num_threads(1)
    solver, waited = make_solver(root, width, fast), [0.0]
    if not launched():
        return {'images_a_second': timed(solver, steps), 'waiting': 0.0, 'bytes': 0}
    from port.distributed.ranks import joined
    from port.training.rank_training import RankTraining, use_ranks
    finish = BucketedSums.finish

    def watched(self: BucketedSums) -> None:
        start = time.perf_counter()
        finish(self)
        waited[0] += time.perf_counter() - start
    BucketedSums.finish = watched
    with joined() as ranks:
        use_ranks(solver, ranks)
        hook, = (hook.__self__ for hook in solver.on_gradients)
        assert isinstance(hook, RankTraining)
        sent = 4 * sum(row.blob.count for row in hook.travelling)
        rate = timed(solver, steps, lambda: waited.__setitem__(0, 0.0))
        found = ranks.gathered([rate, waited[0] * rate / steps])
        if not ranks.first:
            return {}
        return {'images_a_second': min(rate for rate, _ in found) * ranks.size, 'bytes': sent,
                'waiting': max(share for _, share in found)}


def timed(solver, steps: int, begin=lambda: None) -> float:
    """Return the steps a second of a solver that has been warmed up."""
    solver.step(WARM)
    begin()
    start = time.perf_counter()
    solver.step(steps)
    return steps / (time.perf_counter() - start)


def run(kind: str, root: Path, options) -> dict[str, float]:
    """Run one kind of training in processes of its own; return what they measured together."""
    count, together = KINDS[kind]
    own = [__file__, '--worker', str(root), '--width', str(options.width), '--steps',
           str(options.steps), '--engine', options.engine]
    start = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node',
             str(count)] if together else [sys.executable]
    environment = os.environ | {'OMP_NUM_THREADS': '1'}
    processes = [subprocess.Popen([*start, *own], stdout=subprocess.PIPE, text=True,
                                  env=environment) for _ in range(1 if together else count)]
    said = [process.communicate()[0] for process in processes]
    found = [json.loads(line) for text in said for line in text.splitlines() if line[:1] == '{']
    if any(process.returncode for process in processes) or len(found) != len(processes):
        sys.exit(f'{kind}: ended with {[process.returncode for process in processes]}')
    if together:
        return found[0]
    return {'images_a_second': sum(one['images_a_second'] for one in found), 'bytes': 0,
            'waiting': 0.0}


def main() -> None:
    """Measure, print as JSON, exit 1 where the bar is missed and nothing shows what bounds it."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--width', type=float, default=0.25)
    parser.add_argument('--steps', type=int, default=12)
    parser.add_argument('--turns', type=int, default=2)
    parser.add_argument('--engine', choices=('fast', 'plain'), default='fast')
    parser.add_argument('--worker', type=Path, metavar='ROOT', help='train on its files, and print')
    options = parser.parse_args()
    if options.worker:
        found = work(options.worker, options.width, options.steps, options.engine == 'fast')
        if found:                                 # of two ranks' lines parts could change places
            print(json.dumps(found), flush=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder))
        turns = [{kind: run(kind, Path(folder), options) for kind in KINDS}
                 for _ in range(options.turns)]
    rates = {kind: max(turn[kind]['images_a_second'] for turn in turns)
             for kind in KINDS}
    gain = {kind: round(rates[kind] / rates['one process'], 3) for kind in rates}
    ranks = [turn['two ranks'] for turn in turns]
    print(json.dumps({
        'net': NET, 'width': options.width, 'size': f'{SIZE[0]}x{SIZE[1]}', 'steps': options.steps,
        'engine': options.engine, 'images_a_second': {k: round(v, 3) for k, v in rates.items()},
        'over one process': gain, 'gradient_bytes_a_step': ranks[0]['bytes'],
        'waiting': round(statistics.median(one['waiting'] for one in ranks), 4),
        'machine': machine()}, indent=1))
    if gain['two ranks'] < BAR and gain['two ranks'] < 0.95 * gain['two apart']:
        sys.exit(f'missed: {gain["two ranks"]} times as many (bar {BAR}), where two processes '
                 f'apart reach {gain["two apart"]}')


if __name__ == '__main__':
    main()
