"""Which device a name means, and one line for one that is not here."""

import torch

DEVICES = ('cpu', 'cuda')


def gpu_count() -> int:
    """Return the number of GPUs that torch can use."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def gpus_here() -> str:
    """Say which GPUs are here."""
    count = gpu_count()
    return f'GPUs 0 to {count - 1} are here' if count else 'no CUDA device is here'


def parse_device(device: torch.device | str) -> torch.device:
    """Return the device of a name, here or not; ValueError for one that is no CPU and no GPU."""
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError):
        found = None
    if found is None or found.type not in DEVICES:
        raise ValueError(f"device {device!r}: expected 'cpu', 'cuda' or 'cuda:N'")
    return found


def find_device(device: torch.device | str) -> torch.device:
    """Return the device of a name; ValueError for one that is not here."""
    found = parse_device(device)
    if found.type == 'cuda' and (found.index or 0) >= gpu_count():
        raise ValueError(f'device {device!r}: {gpus_here()}; leave it out to compute on the CPU')
    return found
