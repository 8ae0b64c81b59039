"""fcn export: a net and its weights become an ONNX file that ONNX Runtime agrees with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from port.commands._frame import framed, sizes_of
from port.commands._shared import (
    MODEL_IS_NET,
    AskedNet,
    defining,
    given_as,
    looking,
    net_argument,
    options_given,
    renamed,
    seed_option,
    weights_option,
)
from port.commands._values import Sizes

if TYPE_CHECKING:
    from netspec.variants import Variant
    from port.engine.net import Net

SIZES = [(67, 101), (90, 47)]


@dataclass(frozen=True)
class Request:
    """The command's options."""

    net: AskedNet | None
    every: bool
    weights: str | None
    random_weights: bool
    seed: int
    out: Path | None
    opset: int | None
    with_preprocess: bool
    argmax: bool
    compare: bool
    sizes: list[tuple[int, int]] | None


@click.command(epilog='Example:  fcn export voc-fcn8s --weights fcn8s-heavy-pascal.caffemodel '
                      '--out fcn8s.onnx --compare')
@partial(net_argument, required=False)
@click.option('--all', 'every', is_flag=True, help='Instead of NET every published net, one table: '
              'those whose weights come along with them, the others a quarter as wide where '
              '--width says nothing; --out may name a folder to keep the files.')
@weights_option
@click.option('--random-weights', is_flag=True, help='Draw weights, for a net that has none.')
@seed_option('--random-weights and of the pictures of --compare')
@click.option('--out', type=click.Path(path_type=Path),
              help='The .onnx file; weights over 2 GB go to OUT.data beside it.')
@click.option('--opset', type=click.IntRange(min=1), metavar='N', help="The version of ONNX's "
              'operators to write.  [default: 17]')
@click.option('--with-preprocess', is_flag=True, help='Take RGB, uint8, N x H x W x 3: put '
              'channel swap and mean into the graph.')
@click.option('--argmax', is_flag=True, help='Give labels, int64, instead of scores.')
@click.option('--compare', is_flag=True, help='Run ONNX Runtime against our own engine; exit 1 '
              'over 1e-4 of the largest score or under 99.99 % agreement.')
@click.option('--size', 'sizes', type=Sizes(), help='Height and width of the pictures of '
              '--compare.  [default: 67x101,90x47, or the size that the net is made for]')
@renamed('--model', MODEL_IS_NET)
@renamed('--sizes', '--size')
@looking
@defining
@given_as(Request)
def command(given: Request) -> None:
    """Write the deploy net of NET as ONNX with free batch, height and width.

    docs/onnx.md has the lines of ONNX Runtime that give what `fcn infer` gives.

    NET is a published name (`fcn list`), a folder of `fcn new` or `fcn reproduce`, whose trained
    weights are found there, or a deploy prototxt. Classes, mean and channel order are in the
    file's metadata (JSON by output or input name), but for a prototxt, which does not say them.
    """
    if given.weights and given.random_weights:
        raise click.UsageError('give --weights or --random-weights, not both')
    if given.every:
        _export_all(given)
        return
    if given.net is None:
        raise click.UsageError('give NET, or --all')
    if given.out is None:
        raise click.UsageError('give --out, the .onnx file to write')
    _export_one(given, given.net, given.out)


def _export_one(given: Request, asked: AskedNet, out: Path) -> None:
    """Write the net that is named."""
    if given.with_preprocess and asked.row is None:
        raise click.UsageError(f'--with-preprocess needs the mean, which {asked.named.given} '
                               'does not say; name a published net or a folder')
    weights = None if given.random_weights else asked.weights(
        given.weights, ', or --random-weights for a net without any')
    _check_out(asked, out, weights)
    net = _filled(given, asked, weights)
    from port.export import onnx_file
    opset = given.opset or onnx_file.OPSET
    onnx_file.export(net, out, asked.row, given.with_preprocess, given.argmax, opset=opset)
    beside = Path(f'{out.resolve()}.data').exists()
    click.echo(f'wrote {out}{" and its .data" if beside else ""}: '
               f'ONNX opset {opset}, {out.stat().st_size:,} bytes')
    if given.compare:
        _compare(net, given, asked.row, out)


def _export_all(given: Request) -> None:
    """Write every published net, and print a table of them; fail where one does not agree."""
    idle = ['NET' if option.name == 'named' else option.opts[0] for option in options_given()
            if option.name in ('named', 'weights', 'random_weights', 'with_preprocess', 'argmax',
                               'classes')]
    if idle:
        raise click.UsageError(f'--all takes no {", ".join(idle)}')
    from netspec.variants import VARIANTS
    from port.export.every_net import HEAD, export_all, line
    width = click.get_current_context().params['width']
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
    click.echo(HEAD)
    failed = []
    for one in export_all(lambda name: given.sizes or sizes_of(VARIANTS[name], SIZES),
                          width, given.opset, given.out, given.compare, given.seed):
        click.echo(line(one))
        failed += [] if one.holds else [one.name]
    if failed:
        raise click.ClickException(f'{len(failed)} of {len(VARIANTS)} nets are not exported, or do '
                                   f'not agree with our own engine: {", ".join(failed)}')
    click.echo(f'{len(VARIANTS)} nets, all as they should be')


def _check_out(asked: AskedNet, out: Path, weights: str | None) -> None:
    """Raise ValueError where the file to write is one that is read, or is no .onnx."""
    from netspec.schema import check_ending, spare
    from port.engine.net_weights import paths_of
    source = asked.named.file
    spare([out], [*(paths_of(weights) if weights else []), *([source] if source else [])],
          'name another --out')
    check_ending(out, ['.onnx'])


def _filled(given: Request, asked: AskedNet, weights: str | None) -> Net:
    """Return the net with its weights, or drawn ones."""
    from netspec.schema.messages import TEST
    from port.engine.net import Net
    from port.engine.starting_weights import load, prepare
    from port.export import onnx_file
    net = Net(asked.loaded(), TEST)
    if weights is None:
        onnx_file.random_weights(net, given.seed)
        prepare(net)
    else:
        load(net, weights)
    return net


def _compare(net: Net, given: Request, row: Variant | None, out: Path) -> None:
    """Print how the file agrees; fail where it does not, or at a size that the net refuses."""
    from port.export import onnx_file
    sizes = given.sizes or sizes_of(row, SIZES)
    try:
        with framed(row, sizes, '--size'):
            rows = onnx_file.compare(net, out, sizes, given.seed)
    except ValueError as error:
        error.add_note(f'{out} is written, but not compared')
        raise
    click.echo(table(rows))
    if not onnx_file.holds(rows):
        astray = ', and maxima of pooling where ours are' if any(r.astray for r in rows) else ''
        raise click.ClickException(f'{out} is written, but does not agree with our own engine: '
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
