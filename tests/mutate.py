"""Change the code in small ways and show the changes that no test notices: `make mutate`.

cosmic-ray makes the changes, in a copy of the project below build/: one operator, number or
condition at a time. Each is tested by the tests of its module only, in a process forked from this
one, which has imported what takes long. Words given on the command line choose modules by a part of
their name; a number tries so many changes of each, drawn by chance.
"""

import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from difflib import unified_diff
from itertools import count
from pathlib import Path

import h5py  # noqa: F401
import hypothesis  # noqa: F401
import numpy as np  # noqa: F401
import onnx  # noqa: F401
import PIL.Image  # noqa: F401
import pytest
import torch  # noqa: F401
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).resolve().parents[1]
COPY = ROOT / 'build' / 'mutate'
SEED = 1
# Seconds that the tests of a change may compute, and may take: some changes run for ever.
COMPUTING, WAITING = 150, 1800
RESHAPING = ('accuracy', 'arg_max', 'batch_reindex', 'bn', 'concat', 'crop', 'dummy_data',
             'eltwise', 'embed', 'flatten', 'inner_product', 'input', 'lrn', 'mvn', 'reduction',
             'reshape', 'slice', 'tile')
MODULES = {    # whose slips would change numbers or lose files: the tests that hold each
    'port/fast/reach/blank_values.py': ('tests/port/fast/reach',),
    'port/native/library.py': ('tests/port/native/test_library.py',),
    'port/native/library_cache.py': ('tests/port/native/test_library_cache.py',
                                     'tests/port/native/test_library.py'),
    'port/predict/labelled.py': ('tests/port/predict/test_labelled.py',
                                 'tests/port/commands/test_infer.py'),
    'port/training/job.py': ('tests/port/training/test_job.py',),
    'port/training/solver.py': ('tests/port/training/test_solver.py',),
    'netspec/coord_map.py': ('tests/netspec/test_coord_map.py',),
    'netspec/layer_shapes.py': ('tests/netspec/test_layer_shapes.py',
                                *(f'tests/port/layers/test_{name}.py' for name in RESHAPING)),
    'netspec/layer_types.py': ('tests/netspec/test_layer_types.py',
                               'tests/netspec/test_layer_shapes.py',
                               'tests/port/engine/test_registry.py'),
    'netspec/schema/binary.py': ('tests/netspec/schema/test_binary.py',),
    'netspec/schema/files.py': ('tests/netspec/schema/test_files.py',),
    'netspec/schema/wire.py': ('tests/netspec/schema/test_wire.py',),
    'port/engine/net_weights.py': ('tests/port/engine/test_net_weights.py',),
    'port/training/lr_policy.py': ('tests/port/training/test_lr_policy.py',),
    'port/training/updates.py': ('tests/port/training/test_updates.py',),
    'surgery/bilinear.py': ('tests/surgery/test_bilinear.py',),
}
# Of the eleven ways to replace each arithmetic operator one is enough, and the bars of type
# annotations are no arithmetic.
PAIRS = ('Add_Sub', 'Sub_Add', 'Mul_FloorDiv', 'Div_Mul', 'FloorDiv_Mul', 'Mod_FloorDiv', 'Pow_Mul')
LEFT_OUT = re.compile(rf'core/ReplaceBinaryOperator_(?!({"|".join(PAIRS)})$)')


def copy_project() -> None:
    """Copy what git knows of the project, so that no change ever stands in the project itself."""
    shutil.rmtree(COPY, ignore_errors=True)
    listed = subprocess.run(['git', 'ls-files', '-z'], cwd=ROOT, check=True, capture_output=True)
    for name in listed.stdout.decode().split('\0'):
        if name and (ROOT / name).is_file():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, COPY / name)


def changed(code: str) -> Iterator[str]:
    """Yield a module's code with each change in turn."""
    for name in operator_names():
        operator = get_operator(name)
        if LEFT_OUT.match(name) or operator.arguments():
            continue
        for place in count():
            try:
                found = mutate_code(code, operator(), place)
            except AttributeError:      # an exception with a dot in its name: no change of it
                continue
            if found is None:
                break
            yield found


def passes(tests: tuple[str, ...]) -> bool:
    """Whether the tests pass in the copy as it stands; without an end they do not."""
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (COMPUTING, COMPUTING))
        signal.alarm(WAITING)
        os.chdir(COPY)
        sys.path.insert(0, str(COPY))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        os._exit(int(pytest.main(['-q', '-x', '-p', 'no:cacheprovider', '--assert=plain',
                               *tests])))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def mutate(module: str, tests: tuple[str, ...], most: int | None) -> tuple[int, int]:
    """Try the changes of a module, at most so many, and print those that no test notices; return
    the number of these and of all that were tried.
    """
    path = COPY / module
    code = path.read_text()
    if not passes(tests):
        raise SystemExit(f'{module}: its tests fail without a change')
    changes = [found for found in changed(code) if found != code]
    random.Random(SEED).shuffle(changes)
    survived = 0
    for found in changes[:most]:
        path.write_text(found)
        if passes(tests):
            survived += 1
            print(*unified_diff(code.splitlines(), found.splitlines(), module, module, n=1,
                                lineterm=''), sep='\n', flush=True)
    path.write_text(code)
    return survived, len(changes[:most])


def main(words: list[str]) -> None:
    """Print the survivors of each module, and a line with their number."""
    sys.dont_write_bytecode = True      # of a file that changes within a second, too
    copy_project()
    most = next((int(word) for word in words if word.isdecimal()), None)
    words = [word for word in words if not word.isdecimal()]
    for module, tests in MODULES.items():
        if not words or any(word in module for word in words):
            survived, tried = mutate(module, tests, most)
            print(f'{module}: {survived} of {tried} changes went unnoticed', flush=True)


if __name__ == '__main__':
    main(sys.argv[1:])
