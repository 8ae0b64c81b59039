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
@json_option('the table')
def command(json_path: str | None) -> None:
    """List the nets: the 15 published FCNs, CamVid's, and DeepLab's."""
    from netspec.variants import VARIANTS
    rows = [row(variant) for variant in VARIANTS.values()]
    lines = [f'{"name":<28} {"stride":>6} {"classes":>8}  {"starts from":<40} {"lr":>6}  steps']
    for r in rows:
        classes, start = '+'.join(map(str, r['classes'])), ' + '.join(r['init'])
        lines.append(f'{r["name"]:<28} {r["stride"]:>6} {classes:>8}  '
                     f'{start or "random weights":<40} {r["base_lr"]:>6g}  {r["iterations"]}')
    tell(rows, '\n'.join(lines), json_path)
