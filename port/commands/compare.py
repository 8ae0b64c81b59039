"""fcn compare: two models on the same pictures."""

import sys
from pathlib import Path

import click
from tqdm import tqdm

from netspec.variants import Variant
from port.commands._shared import VariantName, defining, fitting, looking, refuse_fitting
from port.commands.infer import pictures


class Mean(click.ParamType):
    """Three numbers: blue, green, red."""

    name = 'B,G,R'

    def convert(self, value, param, ctx) -> tuple[float, ...]:
        try:
            mean = tuple(float(v) for v in value.split(','))
        except ValueError:
            mean = ()
        if len(mean) != 3:
            self.fail(f'{value!r} is no mean; expected B,G,R such as 104.007,116.669,122.679',
                      param, ctx)
        return mean


@click.command(epilog='Example:  fcn compare voc-fcn8s:fcn8s-heavy-pascal.caffemodel fcn8s.onnx '
                      '--images pictures --html differences.html')
@click.argument('a')
@click.argument('b')
@click.option('--images', type=click.Path(path_type=Path), required=True,
              help='A folder of pictures, or one picture.')
@click.option('--mean', type=Mean(), help="Mean to subtract.  [default: the models']")
@click.option('--net', type=VariantName(), help="Subtract this net's mean.")
@click.option('--output', help='Blob to compare, of models with several.  [default: the score]')
@fitting
@click.option('--json', 'json_path', type=click.Path(path_type=Path, dir_okay=False),
              help='Write all figures here.')
@click.option('--html', 'html_path', type=click.Path(path_type=Path, dir_okay=False),
              help='Write a page with the pictures where they differ most.')
@click.option('--worst', type=click.IntRange(min=1), default=6, show_default=True,
              help='Number of pictures in table and page.')
@click.option('--check', is_flag=True, help='Exit 1 over 1e-4 of the largest score or under '
              '99.99 % agreement.')
@looking
@defining
def command(a: str, b: str, images: Path, mean, net: Variant | None, output: str | None,
            width: float | None, classes, json_path: Path | None, html_path: Path | None,
            worst: int, check: bool) -> None:
    """Run models A and B on the same pictures and report where they differ.

    A model is NAME:WEIGHTS or FILE.prototxt:WEIGHTS (our executor), FILE.onnx (ONNX Runtime) or
    opencv:FILE.prototxt:FILE.caffemodel.
    """
    from port.scoring import executors
    from port.scoring import two_models as compare
    if mean and net:
        raise click.UsageError('give --mean or --net, not both')
    if not any(map(executors.is_named, (a, b))):
        refuse_fitting(f'{a}, {b}')
    files = pictures((images,))
    one, other = (executors.open_executor(spec, width, classes, output) for spec in (a, b))
    subtract = executors.mean_of((one, other), net.mean if net else mean)
    with tqdm(total=len(files), desc='compare', disable=not sys.stderr.isatty()) as bar:
        result = compare.compare(one, other, files, subtract, lambda row: bar.update())
    click.echo(compare.table(result, worst))
    if json_path:
        compare.write_json(result, json_path)
    if html_path:
        compare.write_page(result, one, other, subtract, html_path, worst)
    total = result.total
    if check and ((total['relative'] or 0) > 1e-4 or total['agreement'] < 0.9999):
        raise click.ClickException(f'{a} and {b} do not agree: expected differences within 1e-4 '
                                   'of the largest score and at least 99.99 % of the pixels')
