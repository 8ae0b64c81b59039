"""Damaged and misleading inputs, each made from a seed number alone.

Nets and solvers are changed through protobuf's descriptors, so that nearly all pass the parser and
reach what lies behind; files are changed byte by byte, by slices, and by the numbers in them.
"""

import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from netspec.schema import parse_net, parse_solver, print_net, print_solver
from netspec.schema.messages import NetParameter, SolverParameter, is_repeated

GOLDEN = Path(__file__).resolve().parents[1] / 'golden'
SMALL = (0, 1, 2, 3, 4, 5, 7, 8, 16, -1)
LARGE = (63, 64, 100, 255, 256, 1000, 65535, 65536, 1 << 20, 2 * 10 ** 9, (1 << 31) - 1,
         -(1 << 31), (1 << 32) - 1, 1 << 40, (1 << 63) - 1, -2)
FLOATS = (0., 1., -1., .5, 2., 1e-30, 1e30, float('inf'), float('nan'), -0., .999, 100.)
TEXTS = ('', 'x', 'data', '../x', 'a' * 300, 'xavier', 'gaussian', 'bilinear', 'constant', 'msra',
         'é', '/dev/null', 'voc_layers', "{'split': 'val'}", 'a/b', 'label', 'loss')


# -- messages --------------------------------------------------------------------------------------

@cache
def nets() -> list[NetParameter]:
    """Small nets of every layer type: the recorded cases."""
    return [parse_net(path.read_text()) for path in sorted((GOLDEN / 'layers').glob('*.prototxt'))]


@cache
def types() -> list[str]:
    """The types of all layers."""
    from port.engine.registry import known_types
    return known_types()


def _inside(message: Message) -> list[Message]:
    """Return a message and all messages in it."""
    found = [message]
    for field, value in message.ListFields():
        if field.message_type:
            for inner in value if is_repeated(field) else [value]:
                found += _inside(inner)
    return found


def _scalar(field: FieldDescriptor, rng: random.Random, names: list[str]) -> object:
    """Return a value of a field's type."""
    if field.enum_type:
        return rng.choice(field.enum_type.values).number
    if field.cpp_type in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
        return rng.choice(FLOATS)
    if field.cpp_type == field.CPPTYPE_BOOL:
        return rng.random() < .5
    if field.cpp_type == field.CPPTYPE_STRING:
        text = rng.choice([*names, *TEXTS])
        return text.encode() if field.type == field.TYPE_BYTES else text
    value = rng.choice(SMALL if rng.random() < .7 else LARGE)
    bits, signed = (64 if '64' in _kind(field) else 32), 'UINT' not in _kind(field)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return min(max(value, low), high)


def _kind(field: FieldDescriptor) -> str:
    kinds = {field.CPPTYPE_INT32: 'INT32', field.CPPTYPE_INT64: 'INT64',
             field.CPPTYPE_UINT32: 'UINT32', field.CPPTYPE_UINT64: 'UINT64'}
    return kinds[field.cpp_type]


def change(message: Message, rng: random.Random, names: list[str]) -> None:
    """Change one field of one message somewhere inside."""
    place = rng.choice(_inside(message))
    present = [field for field, _ in place.ListFields()]
    fields = present if present and rng.random() < .6 else place.DESCRIPTOR.fields
    field = rng.choice(list(fields))
    value = getattr(place, field.name)
    if is_repeated(field):
        _change_list(field, value, rng, names)
    elif rng.random() < .15:
        place.ClearField(field.name)
    elif field.message_type:
        if field.message_type.name != 'NetParameter':
            value.SetInParent()
    else:
        setattr(place, field.name, _scalar(field, rng, names))


def _change_list(field: FieldDescriptor, value, rng: random.Random, names: list[str]) -> None:
    what = rng.randrange(4)
    if len(value) and what == 0:
        del value[rng.randrange(len(value))]
    elif field.message_type:
        if len(value) and what < 3:
            value.add().CopyFrom(rng.choice(list(value)))
        else:
            value.add()
    elif len(value) and what < 3:
        value[rng.randrange(len(value))] = _scalar(field, rng, names)
    else:
        value.append(_scalar(field, rng, names))


