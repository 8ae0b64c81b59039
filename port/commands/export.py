"""fcn export: a net and its weights become an ONNX file that ONNX Runtime agrees with."""

from collections.abc import Sequence
from pathlib import Path

import click

from netspec.schema import check_ending, spare
from netspec.schema.messages import TEST
from netspec.variants import Variant
from port.commands._frame import framed, sizes_of
from port.commands._shared import Sizes, VariantName, defining, deploy_net, fitting, looking
from port.engine.net import Net
from port.engine.net_weights import paths_of
from port.engine.starting_weights import load, prepare

SIZES = [(67, 101), (90, 47)]


@click.command(epilog='Example:  fcn export voc-fcn8s --weights fcn8s-heavy-pascal.caffemodel '
                      '--out fcn8s.onnx --compare')
@click.argument('variant', type=VariantName())
@click.option('--weights', help='The weights.')
@click.option('--random-weights', is_flag=True, help='Draw weights, for a net that has none.')
@click.option('--seed', type=click.IntRange(min=0), default=1337, show_default=True,
              help='Seed of --random-weights and of the pictures of --compare.')
@click.option('--model', type=click.Path(path_type=Path, dir_okay=False),
              help='The deploy prototxt.  [default: VARIANT\'s]')
@fitting
@click.option('--out', type=click.Path(path_type=Path, dir_okay=False), required=True,
              help='The .onnx file; weights over 2 GB go to OUT.data beside it.')
@click.option('--with-preprocess', is_flag=True, help='Take RGB, uint8, N x H x W x 3: put '
              'channel swap and mean into the graph.')
@click.option('--argmax', is_flag=True, help='Give labels, int64, instead of scores.')
@click.option('--compare', is_flag=True, help='Run ONNX Runtime against our executor; exit 1 over '
              '1e-4 of the largest score or under 99.99 % agreement.')
@click.option('--sizes', type=Sizes(), help='Image sizes of --compare.  '
              '[default: 67x101,90x47, or the one that the net is made for]')
@looking
@defining
def command(variant: Variant, weights: str | None, random_weights: bool, seed: int,
            model: Path | None, width: float | None, classes, out: Path, with_preprocess: bool,
            argmax: bool, compare: bool, sizes: list[tuple[int, int]] | None) -> None:
    """Write the deploy net of VARIANT as ONNX with free batch, height and width.

    Classes, mean and channel order are in the file's metadata (JSON by output or input name).
    """
    if bool(weights) == random_weights:
        raise click.UsageError('give --weights, or --random-weights for a net without any')
    from port.export import onnx_file as export_onnx
    read = [*(paths_of(weights) if weights else []), *([model] if model else [])]
    spare([out], read, 'name another --out')
    check_ending(out, ['.onnx'])
    net = Net(deploy_net(variant, model, width, classes), TEST)
    if random_weights:
        export_onnx.random_weights(net, seed)
        prepare(net)
    else:
        load(net, weights)
    export_onnx.export(net, out, variant, with_preprocess, argmax)
    beside = Path(f'{out.resolve()}.data').exists()
    click.echo(f'wrote {out}{" and its .data" if beside else ""}: '
               f'ONNX opset {export_onnx.OPSET}, {out.stat().st_size:,} bytes')
    if compare:
        _compare(net, out, variant, sizes or sizes_of(variant, SIZES), seed)


def _compare(net: Net, out: Path, variant: Variant, sizes: list[tuple[int, int]],
             seed: int) -> None:
    """Print how the file agrees; fail where it does not, or at a size that the net refuses."""
    from port.export import onnx_file as export_onnx
    try:
        with framed(variant, sizes, '--sizes'):
            rows = export_onnx.compare(net, out, sizes, seed)
    except ValueError as error:
        error.add_note(f'{out} is written, but not compared')
        raise
    click.echo(table(rows))
    if not export_onnx.holds(rows):
        astray = ', and maxima of pooling where ours are' if any(r.astray for r in rows) else ''
        raise click.ClickException(f'{out} is written, but does not agree with our executor: '
                                   'expected differences within 1e-4 of the largest score, at '
                                   f'least 99.99 % of the pixels{astray}')


def table(rows: Sequence) -> str:
    """Return a line for each image size: differences, relative ones, agreement."""
    lines = [f'{"size":>10} {"largest difference":>18} {"of largest score":>16} '
             f'{"argmax agrees":>13}']
    for row in rows:
        absolute = '-' if row.max_diff is None else f'{row.max_diff:.2e}'
        relative = '-' if row.relative is None else f'{row.relative:.2e}'
        ties = f'  ({row.ties} of {row.pixels} tied)' if row.ties else ''
        ties += f'  ({row.moved} pooling maxima tied)' if row.moved else ''
        ties += f'  ({row.astray} pooling maxima elsewhere)' if row.astray else ''
        size = f'{row.size[0]}x{row.size[1]}'
        lines.append(f'{size:>10} {absolute:>18} {relative:>16} '
                     f'{100 * row.agreement:>11.3f} %{ties}')
    return '\n'.join(lines)
