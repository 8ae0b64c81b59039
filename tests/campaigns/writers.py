"""All that writes files, for the sweep of full disks (full_disk.py)."""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Write = Callable[[Path], object]


def stand(path: Path) -> None:
    """Put a file there for the writer to replace."""
    path.write_bytes(b'old')


def nothing(path: Path) -> None:
    """Leave the place empty."""


@dataclass(frozen=True)
class Writer:
    """What writes a file, or several in its folder. begin: what stands there before. grows: it
    adds to what stands there. names: of the files, where not the path's own.
    """

    write: Write
    begin: Write = stand
    grows: bool = False
    names: tuple[str, ...] = ()


def writers() -> dict[str, Writer]:
    """Return all writers, by the name of the file."""
    os.environ['SOURCE_DATE_EPOCH'] = '0'            # in PDFs; all writers give the same bytes
    rng = np.random.default_rng(1)
    return {name: held if isinstance(held, Writer) else Writer(held)
            for part in (of_weights, of_pictures, of_data, of_texts, of_nets)
            for name, held in part(rng).items()}


def of_weights(rng: np.random.Generator) -> dict[str, Write | Writer]:
    from netspec.schema import write_blob
    from netspec.schema.blobs import array_blob
    from port.engine.torch_weights import write_weights
    from port.pycaffe.stored import save_mean
    from port.training.snapshot import State, write_state
    weights = {'conv': [rng.normal(size=(8, 6, 3, 3)).astype('f')], 'b': [np.ones(700, 'f')]}
    state = State(3, 'w', 0, weights['conv'] + weights['b'], {'rng': 'A' * 5000})
    return {f'w.{ending}': lambda path: write_weights(path, weights)
            for ending in ('caffemodel', 'h5', 'npz', 'safetensors', 'pt')} | {
        's.solverstate': lambda path: write_state(path, state),
        's.solverstate.h5': lambda path: write_state(path, state),
        'm.binaryproto': lambda path: write_blob(path, array_blob(weights['conv'][0])),
        'mean.binaryproto': lambda path: save_mean(path, np.ones((3, 30, 20), 'f'))}


def of_pictures(rng: np.random.Generator) -> dict[str, Write | Writer]:
    from port.data.label_pictures import make_palette, write_label, write_loss_curve, write_sheet
    from port.dense.picture import write_class_map
    from port.dense.sliding import Dense
    from port.predict.saved import KINDS, save
    from port.reproduce.report_pictures import confusion
    rgb, labels = rng.integers(0, 256, (50, 60, 3), 'u1'), rng.integers(0, 9, (50, 60))
    answers, classes = rng.random((5, 3, 4)), rng.integers(0, 200, (90, 90))
    found = Dense((16, 16), 8, answers, answers, 1, 1, 1, False)
    return {
        'l.png': lambda path: write_label(path, classes),
        'c.png': lambda path: write_loss_curve(path, {'a': [(1, 2), (2, 3)]}),
        'i.png': Writer(lambda path: save(path, KINDS, rgb, labels, np.ones((2, 50, 60), 'f'),
                                          make_palette(9), ('a', 'b')),
                        names=('i.png', 'i_overlay.png', 'i_probabilities.npz')),
        'sheet.png': lambda path: write_sheet(path, [[rgb, rgb]], ('a', 'b')),
        'confusion.png': lambda path: confusion(path, np.eye(3), ['a', 'b', 'c']),
        'classes.png': lambda path: write_class_map(path, rgb, found, ['a', 'b']),
        'classes.jpg': lambda path: write_class_map(path, rgb, found, ['a', 'b'])}


def of_data(rng: np.random.Generator) -> dict[str, Write | Writer]:
    from port.data.colour_labels import convert_folder, voc_table
    from port.data.label_pictures import write_label
    from port.data.scenes import draw_dataset
    from port.layers.bases.mat_blobs import write_mat
    from port.layers.hdf5_output import append, create
    from port.pycaffe.io import array_to_datum
    from port.pycaffe.stored import write_lmdb
    rows = {'data': rng.normal(size=(40, 3, 4, 4)).astype('f'),
            'label': np.ones((40, 1, 1, 1), 'f')}
    datum = array_to_datum(rng.integers(0, 256, (3, 30, 20), 'u1'), 3)

    def coloured(path: Path) -> None:
        path.mkdir()
        for i in range(2):
            write_label(path / f'{i}.png', np.full((40, 50), i))
    return {
        'b.mat': lambda path: write_mat(str(path), rows['data']),
        'o.h5': lambda path: create(str(path), rows),
        'a.h5': Writer(lambda path: append(str(path), rows), lambda path: create(str(path), rows),
                       grows=True),
        'records': Writer(lambda path: write_lmdb(path, [datum] * 20), nothing),
        'scenes': Writer(lambda path: draw_dataset(path, 1, 1, (24, 32)), nothing),
        'colours': Writer(lambda path: convert_folder(path, path.parent / 'out', voc_table()),
                          coloured, names=('0.png', '1.png'))}


def of_texts(rng: np.random.Generator) -> dict[str, Write | Writer]:
    from netspec.generate import write_variant
    from netspec.schema import parse_net, write_text
    from port.commands._shared import tell
    from port.pycaffe.install import install
    content = {'a': list(range(900))}
    return {
        'n.prototxt': lambda path: write_text(path, parse_net('name: "%s"' % ('x' * 6000))),
        'figures.json': lambda path: tell(content, '', str(path)),
        '__init__.py': Writer(lambda path: install(path.parent), nothing),
        'solver.prototxt': Writer(
            lambda path: write_variant('camvid-fcn32s', path.parent), nothing,
            names=('train.prototxt', 'val.prototxt', 'test.prototxt', 'deploy.prototxt',
                   'solver.prototxt'))}


def of_nets(rng: np.random.Generator) -> dict[str, Write | Writer]:
    from netspec.families.fcn import fcn
    from netspec.schema import parse_net
    from netspec.schema.messages import TEST
    from netspec.variants import VARIANTS
    from port.describe.draw import draw
    from port.describe.net_shapes import shaped_net
    from port.engine.net import Net
    from port.engine.random_weights import random_weights
    from port.export.onnx_file import export
    from port.pycaffe.draw import draw_net_to_file
    row = VARIANTS['camvid-fcn32s']
    text = fcn(row, 'deploy', width=.02)
    net = Net(text, TEST)
    random_weights(net, 1)
    small = parse_net('''
        layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 9
            dim: 8 } } }
        layer { name: "r" type: "ReLU" bottom: "x" top: "y" }
        layer { name: "m" type: "MatWrite" bottom: "y" bottom: "x"
            mat_write_param { prefix: "blob_" } }
        layer { name: "h" type: "HDF5Output" bottom: "y" bottom: "x"
            hdf5_output_param { file_name: "rows.h5" } }''')

    def outputs(path: Path) -> None:
        with contextlib.chdir(path.parent):
            Net(small, TEST).run_forward()
    shaped = shaped_net(small, TEST)
    return {
        'n.onnx': lambda path: export(net, path, row),
        'apart.onnx': Writer(lambda path: export(net, path, row, external_above=1000),
                             names=('apart.onnx', 'apart.onnx.data')),
        'rows.h5': Writer(outputs, nothing, names=('rows.h5', 'blob_iter_0_blob_0.mat',
                                                   'blob_iter_0_blob_1.mat')),
        **{f'n.{ending}': lambda path: draw(shaped, path, False)
           for ending in ('png', 'svg', 'pdf')},
        'face.png': lambda path: draw_net_to_file(small, path)}
