"""Claims: FCN-8s forward at 375 x 500 (conv1_1 padded by 100), float32, takes at most 0.25 of a
hand-written eager module and 0.42 of ONNX Runtime on our export; bfloat16 at most 0.30 of ONNX
Runtime's float32, with at least 99.5 % of the pixels' classes equal.

All contenders hold the same weights and take turns in one process; medians are compared. "ours
without C kernels" leaves out what no image reaches too, and shows what the kernels are worth.
    python benchmarks/forward.py [--net voc-fcn8s] [--width 1] [--size 375x500] [--runs 9]
        [--weights FILE] [--images FILE …] [--busy]
--busy is for a machine that others use: one thread, and processor time in place of the clock's.
Without weights they are random, which makes the classes' scores closer than trained ones are.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch
from torch import nn

from netspec.families.fcn import fcn
from netspec.schema import print_net
from netspec.schema.messages import TEST, NetParameter
from netspec.variants import VARIANTS
from port.data.readers import read_rgb
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.export.onnx_file import export
from port.fast.inference import FastNet
from port.predict.predictor import NetPredictor

POOL_OFFSETS = {8: ((4, 5), (3, 9)), 16: ((4, 5),), 32: ()}
FINAL_OFFSET = {8: 31, 16: 27, 32: 19}
BARS = {'ours / eager': 0.25, 'ours / onnxruntime': 0.42, 'ours bf16 / onnxruntime': 0.30}
PAUSE = 0.05                # seconds
AGREEMENT = 0.995


class ByHand(nn.Module):
    """FCN-32s, 16s or 8s on VGG16 as one writes it in torch: ReLU in place, dropout in training."""

    def __init__(self, net: Net, stride: int) -> None:
        super().__init__()
        self.stride = stride
        for name, blobs in net.params.items():
            weight = blobs[0].data
            if name.startswith('upscore'):
                step = 2 if name in ('upscore2', 'upscore_pool4') else stride
                layer = nn.ConvTranspose2d(*weight.shape[:3], step, bias=False)
                layer.weight.requires_grad = False
            else:
                pad = {'conv1_1': 100}.get(name, 1 if name.startswith('conv') else 0)
                layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2], padding=pad)
                layer.bias.data = blobs[1].data.clone()
            layer.weight.data = weight.clone()
            self.add_module(name, layer)
        self.relu, self.drop = nn.ReLU(inplace=True), nn.Dropout2d()
        self.pool = nn.MaxPool2d(2, 2, ceil_mode=True)

    def forward(self, data: torch.Tensor) -> torch.Tensor:
        x, pools = data, {}
        for i, count in enumerate((2, 2, 3, 3, 3), 1):
            for j in range(1, count + 1):
                x = self.relu(getattr(self, f'conv{i}_{j}')(x))
            pools[i] = x = self.pool(x)
        for name in ('fc6', 'fc7'):
            x = self.drop(self.relu(getattr(self, name)(x)))
        x, up = self.score_fr(x), 'upscore2'
        for pool, offset in POOL_OFFSETS[self.stride]:
            x = getattr(self, up)(x)
            h, w = x.shape[2:]
            skip = getattr(self, f'score_pool{pool}')(pools[pool])
            x, up = x + skip[:, :, offset:offset + h, offset:offset + w], f'upscore_pool{pool}'
        x = getattr(self, 'upscore' if self.stride == 32 else f'upscore{self.stride}')(x)
        first, (h, w) = FINAL_OFFSET[self.stride], data.shape[2:]
        return x[:, :, first:first + h, first:first + w].contiguous()


def contenders(net: Net, stride: int, folder: Path, data: np.ndarray) -> dict[str, Callable]:
    """Return what to run, by name; each gives scores as an array."""
    eager = ByHand(net, stride).eval()
    last = ByHand(net, stride).eval().to(memory_format=torch.channels_last)
    tensor = torch.from_numpy(data)
    tensor_last = tensor.contiguous(memory_format=torch.channels_last)
    path = export(net, folder / 'net.onnx')
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])
    opened, (name,) = open_by_opencv(net, folder, data.shape), net.inputs

    def by_opencv() -> np.ndarray:
        opened.setInput(data)
        return opened.forward()

    def by_autocast() -> torch.Tensor:
        with torch.autocast('cpu', torch.bfloat16):
            return last(tensor_last)
    ours, narrow = NetPredictor(net), NetPredictor(net, torch.bfloat16)
    by_torch = FastNet(net, [ours.layer], kernels=False)
    return {'eager': lambda: eager(tensor), 'eager channels-last': lambda: last(tensor_last),
            'eager bf16 autocast': by_autocast, 'opencv': by_opencv,
            'onnxruntime': lambda: session.run(None, {name: data})[0],
            'plain engine': lambda: net.forward(**{name: data})[ours.layer],
            'ours': lambda: ours(data), 'ours bf16': lambda: narrow(data),
            'ours without C kernels': lambda: by_torch(**{name: data})[ours.layer]}


def open_by_opencv(net: Net, folder: Path, shape: tuple[int, ...]) -> cv2.dnn.Net:
    """Return OpenCV's net of our prototxt and weights (its ONNX importer needs fixed sizes)."""
    param = NetParameter()
    for entry in net.entries:
        param.layer.add().CopyFrom(entry.param)
    param.layer[0].input_param.shape[0].dim[:] = shape
    (folder / 'deploy.prototxt').write_text(print_net(param))
    net.save(folder / 'net.caffemodel')
    cv2.setNumThreads(torch.get_num_threads())
    return cv2.dnn.readNetFromCaffe(str(folder / 'deploy.prototxt'),
                                    str(folder / 'net.caffemodel'))


