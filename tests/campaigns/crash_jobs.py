"""The commands that `make crash` kills, with what each needs and the files it is held by."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

WIDTH, SIZE = '0.03125', (48, 64)
Content = dict[str, bytes]
FILES = ('.caffemodel', '.solverstate', '.h5', '.npz', '.safetensors', '.pt', '.png', '.onnx',
         '.prototxt', '.txt', '.html', '.mat', '.mdb', '.json', '.svg', '.pdf', '.binaryproto')
TIMES = ('seconds', 'trained')


@dataclass(frozen=True)
class Job:
    """A command to kill. args(folder): its words, run inside the folder, which may hold what
    earlier runs left. prepare: fills a new folder. several: kills before it may end. trains: it
    takes signals, keeps others out, and may leave more snapshots than a whole run. snapshots: they
    are all that it makes. grows: files that are written bit by bit.
    """

    name: str
    args: Callable[[Path], list[str]]
    prepare: Callable[[Path], None]
    several: int = 1
    trains: bool = False
    snapshots: bool = False
    grows: tuple[str, ...] = ('.txt', 'run.json')


def command(args: list[str]) -> Callable[[], object]:
    """Return what runs `fcn` with arguments."""
    def run() -> None:
        from port.cli import main
        main(args)
    return run


def contents(folder: Path) -> Content:
    """Return the bytes of all files that must be equal; of figures without the times in them."""
    found = {}
    for path in sorted(p for p in folder.rglob('*') if p.is_file()):
        name = str(path.relative_to(folder))
        aside = path.stem == 'report' or path.name in ('lock.mdb', 'run.json')     # hold dates
        if path.suffix not in FILES or path.name.startswith('.') or '.part' in name or aside or \
                'pictures' in name or name.startswith(('given/', 'copy/')):
            continue
        found[name] = path.read_bytes()
        if path.suffix == '.json':
            found[name] = json.dumps(_without_times(json.loads(found[name]))).encode()
    return found


def _without_times(figures: object) -> object:
    if isinstance(figures, dict):
        return {key: _without_times(value) for key, value in figures.items() if key not in TIMES}
    return [_without_times(one) for one in figures] if isinstance(figures, list) else figures


# -- what the jobs need ----------------------------------------------------------------------------

def drawn(room: Path) -> Path:
    """Return a small dataset of drawn scenes."""
    from port.data.scenes import draw_dataset
    return draw_dataset(room / 'data', 6, 3, SIZE)


def trained(room: Path) -> Path:
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


def nets(data: Path, **options: object) -> Callable[[Path], None]:
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


CLASSIFIER = '''
layer { name: "x" type: "Input" top: "data" input_param { shape {
    dim: 1 dim: 3 dim: 12 dim: 12 } } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 4
    kernel_size: 3 stride: 2 } }
layer { name: "f" type: "InnerProduct" bottom: "c" top: "f" inner_product_param {
    num_output: 5 } }
layer { name: "p" type: "Softmax" bottom: "f" top: "p" }
'''
OUTPUTS = '''
layer { name: "x" type: "DummyData" top: "x" top: "y" dummy_data_param { shape { dim: 3 dim: 2
    dim: 40 dim: 50 } shape { dim: 3 dim: 1 } data_filler { value: 2 } data_filler { value: 1 } } }
layer { name: "h" type: "HDF5Output" bottom: "x" bottom: "y" hdf5_output_param {
    file_name: "rows.h5" } }
layer { name: "m" type: "MatWrite" bottom: "x" mat_write_param { prefix: "blob_" } }
'''
DATABASE = '''
import os
import numpy as np
from port.pycaffe.io import array_to_datum
from port.pycaffe.stored import save_mean, write_lmdb
if not os.path.exists('records.lmdb'):
    pixels = np.arange(3 * 90 * 80, dtype='u1').reshape(3, 90, 80)
    write_lmdb('records.lmdb', (array_to_datum(pixels + i, i) for i in range(40)))
save_mean('mean.binaryproto', np.ones((3, 90, 80), 'f'))
'''


def classifier(folder: Path) -> None:
    """Write a small classifier and its weights."""
    from netspec.schema.messages import TEST
    from port.engine.net import Net
    from port.engine.random_weights import random_weights
    given = folder / 'given'
    given.mkdir()
    (given / 'net.prototxt').write_text(CLASSIFIER)
    net = Net(given / 'net.prototxt', TEST)
    random_weights(net, 5)
    net.save(given / 'w.caffemodel')


def own_data(data: Path) -> Callable[[Path], None]:
    """Return what copies pictures and labels as one's own into a folder."""
    def write(folder: Path) -> None:
        voc = data / 'pascal' / 'VOC2011'
        shutil.copytree(voc / 'JPEGImages', folder / 'given' / 'photos')
        shutil.copytree(voc / 'SegmentationClass', folder / 'given' / 'masks')
        (folder / 'given' / 'names').write_text('\n'.join(f'class {i}' for i in range(21)))
    return write


