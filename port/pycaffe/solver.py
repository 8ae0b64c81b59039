"""pycaffe's solvers over port.Solver (python/caffe/_caffe.cpp)."""

from collections.abc import Callable
from os import PathLike

from port.pycaffe import mode
from port.pycaffe.net import Net
from port.solver import Solver as Trainer


class Solver:
    """A solver read from a prototxt: net, test_nets, iter, step, solve, snapshot, restore."""

    type = ''

    def __init__(self, solver_file: str | PathLike) -> None:
        self._solver = Trainer(str(solver_file), device=mode.device(), type_name=self.type)
        self.net = Net._over(self._solver.net)
        self.test_nets = [Net._over(net) for net in self._solver.test_nets]

    @property
    def iter(self) -> int:
        """Updates made so far."""
        return self._solver.iteration

    @property
    def param(self):
        """The SolverParameter."""
        return self._solver.param

    def step(self, iterations: int) -> None:
        """Take training steps."""
        self._solver.step(iterations)

    def solve(self, resume: str | PathLike | None = None) -> None:
        """Train to max_iter."""
        self._solver.solve(resume)

    def restore(self, path: str | PathLike) -> None:
        """Go on from a .solverstate."""
        self._solver.restore(path)

    def snapshot(self) -> None:
        """Write weights and solver state."""
        self._solver.snapshot()

    def apply_update(self) -> None:
        """Turn the gradients into updates and apply them."""
        self._solver.apply_update()

    def add_callback(self, on_start: Callable[[], None],
                     on_gradients_ready: Callable[[], None]) -> None:
        """Call one function before each iteration and one when its gradients are there."""
        self._solver.on_start.append(on_start)
        self._solver.on_gradients.append(on_gradients_ready)


def _named(type_name: str) -> type[Solver]:
    return type(f'{type_name}Solver', (Solver,),
                {'type': type_name, '__doc__': f'A {type_name} solver, whatever the file says.'})


SGDSolver, NesterovSolver, AdaGradSolver, RMSPropSolver, AdaDeltaSolver, AdamSolver = map(
    _named, ('SGD', 'Nesterov', 'AdaGrad', 'RMSProp', 'AdaDelta', 'Adam'))


def get_solver(solver_file: str | PathLike) -> Solver:
    """Return a solver of the type that the file names."""
    return Solver(solver_file)
