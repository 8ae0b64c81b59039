"""fcn surgery: the weights that a net starts from, out of those that it inherits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from port.commands._shared import (
    MODEL_IS_NET,
    AskedNet,
    defining,
    net_argument,
    pixel_options,
    renamed,
)
from port.commands._values import FILE, RowName

if TYPE_CHECKING:
    from netspec.variants import Variant
    from surgery.pixels import Pixels


@click.command(epilog='Example:  fcn surgery voc-fcn32s --from VGG16.caffemodel '
                      '--out voc-fcn32s-init.caffemodel')
@net_argument
@click.option('--from', 'sources', multiple=True, required=True, type=FILE,
              help='Weights to inherit (.caffemodel, .caffemodel.h5, .safetensors, .npz, .pt, '
              '.pth; Caffe\'s names, torchvision\'s or timm\'s); once for each donor.')
@click.option('--out', required=True, type=FILE, help='Where the new weights go.')
@click.option('--recipe', type=RowName(), help='Follow the recipe of this net.  [default: that '
              'of NET; needed for a prototxt]')
@click.option('--skip', multiple=True, metavar='LAYER',
              help='Do not take this layer: it is learnt afresh. May be repeated.')
@pixel_options
@renamed('--model', f'{MODEL_IS_NET}, beside --recipe NAME')
@defining
def command(net: AskedNet, sources: tuple[Path, ...], out: Path, recipe: Variant | None,
            skip: tuple[str, ...], pixels: Pixels | None) -> None:
    """Transplant weights into NET as its published recipe does.

    NET is a published name (`fcn list`), a folder of `fcn new` or `fcn reproduce`, or the
    prototxt of a training net.
    """
    from netspec.schema import read_net, spare
    file, row = net.named.file, recipe or net.row
    if row is None:
        raise click.UsageError(f'{net.named.given} does not say which weights go where; give '
                               '--recipe NAME of the published net that it is like')
    spare([out], [*sources, *([file] if file else [])], 'name another --out')
    from port.engine import torch_weights
    from surgery import recipes
    made = read_net(file) if file else net.named.net(row.splits[0].file, net.width, net.classes)
    weights = [torch_weights.read_donor(path, row, pixels) for path in sources]
    try:
        new, report = recipes.start(row, made, *weights, skip=skip)
    except ValueError as error:
        raise ValueError(f'{" + ".join(map(str, sources))} into {net.named.name}: '
                         f'{error}') from error
    click.echo(str(report))
    torch_weights.write_weights(out, new)
    click.echo(f'wrote {out}')
