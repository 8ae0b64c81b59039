"""Turn colour-coded label images into index PNGs: one look-up in a table over 24-bit colours."""

import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from netspec.schema import replacing
from netspec.schema.temporary import Making
from port.data import camvid, cityscapes, voc
from port.data.label_pictures import VOID_COLOUR, make_palette, write_label
from port.data.readers import read_lines, read_rgb

UNKNOWN = -1
TYPES = ('.png', '.bmp', '.gif', '.tif', '.tiff', '.ppm')
LINE = re.compile(r'(\d+)[\s,]+(\d+)[\s,]+(\d+)[\s,]*(.*)')
NAME_FIRST = re.compile(r'(\S.*?)[\s,;]+(\d+)[\s,;]+(\d+)[\s,;]+(\d+)')
HEADER = re.compile(r'(name\w*[\s,;]+)?r(ed)?[\s,;]+g(reen)?[\s,;]+b(lue)?([\s,;]+name\w*)?', re.I)
FORMS = "lines 'R G B name', 'R G B index name' or 'name,r,g,b'"

# CamVid's 32 original classes: colour, and the class of the 11 (SegNet's grouping) it belongs to.
CAMVID_32 = {
    'Animal': ((64, 128, 64), 'Pedestrian'), 'Archway': ((192, 0, 128), 'Building'),
    'Bicyclist': ((0, 128, 192), 'Bicyclist'), 'Bridge': ((0, 128, 64), 'Building'),
    'Building': ((128, 0, 0), 'Building'), 'Car': ((64, 0, 128), 'Car'),
    'CartLuggagePram': ((64, 0, 192), 'Pedestrian'), 'Child': ((192, 128, 64), 'Pedestrian'),
    'Column_Pole': ((192, 192, 128), 'Pole'), 'Fence': ((64, 64, 128), 'Fence'),
    'LaneMkgsDriv': ((128, 0, 192), 'Road'), 'LaneMkgsNonDriv': ((192, 0, 64), 'Road'),
    'Misc_Text': ((128, 128, 64), 'SignSymbol'),
    'MotorcycleScooter': ((192, 0, 192), 'Bicyclist'), 'OtherMoving': ((128, 64, 64), 'Car'),
    'ParkingBlock': ((64, 192, 128), 'Pavement'), 'Pedestrian': ((64, 64, 0), 'Pedestrian'),
    'Road': ((128, 64, 128), 'Road'), 'RoadShoulder': ((128, 128, 192), 'Pavement'),
    'Sidewalk': ((0, 0, 192), 'Pavement'), 'SignSymbol': ((192, 128, 128), 'SignSymbol'),
    'Sky': ((128, 128, 128), 'Sky'), 'SUVPickupTruck': ((64, 128, 192), 'Car'),
    'TrafficCone': ((0, 0, 64), 'Pole'), 'TrafficLight': ((0, 64, 64), 'SignSymbol'),
    'Train': ((192, 64, 128), 'Car'), 'Tree': ((128, 128, 0), 'Tree'),
    'Truck_Bus': ((192, 128, 192), 'Car'), 'Tunnel': ((64, 0, 64), 'Building'),
    'VegetationMisc': ((192, 192, 0), 'Tree'), 'Void': ((0, 0, 0), None),
    'Wall': ((64, 192, 0), 'Building')}

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class ColourTable:
    """Colours and their indices; `names` for reports, `palette` for the PNGs."""

    name: str
    indices: dict[Colour, int]
    names: dict[int, str]
    palette: np.ndarray

    def lookup(self) -> np.ndarray:
        """Make the table of all 2^24 colours, int16, UNKNOWN where a colour has no index."""
        table = np.full(1 << 24, UNKNOWN, dtype=np.int16)
        for (red, green, blue), index in self.indices.items():
            table[red << 16 | green << 8 | blue] = index
        return table


def voc_table() -> ColourTable:
    """VOC's 21 colours, and void as 255."""
    palette = make_palette(256)
    indices = {tuple(palette[i].tolist()): i for i in [*range(len(voc.CLASSES)), voc.VOID]}
    return ColourTable('voc', indices, {**dict(enumerate(voc.CLASSES)), voc.VOID: 'void'}, palette)


