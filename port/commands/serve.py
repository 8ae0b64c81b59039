"""fcn serve: a page, and an endpoint, on which a net labels the pictures that it is sent."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from port.commands._dense_crf import CrfType
from port.commands._shared import (
    AskedNet,
    defining,
    device_options,
    given_as,
    looking,
    net_argument,
    weights_option,
)
from port.commands._values import Finite, Mean

if TYPE_CHECKING:
    from port.crf.crf_weights import CrfWeights
    from port.serve.labelling import ServedNet

USUAL_CRF = 'deeplab-largefov'
INSTALL = "fcn serve needs two packages more: pip install 'fcn-caffe[serve]'"


@dataclass(frozen=True)
class Request:
    """The command's options."""

    net: AskedNet
    weights: str | None
    mean: tuple[float, ...] | None
    output: str | None
    crf: CrfWeights | None
    host: str
    port: int
    megabytes: float
    pixels: int
    waiting: int
    seconds: float
    device: str


@click.command(epilog='Example:  fcn serve camvid-fcn4s-squeezenet')
@net_argument
@weights_option
@click.option('--mean', type=Mean(), help='The mean that the net expects subtracted, or the net '
              'that has it.  [default: that of NET; needed for a prototxt]')
@click.option('--output', metavar='BLOB', help='The scores to label by.  [default: the first of '
              "the net's heads]")
@click.option('--crf', type=CrfType(), help='Weights of the dense CRF that the page offers: a '
              "model's name (docs/crf.md) or pos_w,pos_xy,bi_w,bi_xy,bi_rgb.  [default: the net's "
              f'own, else {USUAL_CRF}]')
@click.option('--host', default='127.0.0.1', show_default=True, help='Address to listen on; with '
              'another than a loopback one, everyone who reaches it can send pictures.')
@click.option('--port', type=click.IntRange(0, 65535), default=8000, show_default=True,
              help='0: a free one.')
@click.option('--max-megabytes', 'megabytes', type=Finite(min=0, min_open=True), default=20,
              show_default=True, help='Largest file that is taken.')
@click.option('--max-pixels', 'pixels', type=click.IntRange(min=1), default=1_000_000,
              show_default=True, help='Largest picture that is labelled; the page makes others '
              'smaller.')
@click.option('--max-waiting', 'waiting', type=click.IntRange(min=1), default=4,
              show_default=True, help='Pictures under way at a time; more are told to try again.')
@click.option('--max-seconds', 'seconds', type=Finite(min=0, min_open=True), default=60,
              show_default=True, help='Longest time for a picture to arrive, and to be labelled.')
@device_options()
@looking
@defining
@given_as(Request)
def command(given: Request) -> None:
    """Serve a page on which NET labels your pictures; nothing is written.

    Drop a picture on the page: labels over it, classes to switch, class and probability under the
    cursor, with and without a dense CRF; of a run of `fcn reproduce` its stages side by side. The
    same as an endpoint: curl --data-binary @street.jpg http://127.0.0.1:8000/label > labels.png
    """
    try:
        from port.serve.application import application, is_loopback
        from port.serve.server import run
    except ModuleNotFoundError as error:
        if error.name not in ('uvicorn', 'starlette'):
            raise
        raise click.ClickException(INSTALL) from None
    from port.serve.labelling import Limits
    limits = Limits(given.megabytes, given.pixels, given.waiting, given.seconds)
    with listening(given.host, given.port) as place:
        app = application(served(given), limits, given.host)
        host = f'[{given.host}]' if ':' in given.host else given.host
        click.echo(f'serving {given.net.named.name} on http://{host}:{place.getsockname()[1]}/ '
                   '(Ctrl-C ends)')
        if not is_loopback(given.host):
            click.echo(f'everyone who reaches {given.host} can send pictures; nothing asks who '
                       'they are', err=True)
        try:
            run(app, place, limits)
        except KeyboardInterrupt:
            click.echo('stopped')


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; OSError says whose port it is."""
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    place = socket.socket(family)
    try:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind((host, port))
        place.listen(128)               # from now on a connection waits, and is not refused
    except OSError as error:
        place.close()
        raise click.ClickException(f'cannot listen on {host}, port {port}: {error.strerror}; give '
                                   'another --host or --port (0: a free one)') from None
    return place


def served(given: Request) -> list[ServedNet]:
    """Return the nets that answer: the one asked for, then the other stages of its run."""
    from netspec.named_net import stages_of_run
    found = [one_net(given, given.net, given.weights)]
    others = [] if given.weights else stages_of_run(given.net.named)
    asked = given.net.named.folder
    return found + [one_net(given, AskedNet(named), None) for named in others
                    if named.folder and asked and named.folder.resolve() != asked.resolve()]


def one_net(given: Request, asked: AskedNet, weights: str | None) -> ServedNet:
    """Open a net with the weights given, or those that are there."""
    from port.commands.infer import mean_of, opened
    from port.crf.crf_weights import SOURCES, crf_weights
    from port.serve.labelling import ServedNet
    predict, (palette, names) = opened(asked, asked.weights(weights), mean_of(asked, given.mean),
                                       given.device, given.output)
    name = asked.named.name
    crf = given.crf or crf_weights(name if name in SOURCES else USUAL_CRF)
    return ServedNet(name, predict, names, palette, crf)
