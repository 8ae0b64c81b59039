"""Change the code in small ways and show the changes that no test notices: `make mutate`.

cosmic-ray makes the changes, in a copy of the project below build/: one operator, number or
condition at a time. Each is tested by the tests of its module only. Words given on the command
line choose modules by a part of their name; a number tries so many changes of each, by chance.
"""

import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkResult

ROOT = Path(__file__).resolve().parents[1]
COPY = ROOT / 'build' / 'mutate'
SEED = 1
MODULES = {    # whose slips would change numbers or lose files: the tests that hold each
    'netspec/coord_map.py': 'tests/netspec/test_coord_map.py',
    'netspec/layer_shapes.py': 'tests/netspec/test_layer_shapes.py tests/port/layers',
    'netspec/layer_types.py': 'tests/netspec/test_layer_types.py '
                              'tests/netspec/test_layer_shapes.py '
                              'tests/port/engine/test_registry.py',
    'netspec/schema/binary.py': 'tests/netspec/schema/test_binary.py',
    'netspec/schema/files.py': 'tests/netspec/schema/test_files.py',
    'netspec/schema/wire.py': 'tests/netspec/schema/test_wire.py',
    'port/engine/net_weights.py': 'tests/port/engine/test_net_weights.py',
    'port/fast/reach/blank_values.py': 'tests/port/fast/reach tests/port/fast/test_inference.py',
    'port/native/library.py': 'tests/port/native/test_library.py',
    'port/native/library_cache.py': 'tests/port/native/test_library_cache.py '
                                    'tests/port/native/test_library.py',
    'port/predict/labelled.py': 'tests/port/predict/test_labelled.py '
                                'tests/port/commands/test_infer.py',
    'port/training/job.py': 'tests/port/training/test_job.py',
    'port/training/lr_policy.py': 'tests/port/training/test_lr_policy.py',
    'port/training/solver.py': 'tests/port/training/test_solver.py',
    'port/training/updates.py': 'tests/port/training/test_solver.py',
    'surgery/bilinear.py': 'tests/surgery/test_bilinear.py',
}
# Of the eleven ways to replace each arithmetic operator one is enough, and the bars of type
# annotations are no arithmetic.
PAIRS = ('Add_Sub', 'Sub_Add', 'Mul_FloorDiv', 'Div_Mul', 'FloorDiv_Mul', 'Mod_FloorDiv', 'Pow_Mul')
CONFIG = '''[cosmic-ray]
module-path = "{module}"
timeout = 120.0
excluded-modules = []
test-command = "{python} -m pytest -q -x -p no:cacheprovider {tests}"
[cosmic-ray.distributor]
name = "local"
[cosmic-ray.filters.operators-filter]
exclude-operators = ["core/ReplaceBinaryOperator_(?!({pairs})$).*"]
'''


def copy_project() -> None:
    """Copy what git knows of the project, so that no change ever stands in the project itself."""
    shutil.rmtree(COPY, ignore_errors=True)
    listed = subprocess.run(['git', 'ls-files', '-z'], cwd=ROOT, check=True, capture_output=True)
    for name in listed.stdout.decode().split('\0'):
        if name and (ROOT / name).is_file():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, COPY / name)


def mutate(module: str, tests: str, most: int | None) -> tuple[int, list[str]]:
    """Try the changes of a module, at most so many; return their number and the differences that
    survived.
    """
    config, session = COPY / 'mutate.toml', COPY / 'mutate.sqlite'
    config.write_text(CONFIG.format(module=module, python=sys.executable, tests=tests,
                                    pairs='|'.join(PAIRS)))
    session.unlink(missing_ok=True)
    here = Path(sys.executable).parent
    for command in (['cosmic-ray', 'init', config, session],
                    ['cr-filter-operators', session, config],
                    ['cosmic-ray', 'baseline', config],       # the tests pass without a change
                    ['cosmic-ray', 'exec', config, session]):
        if command[1] == 'exec' and most is not None:
            with use_db(session) as work:
                leave_out(work, most)
        subprocess.run([here / command[0], *command[1:]], cwd=COPY, check=True)
    found = list(outcomes(session))
    return len(found), [diff for survived, diff in found if survived]


def leave_out(work: WorkDB, most: int) -> None:
    """Mark all changes but so many, drawn by chance, as not to be tried."""
    waiting = [item.job_id for item in work.pending_work_items]
    random.Random(SEED).shuffle(waiting)
    for job in waiting[most:]:
        work.set_result(job, WorkResult(WorkerOutcome.SKIPPED, output='not drawn'))


def outcomes(session: Path) -> Iterator[tuple[bool, str]]:
    """Yield, of every change that was tried, whether it survived, and the change."""
    with use_db(session) as work:
        for _, result in work.results:
            if result.test_outcome is not None:
                yield result.test_outcome == TestOutcome.SURVIVED, result.diff or ''


def main(words: list[str]) -> None:
    """Print the survivors of each module, and a line with their number."""
    copy_project()
    lines = []
    most = next((int(word) for word in words if word.isdecimal()), None)
    words = [word for word in words if not word.isdecimal()]
    for module, tests in MODULES.items():
        if not words or any(word in module for word in words):
            count, survivors = mutate(module, tests, most)
            print(*survivors, sep='\n')
            lines.append(f'{module}: {len(survivors)} of {count} changes went unnoticed')
            print(lines[-1], flush=True)
    print(*lines, sep='\n')


if __name__ == '__main__':
    main(sys.argv[1:])
