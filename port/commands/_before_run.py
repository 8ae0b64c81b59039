"""What `fcn reproduce` does before it begins: say what is needed, and download it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from port.commands.reproduce import Request
    from port.reproduce.recipe import Settings


def made_ready(given: Request, settings: Settings, out: Path, device: Any) -> Settings:
    """Look for released weights, download what is missing, or say what the run needs: whatever was
    asked for. Return the settings with the weights found.
    """
    from port.reproduce import before_run
    if settings.released and not settings.weights:
        found = before_run.released_file(settings)
        settings = replace(settings, weights=str(found or ''))
    if given.download and given.ranks.size > 1:
        raise click.UsageError('--download is for one process: let it end, then start several')
    if given.download:
        settings = _downloaded(settings, out)
    if given.dry_run and given.ranks.first:
        lines, missing = before_run.told(settings, out, device)
        click.echo('\n'.join(lines))
        if missing:
            raise click.ClickException(f'{missing} of what {settings.name} needs missing, see '
                                       'above')
    elif settings.released and not settings.weights:
        stages = before_run.stages_of_all(settings, out)
        gone = [need.what + (f' ({need.weights.file})' if need.weights else '')
                for need in before_run.needs(settings, stages) if not need.there]
        raise FileNotFoundError(f'missing: {"; ".join(gone)}. --download fetches what has an '
                                'address, --dry-run says where that is')
    return settings


def _downloaded(settings: Settings, out: Path) -> Settings:
    """Download what a run lacks; return the settings with the weights among it."""
    from port.data.downloads import fetch, unpack
    from port.reproduce import before_run
    data = Path(settings.data)
    for need in before_run.needs(settings, before_run.stages_of_all(settings, out)):
        for archive in () if need.there else need.archives:
            if archive.to and not (data / archive.to).exists():
                unpack(fetch(archive.url, data, md5=archive.md5), archive.inside, data / archive.to)
        if need.weights and need.weights.url and not need.there:
            path = fetch(need.weights.url, data, sha1=need.weights.sha1)
            settings = replace(settings, weights=str(path.resolve()))
    return settings
