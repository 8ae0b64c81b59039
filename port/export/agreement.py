"""Hold an exported .onnx, run by ONNX Runtime, against our own executor on drawn pictures."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from port.data.readers import planes
from port.engine.net import Net
from port.export.unpooling import Unpooling, with_masks

BATCHES = (1, 2)
LARGEST, AGREE = 1e-4, 0.9999    # of the largest score; share of pixels
TIE = LARGEST / 10
GREY = 120.0                     # mean of a channel of which nothing is known


@dataclass(frozen=True)
class Agreement:
    """How well file and net agree at one image size, over all outputs and batches of 1 and 2.

    max_diff: largest difference of a score; relative: the same, divided by the largest score (both
    None for a model that gives labels). agreement: share of pixels with the same argmax, ties
    included. ties: pixels whose argmax differs although our scores of the two classes differ by
    less than a tenth of the difference allowed, which float32 sums in another order cannot tell
    apart. moved, astray: maxima that pooling found at another place, explained by rounding or not
    (see port.export.unpooling), for nets that undo pooling.
    """

    size: tuple[int, int]
    max_diff: float | None
    relative: float | None
    agreement: float
    pixels: int
    ties: int
    moved: int = 0
    astray: int = 0


def holds(rows: Sequence[Agreement]) -> bool:
    """Whether file and net agree: scores within 1e-4 of the largest, 99.99 % of the pixels, and
    maxima of pooling at other places only where rounding explains them.
    """
    return all((row.relative is None or row.relative <= LARGEST) and row.agreement >= AGREE
               and not row.astray for row in rows)


def compare(net: Net, path: str | Path, sizes: Sequence[tuple[int, int]],
            seed: int = 0) -> list[Agreement]:
    """Return a row for each image size (height, width), on pictures drawn by the seed."""
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(with_masks(net, path), options,
                                           providers=['CPUExecutionProvider'])
    given = session.get_modelmeta().custom_metadata_map
    rng = np.random.default_rng(seed)
    return [_compare_size(net, session, given, size, rng) for size in sizes]


def _compare_size(net: Net, session: Any, given: dict[str, str], size: tuple[int, int],
                  rng: np.random.Generator) -> Agreement:
    labels = json.loads(given.get('argmax', 'false'))
    largest, reach, same, ties, pixels = 0.0, 0.0, 0, 0, 0
    unpooling = Unpooling(net, TIE)
    for batch in BATCHES:
        ours, theirs = _pictures(net, given, batch, size, rng)
        scores = net.forward(**ours)
        found = session.run(None, theirs)
        if unpooling.masks:
            scores = unpooling.forward(ours, found[len(net.outputs):])
        for name, other in zip(net.outputs, found, strict=False):
            mine = scores[name].cpu().numpy()
            reach = max(reach, float(np.abs(mine).max()))
            if not labels:
                largest = max(largest, float(np.abs(mine - other).max()))
                other = other.argmax(1)
            counts = _agreeing(mine, other)
            same, ties, pixels = same + counts[0], ties + counts[1], pixels + other.size
    return Agreement(size, None if labels else largest,
                     None if labels else largest / max(reach, float(np.finfo(np.float32).tiny)),
                     (same + ties) / pixels, pixels, ties, unpooling.moved, unpooling.astray)


def _agreeing(scores: np.ndarray, labels: np.ndarray) -> tuple[int, int]:
    """Return how many labels are the argmax of our scores, and how many others are ties."""
    chosen = np.take_along_axis(scores, labels[:, None], 1)[:, 0]
    same = scores.argmax(1) == labels
    short = scores.max(1) - chosen
    return int(same.sum()), int((~same & (short <= TIE * np.abs(scores).max())).sum())


def _pictures(net: Net, given: dict[str, str], batch: int, size: tuple[int, int],
              rng: np.random.Generator) -> tuple[dict, dict]:
    """Return the same pictures as our net's input arrays and as the model's."""
    means = json.loads(given.get('mean', '{}'))
    orders = json.loads(given.get('channel_order', '{}'))
    inside = json.loads(given.get('preprocess', 'false'))
    ours, theirs = {}, {}
    for name in net.inputs:
        channels = net.blobs[name].shape[1]
        order = orders.get(name, 'BGR')
        raw = np.stack([draw(rng, size, channels) for _ in range(batch)])
        pixels = np.log(raw.astype(np.float32) * 30 + 500) if order == 'log depth' else raw
        if order == 'BGR':
            pixels = pixels[..., ::-1]
        mean = np.asarray(means.get(name, [GREY] * channels), np.float64)
        ours[name] = np.stack([planes(image, mean) for image in pixels])
        depth = raw.astype(np.float32) * 30 + 500 if order == 'log depth' else raw
        theirs[name] = depth if inside else ours[name]
    return ours, theirs


def draw(rng: np.random.Generator, size: tuple[int, int], channels: int) -> np.ndarray:
    """Draw a picture, H x W x channels uint8: smooth patches with noise on them."""
    from scipy.ndimage import zoom
    coarse = rng.uniform(0, 255, (6, 6, channels))
    smooth = zoom(coarse, (size[0] / 6, size[1] / 6, 1), order=1)
    noisy = smooth + rng.normal(0, 20, smooth.shape)
    return noisy.clip(0, 255).astype(np.uint8)
