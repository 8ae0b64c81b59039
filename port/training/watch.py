"""Looks on while a solver trains: says when the rate does not go with how the loss is normalised,
and when the loss stays flat. Changes nothing.
"""

import logging
from collections.abc import Callable
from math import isfinite, log, prod
from statistics import mean
from typing import Any

import torch

from netspec.schema.messages import LossParameter
from port.engine.wiring import Node
from port.training import updates
from port.training.solver import Solver

logger = logging.getLogger('port.watch')
LOOKS = (60, 120, 240, 480)      # iterations after which the loss is looked at
PART = 4                         # a quarter of them at the beginning is compared with the last
FLAT = 0.02                      # the fall of the loss below which it is flat
LEARNT = 0.5                     # of the loss of all classes alike: below, something is learnt
# Sensible steps, rate / (1 - momentum) on the mean loss of a pixel: those of all published nets are
# well inside, from 2e-7 (voc-fcn8s) to 1 (SegNet-Basic).
LOWEST_MEAN, LOWEST_SUM, HIGHEST = 1e-6, 1e-9, 100.0
VOC_PIXELS = 500 * 375


def losses_of(solver: Solver) -> list[Node]:
    """Return the SoftmaxWithLoss layers of the training net."""
    return [node for node in solver.net.nodes if node.layer.type == 'SoftmaxWithLoss']


def summed(loss: Node) -> bool:
    """Tell whether a loss is a sum over the pixels: divided by the batch or by nothing."""
    layer: Any = loss.layer
    return layer.mode in (LossParameter.BATCH_SIZE, LossParameter.NONE)


def rate_fault(solver: Solver) -> str:
    """Say how rate and loss normalisation do not go together, as far as one can tell beforehand;
    '' where they do. Of the solver types only SGD's and Nesterov's steps go with the loss.
    """
    p, losses = solver.param, losses_of(solver)
    if p.type not in updates.LINEAR or len(losses) != 1 or not 0 <= p.momentum < 1:
        return ''
    label = losses[0].bottom[1].shape
    pixels = max(1, prod(label[-2:]))
    times = pixels if summed(losses[0]) else 1
    step = p.base_lr * times / (1 - p.momentum)
    if times > 1 and step > HIGHEST and p.clip_gradients < 0:
        usual = 1e-10 * VOC_PIXELS / pixels
        return (f'base_lr {p.base_lr:g} is a rate for a mean loss, but the loss is summed over '
                f'about {pixels:,} pixels: training will diverge. Set base_lr near {usual:.1g}, or '
                'normalize: true in loss_param')
    if times == 1 and 0 < step < LOWEST_MEAN:
        return (f'base_lr {p.base_lr:g} is a rate for a summed loss, but the loss is divided by '
                'the pixels: nothing will be learnt. Set base_lr near 1e-4, or normalize: false in '
                'loss_param')
    if 0 < step < LOWEST_SUM:
        return f'base_lr {p.base_lr:g} is so low that nothing will be learnt: raise it'
    return ''


class FlatLoss:
    """Warns where the loss of a training from its beginning does not fall; for on_iteration.

    It goes by the loss of a labelled pixel, since images differ in size: without anything learnt
    that is the logarithm of the number of classes.
    """

    def __init__(self, solver: Solver, warn: Callable[[str], None] = logger.warning) -> None:
        losses = losses_of(solver)
        self.loss = losses[0] if len(losses) == 1 and solver.iteration == 0 else None
        self.warn, self.found = warn, list[float]()

    def __call__(self, solver: Solver, loss: float) -> None:
        if self.loss is None or solver.iteration > LOOKS[-1]:
            return
        self.found.append(self._of_a_pixel(loss))
        if solver.iteration in LOOKS:
            self._look(solver)

    @torch.no_grad()
    def _of_a_pixel(self, loss: float) -> float:
        """Return the mean loss of the labelled pixels of the last pass."""
        assert self.loss is not None
        if not summed(self.loss):
            return loss
        layer: Any = self.loss.layer
        labels = self.loss.bottom[1].data
        counted = torch.ones_like(labels, dtype=torch.bool)
        for value in layer.ignore:
            counted &= labels != value
        batch = len(labels) if layer.mode == LossParameter.BATCH_SIZE else 1
        return loss * batch / max(1, int(counted.sum()))

    def _look(self, solver: Solver) -> None:
        """Compare the beginning with the end."""
        assert self.loss is not None
        part = len(self.found) // PART
        first, last = mean(self.found[:part]), mean(self.found[-part:])
        scores = self.loss.bottom[0].shape
        nothing = log(max(2, scores[1]))
        if not (isfinite(first) and isfinite(last)):
            return
        if last > (1 - FLAT) * first and last > LEARNT * nothing:
            self.warn(
                f'the loss stays flat: {first:.4g} a pixel in the first {part} iterations, '
                f'{last:.4g} up to {solver.iteration} (with {scores[1]} classes and nothing learnt '
                f'it is {nothing:.4g}). base_lr {solver.param.base_lr:g} may be too low: try 10 to '
                '100 times as much; or the weights to start from are missing, or the labels do '
                'not lie on the images')
            self.loss = None
