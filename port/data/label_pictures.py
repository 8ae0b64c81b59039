"""Pictures of segmentations: VOC's palette, overlays, label PNGs, sheets and loss curves.

`make_palette`, `color_seg` and `vis_seg` are the published functions. Nothing is written half:
every file is made beside its place and moved there.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from netspec.schema import replacing

SOFTWARE = 'fcn-caffe'
VOID_COLOUR = (224, 224, 192)  # VOC's palette at 255
LOSS_LINE = re.compile(r'Iteration (\d+) .*\bloss = ([-+.\deE]+|nan|inf|-inf)\s*$')


def make_palette(num_classes: int) -> np.ndarray:
    """Compute VOC's colours, num_classes x 3 uint8.

    Bits 0, 1, 2 of the index are the top bits of red, green, blue; bits 3, 4, 5 the next, ...
    """
    index = np.arange(num_classes)
    palette = np.zeros((num_classes, 3), dtype=np.uint8)
    for channel in range(3):
        for bit in range(8):
            palette[:, channel] |= ((index >> (3 * bit + channel) & 1) << (7 - bit)).astype(
                np.uint8)
    return palette


def color_seg(seg: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Colour H x W labels, giving H x W x 3; what the palette lacks (void) is pale."""
    return _looked_up(seg, _all_colours(palette))


def _all_colours(palette: np.ndarray) -> np.ndarray:
    """Return the colour of each label, those that a palette lacks too."""
    table = np.full((max(256, len(palette)), 3), VOID_COLOUR, dtype=np.uint8)
    table[:len(palette)] = palette
    return table


def _looked_up(seg: np.ndarray, table: np.ndarray) -> np.ndarray:
    # In a third of the time that table[seg] takes.
    return np.take(table, np.asarray(seg).astype(np.intp), axis=0)


def vis_seg(img: np.ndarray, seg: np.ndarray, palette: np.ndarray,
            alpha: float = 0.5) -> np.ndarray:
    """Lay the colours of the classes over an H x W x 3 image; what is black, as VOC's background,
    stays clear.
    """
    table, img = _all_colours(palette), np.asarray(img)
    colours = _looked_up(seg, table)
    if alpha == 0.5 and img.dtype == np.uint8:     # the same in a quarter of the time, by bits
        shown = np.where(table.any(-1, keepdims=True), 0, 255).astype(np.uint8)
        colours |= img & _looked_up(seg, np.repeat(shown, 3, 1))
        return (colours & img) + ((colours ^ img) >> 1)        # the mean, rounded down
    clear = ~colours.any(-1)
    mixed = np.asarray(img, np.float32) * (1 - alpha) + alpha * colours
    vis = mixed.astype(np.float32).astype(np.uint8)
    vis[clear] = img[clear]
    return vis


def write_beside(path: str | os.PathLike[str], write: Callable[[Path], object]) -> Path:
    """Let `write` make a file beside `path`, then move it there; leave nothing on failure."""
    with replacing(path) as part:
        write(part)
    return Path(path)


def write_picture(path: str | os.PathLike[str], image: Image.Image) -> Path:
    """Write an image in the form that its ending names.

    By way of memory: Pillow takes a JPEG that a full disk cut short for whole. ValueError for an
    ending that it does not know.
    """
    Image.init()
    form, memory = Image.EXTENSION.get(Path(path).suffix.lower()), BytesIO()
    if form not in Image.SAVE:
        raise ValueError(f'{path}: Pillow writes no such pictures; name a .png or .jpg')
    image.save(memory, form)
    return write_beside(path, lambda part: part.write_bytes(memory.getvalue()))


def write_label(path: str | os.PathLike[str], label: np.ndarray,
                palette: np.ndarray | None = None) -> Path:
    """Write H x W labels as an index PNG that viewers show in the palette's colours."""
    label = np.asarray(label)
    if label.ndim != 2 or label.min(initial=0) < 0 or label.max(initial=0) > 255:
        raise ValueError(f'{path}: a label image is height x width with values 0..255, got shape '
                         f'{label.shape} and {label.min(initial=0)}..{label.max(initial=0)}')
    image = index_image(label, palette)
    return write_beside(path, lambda part: image.save(part, pnginfo=signature()))


