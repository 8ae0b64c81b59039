"""The weights of DeepLab's dense CRFs: one bilateral and one Gaussian term, by model.

Each was found by cross-validation on 100 images for the net that it follows (ICLR 2015 section 4,
PAMI 2017 section 4.1); SOURCES says where the numbers stand.
"""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import NamedTuple

from port.crf.mean_field import PairwiseTerm, check_terms

ITERATIONS = 10     # of the papers and of all published files


class CrfWeights(NamedTuple):
    """w and standard deviations: of places alone, and of places (pixels) with colours (0..255)."""

    pos_w: float
    pos_xy: float
    bi_w: float
    bi_xy: float
    bi_rgb: float

    def terms(self) -> Sequence[PairwiseTerm]:
        """Return the terms that `refine` takes; those of weight 0 are left out."""
        both: list[PairwiseTerm] = [('gaussian', self.pos_w, self.pos_xy),
                                    ('bilateral', self.bi_w, self.bi_xy, self.bi_rgb)]
        return [term for term in both if term[1]]

    def __str__(self) -> str:
        return ','.join(f'{value:g}' for value in self)


V1 = "the authors' SetupEnv.m, in three copies of DeepLab v1"
DEVELOPMENT = "the authors' development SetupEnv.m"
LIST = 'a second list by the authors, independent of SetupEnv.m'
SCRIPT = "run_densecrf.sh of the authors' DeepLab v2"
SOURCES: dict[str, tuple[CrfWeights, str]] = {
    'deeplab-4x4': (CrfWeights(3, 3, 5, 50, 10), f'{V1}: "not optimized well"; also the CRF layer '
                    "of LargeFOV's test file"),
    'deeplab-msc': (CrfWeights(3, 3, 3, 95, 3), V1),
    'deeplab-4x4-coco': (CrfWeights(3, 3, 5, 67, 3), V1),
    'deeplab-7x7': (CrfWeights(3, 3, 4, 72, 5), f'{DEVELOPMENT} (vgg128_noup_pool3_125M)'),
    'deeplab-largefov': (CrfWeights(3, 3, 4, 121, 5), f'{DEVELOPMENT}, and {LIST}'),
    'deeplab-largefov-coco': (CrfWeights(3, 3, 5, 69, 5), f'{DEVELOPMENT}, and {LIST}'),
    'deeplab-msc-largefov': (CrfWeights(3, 3, 4, 83, 5), f'{LIST}; a comment in its test file'),
    'deeplab-msc-largefov-coco': (CrfWeights(3, 3, 4, 59, 5), LIST),
    'deeplab-vgg16-largefov': (CrfWeights(3, 3, 4, 49, 5), SCRIPT),
    'deeplab-vgg16-aspp-s': (CrfWeights(3, 3, 4, 49, 5), SCRIPT),
    'deeplab-vgg16-aspp-l': (CrfWeights(3, 3, 4, 49, 5), SCRIPT),
    'deeplab-vgg16-others': (CrfWeights(2, 2, 4, 65, 3), "what others' programs run after v2's "
                             'VGG16; none says where it found the numbers'),
    'deeplab-resnet101': (CrfWeights(3, 1, 4, 67, 3), "a retraining on PyTorch, kazuto1011's "
                          'voc12.yaml: 76.65 to 77.93 mean IU, there with the symmetric '
                          'normalisation'),
}


def crf_weights(text: str) -> CrfWeights:
    """Return the weights of a model's name, or of five numbers pos_w,pos_xy,bi_w,bi_xy,bi_rgb.

    Raises ValueError for anything else.
    """
    if text in SOURCES:
        return SOURCES[text][0]
    try:
        numbers = [float(part) for part in text.split(',')]
    except ValueError:
        close = get_close_matches(text, SOURCES, 1)
        hint = f'did you mean {close[0]!r}?' if close else f'names: {", ".join(SOURCES)}'
        raise ValueError(f'{text!r} is neither a model with published weights nor five numbers '
                         f'pos_w,pos_xy,bi_w,bi_xy,bi_rgb such as 3,3,4,121,5; {hint}') from None
    if len(numbers) != len(CrfWeights._fields):
        raise ValueError(f'{text!r} has {len(numbers)} number(s); expected five: '
                         f'{",".join(CrfWeights._fields)}')
    weights = CrfWeights(*numbers)
    check_terms(CrfWeights(1, weights.pos_xy, 1, *weights[3:]).terms())
    check_terms(weights.terms())
    return weights
