"""TIFF pictures read in windows: only the strips or tiles of the file that a window touches, by
tifffile, so that a picture may be larger than memory. A file that says which way up it was taken is
turned, as readers.read_rgb turns a photograph.
"""

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

ENDINGS = ('.tif', '.tiff')
# What makes a picture upright by its orientation: rows and columns exchanged, then the rows, then
# the columns turned about (TIFF 6.0, tag Orientation).
TURNS = {1: (False, False, False), 2: (False, False, True), 3: (False, True, True),
         4: (False, True, False), 5: (True, False, False), 6: (True, False, True),
         7: (True, True, True), 8: (True, True, False)}
INSTALL = 'reading TIFF in windows needs tifffile: pip install "fcn-caffe[tiff]"'


class TiffWindows:
    """An open TIFF file of 8 bits a channel, grey or RGB, with or without alpha.

    height, width: of its first picture, upright. Used as a context. Raises ValueError for a file of
    another kind, ModuleNotFoundError where tifffile is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            import tifffile
        except ModuleNotFoundError:
            raise ModuleNotFoundError(INSTALL) from None
        self.path = path
        try:
            self.file = tifffile.TiffFile(path)
        except (tifffile.TiffFileError, ValueError) as error:
            raise ValueError(f'{path}: not a TIFF picture: {error}') from None
        try:
            self.page = page = self._first()
        except BaseException:
            self.file.close()
            raise
        self.stored = int(page.imagelength), int(page.imagewidth)
        self.step = ((page.tilelength, page.tilewidth) if page.is_tiled
                     else (min(page.rowsperstrip, self.stored[0]), self.stored[1]))
        self.turn = TURNS.get(int(page.tags.valueof('Orientation', default=1)), TURNS[1])
        self.height, self.width = self.stored[::-1] if self.turn[0] else self.stored

    def _first(self) -> Any:
        """Return the first picture of the file; ValueError where its pixels are of another kind."""
        if not len(self.file.pages):
            raise ValueError(f'{self.path}: a TIFF without a picture')
        page: Any = self.file.pages[0]
        if (page.photometric.name not in ('RGB', 'MINISBLACK') or page.dtype != np.uint8
                or page.planarconfig != 1 or page.samplesperpixel > 4 or page.imagedepth != 1):
            raise ValueError(f'{self.path}: a TIFF of {page.samplesperpixel} channels of '
                             f'{page.dtype}, {page.photometric.name}; expected RGB or grey of 8 '
                             'bits, the channels of a pixel together')
        return page

    def __enter__(self) -> 'TiffWindows':
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.file.close()

    def read(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        """Return rows top to bottom - 1 and columns left to right - 1, h x w x 3 uint8, RGB."""
        exchanged, rows_about, columns_about = self.turn
        if rows_about:
            top, bottom = self.height - bottom, self.height - top
        if columns_about:
            left, right = self.width - right, self.width - left
        found = (self._stored(left, right, top, bottom).swapaxes(0, 1) if exchanged else
                 self._stored(top, bottom, left, right))
        return np.ascontiguousarray(found[::-1 if rows_about else 1, ::-1 if columns_about else 1])

    def _stored(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        """Return a window of the picture as it lies in the file."""
        out = np.zeros((bottom - top, right - left, 3), np.uint8)
        high, wide = self.step
        across = -(-self.stored[1] // wide)
        for down in range(top // high, -(-bottom // high)):
            for over in range(left // wide, -(-right // wide)):
                part = self._segment(down * across + over)
                y, x = down * high, over * wide
                rows = slice(max(top, y), min(bottom, y + part.shape[0]))
                columns = slice(max(left, x), min(right, x + part.shape[1]))
                if rows.stop > rows.start and columns.stop > columns.start:
                    out[rows.start - top:rows.stop - top, columns.start - left:
                        columns.stop - left] = part[rows.start - y:rows.stop - y,
                                                    columns.start - x:columns.stop - x]
        return out

    def _segment(self, index: int) -> np.ndarray:
        """Return a strip or a tile of the file, h x w x 3, or x 1 where it is grey."""
        page, handle = self.page, self.file.filehandle
        count = page.databytecounts[index]
        if not count:                                  # left out: the file says it is blank
            return np.zeros((*self.step, 1), np.uint8)
        handle.seek(page.dataoffsets[index])
        try:
            found, _, shape = page.decode(handle.read(count), index, jpegtables=page.jpegtables)
        except MemoryError:
            raise
        except Exception as error:                     # each decoder has errors of its own
            raise ValueError(f'{self.path}: part {index} cannot be decoded: {error}') from error
        part = found.reshape(found.shape[-3], found.shape[-2], page.samplesperpixel)
        part = part[:shape[1], :shape[2]]
        return part[:, :, :3] if page.samplesperpixel > 2 else part[:, :, :1]