def camvid_table() -> ColourTable:
    """CamVid's 32 colours grouped into the 11 classes; Void becomes 11."""
    places = {name: i for i, name in enumerate(camvid.CLASSES)} | {None: camvid.VOID}
    indices = {colour: places[group] for colour, group in CAMVID_32.values()}
    names = {**dict(enumerate(camvid.CLASSES)), camvid.VOID: 'void'}
    palette = make_palette(256)
    palette[:len(camvid.PALETTE)] = camvid.PALETTE
    return ColourTable('camvid', indices, names, palette)


def camvid32_table() -> ColourTable:
    """CamVid's 32 colours, each its own class, in the order of its list (by name)."""
    colours = [colour for colour, _ in CAMVID_32.values()]
    palette = make_palette(256)
    palette[:len(colours)] = colours
    return ColourTable('camvid32', {c: i for i, c in enumerate(colours)},
                       dict(enumerate(CAMVID_32)), palette)


def cityscapes_table() -> ColourTable:
    """Cityscapes' 19 colours; those of what is not scored become 255."""
    indices = {colour: i for i, (_, colour) in enumerate(cityscapes.LABELS.values())}
    indices |= dict.fromkeys(cityscapes.VOID_COLOURS.values(), cityscapes.VOID)
    palette = make_palette(256)
    palette[:len(cityscapes.PALETTE)] = cityscapes.PALETTE
    names = {**dict(enumerate(cityscapes.CLASSES)), cityscapes.VOID: 'void'}
    return ColourTable('cityscapes', indices, names, palette)


TABLES: dict[str, Callable[[], ColourTable]] = {
    'voc': voc_table, 'camvid': camvid_table, 'camvid32': camvid32_table,
    'cityscapes': cityscapes_table}


def read_table(path: str | Path) -> ColourTable:
    """Read a table of lines 'R G B name', 'R G B index name' or, as class_dict.csv, 'name,r,g,b'.

    Lines without an index are counted from 0; those with one are not. Several colours may be given
    one index: the first name is the class's. Empty lines and what follows # are skipped.
    """
    path = Path(path)
    indices: dict[Colour, int] = {}
    names: dict[int, str] = {}
    palette = np.full((256, 3), VOID_COLOUR, dtype=np.uint8)
    counted = 0
    for number, line in enumerate(read_lines(path, 'colour table', FORMS), 1):
        line = line.partition('#')[0].strip()
        if not line or HEADER.fullmatch(line):
            continue
        colour, given, name = _row(line, f'{path}:{number}')
        index = counted if given is None else given
        counted += given is None
        if index > 255:
            raise ValueError(f'{path}:{number}: colours and indices are 0..255, got {index}')
        if indices.setdefault(colour, index) != index:
            raise ValueError(f'{path}:{number}: colour {colour} stands for {index} and for '
                             f'{indices[colour]}')
        if index not in names:
            palette[index] = colour
        elif given is None and name and names[index] not in ('', name):
            raise ValueError(f'{path}:{number}: {name!r} counts as class {index}, which an earlier '
                             f'line gave to {names[index]!r}; give all lines their index')
        names[index] = names.get(index) or name
    if not indices:
        raise ValueError(f'{path}: holds no colours; expected {FORMS}')
    return ColourTable(path.name, indices, {i: name or str(i) for i, name in names.items()},
                       palette)


def _row(line: str, where: str) -> tuple[Colour, int | None, str]:
    found, named = LINE.fullmatch(line), NAME_FIRST.fullmatch(line)
    if not found and not named:
        raise ValueError(f'{where}: expected {FORMS}, got {line!r}')
    index: int | None = None
    if found:
        red, green, blue = (int(value) for value in found.groups()[:3])
        first, _, rest = found[4].replace(',', ' ').strip().partition(' ')
        index, name = (int(first), rest.strip()) if first.isdigit() else (None, found[4].strip())
    elif named:
        name, (red, green, blue) = named[1], map(int, named.groups()[1:])
    if max(red, green, blue) > 255:
        raise ValueError(f'{where}: colours and indices are 0..255, got {line!r}')
    return (red, green, blue), index, name


