"""PNG files written row by row, for pictures that are never whole in memory (PNG, ISO 15948)."""

import struct
import zlib
from typing import BinaryIO

import numpy as np

from port.data.label_pictures import SOFTWARE, VOID_COLOUR, make_palette

HEAD = b'\x89PNG\r\n\x1a\n'
INDEX, RGB = 3, 2                   # colour types
RUNS = zlib.Z_RLE
NONE, SUB = 0, 1                    # filters: a row as it is; less the pixel on its left


class PngRows:
    """A PNG under way into an open file: of labels, H x W, where a palette is given, else of RGB
    pixels, H x W x 3. It bears the signature of what is made here.
    """

    def __init__(self, file: BinaryIO, height: int, width: int,
                 palette: np.ndarray | None = None) -> None:
        self.file, self.indexed = file, palette is not None
        # In pixels only runs are sought: files of photographs are larger by a twentieth.
        self.packer = zlib.compressobj(6) if self.indexed else zlib.compressobj(1, strategy=RUNS)
        self.width, self.rows, self.start = width, 0, file.tell()
        self._head(height)
        self._chunk(b'tEXt', b'Software\0' + SOFTWARE.encode())
        if palette is not None:
            colours = np.full((256, 3), VOID_COLOUR, np.uint8)
            given = palette[:256] if len(palette) else make_palette(256)
            colours[:len(given)] = given
            self._chunk(b'PLTE', colours.tobytes())

    def add(self, rows: np.ndarray) -> None:
        """Write the next rows, uint8."""
        self.rows += len(rows)
        if not self.indexed:
            less = rows.copy()
            less[:, 1:] -= rows[:, :-1]
            rows = less
        flat = rows.reshape(len(rows), -1)
        filters = np.full((len(rows), 1), NONE if self.indexed else SUB, np.uint8)
        self._data(self.packer.compress(np.hstack([filters, flat]).tobytes()))

    def end(self) -> None:
        """Write what closes the file, and into its head how many rows there were."""
        self._data(self.packer.flush())
        self._chunk(b'IEND', b'')
        self.file.seek(self.start)
        self._head(self.rows)

    def _head(self, height: int) -> None:
        self.file.write(HEAD)
        self._chunk(b'IHDR', struct.pack('>IIBBBBB', self.width, height, 8,
                                         INDEX if self.indexed else RGB, 0, 0, 0))

    def _data(self, packed: bytes) -> None:
        if packed:
            self._chunk(b'IDAT', packed)

    def _chunk(self, kind: bytes, content: bytes) -> None:
        self.file.write(struct.pack('>I', len(content)) + kind + content
                        + struct.pack('>I', zlib.crc32(kind + content)))
