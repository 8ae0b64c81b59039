"""The face of pycaffe over our executor: `import port.pycaffe as caffe`.

Names, arguments and shapes are those of BVLC Caffe 1.0's python/caffe.
"""

from port.pycaffe import surgery_name as own  # noqa: F401  (first: it settles what `surgery` means)

# isort: split
from netspec.spec import NetSpec, layers, params, to_proto
from port.engine.python_layer import PythonLayer as Layer
from port.engine.registry import known_types as layer_type_list
from port.pycaffe import _caffe, io, net_spec, proto, pycaffe
from port.pycaffe.classifier import Classifier
from port.pycaffe.detector import Detector
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
from port.pycaffe.net import Blob, Net
from port.pycaffe.proto.caffe_pb2 import TEST, TRAIN
from port.pycaffe.solver import (
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    RMSPropSolver,
    SGDSolver,
    get_solver,
)

__version__ = '1.0.0'
__all__ = ['AdaDeltaSolver', 'AdaGradSolver', 'AdamSolver', 'Blob', 'Classifier', 'Detector',
           'Layer', 'NCCL', 'Net', 'NetSpec', 'NesterovSolver', 'RMSPropSolver', 'SGDSolver',
           'TEST', 'TRAIN', 'Timer', '_caffe', 'get_solver', 'has_nccl', 'init_log', 'io',
           'layer_type_list', 'layers', 'log', 'net_spec', 'params', 'proto', 'pycaffe',
           'set_device', 'set_mode_cpu', 'set_mode_gpu', 'set_multiprocess', 'set_random_seed',
           'set_solver_count', 'set_solver_rank', 'solver_count', 'solver_rank', 'to_proto']
