"""fcn list: the table of nets."""

import json

import click

from netspec.variants import VARIANTS, Variant


def row(variant: Variant) -> dict:
    """Return what `fcn list` says of a net."""
    schedule = variant.schedule
    return {'name': variant.name, 'dataset': variant.dataset, 'stride': variant.stride,
            'classes': [head.classes for head in variant.heads],
            'inputs': [image.top for image in variant.inputs],
            'splits': [split.file for split in variant.splits],
            'trunk': variant.trunk, 'init': [init.donor for init in variant.init],
            'base_lr': schedule.base_lr, 'momentum': schedule.momentum,
            'iterations': schedule.block * schedule.repeats}


@click.command(epilog='Example:  fcn list --json')
@click.option('--json', 'as_json', is_flag=True, help='Print JSON instead of a table.')
@click.option('--all', 'everything', is_flag=True,
              help='Also the nets that start from nothing: SegNet-Basic and FCN-Basic.')
def command(as_json: bool, everything: bool) -> None:
    """List the nets: the 15 published FCNs, CamVid's, and DeepLab's."""
    rows = [row(variant) for variant in VARIANTS.values() if everything or variant.init]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo(f'{"name":<26} {"stride":>6} {"classes":>8}  {"starts from":<40} {"lr":>6}  steps')
    for r in rows:
        classes = '+'.join(map(str, r['classes']))
        click.echo(f'{r["name"]:<26} {r["stride"]:>6} {classes:>8}  {" + ".join(r["init"]):<40} '
                   f'{r["base_lr"]:>6g}  {r["iterations"]}')
