"""The table of nets: one row each, a file of rows for each family."""

from netspec.spec import unknown
from netspec.variants.deeplab_rows import DEEPLAB_ROWS
from netspec.variants.fcn_rows import FCN_ROWS
from netspec.variants.row import Variant
from netspec.variants.segnet_rows import SEGNET_ROWS
from netspec.variants.trunk_rows import TRUNK_ROWS

ROWS = (*FCN_ROWS, *SEGNET_ROWS, *TRUNK_ROWS, *DEEPLAB_ROWS)
VARIANTS: dict[str, Variant] = {row.name: row for row in ROWS}


def find_variant(variant: str | Variant) -> Variant:
    """Return the row of that name (a row is returned as it is); KeyError with the closest name."""
    if isinstance(variant, Variant):
        return variant
    if variant not in VARIANTS:
        raise unknown('no net is named', variant, VARIANTS)
    return VARIANTS[variant]
