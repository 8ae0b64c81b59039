"""fcn generate: a net's name becomes its prototxt files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from port.commands._shared import define_option, fitting, given_as, ignore_option, renamed
from port.commands._values import FOLDER, RowName

if TYPE_CHECKING:
    from netspec.named_net import Classes
    from netspec.variants import Variant

DataFolders = str | dict[str, str]


def setting(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """Read KEY=VALUE options for the solver; numbers and true/false become what they mean."""
    result = {}
    for value in values:
        key, sep, text = value.partition('=')
        if not sep or not key:
            raise click.BadParameter(f'{value!r}; expected KEY=VALUE, such as base_lr=1e-8')
        result[key.strip()] = _value(text.strip())
    return result


def _value(text: str) -> int | float | bool | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return {'true': True, 'false': False}.get(text.lower(), text)


def data_folders(ctx: click.Context, param: click.Parameter,
                 values: tuple[str, ...]) -> DataFolders | None:
    """Read one folder for all data, or KEY=DIR for each of its folders."""
    keyed = dict(value.split('=', 1) for value in values if '=' in value)
    if len(values) > 1 and len(keyed) < len(values):
        raise click.BadParameter('give one folder, or KEY=DIR for each')
    return keyed or (values[0] if values else None)


set_option = click.option('--set', 'solver_options', multiple=True, callback=setting,
                          metavar='KEY=VALUE',
                          help='A solver field, such as base_lr=1e-8; may be repeated.')


@dataclass(frozen=True)
class Request:
    """The command's options."""

    variant: Variant | None
    everything: bool
    check: bool
    out: Path | None
    data: DataFolders | None
    filler: str | None
    ignore_label: int | None
    syntax: str
    defined: Mapping[str, str]
    solver_options: Mapping[str, Any]
    pad: int | None = None
    width: float | None = None
    classes: Classes = None
    output_stride: int | None = None
    pooling: str | None = None
    aligned: bool = False

    @property
    def net_options(self) -> dict[str, Any]:
        """The options of the net that are given."""
        given = {'width': self.width, 'classes': self.classes, 'filler': self.filler,
                 'ignore_label': self.ignore_label, 'pad': self.pad, 'data_root': self.data_root,
                 'output_stride': self.output_stride, 'pooling': self.pooling,
                 'aligned': self.aligned or None}
        return {key: value for key, value in given.items() if value is not None}

    @property
    def data_root(self) -> DataFolders | None:
        """The folders of the data, each part in its own where the folder given is a tree."""
        from netspec import generate
        if self.variant is None or not isinstance(self.data, str):
            return self.data
        return generate.data_root(self.variant, self.data)

    @property
    def fitted(self) -> bool:
        """Whether anything differs from what is published."""
        return bool(self.solver_options) or any(
            key != 'width' or value != 1.0 for key, value in self.net_options.items())


@click.command(epilog='Example:  fcn generate camvid-fcn32s --width 0.25 --data data '
                      '--out runs/camvid32')
@click.argument('variant', metavar='[NET]', type=RowName(), required=False)
@click.option('--all', 'everything', is_flag=True, help='Every net, into prototxt/ and solvers/.')
@click.option('--check', is_flag=True, help='Write nothing; fail if a file differs.')
@click.option('--out', type=FOLDER, help='One folder for nets and solver; of --all the folder of '
              'prototxt/ and solvers/.  [default: prototxt/NET and solvers/NET]')
@fitting
@click.option('--data', multiple=True, callback=data_folders, metavar='DIR|KEY=DIR',
              help='Folder of the datasets, or of this one, or of one key of param_str, such as '
              'sbdd_dir=DIR.  [default: ../data, as published]')
@click.option('--filler', type=click.Choice(['msra', 'xavier']),
              help='Random start of the trunk.  [default: msra where --width is not 1]')
@ignore_option('that of NET')
@click.option('--pad', type=click.IntRange(min=0), metavar='N', help='Padding of the image, in the '
              'place of 100; `fcn pad` computes the least. Finetune again: weights that were '
              'finetuned with 100 want 100.')
@click.option('--output-stride', type=click.IntRange(min=1), metavar='N', help='Make the trunk a '
              'trous: its later strides removed, what follows dilated, so that scores lie N pixels '
              'apart.')
@click.option('--pooling', type=click.Choice(['dilated', 'stride1']), help='With --output-stride: '
              'poolings with holes, exact, which Caffe cannot read, or 3 x 3 at stride 1, as '
              "DeepLab's LargeFOV, which it can.  [default: dilated]")
@click.option('--aligned', is_flag=True, help='Mend the upsampling of FCN-ResNet34, which lies '
              'half a pixel off.')
@click.option('--syntax', type=click.Choice(['layer', 'authors']), default='layer',
              show_default=True, help="authors: DeepLab's files as their authors published them.")
@define_option
@set_option
@renamed('--data-root', '--data')
@renamed('--root', '--out')
@given_as(Request)
def command(given: Request) -> None:
    """Write the nets and the solver of NET, a published name or a folder of `fcn new`.

    With --syntax authors, DeepLab's nets are written as their authors published them, each ${NAME}
    filled: with --define NAME=VALUE, or as they filled it for VOC 2012.
    """
    from netspec import generate
    if given.pooling and given.output_stride is None:
        raise click.UsageError('--pooling goes with --output-stride')
    if given.everything == (given.variant is not None):
        raise click.UsageError('name one net, or give --all')
    if given.syntax == 'authors':
        _authors(given)
        return
    if given.defined:
        raise click.UsageError('--define fills what --syntax authors writes')
    if given.variant is None:
        if given.fitted:
            raise click.UsageError('--all takes --check and --out only')
        root = given.out or Path()
        _report(generate.check_all(root) if given.check else generate.write_all(root), given.check)
        return
    _one(given, given.variant)


def _authors(given: Request) -> None:
    """Write the files that a net's authors published."""
    from netspec import generate
    options = given.net_options
    other = options.keys() - {'width', 'classes', 'filler'}
    if (given.variant is None or given.out is None or given.check or given.solver_options
            or other):
        raise click.UsageError('--syntax authors takes a net, --out, --define, --width, --classes '
                               'and --filler only')
    _report(generate.write_authors(given.variant, given.out, **options, defines=given.defined),
            False)


def _one(given: Request, variant: Variant) -> None:
    """Write or check the files of one net."""
    from netspec import generate
    folders = (given.out,) if given.out else generate.published_dirs(variant)
    if given.fitted and not (given.out or given.check) and not generate.check(variant, *folders):
        raise click.UsageError(f'{folders[0]} holds {variant.name} as published; give --out for '
                               'one with options of its own')
    options = given.net_options | {'solver_options': given.solver_options}
    if not given.check:
        generate.keep_trained(variant, *folders, **options)
    act = generate.check if given.check else generate.write_variant
    _report(act(variant, *folders, **options), given.check)
    roots = given.data_root or {}
    for folder in roots.values() if isinstance(roots, dict) else [roots]:
        if not Path(folder).is_dir():
            click.echo(f'fcn: {folder}: no such folder here; training will look for data there',
                       err=True)


def _report(paths: list[Path], check: bool) -> None:
    """Print what was written, or fail with what differs."""
    if not check:
        for path in paths:
            click.echo(path)
    elif paths:
        raise click.ClickException('these files differ from what is generated: '
                                   + ', '.join(map(str, paths))
                                   + '; run the same without --check')
    else:
        click.echo('all files are as generated')