@torch.inference_mode()
def measure(tasks: dict[str, Callable], runs: int,
            clock: Callable[[], float]) -> tuple[dict[str, list[float]], dict]:
    """Run the tasks in turn; return the seconds of each run, and each one's last scores.

    After a task the threads of ONNX Runtime and of torch wait for more in a loop, for milliseconds:
    between tasks is a pause, so that none has to share the processors with them.
    """
    seconds, scores = {name: [] for name in tasks}, {}
    for turn in range(runs + 1):
        for name, run in tasks.items():
            time.sleep(PAUSE)
            begin = clock()
            result = run()
            if turn:                                       # the first warms up
                seconds[name].append(clock() - begin)
            scores[name] = torch.as_tensor(result).float().numpy().copy()
    return seconds, scores


def clock_for(busy: bool) -> Callable[[], float]:
    """Return the clock to measure by; with `busy`, hold everything to one thread."""
    if not busy:
        return time.perf_counter
    torch.set_num_threads(1)
    return time.process_time


def machine() -> dict[str, object]:
    """Describe where this runs."""
    lines = Path('/proc/cpuinfo').read_text().splitlines() if Path('/proc/cpuinfo').exists() else []
    model = next((line.split(':')[1].strip() for line in lines if 'model name' in line),
                 platform.machine())
    return {'cpu': model, 'cores': os.cpu_count(), 'threads': torch.get_num_threads(),
            'load': round(os.getloadavg()[0], 1), 'python': platform.python_version(),
            'torch': torch.__version__, 'onnxruntime': onnxruntime.__version__,
            'opencv': cv2.__version__, 'numpy': np.__version__}


def read_image(path: Path, mean: tuple[float, ...]) -> np.ndarray:
    """Return an image as a net reads it, 1 x 3 x H x W: blue, green, red, less the mean."""
    pixels = read_rgb(path)[:, :, ::-1] - np.array(mean)
    return pixels.transpose(2, 0, 1)[None].astype(np.float32)


def smooth_noise(size: str) -> np.ndarray:
    """Return an input of smooth random values, 1 x 3 x H x W. size: HxW."""
    height, width = map(int, size.split('x'))
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(1, 3, height // 16 + 2, width // 16 + 2, generator=generator)
    smooth = nn.functional.interpolate(60 * coarse, size=(height, width), mode='bicubic')
    return (smooth + 8 * torch.randn(smooth.shape, generator=generator)).numpy()


def net_parser(doc: str | None, runs: int = 9) -> argparse.ArgumentParser:
    """Return a parser of what every benchmark of one net's forward pass is told."""
    parser = argparse.ArgumentParser(description=doc,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--net', default='voc-fcn8s')
    parser.add_argument('--width', type=float, default=1.0)
    parser.add_argument('--size', default='375x500')
    parser.add_argument('--runs', type=int, default=runs)
    return parser


def main() -> None:
    parser = net_parser(__doc__)
    parser.add_argument('--weights')
    parser.add_argument('--images', nargs='+', type=Path)
    parser.add_argument('--busy', action='store_true')
    options = parser.parse_args()
    row = VARIANTS[options.net]
    net = Net(fcn(row, 'deploy', width=options.width), TEST, weights=options.weights)
    if options.weights is None:
        random_weights(net, 1)
    clock = clock_for(options.busy)
    images = [read_image(path, row.mean) for path in options.images or ()] or [
        smooth_noise(options.size)]
    with tempfile.TemporaryDirectory() as folder:
        tasks = contenders(net, row.stride, Path(folder), images[0])
        seconds, scores = measure(tasks, options.runs, clock)
    report(options, seconds, scores, net, images)


def report(options, seconds: dict[str, list[float]], scores: dict[str, np.ndarray], net: Net,
           images: list[np.ndarray]) -> None:
    """Print medians, ratios and agreement as JSON; exit 1 where a bar is missed."""
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    ratios = {}
    for pair in (*BARS, 'ours / opencv', 'ours / eager channels-last', 'ours / plain engine',
                 'ours / ours without C kernels', 'ours bf16 / eager bf16 autocast'):
        one, other = pair.split(' / ')
        ratios[pair] = round(medians[one] / medians[other], 3)
    plain = scores['plain engine']
    off = {name: float(np.abs(y - plain).max() / np.abs(plain).max()) for name, y in scores.items()}
    narrow, equal = NetPredictor(net, torch.bfloat16), []
    for image in images:
        wide = net.forward(**{net.inputs[0]: image})[narrow.layer].argmax(1)
        equal.append(float((narrow(image).argmax(1) == wide).double().mean()))
    agreement = statistics.mean(equal)
    print(json.dumps({
        'net': options.net, 'width': options.width, 'input': list(images[0].shape),
        'weights': options.weights or 'random', 'runs': options.runs,
        'median_s': {n: round(v, 3) for n, v in medians.items()},
        'fastest_s': {n: round(min(v), 3) for n, v in seconds.items()}, 'ratio': ratios,
        'off_by_share_of_largest': {n: float(f'{v:.2g}') for n, v in off.items()},
        'bf16_classes_equal': round(agreement, 5), 'machine': machine()}, indent=1))
    missed = [pair for pair, bar in BARS.items() if ratios[pair] > bar]
    if agreement < AGREEMENT and options.weights:
        missed.append(f'bfloat16 agrees on {agreement:.4f} of the pixels')
    if missed and options.width == 1:
        sys.exit(f'missed: {"; ".join(missed)}')


if __name__ == '__main__':
    main()
