"""fcn weights: the weights that come along, and the digests of those to be had elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from port.commands._shared import GroupWithJson, json_option, tell


@click.group(cls=GroupWithJson, invoke_without_command=True, epilog='Example:  fcn weights')
@json_option('the tables')
@click.pass_context
def command(ctx: click.Context, json_path: str | None) -> None:
    """List the weights that come along, and the files of others that nets start from."""
    from netspec.known_weights import KNOWN, kept_weights
    if ctx.invoked_subcommand:
        return
    kept = list(kept_weights())
    lines = ['trained here, used where NET names them (cards: weights/NAME/README.md)',
             '']
    for one in kept:
        lines.append(f'  {one.name:<30} {one.path.stat().st_size / 1e6:4.1f} MB')
        lines += [f'    {where}: {figures}' for where, figures in one.figures]
    lines += ['', 'of others (`fcn weights check FILE` tells whether a download is whole)', '']
    for row in KNOWN:
        lines.append(f'  {row.file:<36} {row.what}; {row.page}')
    content = {'kept': [{'name': one.name, 'file': str(one.path), 'sha256': one.sha256,
                         'figures': dict(one.figures)} for one in kept],
               'known': [vars(row) for row in KNOWN]}
    tell(content, '\n'.join(lines), json_path)


@command.command(epilog='Example:  fcn weights check VGG_ILSVRC_16_layers.caffemodel')
@click.argument('files', metavar='FILE...', nargs=-1, required=True,
                type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check(files: tuple[Path, ...]) -> None:
    """Compare the digest of each FILE with the known ones; exit 1 where one is not as named."""
    from netspec.known_weights import checked
    wrong = []
    for path in files:
        right, what = checked(path)
        if right is False:
            wrong.append(f'{path}: {what}; download it again')
        else:
            click.echo(f'{path}: {what}')
    if wrong:
        raise ValueError('\n'.join(wrong))