def index_image(label: np.ndarray, palette: np.ndarray | None = None) -> Image.Image:
    """Return H x W labels of 0..255 as an image that shows the palette's colours."""
    image = Image.fromarray(label.astype(np.uint8))
    colours = np.full((256, 3), VOID_COLOUR, dtype=np.uint8)
    given = make_palette(256) if palette is None else palette[:256]
    colours[:len(given)] = given
    image.putpalette(colours.tobytes())
    return image


def signature() -> PngInfo:
    """Return the text inside a PNG that says it was made here; `made_here` looks for it."""
    info = PngInfo()
    info.add_text('Software', SOFTWARE)
    return info


def made_here(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file is a PNG that bears the signature."""
    try:
        with Image.open(path) as image:
            return image.info.get('Software') == SOFTWARE
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False


def sheet(rows: Sequence[Sequence[np.ndarray]], titles: Sequence[str], gap: int = 6,
          zoom: int = 1) -> Image.Image:
    """Lay pictures (H x W x 3 uint8) out in rows under titles: image, truth, predictions.

    Each row is as high as its highest picture, each column as wide as its widest.
    """
    images = [[np.repeat(np.repeat(p, zoom, 0), zoom, 1) for p in row] for row in rows]
    wrong = [i for i, row in enumerate(images) if len(row) != len(titles)]
    if not images or wrong:
        raise ValueError(f'each row of a sheet needs {len(titles)} pictures ({", ".join(titles)}); '
                         f'rows that differ: {wrong or "there is no row"}')
    widths = [max(row[c].shape[1] for row in images) for c in range(len(titles))]
    heights = [max(p.shape[0] for p in row) for row in images]
    head = 16
    canvas = Image.new('RGB', (sum(widths) + gap * (len(widths) + 1),
                               head + sum(heights) + gap * (len(heights) + 1)), 'white')
    pen = ImageDraw.Draw(canvas)
    lefts = np.cumsum([gap, *(w + gap for w in widths)])
    tops = np.cumsum([head + gap, *(h + gap for h in heights)])
    for left, title in zip(lefts, titles, strict=False):
        pen.text((int(left), 4), title, fill='black')
    for top, row in zip(tops, images, strict=False):
        for left, picture in zip(lefts, row, strict=False):
            canvas.paste(Image.fromarray(picture), (int(left), int(top)))
    return canvas


def write_sheet(path: str | os.PathLike[str], rows: Sequence[Sequence[np.ndarray]],
                titles: Sequence[str], zoom: int = 1) -> Path:
    """Write `sheet` to a file."""
    return write_beside(path, sheet(rows, titles, zoom=zoom).save)


def read_losses(log: str | os.PathLike[str]) -> list[tuple[int, float]]:
    """Read (iteration, loss) from the lines that Caffe's solver logs."""
    lines = Path(log).read_text(encoding='utf-8', errors='replace').splitlines()
    found = (LOSS_LINE.search(line) for line in lines)
    return [(int(m[1]), float(m[2])) for m in found if m]


def write_loss_curve(path: str | os.PathLike[str],
                     runs: Mapping[str, Sequence[tuple[float, float]]], title: str = '',
                     log_scale: bool = True) -> Path:
    """Draw the loss of each run, {name: [(iteration, loss), ...]}, as a picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, points in runs.items():
        axes.plot([x for x, _ in points], [y for _, y in points], label=name, linewidth=1.2)
    if log_scale and all(y > 0 for points in runs.values() for _, y in points):
        axes.set_yscale('log')
    axes.set(xlabel='iteration', ylabel='loss', title=title)
    axes.grid(True, alpha=.3)
    if any(runs.values()):
        axes.legend()
    return write_beside(path, lambda part: figure.savefig(part, dpi=110))
