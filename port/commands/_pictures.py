"""The pictures that a command is given, files or folders, and where what is made of them goes."""

import os
from collections.abc import Collection
from pathlib import Path

PICTURES = {'.jpg', '.jpeg', '.png', '.bmp', '.ppm', '.tif', '.tiff', '.webp'}


def find_pictures(paths: tuple[Path, ...], out: Path | None = None) -> dict[Path, Path]:
    """Return each picture with its name below the folder given, without its ending.

    A folder is searched with all folders in it, in order of name; one to write into is left out,
    so that a second run does not find the results of the first. What only looks like a picture
    there, such as a broken link, comes along, to be listed as unusable. FileNotFoundError for a
    file that is not there, and for a folder without pictures.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        if path.is_dir():
            found |= _in_folder(path, out)
        elif path.is_file():
            found[path] = Path(path.stem)
        else:
            from port.data.readers import missing
            raise missing(path, 'image')
    return found


def _in_folder(folder: Path, out: Path | None) -> dict[Path, Path]:
    made = out.resolve() if out else None
    inside = {path: path.relative_to(folder).with_suffix('') for path in sorted(folder.rglob('*'))
              if path.suffix.lower() in PICTURES
              and not (made and made != folder.resolve() and made in path.resolve().parents)}
    if not inside:
        raise FileNotFoundError(f'{folder}: no pictures in this folder '
                                f'({", ".join(sorted(PICTURES))})')
    return inside


def label_files(pictures: dict[Path, Path], out: Path, kinds: Collection[str]) -> list[Path]:
    """Name each picture's label file; kinds: of port.predict.saved, what is written of each.

    Raises ValueError where a file to write is a picture, another's already, or one that no
    labelling made.
    """
    from port.predict.saved import files_of, made
    taken: dict[Path, Path] = {}
    read = {path.resolve() for path in pictures}
    places = [out / f'{name}.png' for name in pictures.values()]
    for path, label in zip(pictures, places, strict=True):
        for place in files_of(label, kinds):
            real = place.resolve()
            if real in taken or real in read:
                what = f'{taken[real]} and {path}' if real in taken else path
                raise ValueError(f'{what}: the labels would go to {place}, over '
                                 f'{"one another" if real in taken else "a picture"}; '
                                 'give another folder with --out')
            if os.path.lexists(place) and not (place.is_file() and made(place)):
                raise ValueError(f'{path}: the labels would go to {place}, which is there and was '
                                 'not made by fcn infer; give another folder with --out')
            taken[real] = path
    return places
