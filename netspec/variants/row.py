"""What a row of the table of nets consists of: data, inputs, trunk, heads, schedule, weights.

What a published net does unlike its neighbours is a field whose comment gives the reason.
"""

from dataclasses import dataclass
from typing import Any

BGR = tuple[float, ...]

SEED = 1337


@dataclass(frozen=True)
class DataLayer:
    """A Python data layer: where its class stands, and the keys of its param_str in order."""

    module: str
    type: str
    keys: tuple[str, ...]
    dirs: tuple[tuple[str, str], ...]  # key of param_str, folder below Variant.data
    options: tuple[str, ...] = ()  # what else of a fitted row it must be told


@dataclass(frozen=True)
class Split:
    """One data net: its file (train.prototxt), the list it reads (seg11valid) and its layer."""

    file: str
    name: str
    layer: DataLayer


@dataclass(frozen=True)
class Input:
    """One image top: its blob, channels, mean, and what the data layer calls it."""

    top: str
    channels: int
    mean: BGR
    kind: str = 'color'


@dataclass(frozen=True)
class Stream:
    """One trunk: the suffix of its layers' names, the top it reads, its first layer if renamed."""

    suffix: str
    data: str
    first: str | None = None


@dataclass(frozen=True)
class Head:
    """One labelling: its classes, the suffix of its layers' names, its label top, loss and class
    list.

    names, palette: of the classes of a user's own dataset, which has no published list; a colour
    is red, green, blue.
    """

    classes: int
    labels: str
    suffix: str = ''
    label: str = 'label'
    loss: str = 'loss'
    names: tuple[str, ...] = ()
    palette: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class Init:
    """Where weights come from: the donor is VGG16, CaffeNet or another row."""

    donor: str
    suffix: str = ''  # transplant into the layers closed by it
    # (donor's layer, ours): ours has one input channel more, which starts at the others' mean
    mean_channel: tuple[str, str] | None = None
    sampled: tuple[str, ...] = ()  # the donor's layers that are larger than ours


@dataclass(frozen=True)
class Schedule:
    """The solver's numbers; `heavy` learning (momentum 0.99, a step an image) is the default."""

    base_lr: float
    max_iter: int
    test_iter: int
    snapshot: int | None
    block: int  # the original runs `repeats` blocks of so many iterations and scores after each
    repeats: int
    momentum: float = 0.99
    iter_size: int = 1
    # Fields of the solver that are another than the published FCNs': its type, its rate policy …
    solver: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Variant:
    """One net: data, trunk, heads, loss, schedule and the weights it starts from."""

    name: str
    dataset: str
    stride: int
    heads: tuple[Head, ...]
    splits: tuple[Split, Split]  # training, testing
    inputs: tuple[Input, ...]
    schedule: Schedule
    init: tuple[Init, ...]
    streams: tuple[Stream, ...] = (Stream('', 'data'),)
    trunk: str = 'vgg16'
    ignore_label: int = 255
    # The splits for a user's own folder, where the published ones need several layouts.
    own_splits: tuple[Split, Split] | None = None
    # voc-fcn16s and PASCAL-Context were written to run one folder deeper.
    data: str = '../data'
    # AlexNet's training divides the loss by the pixels, with standard momentum; the others sum.
    normalize: bool = False
    # Training all strides at once needs the skips scaled to the range of fc7 (paper section 4.3).
    skip_scales: tuple[tuple[str, float], ...] = ()  # top that a skip starts from, factor
    # SegNet's nets train on batches, weigh the classes against each other, and (where they undo
    # pooling) are made for one image size: height, width.
    batch: int = 1
    class_weighting: tuple[float, ...] = ()
    frame: tuple[int, int] | None = None
    # Height and width that the data layer cuts out of the middle of images and labels.
    crop: tuple[int, int] | None = None
    # FCN-ResNet34's upsampling lies half a pixel off, as its authors have it; aligned does not.
    aligned: bool = False
    # A user's own net may be narrow; its folder says so. The published ones are not.
    width: float = 1.0
    # Where a user's own data lies: a folder for each key of param_str; and what else its data layer
    # is told.
    places: tuple[tuple[str, str], ...] = ()
    told: tuple[tuple[str, Any], ...] = ()

    @property
    def net_files(self) -> tuple[str, ...]:
        """Names of the nets' files, without their ending."""
        return (*(split.file for split in self.splits), 'deploy')

    @property
    def grid(self) -> int:
        """Heights and widths of images are a multiple of this plus 1; 1 where any size will do."""
        return 1

    @property
    def classes(self) -> int:
        """Number of classes of the (first) head."""
        return self.heads[0].classes

    @property
    def mean(self) -> BGR:
        """Mean of the first input, blue green red."""
        return self.inputs[0].mean

    @property
    def labels(self) -> str:
        """Key of the class list of the (first) head."""
        return self.heads[0].labels
