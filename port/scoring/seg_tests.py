"""The functions that the published drivers (solve.py) score by: compute_hist, seg_tests.

Their names, arguments and printed lines are those of the published score.py; they take any net
that looks like pycaffe's.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from port.scoring.evaluate import count
from port.scoring.metrics import Scores, host


def blob_of(net: Any, name: str) -> Any:
    """Find a blob, or raise with the names of those there are."""
    if name not in net.blobs:
        raise KeyError(f"the net has no blob '{name}'; it has: {', '.join(net.blobs)}")
    return net.blobs[name]


def compute_hist(net: Any, save_dir: str | None, dataset: Sequence[str], layer: str = 'score',
                 gt: str = 'label', loss: str = 'loss',
                 each: Callable[[str], object] = lambda name: None) -> tuple[np.ndarray, float]:
    """Run a net once for each name of the data set; give the histogram and the mean loss.

    `save_dir` receives the predictions as NAME.png; `each` is called with every name (progress).
    """
    names = [str(name) for name in dataset]
    if not names:
        raise ValueError('the data set to score is empty')
    blob_of(net, layer), blob_of(net, gt)

    def forward() -> float:
        net.forward()
        return float(host(net.blobs[loss].data).flat[0]) if loss in net.blobs else float('nan')

    def told() -> Iterator[str]:
        for name in names:
            yield name
            each(name)
    found = count(net.blobs, forward, told(), [(layer, gt)],
                  {layer: Path(save_dir)} if save_dir else {})
    return found.hists[layer], found.loss


def seg_tests(solver: Any, save_format: str | None, dataset: Sequence[str], layer: str = 'score',
              gt: str = 'label', log: Callable[[str], object] = print) -> np.ndarray:
    """Score a solver's first test net with the weights that it trains.

    `log` receives the lines that the published driver scripts print; they rely on seeing them.
    """
    log(f'>>> {datetime.now()} Begin seg tests')
    solver.test_nets[0].share_with(solver.net)
    return do_seg_tests(solver.test_nets[0], solver.iter, save_format, dataset, layer, gt, log)


def do_seg_tests(net: Any, iter: int, save_format: str | None, dataset: Sequence[str],
                 layer: str = 'score', gt: str = 'label',
                 log: Callable[[str], object] = print) -> np.ndarray:
    """Score a net, log the loss and the four metrics, and give the histogram."""
    save_dir = save_format.format(iter) if save_format else None
    hist, loss = compute_hist(net, save_dir, dataset, layer, gt)
    scores = Scores(hist, loss=loss)
    figures = {'loss': loss, 'overall accuracy': scores.pixel_acc,
               'mean accuracy': scores.mean_acc, 'mean IU': scores.mean_iu,
               'fwavacc': scores.fw_iu}
    for name, value in figures.items():
        log(f'>>> {datetime.now()} Iteration {iter} {name} {value}')
    return hist
