"""Which tensors the kernels can read as they stand."""

import pytest
import torch

from port.fast.kernels.planes import LAST, laid, plane


def test_refuses_other_orders() -> None:
    with pytest.raises(ValueError, match='channels last'):
        plane(torch.zeros(1, 3, 4, 5))
    with pytest.raises(ValueError, match='float64'):
        plane(torch.zeros(1, 1, 4, 5, dtype=torch.float64))


def test_a_part_of_an_image_is_read_in_its_place() -> None:
    x = torch.randn(2, 3, 6, 7).contiguous(memory_format=LAST)
    part = x[:, :, 1:4, 2:5]
    found = plane(part)
    assert laid(part) is part and found.data == part.data_ptr()
    assert (found.row, found.image, found.height, found.width) == (21, 126, 3, 3)
    assert plane(None).data is None


def test_other_tensors_are_copied() -> None:
    for x in (torch.randn(2, 3, 6, 7), torch.randn(1, 4, 2, 2).half()):
        copied = laid(x)
        assert torch.equal(copied, x.float()) and plane(copied).channels == x.shape[1]
