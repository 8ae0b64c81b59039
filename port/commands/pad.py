"""fcn pad: the least padding with which a net covers images of some size."""

from typing import TYPE_CHECKING

import click

from port.commands._values import RowName, SizeRange

if TYPE_CHECKING:
    from netspec.variants import Variant

Size = tuple[int, int]


def squares(least: Size, most: Size) -> list[Size]:
    """Return images that have every height and every width of a range on both sides.

    Rows and columns are laid out alike, and independently of each other.
    """
    sides = {*range(least[0], most[0] + 1), *range(least[1], most[1] + 1)}
    return [(side, side) for side in sorted(sides)]


@click.command(epilog='Example:  fcn pad voc-fcn8s --size 200x200-500x500')
@click.argument('variant', metavar='NET', type=RowName())
@click.option('--size', 'sizes', type=SizeRange(), required=True, help='Height and width of the '
              'images, or of the smallest and the largest.')
def command(variant: 'Variant', sizes: tuple[Size, Size]) -> None:
    """Compute the least padding with which NET's scores cover images of a size, in place of 100.

    NET is a published name or a folder of `fcn new`, on VGG16 or AlexNet.
    """
    from port.describe.least_padding import least_padding
    found = least_padding(variant, squares(*sizes), sizes[1])
    least, most = (f'{height}x{width}' for height, width in sizes)
    click.echo(f'{variant.name} covers images of {least}{"" if least == most else f" to {most}"} '
               f'with a padding of {found.pad}; published: {found.published}')
    click.echo(f'{found.multiply_adds / 1e9:.1f} in place of '
               f'{found.published_multiply_adds / 1e9:.1f} G multiply-adds at {most}: '
               f'{found.saved:.1%} less')
    click.echo('weights that were finetuned with 100 want 100: finetune again')
    click.echo(f'fcn generate {variant.name} --pad {found.pad} --out {variant.name}-pad{found.pad}')
