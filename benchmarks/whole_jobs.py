"""Claims about whole jobs, from the command to the last file:
- `fcn reproduce` spends at most 5 % of its time outside training steps and scoring passes, start
  and report included;
- `fcn infer` labels a folder by FCN-8s at 90 % or more of the rate of the net alone, as decoding,
  net and writing overlap (of a light net, whose files take long beside it, the rate is only told);
- a 538 MB caffemodel into a predictor that has answered once: the next answer takes no longer than
  two plain reads of the file and a pass.

    python benchmarks/whole_jobs.py [--jobs reproduce infer load] [--camvid FOLDER] [--images 800]
        [--pictures 16] [--infer NET …] [--width 1]
reproduce: camvid-fcn4s-squeezenet at full width, two blocks of --images, by the recipe of its
weights' card, 101 frames scored after each. Frames of 360 x 480 are drawn where no CamVid is named.
infer: drawn pictures of 375 x 500; the net's own rate is that of its passes alone, in turn with
whole folders in one process.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
from caffemodel_load import make_file, plain_read
from forward import machine
from PIL import Image

OUTSIDE, READS = 0.05, 2.0                   # the bars
NET, DONOR = 'camvid-fcn4s-squeezenet', 'camvid-fcn8s-squeezenet'
RECIPE = ('--train-data', 'mirror=true', '--train-data', 'random_crop=288x384', '--train-data',
          'batch=2', '--train-data', 'shuffle=true', '--set', 'type=Adam', '--set', 'momentum=0.9',
          '--set', 'momentum2=0.999', '--set', 'base_lr=1.5e-4', '--set', 'lr_policy=poly',
          '--set', 'power=0.9')
FRAME, FRAMES, VAL, CLASSES = (360, 480), 120, 101, 11
PICTURE, FOLDERS = (375, 500), 3
RATES = {'voc-fcn8s': 0.90, NET: 0.0}        # of the net alone


class Stopwatch:
    """Adds up the time spent in what it wraps, by name; what is inside another counts once."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.running = False

    def around(self, name: str, function: Callable) -> Callable:
        """Wrap a function."""
        @wraps(function)
        def timed(*args: Any, **options: Any) -> Any:
            if self.running:
                return function(*args, **options)
            begin, self.running = time.perf_counter(), True
            try:
                return function(*args, **options)
            finally:
                self.running = False
                self.seconds[name] = (self.seconds.get(name, 0.0) + time.perf_counter() - begin)
        return timed


# -- reproduce -------------------------------------------------------------------------------------

def draw_frames(root: Path) -> None:
    """Draw a dataset in CamVid's form."""
    from port.data.scenes import draw_scene
    rng = np.random.default_rng(0)
    for part, count in (('train', FRAMES), ('val', VAL)):
        for folder in (part, f'{part}annot'):
            (root / folder).mkdir()
        for i in range(count):
            pixels, labels = draw_scene(FRAME, rng)
            Image.fromarray(pixels).save(root / part / f'{i:04d}.png', compress_level=1)
            Image.fromarray((labels % CLASSES).astype(np.uint8)).save(
                root / f'{part}annot/{i:04d}.png')
        (root / f'{part}.txt').write_text(''.join(
            f'{part}/{i:04d}.png {part}annot/{i:04d}.png\n' for i in range(count)))


def reproduced(data: Path, out: Path, images: int) -> dict[str, float]:
    """Run `fcn reproduce` in this process; return the seconds in steps and in scoring passes."""
    from netspec.known_weights import kept_file
    from port.cli import main
    from port.scoring import evaluate
    from port.training.solver import Solver
    watch = Stopwatch()
    Solver._gradients = watch.around('steps', Solver._gradients)
    Solver.apply_update = watch.around('steps', Solver.apply_update)
    count = evaluate.count
    evaluate.count = lambda blobs, forward, *more, **options: count(
        blobs, watch.around('scoring passes', forward), *more, **options)
    main(['reproduce', NET, '--donor', f'{DONOR}={kept_file(DONOR)}', '--data', str(data), '--out',
          str(out), '--block', str(images), '--blocks', '2', *RECIPE], standalone_mode=False)
    return watch.seconds


