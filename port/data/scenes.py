"""A small seeded dataset, drawn, in the layouts of PASCAL VOC, SBDD and DeepLab's lists: what the
demo trains on.

Six of VOC's classes as shapes with curved outlines and thin parts, each with its own colours and
texture, one to three on textured ground. ROOT/pascal/VOC2011 holds JPEGImages, SegmentationClass
(palette PNGs, void at outlines) and lists; ROOT/sbdd/dataset holds img, cls/*.mat and train.txt.
ROOT/VOC2012 holds JPEGImages, SegmentationClassAug and list/{train_aug,val,trainval_aug}.txt, whose
lines name an image and its labels.
"""

import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from netspec.schema import workroom
from port.data.label_pictures import make_palette
from port.data.voc import CLASSES, VOID
from port.images.mat_files import mat_bytes

SMOOTH = 3  # masks are drawn this many times larger and averaged
GROUNDS = ((118, 104, 86), (96, 98, 104), (132, 124, 112), (88, 80, 78), (110, 108, 90))


class Pen:
    """Draw a mask in units of the object: x, y from -1 to 1, turned, mirrored, scaled, moved."""

    def __init__(self, size: tuple[int, int], middle: tuple[float, float], scale: float,
                 angle: float, mirror: int) -> None:
        self.size, self.scale = size, scale * SMOOTH
        self.image = Image.new('L', (size[1] * SMOOTH, size[0] * SMOOTH))
        self.draw = ImageDraw.Draw(self.image)
        c, s = math.cos(angle), math.sin(angle)
        self.turn = np.array([[c * mirror, s * mirror], [-s, c]]) * self.scale
        self.middle = np.array(middle) * SMOOTH

    def place(self, points: object) -> list[tuple[float, float]]:
        """Give the pixels of points in the object's units."""
        return [tuple(p) for p in np.asarray(points, dtype=float) @ self.turn + self.middle]

    def fill(self, points: object) -> None:
        """Fill a polygon."""
        self.draw.polygon(self.place(points), fill=255)

    def disc(self, x: float, y: float, rx: float, ry: float | None = None) -> None:
        """Fill an ellipse."""
        t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        self.fill(np.stack([x + rx * np.cos(t), y + (ry or rx) * np.sin(t)], 1))

    def stroke(self, points: object, width: float) -> None:
        """Draw a line with round ends; width in the object's units."""
        pixels, half = self.place(points), width * self.scale / 2
        self.draw.line(pixels, fill=255, width=max(1, round(2 * half)), joint='curve')
        for x, y in (pixels[0], pixels[-1]):
            self.draw.ellipse((x - half, y - half, x + half, y + half), fill=255)

    def ring(self, x: float, y: float, radius: float, width: float) -> None:
        """Draw a circle as a line."""
        t = np.linspace(0, 2 * np.pi, 40)
        self.stroke(np.stack([x + radius * np.cos(t), y + radius * np.sin(t)], 1), width)

    def mask(self) -> np.ndarray:
        """Give the coverage of each pixel, H x W in 0..1."""
        small = self.image.resize((self.size[1], self.size[0]), Image.Resampling.BOX)
        return np.asarray(small, dtype=np.float32) / 255


def aeroplane(pen: Pen, rng: np.random.Generator) -> None:
    """A fuselage with swept wings and a tail."""
    sweep = rng.uniform(.1, .35)
    pen.disc(0, 0, 1, .2)
    pen.fill([(.25, 0), (-.1 - sweep, -.75), (-.4 - sweep, -.75), (-.25, 0)])
    pen.fill([(.25, 0), (-.1 - sweep, .75), (-.4 - sweep, .75), (-.25, 0)])
    pen.fill([(-.6, 0), (-.9, -.42), (-1.1, -.42), (-.95, 0)])