def net(rng: random.Random) -> NetParameter:
    """Return a recorded net with some fields changed, layers swapped, retyped or joined."""
    message = NetParameter()
    message.CopyFrom(rng.choice(nets()))
    if rng.random() < .2:
        message.layer.extend(rng.choice(nets()).layer)
    names = [*{top for layer in message.layer for top in layer.top}]
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5))):
        layer = rng.choice(message.layer) if message.layer else message
        how = rng.random()
        if how < .08 and message.layer:
            layer.type = rng.choice(types())
        elif how < .12 and len(message.layer) > 1:
            one, other = rng.sample(range(len(message.layer)), 2)
            held = type(layer)()
            held.CopyFrom(message.layer[one])
            message.layer[one].CopyFrom(message.layer[other])
            message.layer[other].CopyFrom(held)
        else:
            change(layer if rng.random() < .85 else message, rng, names)
    return message


def net_text(rng: random.Random) -> bytes:
    """Return a changed net as text; one in five with bytes of the text changed as well."""
    raw = print_net(net(rng)).encode('utf-8', 'surrogateescape')
    return changed(raw, rng) if rng.random() < .2 else raw


SOLVER = '''
base_lr: 0.1 lr_policy: "step" gamma: 0.5 stepsize: 2 max_iter: 3 momentum: 0.9 display: 1
average_loss: 2 weight_decay: 0.01 snapshot_prefix: "s" test_iter: 1 test_interval: 2
net_param {
layer { name: "x" type: "DummyData" top: "x" top: "y" dummy_data_param {
    shape { dim: 4 dim: 3 } shape { dim: 4 dim: 2 } data_filler { type: "gaussian" } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "z" inner_product_param { num_output: 2
    weight_filler { type: "xavier" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "z" bottom: "y" top: "loss" } }
'''
SOLVERS = ('SGD', 'Nesterov', 'AdaGrad', 'RMSProp', 'AdaDelta', 'Adam')
POLICIES = ('fixed', 'step', 'exp', 'inv', 'multistep', 'poly', 'sigmoid', 'no')


def solver_text(rng: random.Random) -> bytes:
    """Return a small solver with some fields changed, as text."""
    message = SolverParameter()
    message.CopyFrom(parse_solver(SOLVER))
    message.type, message.lr_policy = rng.choice(SOLVERS), rng.choice(POLICIES)
    if rng.random() < .5:
        message.ClearField('momentum')
    for _ in range(rng.choice((1, 1, 2, 3))):
        change(message, rng, ['x', 'y', 'z'])
    raw = print_solver(message).encode('utf-8', 'surrogateescape')
    return changed(raw, rng) if rng.random() < .1 else raw


# -- bytes -----------------------------------------------------------------------------------------

def changed(raw: bytes, rng: random.Random) -> bytes:
    """Return bytes with a few flipped, overwritten by numbers, cut out, doubled or cut off."""
    data = bytearray(raw)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        if not data:
            return bytes(data)
        # half of the changes go to the beginning and the end, where headers and tables are
        near = rng.randrange(min(512, len(data)))
        at = rng.choice((rng.randrange(len(data)), rng.randrange(len(data)), near,
                         len(data) - 1 - near))
        how = rng.randrange(7)
        if how == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            data[at] = rng.choice((0, 1, 0x7f, 0x80, 0xff, rng.randrange(256)))
        elif how == 2:
            number = struct.pack(rng.choice('<>') + rng.choice('Iq'), rng.choice(
                [n for n in LARGE + SMALL if 0 <= n < 1 << 32]))
            data[at:at + len(number)] = number
        elif how == 3:
            del data[at:at + rng.choice((1, 2, 4, 8, 100))]
        elif how == 4:
            data[at:at] = data[at:at + rng.choice((1, 4, 8, 64))]
        elif how == 5:
            data[at:at] = bytes(rng.randrange(256) for _ in range(rng.choice((1, 4, 16))))
        else:
            del data[at + 1:]
    return bytes(data)


def layers(rng: random.Random) -> dict[str, list[np.ndarray]]:
    """Return small weights."""
    return {f'{name}{i}': [np.ones(rng.choice([(), (3,), (2, 3), (2, 3, 1, 1)]), 'f')
                           for _ in range(rng.randrange(3))]
            for i, name in enumerate(rng.sample(['conv', 'a/b', 'c.d', 'up'], rng.randint(1, 4)))}


def written(name: str, rng: random.Random, folder: Path) -> bytes:
    """Return what our writer makes of small weights, by the name of the file."""
    from port.engine.torch_weights import write_weights
    write_weights(folder / name, layers(rng))
    return (folder / name).read_bytes()


