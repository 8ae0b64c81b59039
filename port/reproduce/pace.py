"""How long a training takes on this machine: a few of its steps, measured before it begins."""

import time
from pathlib import Path

import torch

from netspec.schema.messages import SolverParameter
from port.engine.starting_weights import fill_upsampling
from port.fast.speed_up import train_by
from port.training.solver import Solver

ENOUGH, MOST = 2.0, 20        # seconds and steps that are measured
FORWARD = 1 / 3               # of the time of a step; what scoring an image takes


def seconds_a_step(solver: str | Path, device: torch.device | str = 'cpu') -> float:
    """Return how long a step of a solver takes, after a first one that is not counted.

    Nothing is written. Raises what the solver raises, such as ValueError for a net that is too
    large for the memory.
    """
    def no_snapshot(param: SolverParameter) -> None:
        param.ClearField('snapshot')
        param.display = 0
    trial = Solver(solver, device, amend=no_snapshot)
    fill_upsampling(trial.net)
    train_by(trial)
    trial.step(1)
    begun, steps = time.monotonic(), 0
    while steps < MOST and (not steps or time.monotonic() - begun < ENOUGH):
        trial.step(1)
        steps += 1
    return (time.monotonic() - begun) / steps


def training_seconds(step: float, iterations: int, scorings: int, images: int) -> float:
    """Return how long a training takes that scores so many images so many times."""
    return step * (iterations + scorings * images * FORWARD)
