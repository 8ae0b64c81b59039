"""Runs Caffe nets on PyTorch: `from port import Net, Solver, predictor`.

What stands here is the public surface; it is imported when it is first asked for, so that
`import port` takes no time.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netspec.schema.messages import TEST, TRAIN
    from port.describe.summary import summary
    from port.engine.net import Net
    from port.export.onnx_file import export as export_onnx
    from port.predict.predictor import predictor
    from port.scoring.evaluate import score
    from port.training.solver import Solver

__all__ = ['TEST', 'TRAIN', 'Net', 'Solver', 'export_onnx', 'predictor', 'score', 'summary']

# Have torch take large memory in large pages: a tenth of a step over large blobs goes into taking
# them. It reads this once, before its first tensor.
os.environ.setdefault('THP_MEM_ALLOC_ENABLE', '1')

_PLACES = {'TEST': 'netspec.schema.messages', 'TRAIN': 'netspec.schema.messages',
           'Net': 'port.engine.net', 'Solver': 'port.training.solver',
           'export_onnx': 'port.export.onnx_file', 'predictor': 'port.predict.predictor',
           'score': 'port.scoring.evaluate', 'summary': 'port.describe.summary'}
_CALLED = {'export_onnx': 'export'}      # there, where it is another name


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _PLACES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    found = getattr(importlib.import_module(_PLACES[name]), _CALLED.get(name, name))
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})
