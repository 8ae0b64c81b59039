"""fcn generate: a net's name becomes its prototxt files."""

from pathlib import Path

import click

from netspec import generate
from netspec.variants import Variant
from port.commands._shared import VariantName, define_option, fitting


def setting(ctx, param, values: tuple[str, ...]) -> dict:
    """Read KEY=VALUE options for the solver; numbers and true/false become what they mean."""
    result = {}
    for value in values:
        key, sep, text = value.partition('=')
        if not sep or not key:
            raise click.BadParameter(f'{value!r}; expected KEY=VALUE, such as base_lr=1e-8')
        result[key.strip()] = _value(text.strip())
    return result


def data_root(ctx, param, values: tuple[str, ...]) -> str | dict[str, str] | None:
    """Read one folder for the whole dataset, or KEY=DIR for each of its folders."""
    keyed = dict(value.split('=', 1) for value in values if '=' in value)
    if len(values) > 1 and len(keyed) < len(values):
        raise click.BadParameter('give one folder, or KEY=DIR for each')
    return keyed or (values[0] if values else None)


def _value(text: str):
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return {'true': True, 'false': False}.get(text.lower(), text)


@click.command(epilog='Example:  fcn generate camvid-fcn32s --width 0.25 --data-root data/camvid '
                      '--out runs/camvid32')
@click.argument('variant', type=VariantName(), required=False)
@click.option('--all', 'everything', is_flag=True, help='Every net, into prototxt/ and solvers/.')
@click.option('--check', is_flag=True, help='Write nothing; fail if a file differs.')
@click.option('--out', type=click.Path(path_type=Path, file_okay=False),
              help='One folder for nets and solver.  [default: prototxt/NET and solvers/NET]')
@click.option('--root', type=click.Path(path_type=Path, file_okay=False), default='.',
              help='Where prototxt/ and solvers/ stand.')
@fitting
@click.option('--data-root', multiple=True, callback=data_root, metavar='DIR|KEY=DIR',
              help='Folder of your dataset, or of one key of param_str, such as sbdd_dir=DIR.')
@click.option('--filler', type=click.Choice(['msra', 'xavier']),
              help='Random start of the trunk.  [default: msra where --width is not 1]')
@click.option('--ignore-label', type=int, help='Label value that is left out of the loss.')
@click.option('--syntax', type=click.Choice(['layer', 'authors']), default='layer',
              show_default=True, help="authors: DeepLab's files as their authors published them.")
@define_option
@click.option('--set', 'solver_options', multiple=True, callback=setting, metavar='KEY=VALUE',
              help='A solver field, such as base_lr=1e-8; may be repeated.')
def command(variant: Variant | None, everything: bool, check: bool, out: Path | None, root: Path,
            syntax: str, defined: dict[str, str], solver_options: dict, **net_options) -> None:
    """Write the nets and the solver of VARIANT.

    With --syntax authors, DeepLab's nets are written as their authors published them, each ${NAME}
    filled: with --define NAME=VALUE, or as they filled it for VOC 2012.
    """
    if everything == (variant is not None):
        raise click.UsageError('name one net, or give --all')
    if syntax == 'authors':
        _authors(variant, out, check or bool(solver_options), defined, net_options)
        return
    if defined:
        raise click.UsageError('--define fills what --syntax authors writes')
    if everything:
        if out or solver_options or changed(net_options):
            raise click.UsageError('--all takes --check and --root only')
        _report(generate.check_all(root) if check else generate.write_all(root), check)
        return
    folders = (out,) if out else generate.published_dirs(variant, root)
    fitted = bool(solver_options) or changed(net_options)
    if fitted and not (out or check) and not generate.check(variant, *folders):
        raise click.UsageError(f'{folders[0]} holds {variant.name} as published; give --out for '
                               'one with options of its own')
    options = {key: value for key, value in net_options.items() if value is not None}
    options['solver_options'] = solver_options
    if not check:
        generate.keep_trained(variant, *folders, **options)
    act = generate.check if check else generate.write_variant
    _report(act(variant, *folders, **options), check)


def _authors(variant: Variant | None, out: Path | None, more: bool, defined: dict[str, str],
             net_options: dict) -> None:
    """Write the files that a net's authors published."""
    given = {key: value for key, value in net_options.items() if value is not None}
    other = sorted(given.keys() - {'width', 'classes', 'filler'})
    if variant is None or out is None or more or other:
        raise click.UsageError('--syntax authors takes a net, --out, --define, --width, --classes '
                               'and --filler only')
    _report(generate.write_authors(variant, out, **given, defines=defined), False)


def changed(net_options: dict) -> bool:
    """Whether any option of the net differs from what the published one has."""
    return any(value not in (None, 1.0) for value in net_options.values())


def _report(paths: list[Path], check: bool) -> None:
    if not check:
        for path in paths:
            click.echo(path)
    elif paths:
        raise click.ClickException('these files differ from what is generated: '
                                   + ', '.join(map(str, paths))
                                   + '; run the same without --check')
    else:
        click.echo('all files are as generated')
