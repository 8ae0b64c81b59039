"""The pictures of a report: curves of mean IU and loss, confusion matrix, sheet of results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from netspec.schema.messages import TEST
from port.data.datasets import class_names, palette
from port.data.label_pictures import (
    color_seg,
    read_losses,
    write_beside,
    write_loss_curve,
    write_sheet,
)
from port.data.legend import over_legend
from port.engine.net import Net
from port.engine.starting_weights import prepare
from port.fast.speed_up import forward_by
from port.reproduce.recipe import Stage
from port.scoring.evaluate import data_instance, heads, listed_data, names_of, seek
from port.scoring.metrics import largest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = 3              # images of each kind on the sheet
NAMES_UP_TO = 45       # classes that still fit beside a confusion matrix
KINDS = ('best', 'median', 'worst')


@dataclass(frozen=True)
class Shown:
    """An image of the report with truth and prediction, H x W; kind: best, median or worst."""

    name: str
    kind: str
    mean_iu: float
    image: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    names: tuple[str, ...]
    palette: np.ndarray

    def coloured(self, labels: np.ndarray) -> np.ndarray:
        """Return labels in the colours of their classes, over a legend."""
        from PIL import Image
        plain = Image.fromarray(color_seg(labels, self.palette))
        return np.asarray(over_legend(plain, labels, self.names, self.palette))


@dataclass
class Drawn:
    """What was drawn: files by what they show, images by head, losses by net."""

    files: dict[str, Path] = field(default_factory=dict)
    shown: dict[str, list[Shown]] = field(default_factory=dict)
    losses: dict[str, list[tuple[int, float]]] = field(default_factory=dict)


def draw(folder: Path, content: Mapping[str, Any], stages: Sequence[Stage], weights: Path,
         device: torch.device, fast: bool | None = None) -> Drawn:
    """Write every picture into a folder; return them, and what the page shows in its own way.

    fast: the engine that predicts (port.fast.speed_up.forward_by).
    """
    folder.mkdir(parents=True, exist_ok=True)
    last = content['stages'][-1]
    pictures: dict[str, Path] = {}
    if any(len(row['blocks']) > 1 for row in content['stages']):
        pictures['mean IU per block'] = block_curve(folder / 'mean_iu.png', content['stages'])
    losses = {stage.name: unique(stage.folder / 'train.log') for stage in stages if stage.blocks}
    if any(losses.values()):
        pictures['loss'] = write_loss_curve(
            folder / 'loss.png', {name: rows for name, rows in losses.items() if rows})
    several = len(last['hist']) > 1
    for head, hist in last['hist'].items():
        names = [row['class'] for row in last['classes'][head]]
        pictures['confusion matrix' + f' ({head})' * several] = confusion(
            folder / f'confusion{f"_{head}" * several}.png', np.array(hist), names)
    shown = samples(stages[-1], last['images'], weights, device, fast)
    for head, some in shown.items():
        rows = [[marked(one.image, f'{one.kind}: {100 * one.mean_iu:.1f}'),
                 one.coloured(one.truth), one.coloured(one.predicted)] for one in some]
        pictures['best, median and worst predictions' + f' ({head})' * several] = write_sheet(
            folder / f'sheet{f"_{head}" * several}.png', rows,
            (f'image, mean IU{f" ({next(iter(shown))})" * several}', 'truth', 'prediction'))
    return Drawn(pictures, shown, losses)


def unique(log: Path) -> list[tuple[int, float]]:
    """Read the losses of a log; of an iteration that was repeated after a kill the last counts."""
    return sorted(dict(read_losses(log)).items()) if log.exists() else []


def block_curve(path: Path, stages: Sequence[Mapping[str, Any]]) -> Path:
    """Draw mean IU after each block of each net, with the published value as a line."""
    figure, axes = _axes(7, 4)
    for row in stages:
        metric = row['metric']
        line, = axes.plot([b['iteration'] for b in row['blocks']],
                          [b[metric] for b in row['blocks']], marker='.', label=row['name'])
        target = next((c for c in row['comparison'] if c['target'] and c['metric'] == metric), None)
        if target:
            where = '' if target['split'] == row['split'] else f' on {target["split"]}'
            axes.axhline(target['published'], color=line.get_color(), linestyle=':',
                         label=f'{row["name"]}, {target["source"]}{where}')
    axes.set(xlabel='iteration', ylabel=f'{stages[-1]["metric"]}, percent')
    axes.grid(True, alpha=.3)
    axes.legend(fontsize='small')
    return write_beside(path, lambda part: figure.savefig(part, dpi=110))


def confusion(path: Path, hist: np.ndarray, names: Sequence[str]) -> Path:
    """Draw the share of each class's pixels that went to each class; row truth."""
    share = hist / np.maximum(hist.sum(1, keepdims=True), 1)
    size = min(14, 3 + 0.28 * len(names))
    figure, axes = _axes(size + 1, size)
    image = axes.imshow(share, vmin=0, vmax=1, cmap='viridis', interpolation='nearest')
    if len(names) <= NAMES_UP_TO:
        places = range(len(names))
        axes.set_xticks(places, names, rotation=90, fontsize=7)
        axes.set_yticks(places, names, fontsize=7)
    axes.set(xlabel='predicted', ylabel='truth')
    figure.colorbar(image, ax=axes, shrink=.8)
    return write_beside(path, lambda part: figure.savefig(part, dpi=110))


