"""Names, by its first bytes, a file that should hold Caffe weights and does not; runs nothing.

The usual mistakes: a git-LFS pointer or an error page in place of a download, a prototxt in place
of its caffemodel, weights of another framework.
"""

from pathlib import Path

from netspec.schema import files

HDF5_MAGIC = b'\x89HDF\r\n\x1a\n'
TEXTS = (
    ('layer', 'a prototxt (text): the net, not its weights'),
    ('train_net', 'a solver prototxt (text), not weights'),
    ('base_lr', 'a solver prototxt (text), not weights'),
    ('net:', 'a solver prototxt (text), not weights'),
)


def magic(path: str | Path, size: int = 4096) -> bytes:
    """Return the first bytes of a file; FileNotFoundError names the closest file beside it."""
    with files.existing(path, 'weights file').open('rb') as file:
        return file.read(size)


def foreign(head: bytes) -> str:
    """Say what a file with these first bytes is; '' where it may be a caffemodel."""
    if not head:
        return 'an empty file'
    if head.startswith(HDF5_MAGIC):
        return 'an HDF5 file; read_weights and read_hdf5 read those'
    known = files.foreign(head)
    if known:
        return known
    if head[0] == 0x08:                            # field 1 is a string in NetParameter
        return 'a .solverstate or a mean .binaryproto: it holds no layers'
    return _text(head) if files.is_text(head) else ''


def _text(head: bytes) -> str:
    """Say what kind of text this is."""
    words = head.decode('utf-8', 'replace')
    for sign, what in TEXTS:
        if sign in words:
            return what
    return f'a text file (it begins {words.lstrip()[:40].splitlines()[:1]})'
