"""DenseCRF (DeepLab's densecrf_layer.cpp): scores refined along the picture's edges (port/crf).

bottoms: scores N x C x H x W, data_dim (each picture's real height and width), and the picture as
the net sees it, blue, green, red and mean off; without it there are no bilateral terms. The field
is that of the top left part of the real size; outside it the top is 0. There is no gradient.
"""

import numpy as np
import torch

from netspec.schema.messages import DenseCRFParameter
from port.crf import refine
from port.crf.mean_field import PairwiseTerm
from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer

LEAST = np.finfo(np.float32).tiny       # FLT_MIN: what a probability of 0 counts as in a logarithm


def pairwise_terms(p: DenseCRFParameter, with_image: bool) -> list[PairwiseTerm]:
    """Return the terms of port.crf.refine; ValueError where the numbers do not pair up."""
    fields = {'pos': ('pos_w', 'pos_xy_std'), 'bi': ('bi_w', 'bi_xy_std', 'bi_rgb_std')}
    for names in fields.values():
        counts = [len(getattr(p, name)) for name in names]
        if len(set(counts)) > 1:
            given = ', '.join(f'{name} {n}' for name, n in zip(names, counts, strict=True))
            raise ValueError(f'dense_crf_param: expected as many of each of {", ".join(names)}; '
                             f'got {given}')
    if with_image and not p.bi_w:
        raise ValueError('dense_crf_param: there is a picture, but no bi_w, bi_xy_std, '
                         'bi_rgb_std; give them, or leave the third bottom out')
    near = [('gaussian', *row) for row in zip(p.pos_w, p.pos_xy_std, strict=True)]
    alike = [('bilateral', *row) for row in zip(p.bi_w, p.bi_xy_std, p.bi_rgb_std, strict=True)]
    return near + (alike if with_image else [])


@layer('DenseCRF')
class DenseCRF(Layer):
    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        self.terms = pairwise_terms(self.param.dense_crf_param, len(bottom) == 3)

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        scores, sizes = bottom[0].shape, bottom[1].shape
        if len(scores) != 4:
            raise ValueError(f'bottom {bottom[0].name!r} {list(scores)} must have 4 axes: num, '
                             'channels, height, width')
        if sizes[0] != scores[0] or bottom[1].count != 2 * scores[0]:
            raise ValueError(f'bottom {bottom[1].name!r} {list(sizes)}: expected a height and a '
                             f'width for each of the {scores[0]} item(s) of {bottom[0].name!r}')
        if len(bottom) == 3 and bottom[2].shape != (scores[0], 3, *scores[2:]):
            raise ValueError(f'the scores {bottom[0].name!r} {list(scores)} and the picture '
                             f'{bottom[2].name!r} {list(bottom[2].shape)} must be of one size, '
                             'the picture of 3 channels')
        top[0].reshape(*scores)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        p, scores = self.param.dense_crf_param, bottom[0].data.cpu().numpy()
        sizes = bottom[1].data.reshape(-1, 2).long().cpu().numpy()
        out, threads = np.zeros(scores.shape, np.float32), torch.get_num_threads()
        for i, size in enumerate(sizes):
            h, w = np.minimum(size, scores.shape[2:])
            if min(h, w) < 1:
                raise ValueError(f'{bottom[1].name!r} says that picture {i} is {size[0]} x '
                                 f'{size[1]} pixels; expected at least 1 x 1')
            image = bottom[2].data[i, :, :h, :w] if len(bottom) == 3 else None
            q = refine(scores[i, :, :h, :w], image if image is None else
                       image.permute(1, 2, 0).cpu().numpy(), self.terms, p.max_iter,
                       threads=threads)
            out[i, :, :h, :w] = q if p.output_probability else np.log(np.maximum(q, LEAST))
        top[0].data = torch.from_numpy(out).to(bottom[0].data)

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        """Leave no gradient: the authors' does nothing, so that a diff stays 0 as it began."""
        for blob, wanted in zip(bottom, propagate_down, strict=True):
            if wanted:
                blob.drop_diff()