def class_list(path: Path, void: int) -> tuple[list[str], ColourTable | None]:
    """Read a class list: names, one a line, or a colour table, whose colours are then the net's.

    Colours with the index `void` are no class. ValueError where a table leaves an index out.
    """
    lines = [line.partition('#')[0].strip() for line in read_lines(
        path, 'class list', f'one name a line, or {FORMS}')]
    if not any(LINE.fullmatch(line) or NAME_FIRST.fullmatch(line) for line in lines):
        return [line for line in lines if line], None
    table = read_table(path)
    used = sorted(set(table.indices.values()) - {void})
    if used != list(range(len(used))):
        lacking = next(i for i in range(256) if i not in used)
        raise ValueError(f'{path}: no colour has the index {lacking}, but there is one of '
                         f'{used[-1]}; classes are counted from 0 without a gap')
    return [table.names[i] for i in used], table


def to_index(pixels: np.ndarray, lookup: np.ndarray, path: Path,
             unknown: int | None = None) -> np.ndarray:
    """Translate H x W x 3 pixels to H x W uint8 indices.

    A colour that the table lacks becomes `unknown`, or is an error with its place where that
    is None.
    """
    code = pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    index = lookup[code]
    wrong = index == UNKNOWN
    if wrong.any():
        if unknown is None:
            y, x = np.argwhere(wrong)[0]
            raise ValueError(
                f'{path}: colour {tuple(pixels[y, x].tolist())} at x={x}, y={y} is not in the '
                f'table ({int(wrong.sum())} such pixels of {len(np.unique(code[wrong]))} colours); '
                'add it to the table, or name an index for unknown colours')
        index = np.where(wrong, unknown, index)
    return index.astype(np.uint8)


def resize(index: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Give H x W indices the size (width, height), each that of the nearest pixel."""
    return np.asarray(Image.fromarray(index).resize(size, Image.Resampling.NEAREST))


def plan(source: Path, target: Path, strip: str = '') -> dict[Path, Path]:
    """Return which PNG below `target` each label image of `source` and its subfolders becomes.

    Images inside `target` are left out, so that a target within the source may be written again.
    Raises FileNotFoundError where there are no images, ValueError where two would become one.
    """
    kinds = f'label images ({", ".join(TYPES)})'
    if not source.is_dir():
        raise FileNotFoundError(f'{source}: no such folder; expected the folder of the '
                                f'colour-coded {kinds}')
    own = target.resolve()
    if source.resolve() == own:
        raise ValueError(f'{target}: is the folder of the colour images too; name another, or '
                         'they would be lost')
    paths = [path for path in sorted(source.rglob('*')) if path.suffix.lower() in TYPES
             and path.is_file() and own not in path.resolve().parents]
    if not paths:
        raise FileNotFoundError(f'{source}: holds no {kinds}; JPEG changes colours and cannot '
                                'hold labels')
    taken: dict[Path, Path] = {}
    for path in paths:
        place = path.relative_to(source).with_name(f'{path.stem.removesuffix(strip)}.png')
        if place in taken:
            raise ValueError(f'{taken[place]} and {path} would both become {target / place}; '
                             'rename or remove one')
        taken[place] = path
    return {path: place for place, path in taken.items()}


def convert_folder(source: str | Path, target: str | Path, table: ColourTable,
                   unknown: int | None = None, strip: str = '',
                   size: tuple[int, int] | None = None,
                   progress: Callable[[list[Path]], Iterable[Path]] = iter) -> dict[int, int]:
    """Write an index PNG into `target` for each image of `source`; give the pixels of each index.

    Folders within `source` are kept. `strip` is cut from the end of the names (CamVid's labels
    end in _L). `size` (width, height) resizes the indices, never the colours. Where an image is
    wrong nothing is written.
    """
    target = Path(target)
    places = plan(Path(source), target, strip)
    lookup, counts = table.lookup(), np.zeros(256, np.int64)
    above = next(p for p in target.absolute().parents if p.is_dir())
    with Making(above / 'colours', folder=True) as beside:
        for path in progress(list(places)):
            index = to_index(read_rgb(path), lookup, path, unknown)
            index = resize(index, size) if size else index
            Path(beside, places[path]).parent.mkdir(parents=True, exist_ok=True)
            write_label(Path(beside, places[path]), index, table.palette)
            counts += np.bincount(index.reshape(-1), minlength=256)
        for place in places.values():
            (target / place).parent.mkdir(parents=True, exist_ok=True)
            with replacing(target / place) as made:
                shutil.move(Path(beside, place), made)
    return {i: int(n) for i, n in enumerate(counts) if n}