def bicycle(pen: Pen, rng: np.random.Generator) -> None:
    """Two wheels and a frame, all of thin lines."""
    width, radius = rng.uniform(.15, .19), rng.uniform(.36, .42)
    for x in (-.58, .58):
        pen.ring(x, .3, radius, width)
    pen.stroke([(-.58, .3), (-.2, -.25), (.4, -.25), (.05, .3), (-.58, .3)], width)
    pen.stroke([(.05, .3), (-.25, -.4), (-.42, -.4)], width)
    pen.stroke([(.58, .3), (.34, -.55), (.58, -.6)], width)


def car(pen: Pen, rng: np.random.Generator) -> None:
    """A body with a rounded cabin on two wheels."""
    height = rng.uniform(.4, .55)
    pen.fill([(-1, -.1), (1, -.1), (1, .35), (-1, .35)])
    pen.disc(-.05, -.1, .62, height)
    for x in (-.55, .55):
        pen.disc(x, .36, .24)


def cat(pen: Pen, rng: np.random.Generator) -> None:
    """A round body and head, pointed ears and a long curved tail."""
    pen.disc(0, .15, .62, .45)
    pen.disc(.62, -.3, .32)
    pen.fill([(.36, -.4), (.4, -.78), (.62, -.55)])
    pen.fill([(.64, -.55), (.86, -.78), (.9, -.4)])
    t = np.linspace(0, 1, 16)
    bend = rng.uniform(.35, .6)
    pen.stroke(np.stack([-.5 - .5 * np.sin(3 * t), .2 - 1.05 * t + bend * (t - t * t)], 1), .17)
    for x in (-.35, .35):
        pen.stroke([(x, .4), (x, .75)], .2)


def person(pen: Pen, rng: np.random.Generator) -> None:
    """A head, a trunk, and arms and legs as thick lines."""
    lift, step = rng.uniform(-.5, .5, 2), rng.uniform(.15, .4, 2)
    pen.disc(0, -.78, .2, .22)
    pen.disc(0, -.2, .27, .42)
    for side in (0, 1):
        way = 2 * side - 1
        pen.stroke([(0, -.42), (way * .36, -.15), (way * .58, -.15 - lift[side] * .8)], .17)
        pen.stroke([(0, .05), (way * step[side] * .7, .5), (way * step[side], 1)], .2)


def pottedplant(pen: Pen, rng: np.random.Generator) -> None:
    """Leaves that fan out from a pot."""
    pen.fill([(-.36, .4), (.36, .4), (.26, 1), (-.26, 1)])
    for angle in np.linspace(-1.25, 1.25, int(rng.integers(4, 7))):
        t = np.linspace(0, np.pi, 14)
        along, across = np.sin(t / 2) * rng.uniform(1.1, 1.4), .17 * np.sin(t)
        out = np.concatenate([np.stack([along, across], 1), np.stack([along, -across], 1)[::-1]])
        c, s = math.cos(angle), math.sin(angle)
        pen.fill(out @ np.array([[s, -c], [c, s]]) + (0, .42))


@dataclass(frozen=True)
class Look:
    """How a class is drawn: its outline, two colours, the texture between them, its period."""

    outline: Callable[[Pen, np.random.Generator], None]
    colours: tuple[tuple[int, int, int], tuple[int, int, int]]
    texture: str
    period: float
    scale: tuple[float, float]  # of the shorter side of the image
    turn: float  # largest angle


LOOKS = {
    'aeroplane': Look(aeroplane, ((235, 240, 245), (90, 205, 225)), 'stripes', 7, (.49, .68), 3.2),
    'bicycle': Look(bicycle, ((205, 20, 35), (250, 70, 60)), 'plain', 9, (.54, .68), .25),
    'car': Look(car, ((30, 50, 190), (75, 120, 250)), 'checks', 10, (.41, .59), .2),
    'cat': Look(cat, ((245, 150, 20), (130, 70, 5)), 'stripes', 9, (.46, .65), .3),
    'person': Look(person, ((225, 60, 190), (120, 20, 130)), 'bands', 8, (.54, .68), .25),
    'pottedplant': Look(pottedplant, ((20, 110, 30), (110, 215, 60)), 'dots', 6, (.46, .62), .2),
}
DRAWN = tuple(CLASSES.index(name) for name in LOOKS)
TEXTURES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    'plain': lambda u, v: .3 * np.sin(u) * np.sin(v),
    'stripes': lambda u, v: np.sin(u + .5 * np.sin(v / 3)),
    'bands': lambda u, v: np.where(np.sin(v) > 0, .9, -.9),
    'checks': lambda u, v: np.where(np.sin(u / 2) * np.sin(v / 2) > 0, .9, -.9),
    'dots': lambda u, v: 2 * (np.sin(u) * np.sin(v)) ** 2 - 1,
}


