"""The paper's rule for momentum over several images (PAMI 2017, section 6.2), on CamVid by ranks.

k images a step with momentum p are like one with p^(1/k): a gradient fades alike with the images
that follow. It is added to one step then, not to k, and so goes a shorter way, (1 - p) / (1 - p^k)
of it; the rate must make up for that. And ranks average, where the paper sums.
"""

import numpy as np
import pytest

from netspec.families.fcn import fcn
from netspec.schema.messages import SolverParameter
from port.distributed.alone import launched
from port.distributed.ranks import joined
from port.fast.speed_up import train_by
from port.training.rank_training import use_ranks
from port.training.solver import Solver

ROW = 'camvid-fcn16s-squeezenet'
IMAGES, SIZE = 160, 0.25          # the first of one order, of 90 x 120 pixels
MOMENTUM, RATE = 0.99, 1e-10      # the published, for a 16th of the pixels


def solver_of(shared, tree, momentum: float, rate: float) -> Solver:
    """Return a solver of the narrow net from real weights, without Dropout's random numbers."""
    net = fcn(ROW, 'train', data_root={'camvid_dir': str(shared / 'camvid')},
              data_params={'scales': (SIZE, SIZE), 'seed': 7})
    for layer in net.layer:
        if layer.type == 'Dropout':
            layer.dropout_param.dropout_ratio = 1e-9
    solver = Solver(SolverParameter(
        train_net_param=net, base_lr=rate, lr_policy='fixed', momentum=momentum,
        weight_decay=0.0005, max_iter=10 ** 6, random_seed=1), finite=True)
    (path,) = (tree / 'weights' / ROW).glob('*.caffemodel')
    solver.net.copy_from(path)
    train_by(solver, True)
    return solver


def flat(solver: Solver) -> np.ndarray:
    return np.concatenate([row.blob.data.numpy().ravel() for row in solver.net.learnable])


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.usefixtures('one_thread')
def test_momentum_over_the_images_of_several_ranks(shared, tree, torchrun, tmp_path) -> None:
    """1, 2 and 4 ranks, the same images: they go as far, nearly to one place. With the momentum of
    one image kept, or the rate not made up for, they do not.
    """
    if not (shared / 'camvid').is_dir():
        pytest.skip(f'{shared}/camvid is not here: CamVid is kept outside the project')

    def train(ranks: int, momentum: float, rate: float) -> np.ndarray:
        """Return the way that the weights moved."""
        path = tmp_path / 'moved.npy'

        def work() -> None:
            solver = solver_of(shared, tree, momentum, rate)
            before = flat(solver)
            if not launched():
                solver.step(IMAGES)
                np.save(path, flat(solver) - before)
                return
            with joined() as together:
                use_ranks(solver, together)
                solver.step(IMAGES // ranks)
                if together.first:
                    np.save(path, flat(solver) - before)
        ended = torchrun.run(*[work] * ranks, timeout=600)
        assert [one.status for one in ended] == [0] * ranks, ended[0].err
        return np.load(path)
    alone = train(1, MOMENTUM, RATE)
    length = np.linalg.norm

    def told(what: str, ranks: int, momentum: float, rate: float) -> tuple[float, float]:
        way = train(ranks, momentum, rate)
        found = length(way) / length(alone), length(way - alone) / length(alone)
        print(f'{ranks} ranks, {what}: {found[0]:.3f} as far, {found[1]:.3f} apart')
        return found
    for ranks in (2, 4):
        momentum = MOMENTUM ** ranks
        longer = (1 - momentum) / (1 - MOMENTUM)
        far, apart = told('the rule', ranks, momentum, ranks * longer * RATE)
        assert abs(far - 1) < 0.03 and apart < 0.05
        for what, other in (('its rate not made up', (momentum, ranks * RATE)),
                            ('momentum kept', (MOMENTUM, ranks * RATE))):
            assert told(what, ranks, *other)[1] > 4 * apart, what
