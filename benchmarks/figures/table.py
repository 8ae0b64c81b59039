"""Run the benchmarks, keep what they print, and write README.md's table of speed from it.

    python benchmarks/figures/table.py --run              all of them, in a quarter of an hour
    python benchmarks/figures/table.py --run forward gpu  some
    python benchmarks/figures/table.py                    only the table, from what was kept
What benchmarks/NAME.py prints, JSON, is kept in benchmarks/figures/NAME.json. Exits with 1 where a
script fails or misses its bar; the others run all the same.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from netspec.schema import write_atomic

HERE = Path(__file__).resolve().parent
SCRIPTS, ROOT = HERE.parent, HERE.parent.parent
README, BEGIN, END = ROOT / 'README.md', '<!-- figures -->\n', '<!-- /figures -->\n'
OPTIONS = {'cost': ('--out', str(ROOT / 'docs/cost.svg')),
           'dense_crf': ('--picture', str(ROOT / 'docs/crf.png')),
           'sharpened': ('--picture', str(ROOT / 'docs/sharpened.png'))}
Row = tuple[str, str, str]          # what, its seconds, ours over it


def names() -> list[str]:
    """Return the benchmarks, by the names of their scripts."""
    return sorted(path.stem for path in SCRIPTS.glob('*.py'))


def run(name: str) -> str:
    """Run a benchmark and keep its figures; return '' or what went wrong."""
    begin = time.monotonic()
    print(f'== {name}', flush=True)
    done = subprocess.run([sys.executable, str(SCRIPTS / f'{name}.py'), *OPTIONS.get(name, ())],
                          stdout=subprocess.PIPE, text=True, cwd=ROOT)
    print(f'{done.stdout}({time.monotonic() - begin:.0f} s)', flush=True)
    try:
        figures = json.loads(done.stdout)
    except ValueError:
        return f'{name}: printed no figures (exit {done.returncode})'
    write_atomic(HERE / f'{name}.json', [f'{json.dumps(figures, indent=1)}\n'.encode()])
    return f'{name}: missed a bar' if done.returncode else ''


def figures() -> dict[str, dict[str, Any]]:
    """Return what is kept, by benchmark."""
    return {path.stem: json.loads(path.read_text(encoding='utf-8'))
            for path in sorted(HERE.glob('*.json'))}


def ratio(value: float) -> str:
    return f'{value:.2f}'


def forward(f: dict[str, Any]) -> Iterator[Row]:
    times, over = f['median_s'], f['median_s']['ours']
    for key, what in (('eager', 'hand-written eager PyTorch, float32'),
                      ('eager channels-last', 'the same, channels last'),
                      ('opencv', 'OpenCV'), ('onnxruntime', 'ONNX Runtime on our export')):
        yield what, ratio(times[key]), ratio(over / times[key])
    yield '`port.predictor`, float32', ratio(over), ''
    equal = f['bf16_classes_equal']
    yield (f'`port.predictor`, bfloat16; {equal:.2%} of the classes equal',
           ratio(times['ours bf16']),
           f'{times["ours bf16"] / times["onnxruntime"]:.2f} of ONNX Runtime\'s float32')


def forward_avx2(f: dict[str, Any]) -> Iterator[Row]:
    yield ('hand-written eager PyTorch, float32, both without AVX-512',
           ratio(f['median_s']['eager']), ratio(f['ours / eager']))


def deeplab_forward(f: dict[str, Any]) -> Iterator[Row]:
    for name, row in f['nets'].items():
        yield (f'{name} at {f["size"]}, hand-written eager PyTorch, float32',
               ratio(row['median_s']['eager']), ratio(row['ours / eager']))


def agreement(f: dict[str, Any]) -> Iterator[Row]:
    nets = f['off_by_share_of_largest']
    yield (f'`port.predictor` against the plain graph, {len(nets)} nets of random weights: off by '
           f'at most {f["worst"]:.1e} of the largest score', '', '')


def train_step(f: dict[str, Any]) -> Iterator[Row]:
    yield ('a training step of FCN-32s, hand-written eager: time, memory',
           ratio(f['median_s']['eager']),
           f'{ratio(f["time of ours over"]["eager"])}, {ratio(f["memory of ours over"]["eager"])}')


def segnet_step(f: dict[str, Any]) -> Iterator[Row]:
    best = min(f['median_s']['eager'], f['median_s']['eager, channels last'])
    yield (f'a training step of SegNet-Basic, batch {f["batch"]}, the faster hand-written eager',
           ratio(best), ratio(f['time of ours over the faster eager']))


def net_load(f: dict[str, Any]) -> Iterator[Row]:
    yield ('reading a 538 MB caffemodel into a new net, against a plain read of the file',
           ratio(f['seconds']['read']), ratio(f['ratio']['net with weights']))


def caffemodel_load(f: dict[str, Any]) -> Iterator[Row]:
    yield ('its 134 M parameters as arrays, each touched, against reading and touching the file',
           ratio(f['seconds']['read_and_touch']),
           ratio(f['ratio']['load_and_touch / read_and_touch']))


def onnx_time(f: dict[str, Any]) -> Iterator[Row]:
    yield (f'{f["net"]} exported, in ONNX Runtime, against a hand-written module\'s export (width '
           f'{f["width"]:g})', ratio(f['median_s']['by hand']), ratio(f['ratio']))


def pycaffe_face(f: dict[str, Any]) -> Iterator[Row]:
    yield ('forward and backward through `port.pycaffe` against `port.Net`',
           ratio(f['seconds']['port.Net']), ratio(f['ratio']))


def dense_crf(f: dict[str, Any]) -> Iterator[Row]:
    row = f['rows'][-1]
    theirs, over = row["authors' C++, one core, recorded"], row['ours / theirs']
    yield (f'a dense CRF of ten iterations, {f["size"]}, {row["classes"]} classes: the C++ of its '
           'authors on one core, as recorded; ours on one and on two threads', ratio(theirs),
           f'{ratio(over["1"])}, {ratio(over["2"])}')


def loading(f: dict[str, Any]) -> Iterator[Row]:
    waiting = max(row['waiting and copying'] for row in f['training'].values())
    yield (f'the loader alone: {max(f["pairs_a_second"].values()):.0f} pairs a second; waiting for '
           f'data in training: {waiting:.1%}', '', '')


def scale(f: dict[str, Any]) -> Iterator[Row]:
    gain, rates = f['over one process'], f['images_a_second']
    yield (f'training {f["net"]} at width {f["width"]:g} in two processes of a thread each: '
           f'{gain["two ranks"]:.2f} times the images a second of one, where two apart reach '
           f'{gain["two apart"]:.2f}', f'{1 / rates["one process"]:.2f}', '')


def whole_jobs(f: dict[str, Any]) -> Iterator[Row]:
    row = f['reproduce']
    yield (f'`fcn reproduce {row["net"]}`, two blocks of {row["images"]} images, from start to '
           f'report: {row["outside"]:.1%} of the time outside steps and scoring passes',
           ratio(row['whole_s']), '')
    for name, found in f['infer'].items():
        yield (f'`fcn infer {name}` on a folder, pictures decoded, labelled, written: a picture; '
               'the net alone against it', ratio(found['folder, s a picture']),
               ratio(found['of its own rate']))
    yield ('a 538 MB caffemodel into a predictor that has answered, and its next answer: above a '
           f'pass, {f["load"]["reads above a pass"]:.2f} plain reads of the file',
           ratio(f['load']['load and pass_s']), '')


def startup(f: dict[str, Any]) -> Iterator[Row]:
    least = min(f['cpu_s']['fcn --help'], f['cpu_s']['fcn list'])
    yield (f'`fcn --help`, `list`, `generate` and a command\'s help: from {least:.2f} s of a '
           'processor; against `import numpy, google.protobuf`, the slowest',
           ratio(f['cpu_s']['import']), ratio(max(f['ratio'].values())))


ROWS = {row.__name__: row for row in (
    forward, forward_avx2, deeplab_forward, agreement, train_step, segnet_step, net_load,
    caffemodel_load, onnx_time, pycaffe_face, dense_crf, loading, scale, whole_jobs, startup)}


def table(kept: dict[str, dict[str, Any]]) -> str:
    """Return the table in Markdown, and where it was measured."""
    lines = ['| what | seconds | ours / it | script |', '|---|---|---|---|']
    for name, rows in ROWS.items():
        lines += [f'| {what} | {seconds} | {over} | `{name}.py` |'
                  for what, seconds, over in (rows(kept[name]) if name in kept else ())]
    where = kept['forward']['machine']
    lines += ['', f'{where["cpu"]}, {where["cores"]} cores; Python {where["python"]}, torch '
              f'{where["torch"]}, ONNX Runtime {where["onnxruntime"]}, OpenCV {where["opencv"]}.']
    return '\n'.join(lines) + '\n'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--run', nargs='*', metavar='NAME', choices=names())
    options = parser.parse_args()
    asked = names() if options.run == [] else options.run or []
    missed = [what for what in map(run, asked) if what]
    before, rest = README.read_text(encoding='utf-8').split(BEGIN)
    text = before + BEGIN + table(figures()) + END + rest.split(END)[1]
    write_atomic(README, [text.encode()])
    if missed:
        sys.exit('; '.join(missed))


if __name__ == '__main__':
    main()