def hdf5(rng: random.Random, folder: Path) -> bytes:
    """Return an HDF5 file of h5py's: odd names, kinds, layouts, links; some damaged besides."""
    import h5py
    memory = io.BytesIO()
    with h5py.File(memory, 'w') as file:
        for _ in range(rng.randint(1, 6)):
            name = '/'.join(rng.choice(('data', 'conv', '0', '1', '99999999', 'iter', 'history',
                                        'fcn_state', 'learned_net', 'current_step', 'x'))
                            for _ in range(rng.randint(1, 4)))
            try:
                _put(file, rng.choice((name, f'data/{name}/{rng.randrange(3)}')), rng, folder)
            except (ValueError, TypeError, RuntimeError, OSError, KeyError):
                continue                         # the name is taken, or leads nowhere
    raw = memory.getvalue()
    return changed(raw, rng) if rng.random() < .5 else raw


def _put(file, name: str, rng: random.Random, folder: Path) -> None:
    import h5py
    how, shape = rng.randrange(12), tuple(rng.choice((0, 1, 2, 5)) for _ in range(rng.randrange(4)))
    kind = rng.choice(('f4', 'f8', 'f2', 'i4', 'u1', 'c8', 'S5', h5py.string_dtype(),
                       h5py.vlen_dtype('f4'), [('a', 'f4')], 'f4', 'f4'))
    if how == 0:
        file[name] = h5py.SoftLink(rng.choice(('/data', '/', name, '/nowhere', 'x')))
    elif how == 1:
        file[name] = h5py.ExternalLink(str(folder / 'other.h5'), '/data')
    elif how == 2:
        file.create_dataset(name, (1 << rng.randrange(40),), 'f4')
    elif how == 3:
        file.create_dataset(name, (1 << 36,), 'f4', chunks=(1 << 10,), compression='gzip')
    elif how == 4:
        file.create_dataset(name, (4,), 'f4', external=[(folder / 'outside', 0, 16)])
    elif how == 5:
        file[name] = h5py.Empty('f4')
    elif how == 6:
        file[name] = json.dumps(rng.choice(([], 3, {'rng': 3}, {'layers': {'x': 1}}, 'a')))
    elif how == 7:
        file.create_group(name)
    elif how == 8 and len(file):
        file[name] = file[rng.choice(list(file))]
    else:
        file.create_dataset(name, shape, kind, fillvalue=3 if kind == 'f4' else None)


def torch_file(rng: random.Random, folder: Path) -> bytes:
    """Return a file of torch.save: either format, odd tensors and containers; some damaged."""
    import torch
    odd = (torch.ones(2, 3), torch.ones(1).expand(1 << rng.randrange(40)), torch.ones(3).half(),
           torch.eye(3).to_sparse(), torch.ones(2, dtype=torch.complex64), torch.ones(3, 4).t(),
           torch.zeros(0, 3), torch.tensor(3), torch.ones(4, dtype=torch.bfloat16), 'text', [1],
           torch.nn.Parameter(torch.ones(2)), torch.ones(3, device='meta'))
    keys = ('a.0', 'a.1', 'features.0.weight', 'b.99999', 'x', 3, 'é.0')
    state = {rng.choice(keys): rng.choice(odd) for _ in range(rng.randint(0, 4))}
    whole = rng.choice((state, {'state_dict': state}, {'model': {'model': state}}, [state]))
    memory = io.BytesIO()
    torch.save(whole, memory, _use_new_zipfile_serialization=rng.random() < .5)
    return changed(memory.getvalue(), rng) if rng.random() < .7 else memory.getvalue()


def npz(rng: random.Random, folder: Path) -> bytes:
    """Return an .npz with a damaged member, or damaged itself."""
    memory = io.BytesIO()
    array = np.ones(rng.choice([(), (3,), (2, 3), (0,)]), rng.choice(['f4', 'f8', 'f2', 'U3']))
    single = io.BytesIO()
    np.save(single, array)
    with zipfile.ZipFile(memory, 'w', rng.choice((0, 8))) as archive:
        archive.writestr('a.0.npy', changed(single.getvalue(), rng))
        archive.writestr(rng.choice(('a.1.npy', 'b', 'x.npy', 'a.0.npy')), single.getvalue())
    return changed(memory.getvalue(), rng) if rng.random() < .4 else memory.getvalue()


