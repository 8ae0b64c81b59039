"""pycaffe's solvers over port.Solver (python/caffe/_caffe.cpp)."""

from collections.abc import Callable
from operator import index
from os import fspath
from pathlib import Path

from netspec.schema.messages import SolverParameter
from port.pycaffe import mode
from port.pycaffe.net import Net, readable
from port.training.lr_policy import learning_rate
from port.training.solver import Solver as Trainer


class Solver:
    """A solver read from a prototxt: net, test_nets, iter, step, solve, snapshot, restore."""

    type = ''

    def __init__(self, solver_file: str | Path) -> None:
        self._solver = Trainer(readable(solver_file), device=mode.device(), type_name=self.type)
        self.net = Net._over(self._solver.net)
        self.test_nets = [Net._over(net) for net in self._solver.test_nets]

    @property
    def iter(self) -> int:
        """Updates made so far."""
        return self._solver.iteration

    @property
    def param(self) -> SolverParameter:
        """The SolverParameter; what is set in it holds from the next iteration on."""
        return self._solver.param

    @property
    def lr(self) -> float:
        """The learning rate of this iteration."""
        return learning_rate(self.param, self.iter, self._solver.current_step)

    def _settle(self) -> None:
        """Move to where the mode says, which may have changed since the solver was made."""
        trainer, where = self._solver, mode.device()
        if trainer.device != where:
            trainer.device = where
            trainer.history = [h.to(where) for h in trainer.history]
        for net in (self.net, *self.test_nets):
            net._settle()

    def step(self, iterations: int) -> None:
        """Take training steps."""
        self._settle()
        self._solver.step(index(iterations))

    def solve(self, resume: str | Path | None = None) -> None:
        """Train to max_iter, from a .solverstate if one is given."""
        self._settle()
        self._solver.solve(resume)

    def restore(self, path: str | Path) -> None:
        """Go on from a .solverstate."""
        self._settle()
        self._solver.restore(fspath(path))

    def snapshot(self) -> None:
        """Write weights and solver state."""
        self._solver.snapshot()

    def apply_update(self) -> None:
        """Turn the gradients into updates and apply them."""
        self._settle()
        self._solver.apply_update()

    def share_weights(self, net: Net) -> None:
        """Let a net use the parameters of the training net."""
        net.share_with(self.net)

    def add_callback(self, on_start: Callable[[], None],
                     on_gradients_ready: Callable[[], None]) -> None:
        """Call one function before each iteration and one when its gradients are there."""
        self._solver.on_start.append(on_start)
        self._solver.on_gradients.append(on_gradients_ready)


def _named(type_name: str) -> type[Solver]:
    return type(f'{type_name}Solver', (Solver,), {
        'type': type_name, '__module__': __name__,
        '__doc__': f'A {type_name} solver, whatever type the file names.'})


TYPES = {name: _named(name)
         for name in ('SGD', 'Nesterov', 'AdaGrad', 'RMSProp', 'AdaDelta', 'Adam')}
SGDSolver, NesterovSolver, AdaGradSolver, RMSPropSolver, AdaDeltaSolver, AdamSolver = (
    TYPES.values())


def get_solver(solver_file: str | Path) -> Solver:
    """Return a solver of the type that the file names."""
    solver = Solver(solver_file)
    solver.__class__ = TYPES[solver.param.type]
    return solver
