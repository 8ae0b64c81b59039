"""What is done to a mutant: it is read as its user would read it, within bounds of its size."""

import contextlib
import random
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np

NET_BOUND = 1 << 28              # bytes that a net may ask for here: the machine of the campaign
REFUSALS = (ValueError, KeyError, OSError)          # what a reader says of a bad file


def as_net(path: Path, rng: random.Random) -> None:
    """Look at a net in both phases: summary, build, a pass forward and back."""
    from netspec.schema.messages import TEST, TRAIN
    from port.engine.net import Net
    from port.engine.net_policy import looking_only
    with looking_only():
        net = Net(path, rng.choice((TRAIN, TEST)))
        if sum(blob.count for blob in net.all_blobs.values()) < 1 << 17:
            net.run_forward()
            net.backward()


def as_summary(path: Path, rng: random.Random) -> None:
    """Print what `fcn summary` prints, and draw the net."""
    from click.testing import CliRunner

    from port.cli import main
    done = CliRunner().invoke(main, ['summary', str(path)])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    if done.exit_code and (done.output.count('\n') != 1 or len(done.output) > 2100):
        raise AssertionError(f'more than a line: {done.output[:300]}')


def as_solver(path: Path, rng: random.Random) -> None:
    """Make a solver and take three steps."""
    from port.engine.net_policy import looking_only
    from port.training.solver import Solver
    with looking_only(), contextlib.chdir(path.parent):
        solver = Solver(path)
        if solver.param.iter_size < 100 and max([0, *solver.param.test_iter]) < 100:
            solver.step(3)


def as_weights(path: Path, rng: random.Random) -> None:
    """Read weights of any kind; they hold no more than a small multiple of the file."""
    from port.engine.torch_weights import read_weights
    weights = read_weights(path)
    held = sum(np.asarray(blob).nbytes for blobs in weights.values() for blob in blobs
               if blob is not None)
    assert held <= 1100 * path.stat().st_size, f'{held} bytes of {path.stat().st_size}'


def as_state(path: Path, rng: random.Random) -> None:
    """Resume a small training from a state."""
    from mutants import SOLVER

    from netspec.schema import parse_solver
    from port.training.snapshot import read_state
    from port.training.solver import Solver
    read_state(path)
    with contextlib.chdir(path.parent):
        Solver(parse_solver(SOLVER)).restore(path)


def as_mat(path: Path, rng: random.Random) -> None:
    from port.images.mat_files import read_array
    read_array(path, *rng.choice((('GTcls', 'Segmentation'), ('S',))))


def as_picture(path: Path, rng: random.Random) -> None:
    from port.data import readers
    rng.choice((readers.read_rgb, readers.read_grey, readers.read_index))(path)


IMAGES = """layer { name: "d" type: "%s" top: "d" top: "l" %s { source: "%s" batch_size: 1
%s } transform_param { crop_size: 3 } }"""


def as_list(path: Path, rng: random.Random) -> None:
    """Read a list as a dataset's, a table of colours, or the source of a data layer."""
    from netspec.schema import parse_net
    from netspec.schema.messages import TEST
    from port.data.colour_labels import read_table
    from port.data.readers import read_names
    from port.engine.net import Net
    from port.layers.hdf5_data import read_file_list

    def layer(kind: str, param: str) -> None:
        more = 'shuffle: true' if kind == 'ImageData' else ''
        Net(parse_net(IMAGES % (kind, param, path, more)), TEST)
    rng.choice((lambda: read_table(path), lambda: read_names(path),
                lambda: read_file_list(str(path)), lambda: layer('ImageData', 'image_data_param'),
                lambda: layer('WindowData', 'window_data_param')))()


def as_binaryproto(path: Path, rng: random.Random) -> None:
    from netspec.schema import blob_array, read_blob
    blob_array(read_blob(path))


Reader = Callable[[Path, random.Random], None]
READERS: dict[str, tuple[str, tuple[Reader, ...]]] = {
    'net': ('n.prototxt', (as_net, as_net, as_net, as_summary)),
    'solver': ('s.prototxt', (as_solver,)),
    'caffemodel': ('w.caffemodel', (as_weights,)),
    'hdf5': ('w.h5', (as_weights, as_state)),
    'torch': ('w.pth', (as_weights,)), 'npz': ('w.npz', (as_weights,)),
    'safetensors': ('w.safetensors', (as_weights,)),
    'state': ('s.solverstate', (as_state,)), 'mat': ('a.mat', (as_mat,)),
    'picture': ('a.png', (as_picture,)), 'list': ('a.txt', (as_list,)),
    'binaryproto': ('m.binaryproto', (as_binaryproto,))}


def bound_memory(more: int) -> None:
    """Let this process have so many bytes more than it has now, and nets a machine of 256 MiB."""
    from port.engine import memory
    memory.machine_memory = lambda: NET_BOUND
    pages = int(Path('/proc/self/statm').read_text().split()[0])
    limit = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def complaint(error: BaseException) -> str:
    """Return why an error is a fault and no refusal; '' for a refusal."""
    text = str(error)
    if isinstance(error, REFUSALS) and text.strip() and '\n' not in text.strip():
        return ''
    return f'{type(error).__name__}: {text[:300]}'
