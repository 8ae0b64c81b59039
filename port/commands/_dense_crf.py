"""--crf, which several commands take: dense CRF weights by a model's name, or five numbers."""

from typing import Any

import click

from port.commands._values import Context, Named, Param


class CrfType(Named):
    """A model's name or pos_w,pos_xy,bi_w,bi_xy,bi_rgb."""

    name = 'model|w,xy,w,xy,rgb'

    def convert(self, value: Any, param: Param, ctx: Context) -> Any:
        from port.crf.crf_weights import CrfWeights, crf_weights
        if isinstance(value, CrfWeights):
            return value
        try:
            return crf_weights(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


crf_option = click.option('--crf', type=CrfType(), help='Refine the scores by a dense CRF with the '
                          "weights of a model (deeplab-largefov …: docs/crf.md), or with these: "
                          'pos_w,pos_xy,bi_w,bi_xy,bi_rgb.')
