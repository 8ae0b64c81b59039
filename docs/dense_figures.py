"""Draws and prints the figures of docs/dense.md: receptive fields layer by layer, shifts by the
stride and by one pixel, and three ways up on one net.

    python docs/dense_figures.py [--out docs] [--iterations 250]
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from netspec import NetSpec, layers, params
from netspec.blocks import Style
from netspec.families import make_net
from netspec.schema.messages import TEST, NetParameter, SolverParameter
from netspec.spec import Top
from netspec.trunks.vgg16 import vgg16
from port.data.label_pictures import color_seg, make_palette, write_sheet
from port.data.readers import planes
from port.data.scenes import scenes
from port.data.voc import CLASSES, MEAN, VOID
from port.dense.convolutional import Convolutional
from port.dense.sliding import Dense, both_ways
from port.describe.net_shapes import shaped_net
from port.describe.places import places_of
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.scoring.metrics import Scores, fast_hist
from port.training.solver import Solver
from surgery import Weights, interp

FIELDS = {'VGG16': 'voc-fcn32s', 'AlexNet': 'voc-fcn-alexnet', 'GoogLeNet': 'voc-fcn-googlenet',
          'SqueezeNet': 'voc-fcn16s-squeezenet', 'ResNet-34': 'voc-fcn8s-resnet34'}
STRIDE, STAGES, SHOWN = 32, 5, 3
SIZE, BATCH, SEED = (96, 128), 4, 1337
TRAIN, VAL = 160, 40         # scenes
WAYS = ('bilinear', 'learnt deconvolution', 'unpooling')


# -- receptive fields ------------------------------------------------------------------------------

def fields(name: str) -> list[tuple[str, int, int]]:
    """Return layer, receptive field and stride where they grow, as far as the coarsest scores."""
    shaped, found = shaped_net(make_net(name, 'deploy', width=1 / 16), TEST, (500, 500)), []
    for layer, (_, place) in zip(shaped.layers, places_of(shaped), strict=True):
        if layer.type == 'Deconvolution' or place is None:
            break
        if layer.type in ('Convolution', 'Pooling') and (
                not found or place.field[0] > found[-1][1] or place.stride[0] > found[-1][2]):
            found.append((layer.name, int(place.field[0]), int(place.stride[0])))
    return found


def draw_fields(path: Path) -> None:
    figure = Figure(figsize=(8, 4), layout='constrained')
    axes = figure.subplots()
    for trunk, name in FIELDS.items():
        rows = fields(name)
        axes.plot(range(1, len(rows) + 1), [field for _, field, _ in rows], marker='.',
                  label=f'{trunk}: {rows[-1][1]} at stride {rows[-1][2]}')
    axes.set(xlabel='convolutions and poolings that widen it', ylabel='receptive field (pixels)')
    axes.legend()
    figure.savefig(path)
    for layer, field, stride in fields('voc-fcn32s'):
        print(f'{layer:<10} field {field:>4}  stride {stride:>3}')


# -- shifts ----------------------------------------------------------------------------------------

def stages(pad: int) -> NetParameter:
    """Five convolutions and poolings of 2: stride 32."""
    n = NetSpec()
    top = n.data = layers.Input(shape=dict(dim=[1, 3, 320, 320]))
    for i in range(1, STAGES + 1):
        n[f'conv{i}'] = layers.Convolution(top, num_output=16, kernel_size=3, pad=pad)
        n[f'relu{i}'] = layers.ReLU(n[f'conv{i}'], in_place=True)
        top = n[f'pool{i}'] = layers.Pooling(n[f'relu{i}'], pool=params.Pooling.MAX, kernel_size=2,
                                             stride=2, round_mode=params.Pooling.FLOOR)
    n.score = layers.Convolution(top, num_output=8, kernel_size=1)
    return n.to_proto()


def shifted(pad: int, shifts: list[int]) -> list[float]:
    """Return by how much the scores of a shifted image differ from the scores shifted alike."""
    net = Net(stages(pad), TEST, dtype=torch.float64)
    random_weights(net, SEED)
    (_, pixels, _), = scenes('shift', 1, (320 + STRIDE * 2, 320 + STRIDE * 2), SEED)
    image = pixels[:, :, ::-1].transpose(2, 0, 1)[None] - np.array(MEAN)[:, None, None]
    maps = [net.forward(data=np.ascontiguousarray(image[:, :, :320, s:s + 320]))['score'][0]
            .numpy().copy() for s in shifts]
    first, found = maps[0], []
    for s, there in zip(shifts, maps, strict=True):
        cells = round(s / STRIDE)
        wide = first.shape[2] - cells
        apart = np.abs(there[:, :, :wide] - first[:, :, cells:]).max()
        found.append(float(apart / np.abs(first).max()))
    return found


def draw_shifts(path: Path) -> None:
    shifts = [*range(2 * STRIDE + 1)]
    figure = Figure(figsize=(8, 3.5), layout='constrained')
    axes = figure.subplots()
    for pad, what in ((0, 'no layer pads'), (1, 'convolutions pad 1')):
        found = shifted(pad, shifts)
        axes.plot(shifts, found, marker='.', label=what)
        print(f'{what}: by 1 pixel {found[1]:.3g}, by {STRIDE} {found[STRIDE]:.3g} of the largest '
              'score')
    axes.set(xlabel='the image is shifted by (pixels)', xticks=range(0, 65, 8),
             ylabel='difference of the scores', ylim=(-0.03, 1))
    axes.legend(loc='upper center', ncols=2)
    figure.savefig(path)


# -- windows ---------------------------------------------------------------------------------------

def windows(pad: int, side: int, image: int) -> Dense:
    """Run VGG16, an eighth as wide and of random weights, over windows of a scene and as a map.

    pad: of its convolutions; side: of the windows; image: its side.
    """
    n, style = NetSpec(), Style(1 / 8, dropout=False, pad=pad)
    n.data = layers.Input(shape=dict(dim=[1, 3, side, side]))
    n.fc8 = layers.Convolution(vgg16(n, n.data, style=style), num_output=100, kernel_size=1)
    net = n.to_proto()
    for layer in net.layer:
        if layer.type == 'Convolution' and not pad:
            layer.convolution_param.ClearField('pad')
    made = Net(net, TEST)
    random_weights(made, SEED)
    weights = Weights({name: [blob.data.numpy() for blob in blobs]
                       for name, blobs in made.params.items()})
    (_, pixels, _), = scenes('windows', 1, (image, image), SEED)
    return both_ways(Convolutional(net, (side, side)), weights,
                     planes(pixels[:, :, ::-1], np.array(MEAN)))


def tell_windows() -> None:
    for pad, side, image in ((1, 224, 384), (0, 404, 468)):
        found = windows(pad, side, image)
        rows, columns = found.windows.shape[1:]
        print(f'VGG16, convolutions pad {pad}: windows of {side} every {found.stride} pixels of '
              f'{image} give {rows} x {columns}; the map differs by {found.difference:.2g} of the '
              'largest score')


# -- three ways up ---------------------------------------------------------------------------------

def conv(n: NetSpec, name: str, bottom: Top, channels: int) -> Top:
    n[name] = layers.Convolution(bottom, num_output=channels, kernel_size=3, pad=1,
                                 weight_filler=dict(type='msra'))
    n[f'{name}_relu'] = layers.ReLU(n[name], in_place=True)
    return n[f'{name}_relu']


def net_of(way: str) -> NetParameter:
    """The same convolutions and poolings of stride 8, and one of three ways up."""
    n, classes = NetSpec(), len(CLASSES)
    n.data = layers.Input(shape=dict(dim=[BATCH, 3, *SIZE]))
    n.label = layers.Input(shape=dict(dim=[BATCH, 1, *SIZE]))
    top, masks = n.data, []
    for i, channels in enumerate((16, 32, 64), 1):
        top = conv(n, f'conv{i}', top, channels)
        n[f'pool{i}'], n[f'mask{i}'] = layers.Pooling(
            top, ntop=2, pool=params.Pooling.MAX, kernel_size=2, stride=2)
        top = n[f'pool{i}']
        masks.append(n[f'mask{i}'])
    top = conv(n, 'conv4', top, 64)
    if way == 'unpooling':
        for i, channels in ((3, 32), (2, 16), (1, 16)):
            n[f'unpool{i}'] = layers.Upsample(top, masks[i - 1], scale=2)
            top = conv(n, f'decode{i}', n[f'unpool{i}'], channels)
    scores = layers.Convolution(top, num_output=classes, kernel_size=1,
                                weight_filler=dict(type='msra'))
    if way == 'unpooling':
        n.score = scores
    else:
        n.coarse, rate = scores, float(way != 'bilinear')
        n.score = layers.Deconvolution(n.coarse, param=[dict(lr_mult=rate)], convolution_param=dict(
            num_output=classes, kernel_size=16, stride=8, pad=4, bias_term=False))
        for i, mask in enumerate(masks, 1):
            n[f'unused{i}'] = layers.Silence(mask, ntop=0)
    n.loss = layers.SoftmaxWithLoss(n.score, n.label, loss_param=dict(ignore_label=VOID))
    return n.to_proto()


def batches(split: str, count: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return pictures, what the net reads of them, and labels, BATCH at once."""
    drawn = [(pixels, labels) for _, pixels, labels in scenes(split, count, SIZE, SEED)]
    found = []
    for i in range(0, count, BATCH):
        pixels = np.stack([pixels for pixels, _ in drawn[i:i + BATCH]])
        data = (pixels[..., ::-1] - np.array(MEAN)).transpose(0, 3, 1, 2) / 64
        found.append((pixels, data.astype('f'), np.stack([labels for _, labels in
                                                          drawn[i:i + BATCH]])))
    return found


