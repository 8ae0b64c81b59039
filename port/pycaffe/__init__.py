"""The face of pycaffe over our executor: `import port.pycaffe as caffe`.

Names, arguments and shapes are those of BVLC Caffe 1.0's python/caffe.
"""

from netspec.schema.messages import TEST, TRAIN
from port.pycaffe.mode import (
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
from port.pycaffe.net import Blob, Net
from port.pycaffe.solver import (
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    RMSPropSolver,
    SGDSolver,
    get_solver,
)
from port.python_layer import PythonLayer as Layer
from port.registry import known_types as layer_type_list

__all__ = ['AdaDeltaSolver', 'AdaGradSolver', 'AdamSolver', 'Blob', 'Layer', 'Net',
           'NesterovSolver', 'RMSPropSolver', 'SGDSolver', 'TEST', 'TRAIN', 'get_solver',
           'has_nccl', 'init_log', 'layer_type_list', 'log', 'set_device', 'set_mode_cpu',
           'set_mode_gpu', 'set_multiprocess', 'set_random_seed', 'set_solver_count',
           'set_solver_rank', 'solver_count', 'solver_rank']
