"""--scales and --flip, which infer and score take: an image looked at several times."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from port.commands._values import Context, Named, Param

if TYPE_CHECKING:
    from port.predict.views import Views

LEAST, MOST = 0.1, 4.0


class Scales(Named):
    """Factors of an image's size, with commas."""

    name = 'N[,N…]'

    def convert(self, value: Any, param: Param, ctx: Context) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            found = tuple(float(part) for part in value.split(','))
        except ValueError:
            found = ()
        if not found or not all(math.isfinite(v) and LEAST <= v <= MOST for v in found):
            self.fail(f'{value!r}: expected factors of {LEAST:g} to {MOST:g} with commas, such as '
                      '0.75,1,1.25', param, ctx)
        return found


def views_options(function: Callable) -> Callable:
    """Add --scales and --flip."""
    for option in (
            click.option('--flip', is_flag=True, help='Look at each image mirrored as well, and '
                         'take the mean of the probabilities.'),
            click.option('--scales', type=Scales(), default='1', show_default=True,
                         help='Look at each image at these sizes, such as 0.75,1,1.25, and take '
                         'the mean of the probabilities.')):
        function = option(function)
    return function


def views_of(scales: tuple[float, ...], flip: bool) -> Views:
    """Return what the options ask for."""
    from port.predict.views import Views
    return Views(scales, flip)
