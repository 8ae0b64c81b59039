"""Downloads of files with known digests, and unpacking of archives, into the folder of the data."""

import hashlib
import shutil
import sys
import tarfile
import urllib.request
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError

from tqdm import tqdm

from netspec.schema import replacing
from netspec.schema.temporary import Making

CHUNK = 1 << 20


def fetch(url: str, folder: Path, md5: str = '', sha1: str = '') -> Path:
    """Return the file of an address in a folder, downloaded unless it is there and whole.

    Raises ValueError where its digest is another, OSError where it cannot be had.
    """
    path = folder / url.rpartition('/')[2]
    if path.is_file() and not _fault(path, md5, sha1):
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        try:
            with urllib.request.urlopen(url, timeout=60) as source, part.open('wb') as target:
                size = int(source.headers.get('Content-Length') or 0)
                with tqdm(desc=path.name, total=size or None, unit='B', unit_scale=True,
                          disable=not sys.stderr.isatty()) as bar:
                    while chunk := source.read(CHUNK):
                        target.write(chunk)
                        bar.update(len(chunk))
        except (URLError, HTTPException, TimeoutError) as error:
            raise OSError(f'{url}: cannot be downloaded: {getattr(error, "reason", error)}; '
                          f'download it by other means into {folder}') from error
        if size and part.stat().st_size != size:
            raise OSError(f'{url}: {part.stat().st_size:,} of {size:,} bytes came; try again')
        fault = _fault(part, md5, sha1)
        if fault:
            raise ValueError(f'{url}: {fault}; it was not kept')
    return path


def _fault(path: Path, md5: str, sha1: str) -> str:
    """Say in what a file's digest is another than the known one; '' where it is not."""
    for name, wanted in (('md5', md5), ('sha1', sha1)):
        if wanted:
            with path.open('rb') as file:
                found = hashlib.file_digest(file, name).hexdigest()
            if found != wanted:
                return f'its {name.upper()} is {found}, expected {wanted}'
    return ''


def unpack(path: Path, inside: str, target: Path) -> None:
    """Move a folder of an archive to its place, or the file itself where no folder is named.

    Whole or not at all; the archive is removed then. ValueError for one without that folder.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if not inside:
        shutil.move(path, target)
        return
    with Making(target.parent / 'unpacked', folder=True) as beside:
        try:
            with tarfile.open(path) as archive:
                archive.extractall(beside, filter='data')       # nothing leads out of the folder
        except tarfile.TarError as error:
            raise ValueError(f'{path}: cannot be unpacked: {error}') from error
        if not Path(beside, inside).is_dir():
            raise ValueError(f'{path}: holds no folder {inside}')
        shutil.move(Path(beside, inside), target)
    path.unlink()
