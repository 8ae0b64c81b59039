"""Each row's SolverParameter, as the published solver.prototxt states it (paper section 4.3)."""

from dataclasses import replace
from pathlib import PurePath
from typing import Any

from netspec.schema.messages import SolverParameter
from netspec.spec import assign_proto
from netspec.variants import Variant, find_variant
from netspec.variants.deeplab_rows import DeepLab

# The driver scores between blocks of steps; the solver makes its test net, but never runs it.
COMMON = dict(test_interval=999999999, test_initialization=False, display=20, average_loss=20,
              lr_policy='fixed', weight_decay=0.0005)


def solver(variant: str | Variant, net_dir: str | PurePath = '',
           **overrides: Any) -> SolverParameter:
    """Return the solver of a row; `overrides` are its fields: base_lr, max_iter, snapshot …

    The nets are named by file (below `net_dir`), as the drivers run in the nets' folder. An
    override of None leaves the field out.
    """
    row = find_variant(variant)
    files = [str(PurePath(net_dir) / f'{split.file}.prototxt') for split in row.splits]
    schedule = row.schedule
    values = dict(
        COMMON, train_net=files[0], test_net=files[1], test_iter=schedule.test_iter,
        base_lr=schedule.base_lr, max_iter=schedule.max_iter, momentum=schedule.momentum,
        iter_size=schedule.iter_size, snapshot=schedule.snapshot,
        snapshot_prefix=None if schedule.snapshot is None else 'snapshot/train')
    message = SolverParameter()
    for name, value in (values | dict(schedule.solver) | overrides).items():
        if value is not None:
            assign_proto(message, name, value)
    return message


def solvers(variant: str | Variant, net_dir: str | PurePath = '',
            **overrides: Any) -> dict[str, SolverParameter]:
    """Return a row's solvers by the names of their files: DeepLab's rows have a second.

    That one goes on from the first's weights with the images of val as well.
    """
    row = find_variant(variant)
    found = {'solver': solver(row, net_dir, **overrides)}
    if isinstance(row, DeepLab) and row.second:
        again = replace(row, schedule=row.second, splits=(row.more_splits[0], row.splits[1]))
        found['solver2'] = solver(again, net_dir,
                                  **(dict(snapshot_prefix='snapshot/train2') | overrides))
    return found