def text(name: str, content: str) -> Callable[[Path], None]:
    """Return what writes a text into a folder, where it is not held."""
    def write(folder: Path) -> None:
        (folder / 'given').mkdir()
        (folder / 'given' / name).write_text(content)
    return write


# -- the jobs --------------------------------------------------------------------------------------

def jobs(data: Path, weights: Path) -> list[Job]:
    """Return all jobs. data: drawn scenes; weights: of the narrow net."""
    narrow, pictures = ['--width', WIDTH], str(data / 'pascal/VOC2011/JPEGImages')
    out = [
        Job('train', train_args(), nets(data), 3, True, True),
        Job('train-exact', train_args('--exact'), nets(data), 3, True, True),
        Job('train-hdf5', train_args(), nets(data, snapshot_format='HDF5'), 3, True, True),
        Job('reproduce', lambda folder: [
            'reproduce', 'voc-fcn32s', '--data', str(data), *narrow, '--block', '4', '--blocks',
            '2', '--limit', '2', '--out', 'run'], lambda folder: None, 4, True),
        Job('ablate', lambda folder: [
            'ablate', 'voc', '--data', str(data), *narrow, '--block', '20', '--blocks', '1',
            '--limit', '1', '--out', 'run'], lambda folder: None, 6, True)]

    def once(name: str, *words: str, needs: Callable[[Path], None] = lambda folder: None,
             grows: tuple[str, ...] = ()) -> None:
        out.append(Job(name, lambda folder: list(words), needs, grows=grows))
    for ending in ('caffemodel', 'caffemodel.h5', 'npz', 'safetensors', 'pt'):
        once(f'convert-{ending}', 'convert', str(weights), f'w.{ending}')
    once('export', 'export', 'voc-fcn32s', *narrow, '--weights', str(weights), '--out', 'n.onnx')
    once('infer', 'infer', 'voc-fcn32s', *narrow, '--weights', str(weights), '--out', 'labels',
         pictures)
    once('generate', 'generate', 'voc-fcn8s', '--out', 'nets')
    once('surgery', 'surgery', 'voc-fcn16s', *narrow, '--from', str(weights), '--out',
         'i.caffemodel')
    for ending in ('png', 'pdf', 'svg'):
        once(f'draw-{ending}', 'draw', 'voc-fcn32s', '--out', f'n.{ending}', '--no-graphviz')
    once('score', 'score', 'given/val.prototxt', '--weights', str(weights), '--save', 'predicted',
         '--json=score.json', needs=scored(data))
    once('compare', 'compare', f'voc-fcn32s:{weights}', f'voc-fcn32s:{weights}', *narrow,
         '--images', pictures, '--json=c.json', '--html', 'c.html')
    once('crf-search', 'crf', 'search', 'given/val.prototxt', '--weights', str(weights), '--limit',
         '1', '--bi-w', '3,4', '--bi-xy', '30', '--bi-rgb', '3', '--rounds', '1', '--out',
         'crf.json', needs=scored(data), grows=('.json',))
    once('convolutionalize', 'convolutionalize', 'given/net.prototxt', '--weights',
         'given/w.caffemodel', '--out', 'made', needs=classifier)
    once('dense', 'dense', 'given/net.prototxt', str(next(Path(pictures).iterdir())), '--weights',
         'given/w.caffemodel', '--out', 'classes.png', needs=classifier)
    once('new', 'new', 'mine', '--images', 'given/photos', '--labels', 'given/masks',
         '--class-names', 'given/names', '--out', 'mine', needs=own_data(data))
    once('colours', 'data', 'colours', 'voc', 'given/masks', 'indices', needs=own_data(data))
    once('outputs', 'test', 'given/net.prototxt', '--weights', str(weights), '--iterations', '4',
         needs=text('net.prototxt', OUTPUTS), grows=('rows.h5',))
    once('database', 'run', 'given/write.py', needs=text('write.py', DATABASE))
    return out


def scored(data: Path) -> Callable[[Path], None]:
    """Return what writes the narrow net with its data into a folder, where it is not held."""
    def write(folder: Path) -> None:
        (folder / 'given').mkdir()
        nets(data)(folder / 'given')
    return write