def train(way: str, iterations: int) -> tuple[Scores, np.ndarray]:
    """Train one way up; return its scores on other scenes, and the labels that it gives them."""
    solver = Solver(SolverParameter(net_param=net_of(way), type='Adam', base_lr=2e-3, momentum=0.9,
                                    momentum2=0.999, lr_policy='fixed', max_iter=iterations,
                                    random_seed=SEED))
    net = solver.net
    if way != 'unpooling':
        kernels = {'score': [net.params['score'][0].data.numpy()]}
        interp(kernels, ['score'])

    def fill(data: np.ndarray, labels: np.ndarray) -> None:
        net.blobs['data'].data = torch.from_numpy(data)
        net.blobs['label'].data = torch.from_numpy(labels[:, None].astype('f'))
    seen = batches('train', TRAIN)
    for i in range(iterations):
        fill(*seen[i % len(seen)][1:])
        solver.step(1)
    hist, given = np.zeros((len(CLASSES),) * 2), []
    for _, data, labels in batches('val', VAL):
        fill(data, labels)
        net.forward()
        given.append(net.blobs['score'].data.argmax(1).numpy())
        hist += fast_hist(labels.flatten(), given[-1].flatten(), len(CLASSES))
    return Scores(hist), np.concatenate(given)


def draw_ways(path: Path, iterations: int) -> None:
    palette, given = make_palette(256), []
    titles = ['image', 'truth']
    for way in WAYS:
        scores, labels = train(way, iterations)
        given.append(labels)
        titles.append(f'{way}: {100 * scores.mean_iu:.1f}')
        print(f'{way}: mean IU {100 * scores.mean_iu:.1f}, pixel accuracy '
              f'{100 * scores.pixel_acc:.1f} after {iterations} iterations')
    first = batches('val', BATCH)[0]
    rows = [[first[0][i], *(color_seg(labels[i], palette) for labels in (first[2], *given))]
            for i in range(SHOWN)]
    write_sheet(path, rows, titles, zoom=2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, default=Path(__file__).parent)
    parser.add_argument('--iterations', type=int, default=250)
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    draw_fields(given.out / 'dense-fields.svg')
    draw_shifts(given.out / 'dense-shifts.svg')
    tell_windows()
    draw_ways(given.out / 'dense-ways.png', given.iterations)


if __name__ == '__main__':
    main()