def safetensors(rng: random.Random, folder: Path) -> bytes:
    """Return a .safetensors whose header says odd things, or that is damaged."""
    header = {'a.0': {'dtype': rng.choice(('F32', 'F16', 'BF16', 'I64', 'F8_E4M3', 'BOOL')),
                      'shape': [rng.choice((0, 1, 2, 1 << 40, (1 << 64) - 1)) for _ in range(2)],
                      'data_offsets': [0, rng.choice((0, 4, 8, 1 << 50))]},
              '__metadata__': {'layers': rng.choice(('{}', '[', '{"a": 1}')), 'net': 'x'}}
    text = json.dumps(header).encode()
    if rng.random() < .4:
        return changed(written('w.safetensors', rng, folder), rng)
    return struct.pack('<Q', len(text)) + text + bytes(rng.choice((0, 4, 8, 16)))


def state(rng: random.Random, folder: Path) -> bytes:
    """Return a .solverstate: histories, and what ours carry, of odd values."""
    from netspec.schema import array_blob
    from netspec.schema.messages import SolverState
    extra = {'rng': rng.choice(('', 'AAAA', 3, '*')), 'layers': rng.choice(
        ({}, [], {'x': {'passes': 9 * 10 ** 18}}, {'x': 3}, {'x': None})), 'weights_sha256': ''}
    text = json.dumps(rng.choice((extra, [], 3, None, 'x', extra, extra)))
    message = SolverState(iter=rng.choice(SMALL), learned_net=rng.choice(('', 'nothing', '/')),
                          current_step=rng.choice(SMALL), fcn_state=text.encode())
    message.history.extend(array_blob(np.ones(rng.choice([(2, 3), (2,), ()]), 'f'))
                           for _ in range(rng.choice((0, 1, 2, 2, 2))))
    raw = message.SerializeToString()
    return changed(raw, rng) if rng.random() < .6 else raw


def mat(rng: random.Random, folder: Path) -> bytes:
    """Return a damaged .mat in the forms of the datasets."""
    import scipy.io
    labels = np.arange(12, dtype=rng.choice(('u1', 'u2', 'f8'))).reshape(3, 4)
    memory = io.BytesIO()
    scipy.io.savemat(memory, {'x': 'text', 'GTcls': {'Boundaries': [1, 2], 'Segmentation': labels},
                              'S': labels}, do_compression=rng.random() < .5)
    return changed(memory.getvalue(), rng)


def picture(rng: random.Random, folder: Path) -> bytes:
    """Return a damaged picture of any kind that Pillow writes."""
    from PIL import Image
    image = Image.effect_noise((rng.randint(1, 40), rng.randint(1, 40)), 50).convert(
        rng.choice(('L', 'RGB', 'P', '1', 'RGBA', 'CMYK', 'I')))
    memory = io.BytesIO()
    form = rng.choice(('PNG', 'JPEG', 'BMP', 'GIF', 'TIFF', 'WEBP', 'PPM'))
    try:
        image.save(memory, form)
    except (OSError, ValueError):
        image.convert('RGB').save(memory, form)
    return changed(memory.getvalue(), rng)


LISTS = (b'a.jpg 0\nb c.jpg 3\n', b'a\nb\n\nc\n', b'# 0\na.jpg\n3 4 5\n1\n1 0.7 0 0 3 3\n',
         b'0 0 0 void\n128 0 0 car\n', b'\xef\xbb\xbfa\r\nb\r\n', b'a.h5 b.h5')


def listing(rng: random.Random, folder: Path) -> bytes:
    """Return a damaged list of files, of windows or of colours."""
    return changed(rng.choice(LISTS), rng)


def binaryproto(rng: random.Random, folder: Path) -> bytes:
    """Return a damaged mean file."""
    from netspec.schema import array_blob
    return changed(array_blob(np.ones((1, 3, 2, 2), 'f')).SerializeToString(), rng)


Maker = Callable[[random.Random, Path], bytes]
MAKERS: dict[str, Maker] = {
    'net': lambda rng, folder: net_text(rng),
    'solver': lambda rng, folder: solver_text(rng),
    'caffemodel': lambda rng, folder: changed(written('w.caffemodel', rng, folder), rng),
    'hdf5': hdf5, 'torch': torch_file, 'npz': npz, 'safetensors': safetensors, 'state': state,
    'mat': mat, 'picture': picture, 'list': listing, 'binaryproto': binaryproto}
