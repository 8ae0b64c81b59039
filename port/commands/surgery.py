"""fcn surgery: the weights that a net starts from, out of those that it inherits."""

from pathlib import Path

import click

from netspec.families import make_net
from netspec.schema import read_net, spare
from netspec.variants import Variant
from port.commands._shared import VariantName, defining, fitting, pixel_options, refuse_fitting
from port.engine import torch_weights
from surgery import recipes
from surgery.pixels import Pixels


@click.command(epilog='Example:  fcn surgery voc-fcn32s --from VGG16.caffemodel '
                      '--out voc-fcn32s-init.caffemodel')
@click.argument('variant', type=VariantName())
@click.option('--from', 'sources', multiple=True, required=True,
              type=click.Path(path_type=Path, dir_okay=False),
              help='Weights to inherit (.caffemodel, .caffemodel.h5, .safetensors, .npz, .pt, '
              '.pth; Caffe\'s names, torchvision\'s or timm\'s); once for each donor.')
@click.option('--out', required=True, type=click.Path(path_type=Path, dir_okay=False),
              help='Where the new weights go.')
@click.option('--model', type=click.Path(path_type=Path, dir_okay=False),
              help='The net, if it is not the generated one.')
@click.option('--skip', multiple=True, metavar='LAYER',
              help='Do not take this layer: it is learnt afresh. May be repeated.')
@fitting
@pixel_options
@defining
def command(variant: Variant, sources: tuple[Path, ...], out: Path, model: Path | None,
            skip: tuple[str, ...], width: float | None, classes, pixels: Pixels | None) -> None:
    """Transplant weights into VARIANT as its published recipe does."""
    spare([out], [*sources, *([model] if model else [])], 'name another --out')
    if model:
        refuse_fitting(model)
    net = (read_net(model) if model else
           make_net(variant, variant.splits[0].file, width=width, classes=classes))
    weights = [torch_weights.read_donor(path, variant, pixels) for path in sources]
    try:
        new, report = recipes.start(variant, net, *weights, skip=skip)
    except ValueError as error:
        raise ValueError(f'{" + ".join(map(str, sources))} into {variant.name}: {error}') from error
    click.echo(str(report))
    torch_weights.write_weights(out, new)
    click.echo(f'wrote {out}')
