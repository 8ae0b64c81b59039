"""Runs Caffe nets on PyTorch: the executor, its layers, the solver, data, scores and exports."""

import os
from typing import Any

# Have torch take large memory in large pages: a tenth of a step over large blobs goes into taking
# them. It reads this once, before its first tensor.
os.environ.setdefault('THP_MEM_ALLOC_ENABLE', '1')


def __getattr__(name: str) -> Any:
    """Let `port.predictor` be found without importing torch before it is asked for."""
    if name == 'predictor':
        from port.predict.predictor import predictor
        return predictor
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
