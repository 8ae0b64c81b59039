"""Sums of many tensors over the ranks, sent bucket by bucket while others are still computed."""

from collections.abc import Sequence

import torch
import torch.distributed as dist

from port.distributed.ranks import send, wait

BUCKET = 4 << 20       # bytes; a message of less costs more in waiting than in carrying


class BucketedSums:
    """Sums over ranks of tensors that become ready one by one, in any order.

    counts: of the values of each tensor, in the order in which they mostly become ready. Buckets,
    and the order in which they are sent, follow from it alone, as every rank must send the same.
    """

    def __init__(self, counts: Sequence[int], size: int = BUCKET) -> None:
        self.buckets: list[list[int]] = []
        room = 0
        for i, count in enumerate(counts):
            if not self.buckets or room < 4 * count:
                self.buckets.append([])
                room = size
            self.buckets[-1].append(i)
            room -= 4 * count
        self.begin()

    def begin(self) -> None:
        """Forget what was ready."""
        self.tensors: dict[int, torch.Tensor] = {}
        self.sent: list[tuple[dist.Work | None, torch.Tensor, list[int]]] = []

    def ready(self, i: int, tensor: torch.Tensor) -> None:
        """Take a tensor, which changes until `finish`; send what is whole by now."""
        self.tensors[i] = tensor
        while len(self.sent) < len(self.buckets):
            members = self.buckets[len(self.sent)]
            if not all(member in self.tensors for member in members):
                break
            parts = [self.tensors[member] for member in members]
            flat = parts[0] if len(parts) == 1 and parts[0].is_contiguous() else torch.cat(
                [part.reshape(-1) for part in parts])
            self.sent.append((send(flat), flat, members))

    def finish(self) -> None:
        """Wait for all, and put the sums into the tensors."""
        for work, flat, members in self.sent:
            if work is not None:
                wait(work)
            if len(members) > 1 or flat is not self.tensors[members[0]]:
                parts = flat.split([self.tensors[member].numel() for member in members])
                for member, part in zip(members, parts, strict=True):
                    self.tensors[member].copy_(part.view(self.tensors[member].shape))
        self.begin()
