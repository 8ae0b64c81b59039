"""Reads and writes weights in any known kind of file, torch's own included.

Torch's files are pickles. They are read by torch's weights-only loader, which runs no code, and in
no other way.
"""

import io
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

import surgery
from netspec.schema.files import write_atomic
from netspec.variants import Variant
from surgery.foreign import magic
from surgery.pixels import IMAGENET, Pixels
from surgery.tensors import flatten, write_npz, write_safetensors
from surgery.torchvision import NORMED, check_trunk
from surgery.weight_files import ZIP_MAGIC, from_tensors

SUFFIXES = ('.pt', '.pth')
TENSOR_FILES = ('.safetensors', '.npz', *SUFFIXES)
ENDINGS = ('.caffemodel', '.h5', *TENSOR_FILES)
PICKLES = tuple(b'\x80' + bytes([protocol]) for protocol in range(2, 6))
NESTED = ('state_dict', 'model_state_dict', 'model_state', 'model', 'net', 'weights')
SHARED = 8         # times that tensors may name the same numbers, on average: tied weights do
ANEW = 'save it anew with torch.save(model.state_dict(), …)'


def read_weights(path: str | Path, mean: Sequence[float] | None = None,
                 pixels: Pixels | None = None, keep_norm: bool = False) -> surgery.Weights:
    """Read weights as surgery.read_weights does, and torch's .pt and .pth too."""
    if not is_torch(path):
        return surgery.read_weights(path, mean, pixels, keep_norm)
    return from_tensors(read_state_dict(path), path, mean, pixels, keep_norm=keep_norm)


def read_donor(path: str | Path, row: Variant, pixels: Pixels | None = None,
               check: bool = True) -> surgery.Weights:
    """Read the weights that a row starts from; a first layer learnt on RGB is fitted to the row's
    pixels.

    check: raise ValueError where they are of another architecture than the row's trunk.
    """
    weights = read_weights(path, donor_mean(row, pixels), pixels, row.trunk in NORMED)
    if check:
        try:
            check_trunk(weights, row.trunk, row.name)
        except ValueError as error:
            raise ValueError(f'{path}: {error}') from None
    return weights


def donor_mean(row: Variant, pixels: Pixels | None = None) -> tuple[float, ...]:
    """Return the mean, blue green red, that a first layer is fitted to.

    Where a row's pixels are no colours (HHA), their mean is treated as the colours' mean, as
    happens when Caffe's VGG16 is transplanted there: the bias stays.
    """
    first = row.inputs[0]
    return first.mean if first.kind == 'color' else (pixels or IMAGENET).centre


def is_torch(path: str | Path) -> bool:
    """Tell by its content whether torch.save wrote a file."""
    head = magic(path)
    if head.startswith(ZIP_MAGIC):
        try:
            with zipfile.ZipFile(path) as archive:
                return any(name.endswith(('/data.pkl', '/constants.pkl'))
                           for name in archive.namelist())
        except (zipfile.BadZipFile, NotImplementedError):
            return Path(path).suffix in SUFFIXES
    return head.startswith(PICKLES)


def read_state_dict(path: str | Path) -> dict[str, np.ndarray]:
    """Read a state dict, alone or inside a checkpoint; half precision as float32.

    Raises ValueError for a file that needs more than weights-only loading, or holds no state dict.
    """
    try:
        loaded = torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(f'{path}: holds more than tensors, and nothing else is ever unpickled; '
                         f'{ANEW} ({_first_line(error)})') from None
    except Exception as error:        # of a damaged file torch's old format raises any kind
        raise ValueError(f'{path}: no state dict: truncated, damaged, or TorchScript '
                         f'({_first_line(error)}); {ANEW}') from None
    tensors = _tensors(path, loaded)
    _check_sizes(path, tensors)
    return {key: _array(path, key, tensor) for key, tensor in tensors.items()}


def _check_sizes(path: str | Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Raise ValueError where the tensors' shapes claim more numbers than the file can hold.

    A stride of 0 makes one stored number count as many.
    """
    held = Path(path).stat().st_size
    for key, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        if size > held:
            raise ValueError(f'{path}: tensor {key!r} of shape {list(tensor.shape)} asks for '
                             f'{size:,} bytes, the file holds {held:,}; it is damaged, or expanded '
                             f'without numbers of its own: {ANEW}')
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    if total > SHARED * held:
        raise ValueError(f'{path}: {len(tensors)} tensors ask for {total:,} bytes, the file holds '
                         f'{held:,}; it is damaged, or they share their numbers: {ANEW}')


def _first_line(error: Exception) -> str:
    return str(error).partition('\n')[0][:120]


def _tensors(path: str | Path, loaded: object) -> dict[str, torch.Tensor]:
    """Find the state dict: the object itself, or what a checkpoint calls so."""
    inside = loaded if isinstance(loaded, Mapping) else {}
    for candidate in (loaded, *(inside[name] for name in NESTED if name in inside)):
        if isinstance(candidate, Mapping) and candidate and all(
                isinstance(key, str) and isinstance(value, torch.Tensor)
                for key, value in candidate.items()):
            return dict(candidate)
    keys = list(loaded)[:5] if isinstance(loaded, Mapping) else type(loaded).__name__
    raise ValueError(f'{path}: expected a state dict (names to tensors), alone or as one of '
                     f'{", ".join(NESTED)}; it holds {keys}')


def _array(path: str | Path, key: str, tensor: torch.Tensor) -> np.ndarray:
    if (tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex()
            or tensor.device.type != 'cpu'):
        raise ValueError(f'{path}: tensor {key!r} is {tensor.dtype}, {tensor.layout}, on '
                         f'{tensor.device}; expected plain numbers')
    if tensor.dtype in (torch.float16, torch.bfloat16):
        tensor = tensor.float()
    return tensor.detach().contiguous().numpy()


def write_weights(path: str | Path, weights: Mapping[str, Sequence[np.ndarray]]) -> None:
    """Write weights as surgery.write_weights does; .pt and .pth are a torch state dict.

    Its names are '<layer>.<index>', those of port.Net.state_dict().
    """
    if Path(path).suffix.lower() in SUFFIXES:
        write_tensors(path, flatten(weights))
    else:
        surgery.write_weights(path, weights)


def write_tensors(path: str | Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Write tensors under any names: .npz, .safetensors, or as torch.save does; all or nothing."""
    suffix = Path(path).suffix.lower()
    if suffix in ('.npz', '.safetensors'):
        return (write_npz if suffix == '.npz' else write_safetensors)(path, tensors)
    buffer = io.BytesIO()
    torch.save({key: torch.from_numpy(np.array(array)) for key, array in tensors.items()}, buffer)
    write_atomic(path, [buffer.getbuffer()])
