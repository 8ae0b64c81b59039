"""Blobs: shapes, memory that stays, and the numpy face."""

import numpy as np
import pytest
import torch

from port.engine.blob import Blob, Param, SharedParam


def test_reads_as_zeros_until_assigned() -> None:
    blob = Blob('x', (2, 3))
    assert blob.data.shape == (2, 3) and not blob.data.any() and not blob.diff.any()


def test_a_held_array_sees_later_assignments() -> None:
    """pycaffe hands out the blob's memory, not a copy."""
    blob = Blob('x', (2, 2))
    held = blob.face().data
    blob.data = torch.ones(2, 2)
    assert held.sum() == 4
    held[0, 0] = 7
    assert blob.data[0, 0] == 7


def test_without_a_holder_the_tensor_is_taken_as_it_is() -> None:
    blob, tensor = Blob('x', (2,)), torch.ones(2)
    blob.data = tensor
    assert blob.data is tensor


def test_reshape_keeps_the_leading_elements() -> None:
    blob = Blob('x', (2, 3))
    blob.data = torch.arange(6.).view(2, 3)
    blob.reshape(1, 4)
    assert blob.data.tolist() == [[0, 1, 2, 3]]
    blob.reshape(5, 5)
    assert blob.shape == (5, 5) and blob.count == 25


def test_a_blob_that_grows_again_finds_its_old_values() -> None:
    """So a loss weight in the diff of a top outlasts a smaller pass, as in Caffe."""
    blob = Blob('x', (4,))
    blob.diff = torch.full((4,), 2.)
    blob.reshape(1)
    blob.reshape(2, 2)
    assert blob.diff.tolist() == [[2, 2], [2, 2]]
    blob.reshape(1)
    blob.diff = torch.ones(1)
    blob.reshape(4)
    assert not blob.diff.any()


def test_reshape_refuses_negative_sizes() -> None:
    with pytest.raises(ValueError, match=r"blob 'x': cannot take the shape \[2, -1\]"):
        Blob('x').reshape(2, -1)


def test_assignment_sets_the_shape() -> None:
    blob = Blob('x', (1,))
    blob.data = torch.zeros(3, 4)
    assert blob.shape == (3, 4) and blob.diff.shape == (3, 4)


def test_gradients_add_up_and_clear() -> None:
    blob = Blob('x', (2,))
    blob.add_diff(torch.ones(2))
    blob.add_diff(torch.ones(2))
    assert blob.diff.tolist() == [2, 2]
    blob.drop_diff()
    assert blob.diff.tolist() == [0, 0]


def test_a_lazy_diff_is_copied_when_read() -> None:
    blob, origin = Blob('x', (2,)), torch.ones(2)
    blob.diff_from(origin)
    read = blob.diff
    origin.zero_()
    assert read.tolist() == [1, 1]


def test_dropping_a_held_diff_does_not_touch_where_it_came_from() -> None:
    blob, origin = Blob('x', (2,)), torch.ones(2)
    held = blob.face().diff
    blob.diff_from(origin)
    assert held.tolist() == [1, 1]
    blob.drop_diff()
    assert held.tolist() == [0, 0] and origin.tolist() == [1, 1]


def test_a_parameter_keeps_its_memory() -> None:
    param = Param('w', (2,))
    memory = param.data
    param.data = torch.ones(2)
    assert memory.tolist() == [1, 1]


def test_a_shared_parameter_has_its_own_shape_over_the_owner() -> None:
    owner = Param('w', (2, 3))
    shared = SharedParam(owner, 'v', (3, 2))
    shared.data = torch.arange(6.).view(3, 2)
    shared.add_diff(torch.ones(3, 2))
    assert owner.data.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert owner.diff.sum() == 6 and shared.face().data.shape == (3, 2)


def test_face_has_the_legacy_sizes() -> None:
    face = Blob('x', (2, 3)).face()
    assert (face.num, face.channels, face.height, face.width, face.count) == (2, 3, 1, 1, 6)
    with pytest.raises(ValueError, match='5 axes'):
        _ = Blob('x', (1, 1, 1, 1, 1)).face().num


def test_other_layouts_become_contiguous_for_numpy() -> None:
    blob = Blob('x', (1, 2, 3, 4))
    blob.data = torch.randn(1, 2, 3, 4).to(memory_format=torch.channels_last)
    array = blob.face().data
    array.reshape(-1)[5] = 9
    assert blob.data.reshape(-1)[5] == 9


def test_put_copies_as_an_assignment_does() -> None:
    blob, array = Blob('x', (1, 2, 2)), np.array([[1, 2], [3, 4]], np.uint8)
    held = blob.face().data
    blob.face().put(array)
    array[:] = 0
    assert held.tolist() == blob.data.tolist() == [[[1, 2], [3, 4]]]
    with pytest.raises(ValueError, match='broadcast'):
        blob.face().put(np.zeros(5))


def test_put_reads_nothing_back_from_a_device() -> None:
    """The device `meta` stands for a GPU: from it nothing can be read."""
    blob = Blob('x', (1, 2, 2), device='meta')
    blob.data = torch.empty(1, 2, 2, device='meta')
    blob.face().put(np.ones((2, 2), np.uint8))
    assert (blob.data.device.type, blob.data.dtype) == ('meta', torch.float32)
    assert blob.data.shape == (1, 2, 2)
    with pytest.raises(ValueError, match='broadcast'):
        blob.face().put(np.zeros(5))


@pytest.mark.gpu
def test_put_on_a_gpu() -> None:
    blob = Blob('x', (1, 2, 2), device='cuda')
    blob.face().put(np.array([[1, 2], [3, 4]], np.uint8))
    assert blob.data.is_cuda and blob.data.tolist() == [[[1, 2], [3, 4]]]


@pytest.mark.gpu
def test_gpu_arrays_travel_when_touched() -> None:
    blob = Blob('x', (2,), device='cuda')
    blob.face().data[...] = np.array([1, 2])
    assert blob.data.is_cuda and blob.data.tolist() == [1, 2]
