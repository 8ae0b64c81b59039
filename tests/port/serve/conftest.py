"""A real server on a free port of this machine, with two narrow nets of random weights."""

import io
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

pytest.importorskip('starlette', reason="fcn serve: pip install 'fcn-caffe[serve]'")
pytest.importorskip('uvicorn', reason="fcn serve: pip install 'fcn-caffe[serve]'")

from netspec.families.fcn import fcn  # noqa: E402
from netspec.schema.messages import TEST  # noqa: E402
from netspec.variants import VARIANTS  # noqa: E402
from port.crf.crf_weights import crf_weights  # noqa: E402
from port.data.datasets import class_names, palette  # noqa: E402
from port.engine.net import Net  # noqa: E402
from port.engine.random_weights import random_weights  # noqa: E402
from port.predict.labelled import Predictor  # noqa: E402
from port.serve.application import application  # noqa: E402
from port.serve.labelling import Limits, ServedNet  # noqa: E402
from port.serve.server import server  # noqa: E402

WIDTH = 0.03125


def narrow(name: str, seed: int) -> ServedNet:
    row = VARIANTS[name]
    net = Net(fcn(row, 'deploy', width=WIDTH), TEST)
    random_weights(net, seed)
    return ServedNet(name, Predictor(net, row.mean), class_names(row.heads[0]),
                     palette(row.heads[0].labels), crf_weights('deeplab-largefov'))


@pytest.fixture(scope='session')
def nets() -> list[ServedNet]:
    return [narrow('voc-fcn16s', 1), narrow('voc-fcn32s', 2)]


@dataclass
class Answered:
    """The status, the headers and the body of an answer."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Address:
    """Where a server listens."""

    port: int

    @property
    def url(self) -> str:
        return f'http://127.0.0.1:{self.port}/'

    def ask(self, path: str = '', body: bytes | None = None, **headers: str) -> Answered:
        """Send a request as any client would."""
        request = urllib.request.Request(self.url + path, body, {
            name.replace('_', '-'): value for name, value in headers.items()})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Answered(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answered(error.code, dict(error.headers), error.read())


@pytest.fixture(scope='session')
def start() -> Iterator[Callable[..., Address]]:
    """start(nets, host='127.0.0.1', **limits) -> the Address of a new server."""
    running = []

    def started(served: list[ServedNet], host: str = '127.0.0.1', **limits: float) -> Address:
        place = socket.socket()
        place.bind(('127.0.0.1', 0))
        found = Limits(**limits)
        one = server(application(served, found, host), found)
        thread = threading.Thread(target=one.run, kwargs={'sockets': [place]}, daemon=True)
        thread.start()
        while not one.started:
            time.sleep(.01)
        running.append((one, thread, place))
        return Address(place.getsockname()[1])
    yield started
    for one, _, _ in running:
        one.should_exit = True
    for _, thread, place in running:
        thread.join(10)
        place.close()


@pytest.fixture(scope='session')
def site(start, nets) -> Address:
    return start(nets, megabytes=1, pixels=40_000)


def encoded(rgb: np.ndarray, form: str = 'PNG', **more: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, form, **more)
    return buffer.getvalue()


@pytest.fixture(scope='session')
def rgb() -> np.ndarray:
    return np.random.RandomState(5).randint(0, 256, (70, 101, 3)).astype(np.uint8)


@pytest.fixture(scope='session')
def picture(rgb) -> bytes:
    return encoded(rgb)
