"""caffe._caffe: pycaffe's compiled part, whose names some scripts import from there."""

from port.engine.blob import ArrayBlob as Blob
from port.engine.python_layer import BlobVec
from port.engine.python_layer import PythonLayer as Layer
from port.engine.registry import known_types as layer_type_list
from port.pycaffe.mode import (
    NCCL,
    Timer,
    has_nccl,
    init_log,
    log,
    set_device,
    set_mode_cpu,
    set_mode_gpu,
    set_multiprocess,
    set_random_seed,
    set_solver_count,
    set_solver_rank,
    solver_count,
    solver_rank,
)
from port.pycaffe.net import Net
from port.pycaffe.solver import (
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    RMSPropSolver,
    SGDSolver,
    Solver,
    get_solver,
)

__version__ = '1.0.0'
__all__ = ['AdaDeltaSolver', 'AdaGradSolver', 'AdamSolver', 'Blob', 'BlobVec', 'Layer', 'NCCL',
           'NesterovSolver', 'Net', 'RMSPropSolver', 'SGDSolver', 'Solver', 'Timer',
           'get_solver', 'has_nccl', 'init_log', 'layer_type_list', 'log', 'set_device',
           'set_mode_cpu', 'set_mode_gpu', 'set_multiprocess', 'set_random_seed',
           'set_solver_count', 'set_solver_rank', 'solver_count', 'solver_rank']