def _axes(width: float, height: float) -> 'tuple[Figure, Axes]':
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    figure = Figure(figsize=(width, height), layout='constrained')
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def choose(images: Mapping[str, float | None], count: int = SHOWN) -> dict[str, list[str]]:
    """Pick the images of the highest, middle and lowest mean IU; none of them twice."""
    known = {name: value for name, value in images.items() if value is not None}
    ranked = sorted(known, key=lambda name: (-known[name], name))
    count = min(count, max(1, len(ranked) // 3))
    middle = max(count, (len(ranked) - count) // 2)
    picked = {'best': ranked[:count], 'median': ranked[middle:middle + count]}
    picked['worst'] = [n for n in ranked[-count:] if n not in sum(picked.values(), [])]
    return picked


def samples(stage: Stage, images: Mapping[str, float | None], weights: Path,
            device: torch.device, fast: bool | None) -> dict[str, list[Shown]]:
    """Return, by head, each image that `choose` picks with its truth and prediction.

    Every head shows the images that the mean IU of the first one picked.
    """
    net = Net(stage.file(test=True), TEST, weights=weights, device=device)
    prepare(net)
    forward = forward_by(net, fast)
    data, pairs, chosen = data_instance(net) or listed_data(net), heads(net), choose(images)
    shown: dict[str, list[Shown]] = {blob: [] for blob, _ in pairs}
    for name, kind in {n: k for k in KINDS for n in chosen[k]}.items():
        seek(data, names_of(data).index(name))
        forward()
        image = photograph(net, stage, data)
        for (blob, label), head in zip(pairs, stage.row.heads, strict=True):
            truth = net.blobs[label].data[0, 0].cpu().numpy().astype(int)
            shown[blob].append(Shown(
                name, kind, images[name] or 0.0, image, truth,
                largest(net.blobs[blob].data[0]),
                class_names(head), palette(head)))
    return shown


def photograph(net: Net, stage: Stage, data: Any) -> np.ndarray:
    """Return the image that the net last saw, H x W x 3 uint8 RGB."""
    first = stage.row.inputs[0]
    pixels = net.blobs[first.top].data[0, :3].cpu().numpy()
    mean = np.asarray(first.mean, np.float32)[:, None, None]
    rgb = (pixels + mean)[::-1] if first.kind == 'color' else pixels + mean
    return np.clip(rgb, 0, 255).astype(np.uint8).transpose(1, 2, 0)


def marked(picture: np.ndarray, text: str) -> np.ndarray:
    """Write a few words onto a picture."""
    from PIL import Image, ImageDraw
    image = Image.fromarray(np.ascontiguousarray(picture))
    ImageDraw.Draw(image).text((3, 2), text, fill='white', stroke_width=1, stroke_fill='black')
    return np.asarray(image)
