"""Labels of pictures larger than memory: read in windows where the file allows it, computed tile
by tile with the scores of the whole picture, written band by band as they come.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from netspec.schema import replacing
from port.data.label_pictures import vis_seg
from port.data.legend import strip_of
from port.data.readers import read_rgb
from port.engine.memory import machine_memory, resident
from port.fast.reach.geometry import Interval
from port.fast.tiles import Size, Tile, TiledNet, tiles_of
from port.images.tiff_windows import ENDINGS, TiffWindows
from port.predict.png_rows import PngRows
from port.scoring.metrics import largest

ROWS = 64                   # of an overlay that are drawn at once
SMALL = Tile(Interval(0, 1), Interval(0, 1))
Planes = Callable[[np.ndarray], np.ndarray]     # of a picture h x w x 3: 3 x h x w, less the mean


class WholePicture:
    """A picture of a format that is decoded as a whole."""

    def __init__(self, path: Path) -> None:
        self.rgb = read_rgb(path, upright=True)
        self.height, self.width = self.rgb.shape[:2]

    def read(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        """Return a window of it, h x w x 3."""
        return self.rgb[top:bottom, left:right]


def opened(path: Path) -> AbstractContextManager[WholePicture | TiffWindows]:
    """Open a picture: a TIFF in windows, others whole."""
    if path.suffix.lower() in ENDINGS:
        return TiffWindows(path)
    return nullcontext(WholePicture(path))


@dataclass
class TilePlan:
    """How a picture is cut: tiles of at most `side`, whose work takes so many bytes in all, and
    more multiplications by `overlap` than the picture in one piece.
    """

    side: Size
    tiles: list[Tile]
    memory: int
    overlap: float

    def __str__(self) -> str:
        return (f'{len(self.tiles)} tile(s) of up to {self.side[0]}x{self.side[1]}, about '
                f'{self.memory / 1e9:.2f} GB of memory, {self.overlap:.0%} more multiplications '
                'for their overlap')


class TiledLabels:
    """Labels pictures of any size. side: of the tiles, None for the largest that `memory` bytes of
    the whole process allow (default: half of what the machine has). grid: the net takes images of
    a multiple of it and one, to which pictures are filled up with the mean.
    """

    def __init__(self, net: TiledNet, planes: Planes, side: Size | None,
                 memory: int | None = None, grid: int = 1) -> None:
        self.net, self.planes, self.side, self.grid = net, planes, side, grid
        self.allowed = memory or machine_memory() // 2
        self._warm = False

    def plan(self, size: Size) -> TilePlan:
        """Choose the tiles of a picture; ValueError where none fits into the memory."""
        filled, side = self._filled(size), self.side
        if self.net.size(filled) != filled:
            raise ValueError(f'blob {self.net.output!r} is {self.net.size(filled)} (height, width) '
                             f'for a picture of {size}: no labels of it')
        held = self._held(filled)
        bands = 4 * size[1]             # bytes a row: a band's labels, and an overlay's pixels
        if side is None:
            room = self.allowed - held - bands * min(size[0], 2048)
            try:
                side = self.net.largest(filled, room)
            except ValueError as error:
                raise ValueError(f'{self.allowed / 1e9:.2f} GB of memory are too few: the process '
                                 f'takes {held / 1e9:.2f} GB without a tile, and {error}') from None
        tiles = tiles_of(size, side)
        most = max(self.net.memory(filled, tile) for tile in tiles)
        return TilePlan(side, tiles, held + most + bands * tiles[0].rows.size,
                        self.net.overlap(filled, side))

    def _filled(self, size: Size) -> Size:
        """Return the size that a picture is filled up to."""
        return size[0] + (1 - size[0]) % self.grid, size[1] + (1 - size[1]) % self.grid

    def _held(self, filled: Size) -> int:
        """Return the bytes that the process takes between tiles, its weights made ready by one
        score in the corner of a picture.
        """
        if not self._warm:
            channels = next(iter(self.net.fast.net.all_blobs[name].shape[1]
                                 for name in self.net.fast.program.inputs))
            self.net.scores(filled, SMALL, lambda rows, columns: torch.zeros(
                1, channels, rows.size, columns.size))
            self._warm = True
        return resident()

    def __call__(self, picture: WholePicture | TiffWindows, plan: TilePlan, labels: Path,
                 overlay: Path, colours: np.ndarray, names: Sequence[str] = ()) -> None:
        """Write the labels and, over a legend, the overlay of a picture; whole files or none."""
        size, counts = (picture.height, picture.width), np.zeros(256, np.int64)
        with replacing(overlay) as over_part:
            with (replacing(labels) as part, part.open('wb') as label_file,
                  over_part.open('wb') as over_file):
                out = PngRows(label_file, *size, palette=colours)
                drawn = PngRows(over_file, *size)
                for rows in dict.fromkeys(tile.rows for tile in plan.tiles):
                    band = self._band(picture, [t for t in plan.tiles if t.rows == rows])
                    out.add(band)
                    counts += np.bincount(band.ravel(), minlength=256)
                    for y in range(0, len(band), ROWS):
                        some = band[y:y + ROWS]
                        rgb = picture.read(rows.first + y, rows.first + y + len(some), 0, size[1])
                        drawn.add(vis_seg(rgb, some, colours))
                shares = sorted(((k, int(n) / counts.sum()) for k, n in enumerate(counts) if n),
                                key=lambda share: -share[1])
                drawn.add(np.asarray(strip_of(shares, names, colours, size[1])))
                out.end()
                drawn.end()

    def _band(self, picture: WholePicture | TiffWindows, tiles: list[Tile]) -> np.ndarray:
        """Return the labels of a row of tiles, h x W uint8."""
        def read(rows: Interval, columns: Interval) -> torch.Tensor:
            down, right = (max(0, part.last - n) for part, n in zip((rows, columns), size,
                                                                    strict=True))
            rgb = picture.read(rows.first, rows.last - down, columns.first, columns.last - right)
            found = torch.from_numpy(self.planes(rgb)[None])
            return torch.nn.functional.pad(found, (0, right, 0, down))
        size = picture.height, picture.width
        band = np.empty((tiles[0].rows.size, picture.width), np.uint8)
        for tile in tiles:
            scores = self.net.scores(self._filled(size), tile, read)
            band[:, tile.columns.first:tile.columns.last] = largest(scores[0])
        return band
