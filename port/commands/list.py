"""fcn list: the table of nets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from port.commands._shared import WithJson, json_option, tell

if TYPE_CHECKING:
    from netspec.variants import Variant


def row(variant: Variant) -> dict[str, Any]:
    """Return what `fcn list` says of a net."""
    schedule = variant.schedule
    return {'name': variant.name, 'dataset': variant.dataset, 'stride': variant.stride,
            'classes': [head.classes for head in variant.heads],
            'inputs': [image.top for image in variant.inputs],
            'splits': [split.file for split in variant.splits],
            'trunk': variant.trunk, 'init': [init.donor for init in variant.init],
            'base_lr': schedule.base_lr, 'momentum': schedule.momentum,
            'iterations': schedule.block * schedule.repeats}


@click.command(cls=WithJson, epilog='Example:  fcn list --json')
@click.option('--all', 'everything', is_flag=True,
              help='Also the nets that start from nothing: SegNet-Basic and FCN-Basic.')
@json_option('the table')
def command(everything: bool, json_path: str | None) -> None:
    """List the nets: the 15 published FCNs, CamVid's, and DeepLab's."""
    from netspec.variants import VARIANTS
    rows = [row(variant) for variant in VARIANTS.values() if everything or variant.init]
    lines = [f'{"name":<26} {"stride":>6} {"classes":>8}  {"starts from":<40} {"lr":>6}  steps']
    for r in rows:
        classes = '+'.join(map(str, r['classes']))
        lines.append(f'{r["name"]:<26} {r["stride"]:>6} {classes:>8}  '
                     f'{" + ".join(r["init"]):<40} {r["base_lr"]:>6g}  {r["iterations"]}')
    tell(rows, '\n'.join(lines), json_path)