def texture(look: Look, size: tuple[int, int], angle: float,
            rng: np.random.Generator) -> np.ndarray:
    """Paint a whole image, H x W x 3 floats, in the texture of a class."""
    y, x = np.mgrid[:size[0], :size[1]].astype(np.float32) * (2 * np.pi / look.period)
    u = x * math.cos(angle) + y * math.sin(angle) + rng.uniform(0, 6)
    v = y * math.cos(angle) - x * math.sin(angle) + rng.uniform(0, 6)
    mix = (TEXTURES[look.texture](u, v)[..., None] + 1) / 2
    first, second = np.array(look.colours) + rng.normal(0, 8, (2, 3))
    return first * (1 - mix) + second * mix


def clouds(size: tuple[int, int], cells: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise, H x W with values about -1..1, of about `cells` hills across."""
    coarse = rng.normal(0, .5, (cells, cells + 1)).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC))


def ground(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Paint the ground: two dull tones in clouds and warped bands, H x W x 3 floats."""
    pair = rng.choice(len(GROUNDS), 2, replace=False)
    one, two = (np.array(GROUNDS[i]) + rng.normal(0, 6, 3) for i in pair)
    y, x = np.mgrid[:size[0], :size[1]].astype(np.float32)
    angle, period = rng.uniform(0, np.pi), rng.uniform(5, 14)
    phase = (x * math.cos(angle) + y * math.sin(angle)) * (2 * np.pi / period)
    bands = np.sin(phase + 3 * clouds(size, 4, rng))
    mix = np.clip(.5 + .6 * clouds(size, 5, rng) + .2 * bands, 0, 1)[..., None]
    return one * (1 - mix) + two * mix + 14 * clouds(size, 24, rng)[..., None]


def draw_scene(size: tuple[int, int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw one scene: H x W x 3 uint8 pixels and H x W uint8 labels without void."""
    pixels, labels = ground(size, rng), np.zeros(size, np.uint8)
    count = int(rng.choice([1, 2, 3], p=[.3, .45, .25]))
    for slot, name in enumerate(rng.choice(list(LOOKS), count, replace=False)):
        look = LOOKS[name]
        scale = rng.uniform(*look.scale) * min(size) * (1, .9, .8)[count - 1]
        middle = ((slot + rng.uniform(.35, .65)) / count * size[1],
                  rng.uniform(.38, .62) * size[0])
        angle = rng.uniform(-look.turn, look.turn)
        pen = Pen(size, middle, scale, angle, int(rng.choice([-1, 1])))
        look.outline(pen, rng)
        cover = pen.mask()
        pixels += cover[..., None] * (texture(look, size, angle, rng) - pixels)
        labels[cover >= .5] = CLASSES.index(name)
    light = 1 + .18 * clouds(size, 3, rng)[..., None]
    pixels = pixels * light + rng.normal(0, 5, pixels.shape)
    return np.clip(pixels, 0, 255).astype(np.uint8), labels


def void_border(labels: np.ndarray) -> np.ndarray:
    """Set the pixels on either side of every outline to void, as VOC's annotators left them."""
    edge = np.zeros(labels.shape, bool)
    for low, high in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        differs = labels[low] != labels[high]
        edge[low] |= differs
        edge[high] |= differs
    return np.where(edge, np.uint8(VOID), labels)


def scenes(split: str, count: int, size: tuple[int, int],
           seed: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield name, pixels and labels; scene i of a split is the same whatever the count."""
    for i in range(count):
        rng = np.random.default_rng([seed, sum(split.encode()), i])
        yield f'{split}_{i:06d}', *draw_scene(size, rng)


def draw_dataset(root: str | os.PathLike[str], train: int = 160, val: int = 40,
                 size: tuple[int, int] = (120, 160), seed: int = 1337) -> Path:
    """Draw the dataset below `root`, whole or not at all; one drawn alike before is kept.

    Gives `root`. FileExistsError where something else stands there; an empty folder may.
    """
    root, recipe = Path(root), {'train': train, 'val': val, 'size': list(size), 'seed': seed}
    if root.exists() and not (root.is_dir() and not any(root.iterdir())):
        note = root / 'scenes.json'
        if note.is_file() and json.loads(note.read_text()) == recipe:
            return root
        raise FileExistsError(f'{root} exists and is not a drawn dataset of {recipe}; '
                              'remove it or name another folder')
    root.parent.mkdir(parents=True, exist_ok=True)
    with workroom(root) as beside:
        _write_dataset(beside, recipe)
        os.replace(beside, root)
    return root


def _write_dataset(root: Path, recipe: dict) -> None:
    voc, sbdd = root / 'pascal' / 'VOC2011', root / 'sbdd' / 'dataset'
    lists = voc / 'ImageSets' / 'Segmentation'
    for folder in (voc / 'JPEGImages', voc / 'SegmentationClass', lists, sbdd / 'img',
                   sbdd / 'cls'):
        folder.mkdir(parents=True)
    palette = make_palette(256).tobytes()
    for split in ('train', 'val'):
        names = []
        for name, pixels, labels in scenes(split, recipe[split], recipe['size'], recipe['seed']):
            names.append(name)
            memory = BytesIO()             # Pillow takes a JPEG that is cut short for whole
            Image.fromarray(pixels).save(memory, 'JPEG', quality=95)
            (voc / 'JPEGImages' / f'{name}.jpg').write_bytes(memory.getvalue())
            index = Image.fromarray(void_border(labels))
            index.putpalette(palette)
            index.save(voc / 'SegmentationClass' / f'{name}.png')
            _copy(voc / 'JPEGImages' / f'{name}.jpg', sbdd / 'img' / f'{name}.jpg')
            _write_struct(sbdd / 'cls' / f'{name}.mat', labels)
        text = ''.join(f'{name}\n' for name in names)
        for path in (lists / f'{split}.txt', sbdd / f'{split}.txt'):
            path.write_text(text)
    _copy(lists / 'val.txt', lists / 'seg11valid.txt')
    _write_listed(root / 'VOC2012', voc)
    (root / 'scenes.json').write_text(json.dumps(recipe))


def _write_listed(root: Path, voc: Path) -> None:
    """Write what a drawn VOC2011 holds as DeepLab's authors laid VOC 2012 out."""
    (root / 'list').mkdir(parents=True)
    for source, target in (('JPEGImages', 'JPEGImages'),
                           ('SegmentationClass', 'SegmentationClassAug')):
        (root / target).mkdir()
        for path in sorted((voc / source).iterdir()):
            _copy(path, root / target / path.name)
    lines = {split: [f'/JPEGImages/{name}.jpg /SegmentationClassAug/{name}.png\n' for name in
                     (voc / f'ImageSets/Segmentation/{split}.txt').read_text().split()]
             for split in ('train', 'val')}
    for name, listed in (('train_aug', lines['train']), ('val', lines['val']),
                         ('trainval_aug', lines['train'] + lines['val'])):
        (root / 'list' / f'{name}.txt').write_text(''.join(listed))


def _copy(source: Path, target: Path) -> None:
    """Copy a file; shutil's ways take the end of the room for the end of the file."""
    target.write_bytes(source.read_bytes())


def _write_struct(path: Path, labels: np.ndarray) -> None:
    present = np.setdiff1d(labels, [0]).astype(np.uint8)[:, None]
    struct = {'Segmentation': labels, 'CategoriesPresent': present}
    path.write_bytes(mat_bytes({'GTcls': struct}, packed=True))
