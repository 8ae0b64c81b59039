"""Dense CRF: scores refined along the edges of the picture."""

from port.crf.mean_field import refine

__all__ = ['refine']
