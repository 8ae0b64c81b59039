"""Nets that read and write data, drawn at random: Data, ImageData, WindowData, MemoryData,
HDF5Output and Python layers; nothing that is left to random numbers of the layers themselves.
"""

import io
import struct
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from drawn_nets import Case, field, given, layer

MANY, WIDE = 7, 12                       # records or images of a source; their longest side
READ = 'import h5py, numpy; f = h5py.File("rows.h5"); numpy.savez("rows.npz", **' \
       '{f"file:{k}": f[k][...] for k in f})'


def message(**fields: Any) -> bytes:
    """Write protobuf fields, named by kind and number: n for integers, b bytes, f floats."""
    out = b''
    for name, value in fields.items():
        kind, number = name[0], int(name[1:])
        if kind == 'n':
            out += varint(number << 3) + varint(value)
        elif kind == 'b':
            out += varint(number << 3 | 2) + varint(len(value)) + value
        else:
            out += b''.join(varint(number << 3 | 5) + struct.pack('<f', one) for one in value)
    return out


def varint(value: int) -> bytes:
    value, out = value % (1 << 64), b''
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def picture(random: np.random.RandomState, form: str, size: tuple[int, int],
            channels: int) -> bytes:
    """Return an image file of coarse random pixels."""
    from PIL import Image
    coarse = random.randint(0, 256, (4, 5, channels)).astype('u1')
    rows, columns = (np.arange(n) * m // n for n, m in zip(size, coarse.shape, strict=False))
    pixels = coarse[rows][:, columns]
    memory = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels).save(memory, form)
    return memory.getvalue()


def transform(r: Random, channels: int, phase: int, size: tuple[int, int] | None,
              *more: str) -> str:
    """Return transform_param; a crop from the centre in TEST alone, for in TRAIN it is random."""
    values: dict[str, object] = {'scale': r.choice([None, .5, 0.00390625])}
    if r.random() < .5:
        values['mean_value'] = [round(r.uniform(0, 200), 1)
                                for _ in range(r.choice([1, channels]))]
    elif size and r.random() < .4:
        values['mean_file'] = '"mean.binaryproto"'
    if phase and size and r.random() < .6:
        values['crop_size'] = r.randint(1, min(size))
    return field('transform_param', **values)[:-1] + ' '.join(more) + ' }'


def means(random: np.random.RandomState, shape: tuple[int, ...]) -> bytes:
    """Return a mean as a BlobProto."""
    values = random.uniform(0, 200, shape).astype('<f4')
    return message(n1=1, n2=shape[0], n3=shape[1], n4=shape[2]) + message(b5=values.tobytes())


# -- the kinds of sources --------------------------------------------------------------------------

def database(r: Random) -> Case:
    """Data from an LMDB: bytes, floats or image files."""
    channels, size, phase = r.choice([1, 3]), (r.randint(3, WIDE), r.randint(3, WIDE)), \
        r.randint(0, 1)
    how, tops, seed = r.choice(['bytes', 'floats', 'image']), r.randint(1, 2), r.randrange(1 << 30)
    forced = '' if how != 'image' else r.choice(['', 'force_color: true', 'force_gray: true'])
    shown = {'force_color: true': 3, 'force_gray: true': 1}.get(forced, channels)

    def prepare(place: Path) -> None:
        import lmdb
        random = np.random.RandomState(seed)
        Path('mean.binaryproto').write_bytes(means(random, (shown, *size)))
        with lmdb.open('records', map_size=1 << 22) as env, env.begin(write=True) as writer:
            for i in range(MANY):
                head = message(n1=channels, n2=size[0], n3=size[1])
                if how == 'bytes':
                    head += message(b4=random.bytes(channels * size[0] * size[1]))
                elif how == 'floats':
                    head += message(f6=random.uniform(-9, 9, channels * size[0] * size[1]))
                else:
                    head += message(b4=picture(random, 'PNG', size, channels), n7=1)
                writer.put(f'{(i * 3) % MANY:04d}'.encode(), head + message(n5=i - 2))
    text = layer('d', 'Data', [], ['data', 'label'][:tops], transform(
        r, shown, phase, size, forced) + f' data_param {{ source: "records" backend: LMDB '
        f'batch_size: {r.randint(1, 9)} }}')
    return Case(text, phase, prepare=prepare, passes=3, followed=True)


def images(r: Random) -> Case:
    """ImageData: a list of images, as they are or resized."""
    size, phase, seed = (r.randint(3, WIDE), r.randint(3, WIDE)), r.randint(0, 1), r.randrange(
        1 << 30)
    color, root, resized = r.random() < .7, r.choice(['', 'pictures/']), r.random() < .5
    new = (r.randint(2, 20), r.randint(2, 20)) if resized else size
    forms = [r.choice(['PNG', 'BMP', 'JPEG', 'PPM']) for _ in range(MANY)]
    channels = [r.choice([1, 3]) for _ in forms]

    def prepare(place: Path) -> None:
        random, lines = np.random.RandomState(seed), []
        Path('pictures').mkdir()
        Path('mean.binaryproto').write_bytes(means(random, (3 if color else 1, *new)))
        for i, (form, count) in enumerate(zip(forms, channels, strict=True)):
            name = f'a b{i}.{form.lower()}'
            Path('pictures', name).write_bytes(picture(random, form, size, count))
            lines.append(f'{"" if root else "pictures/"}{name} {random.randint(-3, 9)}')
        Path('list.txt').write_text('\n'.join(lines) + r.choice(['', '\n']))
    more = field('image_data_param', source='"list.txt"', batch_size=r.randint(1, 9),
                 root_folder=f'"{root}"' if root else None, is_color=color,
                 new_height=new[0] if resized else None, new_width=new[1] if resized else None)
    text = layer('d', 'ImageData', [], ['data', 'label'], transform(
        r, 3 if color else 1, phase, new) + ' ' + more)
    return Case(text, phase, prepare=prepare, passes=3, followed=True)


