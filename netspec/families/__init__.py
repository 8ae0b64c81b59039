"""How a row of the table becomes a net: one file for each family of nets."""

from typing import Any

from netspec.families.deeplab import deeplab
from netspec.families.fcn import fcn
from netspec.schema.messages import NetParameter
from netspec.variants import Variant, find_variant
from netspec.variants.deeplab_rows import DeepLab


def make_net(variant: str | Variant, split: str, **options: Any) -> NetParameter:
    """Return the NetParameter of a row for a split or for 'deploy', made as its family makes it.

    The options are those of families.fcn.fcn: width, classes, data_root, filler, loss, …
    """
    row = find_variant(variant)
    if isinstance(row, DeepLab) and options.pop('pad', None) is not None:
        raise ValueError(f'{row.name} does not pad the image by more than its windows need')
    if isinstance(row, DeepLab) and options.pop('output_stride', None) is not None:
        raise ValueError(f'{row.name} is a trous already: its scores lie 8 pixels apart')
    if isinstance(row, DeepLab) and options.pop('aligned', False):
        raise ValueError(f'{row.name}: its upsampling lies right already')
    make = deeplab if isinstance(row, DeepLab) else fcn
    return make(row, split, **options)
