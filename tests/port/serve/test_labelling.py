"""port.serve.labelling: what is taken for a picture, what is answered, and how many at a time."""

import asyncio
import gzip
import io
import struct
import threading
import zlib

import numpy as np
import pytest
from PIL import Image

from port.serve.labelling import Labelling, Limits, Refused, answer, decoded


def saved(image: Image.Image, form: str, **more: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **more)
    return buffer.getvalue()


def test_photographs_are_turned_upright(rgb):
    note = Image.Exif()
    note[0x112] = 6                                  # turn by a quarter, clockwise, to see it
    lying = Image.fromarray(rgb).transpose(Image.Transpose.ROTATE_90)
    assert np.array_equal(decoded(saved(lying, 'PNG', exif=note), Limits()), rgb)
    grey = Image.fromarray(rgb[:, :, 0])
    assert decoded(saved(grey, 'BMP'), Limits()).shape == rgb.shape


def saying(png: bytes, width: int, height: int) -> bytes:
    """A PNG whose head claims another size."""
    head = b'IHDR' + struct.pack('>II', width, height) + png[24:29]
    return png[:12] + head + struct.pack('>I', zlib.crc32(head)) + png[33:]


@pytest.mark.parametrize(('make', 'status', 'line'), [
    (lambda rgb: b'', 415, 'expected a picture: JPEG, PNG, WEBP, BMP'),
    (lambda rgb: b'<svg xmlns="http://www.w3.org/2000/svg"/>', 415, 'expected a picture'),
    (lambda rgb: saved(Image.fromarray(rgb), 'TIFF'), 415, 'expected a picture'),
    (lambda rgb: saved(Image.fromarray(rgb), 'PNG')[:3000], 415, 'this one is damaged'),
    (lambda rgb: saying(saved(Image.fromarray(rgb), 'PNG'), 30000, 30000), 413, '900000000 pixels'),
    (lambda rgb: saying(saved(Image.fromarray(rgb), 'PNG'), 3000, 400), 413, '3000 x 400 pixels'),
    (lambda rgb: saved(Image.new('RGB', (102, 70)), 'PNG'), 413, 'expected at most 7,070 in all')])
def test_what_is_no_picture_is_refused_before_it_is_decoded(rgb, make, status, line):
    with pytest.raises(Refused) as found:
        decoded(make(rgb), Limits(pixels=7070))
    assert found.value.status == status and line in found.value.line


def test_the_answer_is_that_of_the_predictor(nets, rgb):
    net = nets[0]
    labels, shares = net.predict.both(rgb, None)
    with Image.open(io.BytesIO(answer(net, rgb, False, 'png'))) as image:
        assert image.mode == 'P' and np.array_equal(np.asarray(image), labels)
        assert image.getpalette()[:9] == [0, 0, 0, 128, 0, 0, 0, 128, 0]
    raw = gzip.decompress(answer(net, rgb, False, 'raw'))
    assert struct.unpack('<II', raw[:8]) == rgb.shape[:2]
    bytes_ = np.frombuffer(raw, np.uint8, offset=8).reshape(2, *rgb.shape[:2])
    assert np.array_equal(bytes_[0], labels) and len(np.unique(labels)) > 1
    assert np.abs(bytes_[1] / 255 - shares.max(0)).max() <= 0.5 / 255 + 1e-6
    refined = np.frombuffer(gzip.decompress(answer(net, rgb, True, 'raw')), np.uint8, offset=8)
    expected, _ = net.predict.both(rgb, net.crf)
    assert np.array_equal(refined[:expected.size], expected.ravel())


def test_one_too_many_is_refused_and_a_late_one_keeps_its_place():
    gate = threading.Event()

    async def use() -> None:
        labelling = Labelling(Limits(waiting=2, seconds=0.2))
        slow = [asyncio.create_task(labelling(lambda: gate.wait() and b'late'))
                for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Refused, match='2 pictures are being labelled') as busy:
            await labelling(lambda: b'')
        assert busy.value.status == 503
        for one in slow:
            with pytest.raises(Refused, match='more than 0.2 seconds') as late:
                await one
            assert late.value.status == 504
        await asyncio.sleep(.05)
        assert labelling.under_way == 1           # the one that runs; the other had not begun
        gate.set()
        while labelling.under_way:
            await asyncio.sleep(.01)
        assert await labelling(lambda: b'again') == b'again'
        labelling.close()
    asyncio.run(asyncio.wait_for(use(), 20))