def windows(r: Random) -> Case:
    """WindowData with one window of the object and one of the background to draw from."""
    size, seed = (r.randint(8, 30), r.randint(8, 30)), r.randrange(1 << 30)

    def box() -> str:
        top, left = r.randint(0, size[0] - 3), r.randint(0, size[1] - 3)
        return (f'{left} {top} {r.randint(left + 1, size[1] - 1)} '
                f'{r.randint(top + 1, size[0] - 1)}')
    lines = f'# 0\npicture.png\n3\n{size[0]}\n{size[1]}\n2\n{r.randint(1, 9)} 0.9 {box()}\n' \
            f'{r.randint(1, 9)} 0.1 {box()}\n'

    def prepare(place: Path) -> None:
        random = np.random.RandomState(seed)
        Path('picture.png').write_bytes(picture(random, 'PNG', size, 3))
        Path('windows.txt').write_text(lines)
    more = field('window_data_param', source='"windows.txt"', batch_size=r.choice([2, 4, 5]),
                 fg_threshold=.5, bg_threshold=.5, fg_fraction=r.choice([.25, .5, .6]),
                 context_pad=r.choice([None, 1, 3]), crop_mode=r.choice(['"warp"', '"square"']),
                 scale=r.choice([None, .25]))
    mean = [round(r.uniform(0, 200), 1) for _ in range(3)] if r.random() < .5 else None
    text = layer('d', 'WindowData', [], ['data', 'label'], more + ' ' + field(
        'transform_param', crop_size=r.randint(3, 14), mean_value=mean))
    return Case(text, r.randint(0, 1), prepare=prepare, followed=True)


def memory(r: Random) -> Case:
    """MemoryData fed by set_input_arrays, around its end."""
    batch, shape, seed = r.randint(1, 3), [r.randint(1, 4) for _ in range(3)], r.randrange(1 << 30)
    count = batch * r.randint(1, 3)

    def feed(net: Any) -> None:
        random = np.random.RandomState(seed)
        net.set_input_arrays(random.uniform(-2, 2, (count, *shape)).astype('f'),
                             random.randint(0, 9, (count, 1, 1, 1)).astype('f'))
    text = layer('d', 'MemoryData', [], ['data', 'label'], field(
        'memory_data_param', batch_size=batch, channels=shape[0], height=shape[1], width=shape[2]))
    return Case(text, r.randint(0, 1), feed=feed, passes=4, followed=True)


def outputs(r: Random) -> Case:
    """HDF5Output, whose file is read again."""
    batch = r.randint(1, 4)
    text = given('x', (batch, *(r.randint(1, 5) for _ in range(r.randint(0, 3)))))
    text += given('label', (batch, *(r.randint(1, 2) for _ in range(r.randint(0, 3)))))
    text += layer('t', 'TanH', ['x'], ['y']) + layer(
        'o', 'HDF5Output', ['y', 'label'], [], 'hdf5_output_param { file_name: "rows.h5" }')

    def after() -> dict[str, np.ndarray]:
        # Caffe has an HDF5 library of its own in this process, another than h5py's
        subprocess.run([sys.executable, '-c', READ], check=True)
        return dict(np.load('rows.npz'))
    return Case(text, r.randint(0, 1), passes=1, after=after)


def python(r: Random) -> Case:
    """Layers written in Python (drawn_layers.py) among others; their gradients too."""
    shape = (r.randint(1, 3), r.randint(1, 4), r.randint(1, 5))
    text = 'force_backward: true\n' + given('x', shape)
    blobs = ['x']
    for i in range(r.randint(1, 4)):
        kind, source = r.choice(['Scaled', 'Joined', 'Halves', 'Learnt', 'Counter', 'TanH',
                                 'Loss']), r.choice(blobs)
        below = {'Joined': [source, r.choice(blobs)], 'Counter': [], 'Loss': [source, source]}.get(
            kind, [source])
        above = [f'b{i}', f'c{i}'] if kind == 'Halves' else [f'b{i}']
        if kind == 'TanH':
            text += layer(f'l{i}', kind, below, above)
        else:
            dims = ','.join(map(str, shape))
            text += layer(f'l{i}', 'Python', below, above, (
                f'python_param {{ module: "drawn_layers" layer: "{kind}" '
                f'param_str: "{round(r.uniform(-2, 2), 3)} {dims}" }}')
                + (f' loss_weight: {r.uniform(.5, 2):.3f}' if kind == 'Loss' else ''))
        blobs += [] if kind == 'Loss' else above
    return Case(text, r.randint(0, 1), passes=2)


SOURCES = (database, images, windows, memory, outputs, python)


def of_data(r: Random) -> Case:
    """A net of one kind of source."""
    return r.choice(SOURCES)(r)
