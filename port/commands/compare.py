"""fcn compare: two models on the same pictures."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from port.commands._pictures import find_pictures
from port.commands._shared import (
    WithJson,
    check_json,
    defining,
    fitting,
    given_as,
    json_option,
    looking,
    refuse_fitting,
    renamed,
    tell,
)
from port.commands._values import FILE, Mean

if TYPE_CHECKING:
    from netspec.named_net import Classes


@dataclass(frozen=True)
class Request:
    """The command's options."""

    a: str
    b: str
    images: Path
    mean: tuple[float, ...] | None
    output: str | None
    json_path: str | None
    html_path: Path | None
    worst: int
    check: bool
    width: float | None = None
    classes: Classes = None


@click.command(cls=WithJson, epilog='Example:  fcn compare voc-fcn8s:fcn8s-heavy-pascal.caffemodel '
                                    'fcn8s.onnx --images pictures --html differences.html')
@click.argument('a')
@click.argument('b')
@click.option('--images', type=click.Path(path_type=Path), required=True, metavar='PATH',
              help='A folder of pictures, or one picture.')
@click.option('--mean', type=Mean(), help='The mean to subtract, or the net that has it.  '
              "[default: the models']")
@click.option('--output', metavar='BLOB', help='What to compare, of models with several outputs.  '
              '[default: the scores]')
@fitting
@json_option('all figures')
@click.option('--html', 'html_path', type=FILE,
              help='Write a page with the pictures where they differ most.')
@click.option('--worst', type=click.IntRange(min=1), metavar='N', default=6, show_default=True,
              help='Number of pictures in table and page.')
@click.option('--check', is_flag=True, help='Exit 1 over 1e-4 of the largest score or under '
              '99.99 % agreement.')
@renamed('--net', '--mean, which takes the name of a net too')
@looking
@defining
@given_as(Request)
def command(given: Request) -> None:
    """Run models A and B on the same pictures and report where they differ.

    A model is NET:WEIGHTS for our own engine (NET alone where it is a folder in which a net was
    trained), FILE.onnx for ONNX Runtime, or opencv:FILE.prototxt:FILE.caffemodel for OpenCV.
    NET is a published name, a folder of `fcn new` or `fcn reproduce`, or a prototxt.
    """
    from tqdm import tqdm

    from port.scoring import executors, two_models
    fitted = given.width is not None or given.classes is not None
    if fitted and not any(map(executors.is_named, (given.a, given.b))):
        refuse_fitting(f'{given.a}, {given.b}')
    check_json(given.json_path)
    files = list(find_pictures((given.images,)))
    one, other = (executors.open_executor(spec, given.width, given.classes, given.output)
                  for spec in (given.a, given.b))
    subtract = executors.mean_of((one, other), given.mean)
    with tqdm(total=len(files), desc='compare', disable=not sys.stderr.isatty()) as bar:
        result = two_models.compare(one, other, files, subtract, lambda row: bar.update())
    tell(result.as_dict(), two_models.table(result, given.worst), given.json_path)
    if given.html_path:
        two_models.write_page(result, one, other, subtract, given.html_path, given.worst)
    if given.check and not two_models.agree(result):
        raise click.ClickException(f'{given.a} and {given.b} do not agree: expected differences '
                                   'within 1e-4 of the largest score and at least 99.99 % of the '
                                   'pixels')