def reproduce(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Measure a whole run, in a process of its own, from its start to its end."""
    data = options.camvid or folder / 'camvid'
    if options.camvid is None:
        data.mkdir()
        draw_frames(data)
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, __file__, '--only', str(data), str(folder / 'run'),
                           '--images', str(options.images)], stdout=subprocess.PIPE, text=True,
                          check=True)
    whole = time.perf_counter() - begin
    inside = json.loads(done.stdout.splitlines()[-1])
    return {'net': NET, 'images': options.images, 'whole_s': round(whole, 2),
            **{f'{k}_s': round(v, 2) for k, v in inside.items()},
            'outside': round(1 - sum(inside.values()) / whole, 4)}


# -- infer -----------------------------------------------------------------------------------------

def draw_pictures(folder: Path, count: int) -> list[np.ndarray]:
    """Write pictures as JPEGs; return their pixels as they are read back."""
    from port.data.readers import read_rgb
    from port.data.scenes import draw_scene
    folder.mkdir()
    rng, found = np.random.default_rng(1), []
    for i in range(count):
        path = folder / f'{i:03d}.jpg'
        Image.fromarray(draw_scene(PICTURE, rng)[0]).save(path, quality=92)
        found.append(read_rgb(path))
    return found


def infer(name: str, options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Measure `fcn infer` on a folder, without its start, against the passes of the same net alone,
    taking turns; weights are drawn.
    """
    from netspec.families import make_net
    from netspec.schema.messages import TEST
    from port.cli import main
    from port.commands import infer as command
    from port.engine.net import Net
    from port.engine.random_weights import random_weights
    pictures = draw_pictures(folder / 'pictures', options.pictures)
    net = Net(make_net(name, 'deploy', width=options.width), TEST)
    random_weights(net, 1)
    net.save(weights := folder / 'drawn.caffemodel')
    watch, made, real = Stopwatch(), [], command.opened
    command.label_all = watch.around('folder', command.label_all)
    command.opened = lambda *args, **more: made.append(real(*args, **more)) or made[-1]
    seconds: dict[str, list[float]] = {'folder': [], 'passes': []}
    for turn in range(FOLDERS):
        watch.seconds.clear()
        with redirect_stdout(sys.stderr):
            main(['infer', name, str(folder / 'pictures'), '--weights', str(weights), '--width',
                  str(options.width), '--out', str(folder / f'out{turn}')], standalone_mode=False)
        seconds['folder'].append(watch.seconds['folder'])
        predict = made.pop()[0].predict
        planes = [predict.planes(rgb)[None] for rgb in pictures]
        begin = time.perf_counter()
        for one in planes:
            predict(one)
        seconds['passes'].append(time.perf_counter() - begin)
    each = {what: statistics.median(times) / len(pictures) for what, times in seconds.items()}
    return {**{f'{what}, s a picture': round(value, 4) for what, value in each.items()},
            'of its own rate': round(each['passes'] / each['folder'], 3)}


# -- load ------------------------------------------------------------------------------------------

def load(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Measure a caffemodel read into a predictor that has answered, and its next answer."""
    import torch

    from netspec.families.fcn import fcn
    from netspec.schema.messages import TEST
    from port.engine.net import Net
    from port.predict.predictor import NetPredictor
    path = folder / 'whole.caffemodel'
    made = make_file(path)
    predict = NetPredictor(Net(fcn('voc-fcn8s', 'deploy'), TEST, weights=path))
    image, seconds = 50 * torch.randn(1, 3, *PICTURE), {'read': [], 'pass': [], 'load and pass': []}

    def load_and_pass() -> None:
        predict.net.copy_from(path)
        predict(image)
    predict(image)
    for _ in range(options.repeat):
        for what, run in (('read', lambda: plain_read(path)), ('pass', lambda: predict(image)),
                          ('load and pass', load_and_pass)):
            begin = time.perf_counter()
            run()
            seconds[what].append(time.perf_counter() - begin)
    found = {what: statistics.median(times) for what, times in seconds.items()}
    return {'bytes': made['bytes'], **{f'{what}_s': round(v, 3) for what, v in found.items()},
            'reads above a pass': round((found['load and pass'] - found['pass']) / found['read'],
                                        2)}


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Return all figures."""
    found: dict[str, Any] = {}
    for what, measure in (('reproduce', reproduce), ('load', load)):
        if what in options.jobs:
            with tempfile.TemporaryDirectory() as folder:
                found[what] = measure(options, Path(folder))
    for name in options.infer if 'infer' in options.jobs else ():
        with tempfile.TemporaryDirectory() as folder:
            found.setdefault('infer', {})[name] = infer(name, options, Path(folder))
    return found


def missed(found: dict[str, Any]) -> list[str]:
    """Return what the figures do not hold."""
    wrong = []
    if found.get('reproduce', {}).get('outside', 0) > OUTSIDE:
        wrong.append(f'{found["reproduce"]["outside"]:.1%} of the time outside steps and passes')
    if found.get('load', {}).get('reads above a pass', 0) > READS:
        wrong.append(f'a load takes {found["load"]["reads above a pass"]} reads')
    return wrong + [f'{name}: a folder at {row["of its own rate"]} of the rate of the net'
                    for name, row in found.get('infer', {}).items()
                    if row['of its own rate'] < RATES.get(name, 0.0)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--jobs', nargs='+', default=['reproduce', 'infer', 'load'])
    parser.add_argument('--camvid', type=Path)
    parser.add_argument('--images', type=int, default=800)
    parser.add_argument('--pictures', type=int, default=16)
    parser.add_argument('--infer', nargs='+', default=list(RATES), metavar='NET')
    parser.add_argument('--width', type=float, default=1.0, help='of the nets of --infer')
    parser.add_argument('--repeat', type=int, default=5)
    parser.add_argument('--only', nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(reproduced(*options.only, options.images)))
        return
    found = measured(options)
    print(json.dumps(found | {'machine': machine()}, indent=1))
    if options.width == 1 and (wrong := missed(found)):
        sys.exit(f'missed: {"; ".join(wrong)}')


if __name__ == '__main__':
    main()
