"""Solver: train a net as Caffe does (src/caffe/solver.cpp and src/caffe/solvers/).

One step: clear the diffs, iter_size times forward and backward, clip, divide by iter_size, add
the weight decay, turn the gradients into updates, subtract. The log lines are Caffe's own.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch

from netspec.schema import read_solver, upgrade_solver
from netspec.schema.messages import SolverParameter
from port.distributed.alone import ALONE, Alone
from port.engine.blob import Blob
from port.engine.params import Learnable, Parts
from port.training import snapshot, updates
from port.training import solver_nets as setup
from port.training.lr_policy import check_policy, in_single, learning_rate, next_step
from port.training.net_outputs import log_outputs, mean_outputs

log = logging.getLogger('port.solver')
SNAPSHOT, STOP = 'snapshot', 'stop'
Pass = Callable[[], torch.Tensor | float]        # returns the loss


class NonFiniteLoss(ArithmeticError):
    """The loss became infinite or NaN: training stopped; the last snapshot stays."""


class Solver:
    """A solver and its nets.

    source: solver prototxt path or SolverParameter. Net files are looked for in the current folder
    first, as Caffe does, then beside the solver file. finite: stop with NonFiniteLoss where the
    loss is not a number (Caffe goes on). type_name: the solver type, where not the file's. until:
    the iteration to stop at, where not max_iter; the learning rate still follows max_iter. amend:
    called with the parameters before the nets are made.

    net: the training net. iteration: updates made so far. history: one tensor for each learnable
    parameter (for AdaDelta and Adam two: all first ones, then all second ones).
    """

    def __init__(self, source: SolverParameter | str | Path,
                 device: torch.device | str = 'cpu', finite: bool = False,
                 type_name: str = '', until: int | None = None,
                 amend: Callable[[SolverParameter], None] = lambda param: None) -> None:
        if isinstance(source, SolverParameter):
            self.param, self.folder = SolverParameter(), Path()
            self.param.CopyFrom(source)
            upgrade_solver(self.param)
        else:
            self.param, self.folder = read_solver(source), Path(source).parent
        self.param.type = type_name or self.param.type
        amend(self.param)
        self._until = until
        self.prefix = setup.snapshot_prefix(self.param, source)
        self.device, self.finite = torch.device(device), finite
        self.iteration = self.current_step = 0
        _, self.per_param = self._checked(source)
        if self.param.random_seed >= 0:
            torch.manual_seed(self.param.random_seed)
        self.net = setup.train_net(self.param, self.folder, self.device)
        setup.check_room(self.net, self.per_param)
        self.test_nets = setup.test_nets(self.param, self.folder, self.device)
        self.train_pass: Pass = self.net.run_forward         # what runs the net forward alone
        self.test_passes: list[Pass] = [net.run_forward for net in self.test_nets]
        self.history = [torch.zeros_like(row.blob.data) for _ in range(self.per_param)
                        for row in self.net.learnable]
        self._linear = self.param.type in updates.LINEAR
        self._still = [self._linear] * len(self.net.learnable)   # whose histories stay zero
        self.one_pass: Pass | None = None        # for plain_pass
        self.ranks: Alone = ALONE                # the processes that train together
        self.on_complete: Callable[[Learnable], None] | None = None  # once its gradient is whole
        self.descend = updates.descend
        self.together: bool | None = None        # update parameters in groups; None: on a GPU
        self._updated: set[int] = set()          # parameters whose update came with the gradient
        self.action: Callable[[], str | None] = lambda: None
        self.on_start: list[Callable[[], None]] = []
        self.on_test: list[Callable[[], None]] = []
        self.on_gradients: list[Callable[[], None]] = []
        self.on_iteration: list[Callable[[Solver, float], None]] = []
        self.on_snapshot: list[Callable[[], None]] = []
        self.stopped = False
        self.saved = ''                          # the state last written or read
        self.losses, self.smoothed_loss = list[float](), 0.0
        self._clock, self._shown = time.monotonic(), 0

    # -- setting up --------------------------------------------------------------------------------

    def _checked(self, source: SolverParameter | str | Path) -> tuple[updates.Update, int]:
        try:
            return self._check()
        except (ValueError, KeyError) as error:
            if not isinstance(source, SolverParameter):
                error.add_note(f'in {source}')
            raise

    def _check(self) -> tuple[updates.Update, int]:
        p = self.param
        updates.check(p)
        if p.average_loss < 1:
            raise ValueError(f'average_loss must be 1 or more, got {p.average_loss}')
        if p.iter_size < 1:
            raise ValueError(f'iter_size must be 1 or more, got {p.iter_size}')
        check_policy(p, self.until)
        if p.snapshot:
            if not p.snapshot_prefix:
                raise ValueError('snapshot is set but snapshot_prefix is not')
            setup.check_writable(Path(self.prefix).parent)
        return updates.UPDATES[p.type]

    # -- training ----------------------------------------------------------------------------------

    def step(self, iterations: int) -> None:
        """Take `iterations` steps from here, testing, displaying and snapshotting on the way."""
        start, stop = self.iteration, self.iteration + iterations
        self.losses, self.smoothed_loss = [], 0.0
        self._clock, self.stopped = time.monotonic(), False
        while self.iteration < stop and not self.stopped:
            self._one(start)

    def _one(self, start: int) -> None:
        p, net = self.param, self.net
        net.clear_param_diffs()
        if (p.test_interval and self.iteration % p.test_interval == 0
                and (self.iteration > 0 or p.test_initialization)):
            self.test_all()
            if self.stopped:
                return
        for hook in self.on_start:
            hook()
        display = bool(p.display) and self.iteration % p.display == 0
        net.debug_info = display and p.debug_info
        loss = self._gradients()
        self._smooth(loss, start)
        if display:
            self._display()
        for hook in self.on_gradients:
            hook()
        self.apply_update()
        for done in self.on_iteration:
            done(self, loss)
        request = self.ranks.chosen(self.action(), (STOP, SNAPSHOT))
        if (p.snapshot and self.iteration % p.snapshot == 0) or request == SNAPSHOT:
            self.snapshot()
        self.stopped = request == STOP

    def _gradients(self) -> float:
        """Sum the gradients of iter_size passes; return their mean loss."""
        total: torch.Tensor | float = 0.0
        for _ in range(self.param.iter_size):
            total = total + (self.one_pass or self.plain_pass)()
        loss = self.ranks.mean(float(total) / self.param.iter_size)
        self.look(loss)
        return loss

    def look(self, loss: float) -> None:
        """Raise NonFiniteLoss for a loss that is not a number, where that was asked for."""
        if not math.isfinite(loss):
            self._diverged(f'the loss is {loss}')

    def plain_pass(self) -> torch.Tensor | float:
        """Run the net forward and backward once; return the loss."""
        loss = self.net.run_forward()
        self.net.backward()
        return loss

    def _diverged(self, what: str) -> None:
        """Raise NonFiniteLoss, unless training is to go on as Caffe's does."""
        if self.finite:
            raise NonFiniteLoss(
                f'iteration {self.iteration}: {what}. Likely causes: a learning rate '
                f'too high (base_lr {self.param.base_lr:g}) for the way the loss is normalised, '
                'labels outside the classes, or weights that were not transplanted')

    def _smooth(self, loss: float, start: int) -> None:
        """Average over the last average_loss iterations, in Caffe's running form."""
        window = self.param.average_loss
        if len(self.losses) < window:
            self.losses.append(loss)
            size = len(self.losses)
            self.smoothed_loss = (self.smoothed_loss * (size - 1) + loss) / size
        else:
            i = (self.iteration - start) % window
            self.smoothed_loss += (loss - self.losses[i]) / window
            self.losses[i] = loss

    def _display(self) -> None:
        lapse = time.monotonic() - self._clock
        rate = (self.iteration - self._shown) / (lapse or 1)
        log.info('Iteration %d (%g iter/s, %gs/%d iters), loss = %g', self.iteration, rate, lapse,
                 self.param.display, self.smoothed_loss)
        self._clock, self._shown = time.monotonic(), self.iteration
        net = self.net
        log_outputs('Train', net, [net.blobs[name].data for name in net.outputs])

    # -- updating ----------------------------------------------------------------------------------

    @torch.no_grad()
    def apply_update(self) -> None:
        """Turn the gradients into updates and apply them; the diffs then read as the updates."""
        p = self.param
        step = next_step(p, self.iteration, self.current_step)
        if p.lr_policy == 'multistep' and step != self.current_step:
            log.info('MultiStep Status: Iteration %d, step = %d', self.iteration, step)
        self.current_step = step
        rate = learning_rate(p, self.iteration, self.current_step)
        if p.display and self.iteration % p.display == 0:
            log.info('Iteration %d, lr = %g', self.iteration, rate)
        updates.clip(p, [row.blob for row in self.net.learnable])
        self._update([i for i in range(len(self.net.learnable)) if i not in self._updated], rate)
        self._updated.clear()
        self.iteration += 1

    def _update(self, numbers: Iterable[int], rate: float) -> None:
        """Update parameters: on a GPU all of one rate and decay in one call; on a CPU, where that
        gains nothing and takes memory for intermediate values, one by one.
        """
        groups: dict[tuple, list[int]] = {}
        together = self.device.type == 'cuda' if self.together is None else self.together
        for i in numbers:
            row = self.net.learnable[i]
            local = in_single(rate * row.lr_mult)
            if self._moves(i, local):
                alone = None if together else i
                groups.setdefault((local, row.decay_mult, alone), []).append(i)
        for (local, decay_mult, _), members in groups.items():
            self._update_group(members, local, self.param.weight_decay * decay_mult)

    def _moves(self, i: int, rate: float) -> bool:
        """Whether a rate moves a parameter. v = m 0 + 0 g does not: the gradient is dropped."""
        self._still[i] = self._still[i] and not rate
        if self._still[i]:
            self.net.learnable[i].blob.clear_diff()
        return not self._still[i]

    def _update_group(self, members: list[int], rate: float, decay: float) -> None:
        count = len(self.net.learnable)
        blobs = [self.net.learnable[i].blob for i in members]
        history = [[self.history[k * count + i] for i in members] for k in range(self.per_param)]
        found = self.descend(self.param, self.iteration, rate, decay, blobs, history)
        for blob, update in zip(blobs, found, strict=True):
            blob.diff_from(update)

    @torch.no_grad()
    def update_early(self, row: Learnable, parts: Parts | None = None) -> None:
        """Update a parameter as soon as its gradient is complete, so that it can be freed. parts:
        its gradient, some outputs at a time; SGD does not need them together.
        """
        i = self.net.learnable.index(row)
        step = next_step(self.param, self.iteration, self.current_step)
        rate = learning_rate(self.param, self.iteration, step)
        self._updated.add(i)
        if parts is None:
            self._update([i], rate)
        elif self._moves(i, local := in_single(rate * row.lr_mult)):
            for span, gradient in parts:
                part = Blob(row.blob.name)
                part.data = row.blob.data[span]
                part.diff = gradient.view_as(part.data)
                self.descend(self.param, self.iteration, local,
                             self.param.weight_decay * row.decay_mult, [part],
                             [[self.history[i][span]]])
            row.blob.diff_from(self.history[i])

    # -- solving and testing -----------------------------------------------------------------------

    @property
    def until(self) -> int:
        """The iteration to solve to."""
        return self._until or self.param.max_iter

    def solve(self, resume: str | Path | None = None) -> None:
        """Train to `until`, from a solver state if one is given (Solver::Solve)."""
        p = self.param
        log.info('Solving %s', self.net.param_name)
        log.info('Learning Rate Policy: %s', p.lr_policy)
        if resume is not None:
            log.info('Restoring previous solver status from %s', resume)
            self.restore(resume)
        start = self.iteration
        self.step(self.until - self.iteration)
        if p.snapshot_after_train and (not p.snapshot or self.iteration % p.snapshot):
            self.snapshot()
        if self.stopped:
            log.info('Optimization stopped early.')
            return
        if p.display and self.iteration % p.display == 0:
            self._smooth(self.ranks.mean(float(self.train_pass())), start)
            log.info('Iteration %d, loss = %g', self.iteration, self.smoothed_loss)
        if p.test_interval and self.iteration % p.test_interval == 0:
            self.test_all()
        log.info('Optimization Done.')

    def test_all(self) -> None:
        """Test every test net, unless a stop is requested meanwhile."""
        for i in range(len(self.test_nets)):
            if not self.stopped:
                self.test(i)

    def test(self, index: int = 0) -> dict[str, torch.Tensor]:
        """Run test net `index` test_iter times with the trained weights; return mean outputs."""
        log.info('Iteration %d, Testing net (#%d)', self.iteration, index)
        net, count = self.test_nets[index], self.param.test_iter[index]
        for hook in self.on_test:
            hook()
        net.share_from(self.net)
        found = mean_outputs(net, count, self.ranks, self._asked, self.test_passes[index])
        if found is None:
            log.info('Test interrupted.')
            return {}
        loss, means = found
        if self.param.test_compute_loss:
            log.info('Test loss: %g', loss)
        if not count:                        # `test_iter: 0`, which Caffe takes
            return {}
        log_outputs('Test', net, means)
        return dict(zip(net.outputs, means, strict=True))

    def _asked(self) -> bool:
        """Serve the requests that arrived (several ranks do so between steps); tell of a stop."""
        while self.ranks.size == 1 and (request := self.action()) is not None:
            if request == SNAPSHOT:
                self.snapshot()
            else:
                self.stopped = True
        return self.stopped

    # -- snapshots ---------------------------------------------------------------------------------

    def snapshot_name(self, ending: str) -> str:
        """Return '<prefix>_iter_<iteration><ending>'."""
        return f'{self.prefix}_iter_{self.iteration}{ending}'

    @property
    def weights_path(self) -> str:
        """Where a snapshot of this iteration puts the weights."""
        return self.snapshot_name('.caffemodel' + self._h5)

    @property
    def state_path(self) -> str:
        """Where a snapshot of this iteration puts the solver state."""
        return self.snapshot_name('.solverstate' + self._h5)

    @property
    def _h5(self) -> str:
        return '.h5' if self.param.snapshot_format == SolverParameter.HDF5 else ''

    def snapshot(self) -> str:
        """Write weights and solver state; return the weights' path. Whole files or none."""
        kind = 'HDF5' if self._h5 else 'binary proto'
        for layer, blobs in self.net.params.items() if self.finite else ():
            if not all(blob.data.isfinite().all() for blob in blobs):
                self._diverged(f'the weights of layer {layer!r} are not finite')
        randoms = self.ranks.gathered(snapshot.random_state(self.net))
        self.ranks.by_first(lambda: self._write_snapshot(kind, randoms))
        self.saved = self.state_path
        return self.weights_path

    def _write_snapshot(self, kind: str, randoms: list[dict[str, str]]) -> None:
        """Write the files. randoms: the random numbers' states of all ranks."""
        Path(self.weights_path).parent.mkdir(parents=True, exist_ok=True)
        Path(self.state_path).unlink(missing_ok=True)     # it tells the digest of other weights
        log.info('Snapshotting to %s file %s', kind, self.weights_path)
        self.net.save(self.weights_path, diff=self.param.snapshot_diff)
        log.info('Snapshotting solver state to %s file %s', kind, self.state_path)
        snapshot.write_state(self.state_path, snapshot.State(
            self.iteration, self.weights_path, self.current_step,
            [h.cpu().numpy() for h in self.history],
            snapshot.extras(self.net, self.weights_path)
            | ({snapshot.RANKS: randoms} if len(randoms) > 1 else {})))
        self.saved = self.state_path             # what follows may look for it
        for hook in self.on_snapshot:
            hook()

    def restore(self, path: str | Path) -> None:
        """Go on from a .solverstate of Caffe or ours: weights, history, iteration.

        The weights are those beside the state, else where the state says. Raises
        FileNotFoundError, ValueError where the state does not fit the net or the weights.
        """
        state = snapshot.read_state(path)
        snapshot.check_history(path, state, self.history, self.param.type)
        weights = snapshot.weights_of(path, state)
        if weights is not None:
            self.net.copy_from(weights)
        for mine, theirs in zip(self.history, state.history, strict=True):
            mine.copy_(torch.tensor(theirs).view(mine.shape))
        count = len(self.net.learnable)
        self._still = [self._linear and not any(h.any() for h in self.history[i::count])
                       for i in range(count)]
        self.iteration, self.current_step = state.iteration, state.current_step
        snapshot.restore_extras(self.net, state.extra)
        snapshot.restore_share(self.net, state.extra, self.ranks)
        self.saved = str(path)
