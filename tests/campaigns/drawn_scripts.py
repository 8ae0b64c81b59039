"""Caffe's own scripts, classify.py and detect.py, on drawn pictures with drawn options.

They lie in the folder of the Caffe that is held against; both sides run the same file. Where there
is none, what was recorded is played again by calling what the scripts call.
"""

import argparse
import contextlib
import glob
import io
import os
import runpy
import sys
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from drawn_data import picture
from drawn_nets import FILLED, Case, field, given, layer

SIDES = ('ymin', 'xmin', 'ymax', 'xmax')          # as detect.py names the columns


def of_script(r: Random) -> Case:
    """One of the two scripts and its arguments."""
    side, seed = r.randint(5, 12), r.randrange(1 << 30)
    script = r.choice(['classify.py', 'classify.py', 'detect.py'])
    channels = r.choice([3, 3, 1]) if script == 'classify.py' else 3
    text = given('data', (r.choice([1, 3, 10]), channels, side, side))
    text += layer('c', 'Convolution', ['data'], ['c'], field(
        'convolution_param', num_output=3, kernel_size=3)[:-1] + FILLED + ' }')
    text += layer('r', 'ReLU', ['c'], ['c']) + layer('i', 'InnerProduct', ['c'], ['i'], field(
        'inner_product_param', num_output=4)[:-1] + FILLED + ' }')
    text += layer('p', 'Softmax', ['i'], ['prob'])
    options = common(r, channels, side, seed)
    more = classify(r, channels, side, seed) if script == 'classify.py' else detect(r, seed)

    def run(caffe: Any) -> dict[str, np.ndarray]:
        net = caffe.Net('net.prototxt', caffe.TEST)
        random = np.random.RandomState(seed)
        for name in sorted(net.params):
            for blob in net.params[name]:
                blob.data[...] = random.uniform(-.1, .1, blob.data.shape)
        net.save('w.caffemodel')
        words = [*more(), '--model_def', 'net.prototxt', '--pretrained_model', 'w.caffemodel',
                 *options()]
        folder = os.environ.get('REFEREE_SCRIPTS')
        return by_script(Path(folder, script), words) if folder else by_hand(caffe, script, words)
    return Case(text, 1, run=run)


def by_script(path: Path, words: list[str]) -> dict[str, np.ndarray]:
    """Run a script; return what it wrote: an array, or a table of windows."""
    before, sys.argv = sys.argv, [str(path), *words]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            runpy.run_path(str(path), run_name='__main__')
    finally:
        sys.argv = before
    if Path('out.npy').exists():
        return {'answers': np.load('out.npy')}
    import pandas
    table = pandas.read_hdf('out.h5')
    return {'windows': table[list(SIDES)].to_numpy(float),
            'answers': np.vstack(table['prediction'])}


def by_hand(caffe: Any, script: str, words: list[str]) -> dict[str, np.ndarray]:
    """Do with pycaffe's classes what a script does."""
    parser = argparse.ArgumentParser()
    for name in ('source', 'out', *(word for word in words if word[:2] == '--' and
                                    word != '--center_only')):
        parser.add_argument(name)
    parser.add_argument('--center_only', action='store_true')
    given = vars(parser.parse_args(words))
    mean = np.load(given['mean_file']) if given['mean_file'] else None
    more = {'raw_scale': float(given['raw_scale']),
            'input_scale': float(given['input_scale']) if 'input_scale' in given else None,
            'channel_swap': [int(n) for n in given['channel_swap'].split(',')]
            if given['channel_swap'] else None}
    files = given['model_def'], given['pretrained_model']
    if script == 'classify.py':
        net = caffe.Classifier(*files, image_dims=[int(n) for n in given['images_dim'].split(',')],
                               mean=mean, **more)
        source = Path(given['source'])
        inputs = (np.load(source) if source.suffix == '.npy' else
                  [caffe.io.load_image(str(path)) for path in
                   (glob.glob(f'{source}/*.png') if source.is_dir() else [source])])
        return {'answers': net.predict(inputs, not given['center_only'])}
    if mean is not None and mean.shape[1:] != (1, 1):
        mean = mean.mean(1).mean(1)
    net = caffe.Detector(*files, mean=mean, context_pad=int(given['context_pad']), **more)
    windows: dict[str, list[list[int]]] = {}
    for row in Path(given['source']).read_text().splitlines()[1:]:
        name, left, top, right, bottom = row.split(',')
        windows.setdefault(name, []).append([int(top), int(left), int(bottom), int(right)])
    found = net.detect_windows([(name, np.array(held)) for name, held in windows.items()])
    return {'windows': np.array([one['window'] for one in found], float),
            'answers': np.array([one['prediction'] for one in found])}


def common(r: Random, channels: int, side: int, seed: int) -> Any:
    """Return what writes a mean, and gives the options that both scripts have."""
    shape = r.choice([None, (channels, side, side), (channels, 1, 1), (channels, side + 3, side)])
    words = ['--raw_scale', r.choice(['255', '1', '100'])]
    words += ['--input_scale', '0.02'] if r.random() < .4 else []
    words += ['--channel_swap', r.choice(['2,1,0', '0,1,2', '']) if channels == 3 else '']

    def options() -> list[str]:
        if shape:
            np.save('mean.npy', np.random.RandomState(seed).uniform(0, 200, shape).astype('f'))
        return [*words, '--mean_file', 'mean.npy' if shape else '']
    return options


def classify(r: Random, channels: int, side: int, seed: int) -> Any:
    """Return what writes the pictures to classify, and gives the words that name them."""
    form, many = r.choice(['png', 'npy', 'folder']), r.randint(1, 3)
    size = (r.randint(side, 20), r.randint(side, 20))
    words = ['--images_dim', f'{r.randint(side, 18)},{r.randint(side, 18)}', '--ext', 'png']
    words += ['--center_only'] if r.random() < .5 else []

    def make() -> list[str]:
        random = np.random.RandomState(seed)
        if form == 'npy' or channels == 1:
            np.save('in.npy', random.uniform(0, 1, (many, *size, channels)).astype('f'))
            return ['in.npy', 'out.npy', *words]
        Path('in').mkdir()
        Path('in', '0.png').write_bytes(picture(random, 'PNG', size, channels))
        return ['in/0.png' if form == 'png' else 'in', 'out.npy', *words]
    return make


def detect(r: Random, seed: int) -> Any:
    """Return what writes pictures and a table of their windows, and gives the words."""
    size, rows = (r.randint(14, 30), r.randint(14, 30)), []
    for name in ('a.png', 'b.png')[:r.randint(1, 2)]:
        for _ in range(r.randint(1, 3)):
            top, left = r.randint(0, size[0] - 6), r.randint(0, size[1] - 6)
            rows.append(f'{name},{left},{top},{r.randint(left + 4, size[1] - 1)},'
                        f'{r.randint(top + 4, size[0] - 1)}')
    words = ['windows.csv', 'out.h5', '--crop_mode', 'list', '--context_pad',
             r.choice(['0', '1', '2'])]

    def make() -> list[str]:
        random = np.random.RandomState(seed)
        for name in ('a.png', 'b.png'):
            Path(name).write_bytes(picture(random, 'PNG', size, 3))
        Path('windows.csv').write_text('\n'.join(['filename,xmin,ymin,xmax,ymax', *rows]) + '\n')
        return words
    return make
