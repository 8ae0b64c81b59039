"""caffe.pycaffe: where old scripts find Net, the solvers, NCCL and Timer."""

from port.pycaffe.mode import NCCL, Timer
from port.pycaffe.net import Net
from port.pycaffe.solver import (
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    RMSPropSolver,
    SGDSolver,
)

__all__ = ['AdaDeltaSolver', 'AdaGradSolver', 'AdamSolver', 'NCCL', 'NesterovSolver', 'Net',
           'RMSPropSolver', 'SGDSolver', 'Timer']
