"""Pictures as they come over the wire, and what a net answers; within limits, in one thread."""

import asyncio
import gzip
import io
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from port.crf.crf_weights import CrfWeights
from port.data.label_pictures import index_image, signature
from port.predict.labelled import Predictor

FORMATS = ('JPEG', 'PNG', 'WEBP', 'BMP')        # decoders with the fewest surprises
RAW, PNG = 'raw', 'png'


class Refused(Exception):
    """A request that gets no labels: the status to answer, and a line that says why."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status, self.line = status, line


@dataclass(frozen=True)
class Limits:
    """Of a request: bytes of its body, pixels of its picture, seconds; how many wait at a time."""

    megabytes: float = 20.0
    pixels: int = 1_000_000
    waiting: int = 4
    seconds: float = 60.0


@dataclass(frozen=True)
class ServedNet:
    """A net that answers: its name, the names and colours of its classes, weights of a CRF."""

    name: str
    predict: Predictor
    names: Sequence[str]
    palette: np.ndarray
    crf: CrfWeights

    @property
    def classes(self) -> int:
        """How many classes its scores tell apart."""
        return int(self.predict.net.blobs[self.predict.layer].shape[1])


def decoded(body: bytes, limits: Limits) -> np.ndarray:
    """Return the pixels of a picture, H x W x 3 uint8, upright; Refused for what is none."""
    what = f'expected a picture: {", ".join(FORMATS)}'
    try:
        with Image.open(io.BytesIO(body), formats=FORMATS) as image:
            if image.width * image.height > limits.pixels:
                raise Refused(413, f'the picture has {image.width} x {image.height} pixels; '
                              f'expected at most {limits.pixels:,} in all')
            return np.asarray(ImageOps.exif_transpose(image).convert('RGB'))
    except Image.DecompressionBombError as error:
        raise Refused(413, f'{error}; expected at most {limits.pixels:,} pixels') from error
    except UnidentifiedImageError:
        raise Refused(415, what) from None
    except (OSError, SyntaxError, ValueError) as error:
        raise Refused(415, f'{what}; this one is damaged: {error}') from error
    except MemoryError:
        raise Refused(413, 'the picture asks for more memory than there is') from None


def answer(net: ServedNet, rgb: np.ndarray, refined: bool, form: str) -> bytes:
    """Return the labels of a picture: as an index PNG in the classes' colours; or raw, gzip of
    height and width (uint32, little-endian), H x W labels and H x W probabilities of them times
    255, a byte each.
    """
    try:
        labels, shares = net.predict.both(rgb, net.crf if refined else None)
    except (ValueError, MemoryError) as error:
        raise Refused(422, f'{net.name} cannot label this picture: {error}') from error
    if form == PNG:
        buffer = io.BytesIO()
        index_image(labels, net.palette).save(buffer, 'PNG', pnginfo=signature())
        return buffer.getvalue()
    sure = np.rint(shares.max(0) * 255).astype(np.uint8)
    head = struct.pack('<II', *labels.shape)
    return gzip.compress(head + labels.astype(np.uint8).tobytes() + sure.tobytes(), 1)


class Labelling:
    """Runs the work of one request at a time; refuses what would be one too many.

    What a request no longer waits for goes on, as a thread cannot be stopped, and keeps its place
    until it ends: so the work under way never exceeds the limit.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits, self.under_way = limits, 0
        self.pool = ThreadPoolExecutor(1, 'label')

    async def __call__(self, work: Callable[[], bytes]) -> bytes:
        """Return what the work returns; Refused where too many wait or it takes too long."""
        if self.under_way >= self.limits.waiting:
            raise Refused(503, f'{self.under_way} pictures are being labelled already; try again')
        self.under_way += 1
        future = self.pool.submit(work)
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda done: self._ended(loop))
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await asyncio.shield(asyncio.wrap_future(future))
        except TimeoutError:
            self._let_go(future)
            raise Refused(504, f'the labels took more than {self.limits.seconds:g} seconds; send a '
                          'smaller picture') from None

    def _let_go(self, future: Future[bytes]) -> None:
        future.cancel()                         # it ends now where it has not begun
        future.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _ended(self, loop: asyncio.AbstractEventLoop) -> None:
        def less() -> None:
            self.under_way -= 1
        if not loop.is_closed():
            loop.call_soon_threadsafe(less)

    def close(self) -> None:
        """Begin no more work."""
        self.pool.shutdown(wait=False, cancel_futures=True)
