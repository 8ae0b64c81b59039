"""Written by python -m netspec.schema.build from caffe.proto; never edited by hand."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
from google.protobuf.internal.containers import (
    RepeatedCompositeFieldContainer,
    RepeatedScalarFieldContainer,
)
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message

DESCRIPTOR: FileDescriptor

def descriptor_of(message: Message) -> Descriptor: ...
def is_repeated(field: FieldDescriptor) -> bool: ...
def is_required(field: FieldDescriptor) -> bool: ...

__all__ = [
    "DESCRIPTOR",
    "descriptor_of",
    "is_repeated",
    "is_required",
    "BlobShape",
    "BlobProto",
    "BlobProtoVector",
    "Datum",
    "NetParameter",
    "NetState",
    "NetStateRule",
    "ParamSpec",
    "FillerParameter",
    "LayerParameter",
    "SolverParameter",
    "SolverState",
    "AccuracyParameter",
    "ArgMaxParameter",
    "BatchNormParameter",
    "BiasParameter",
    "ClipParameter",
    "ConcatParameter",
    "ContrastiveLossParameter",
    "ConvolutionParameter",
    "CropParameter",
    "DataParameter",
    "DropoutParameter",
    "DummyDataParameter",
    "ELUParameter",
    "EltwiseParameter",
    "EmbedParameter",
    "ExpParameter",
    "FlattenParameter",
    "HDF5DataParameter",
    "HDF5OutputParameter",
    "HingeLossParameter",
    "ImageDataParameter",
    "InfogainLossParameter",
    "InnerProductParameter",
    "InputParameter",
    "LRNParameter",
    "LogParameter",
    "LossParameter",
    "MVNParameter",
    "MemoryDataParameter",
    "PReLUParameter",
    "ParameterParameter",
    "PoolingParameter",
    "PowerParameter",
    "PythonParameter",
    "ReLUParameter",
    "RecurrentParameter",
    "ReductionParameter",
    "ReshapeParameter",
    "SPPParameter",
    "ScaleParameter",
    "SigmoidParameter",
    "SliceParameter",
    "SoftmaxParameter",
    "SwishParameter",
    "TanHParameter",
    "ThresholdParameter",
    "TileParameter",
    "TransformationParameter",
    "WindowDataParameter",
    "AdaptiveBiasChannelParameter",
    "BiasChannelParameter",
    "DenseCRFParameter",
    "DomainTransformParameter",
    "InterpParameter",
    "MatReadParameter",
    "MatWriteParameter",
    "PaddingParameter",
    "SegAccuracyParameter",
    "SoftmaxLossParameter",
    "UniqueLabelParameter",
    "UpsampleParameter",
    "BNParameter",
    "V0LayerParameter",
    "V1LayerParameter",
    "Phase",
    "TRAIN",
    "TEST",
]

Phase: EnumTypeWrapper
TRAIN: int
TEST: int

class BlobShape(Message):
    DESCRIPTOR: Descriptor
    @property
    def dim(self) -> RepeatedScalarFieldContainer[int]: ...
    def __init__(
        self, *,
        dim: Iterable[int] | None = ...,
    ) -> None: ...

class BlobProto(Message):
    DESCRIPTOR: Descriptor
    num: int
    channels: int
    height: int
    width: int
    @property
    def data(self) -> RepeatedScalarFieldContainer[float]: ...
    @property
    def diff(self) -> RepeatedScalarFieldContainer[float]: ...
    @property
    def shape(self) -> BlobShape: ...
    @property
    def double_data(self) -> RepeatedScalarFieldContainer[float]: ...
    @property
    def double_diff(self) -> RepeatedScalarFieldContainer[float]: ...
    def __init__(
        self, *,
        num: int | None = ...,
        channels: int | None = ...,
        height: int | None = ...,
        width: int | None = ...,
        data: Iterable[float] | None = ...,
        diff: Iterable[float] | None = ...,
        shape: BlobShape | dict[str, Any] | None = ...,
        double_data: Iterable[float] | None = ...,
        double_diff: Iterable[float] | None = ...,
    ) -> None: ...

class BlobProtoVector(Message):
    DESCRIPTOR: Descriptor
    @property
    def blobs(self) -> RepeatedCompositeFieldContainer[BlobProto]: ...
    def __init__(
        self, *,
        blobs: Iterable[BlobProto | dict[str, Any]] | None = ...,
    ) -> None: ...

class Datum(Message):
    DESCRIPTOR: Descriptor
    channels: int
    height: int
    width: int
    data: bytes
    label: int
    @property
    def float_data(self) -> RepeatedScalarFieldContainer[float]: ...
    encoded: bool
    def __init__(
        self, *,
        channels: int | None = ...,
        height: int | None = ...,
        width: int | None = ...,
        data: bytes | None = ...,
        label: int | None = ...,
        float_data: Iterable[float] | None = ...,
        encoded: bool | None = ...,
    ) -> None: ...

class NetParameter(Message):
    DESCRIPTOR: Descriptor
    name: str
    @property
    def layers(self) -> RepeatedCompositeFieldContainer[V1LayerParameter]: ...
    @property
    def input(self) -> RepeatedScalarFieldContainer[str]: ...
    @property
    def input_dim(self) -> RepeatedScalarFieldContainer[int]: ...
    force_backward: bool
    @property
    def state(self) -> NetState: ...
    debug_info: bool
    @property
    def input_shape(self) -> RepeatedCompositeFieldContainer[BlobShape]: ...
    @property
    def layer(self) -> RepeatedCompositeFieldContainer[LayerParameter]: ...
    def __init__(
        self, *,
        name: str | None = ...,
        layers: Iterable[V1LayerParameter | dict[str, Any]] | None = ...,
        input: Iterable[str] | None = ...,
        input_dim: Iterable[int] | None = ...,
        force_backward: bool | None = ...,
        state: NetState | dict[str, Any] | None = ...,
        debug_info: bool | None = ...,
        input_shape: Iterable[BlobShape | dict[str, Any]] | None = ...,
        layer: Iterable[LayerParameter | dict[str, Any]] | None = ...,
    ) -> None: ...

class NetState(Message):
    DESCRIPTOR: Descriptor
    phase: int
    level: int
    @property
    def stage(self) -> RepeatedScalarFieldContainer[str]: ...
    def __init__(
        self, *,
        phase: int | str | None = ...,
        level: int | None = ...,
        stage: Iterable[str] | None = ...,
    ) -> None: ...

class NetStateRule(Message):
    DESCRIPTOR: Descriptor
    phase: int
    min_level: int
    max_level: int
    @property
    def stage(self) -> RepeatedScalarFieldContainer[str]: ...
    @property
    def not_stage(self) -> RepeatedScalarFieldContainer[str]: ...
    def __init__(
        self, *,
        phase: int | str | None = ...,
        min_level: int | None = ...,
        max_level: int | None = ...,
        stage: Iterable[str] | None = ...,
        not_stage: Iterable[str] | None = ...,
    ) -> None: ...

class ParamSpec(Message):
    DESCRIPTOR: Descriptor
    DimCheckMode: EnumTypeWrapper
    STRICT: int
    PERMISSIVE: int
    name: str
    share_mode: int
    lr_mult: float
    decay_mult: float
    def __init__(
        self, *,
        name: str | None = ...,
        share_mode: int | str | None = ...,
        lr_mult: float | None = ...,
        decay_mult: float | None = ...,
    ) -> None: ...

class FillerParameter(Message):
    DESCRIPTOR: Descriptor
    VarianceNorm: EnumTypeWrapper
    FAN_IN: int
    FAN_OUT: int
    AVERAGE: int
    type: str
    value: float
    min: float
    max: float
    mean: float
    std: float
    sparse: int
    variance_norm: int
    def __init__(
        self, *,
        type: str | None = ...,
        value: float | None = ...,
        min: float | None = ...,
        max: float | None = ...,
        mean: float | None = ...,
        std: float | None = ...,
        sparse: int | None = ...,
        variance_norm: int | str | None = ...,
    ) -> None: ...

class LayerParameter(Message):
    DESCRIPTOR: Descriptor
    name: str
    type: str
    @property
    def bottom(self) -> RepeatedScalarFieldContainer[str]: ...
    @property
    def top(self) -> RepeatedScalarFieldContainer[str]: ...
    @property
    def loss_weight(self) -> RepeatedScalarFieldContainer[float]: ...
    @property
    def param(self) -> RepeatedCompositeFieldContainer[ParamSpec]: ...
    @property
    def blobs(self) -> RepeatedCompositeFieldContainer[BlobProto]: ...
    @property
    def include(self) -> RepeatedCompositeFieldContainer[NetStateRule]: ...
    @property
    def exclude(self) -> RepeatedCompositeFieldContainer[NetStateRule]: ...
    phase: int
    @property
    def propagate_down(self) -> RepeatedScalarFieldContainer[bool]: ...
    @property
    def transform_param(self) -> TransformationParameter: ...
    @property
    def loss_param(self) -> LossParameter: ...
    @property
    def accuracy_param(self) -> AccuracyParameter: ...
    @property
    def argmax_param(self) -> ArgMaxParameter: ...
    @property
    def concat_param(self) -> ConcatParameter: ...
    @property
    def contrastive_loss_param(self) -> ContrastiveLossParameter: ...
    @property
    def convolution_param(self) -> ConvolutionParameter: ...
    @property
    def data_param(self) -> DataParameter: ...
    @property
    def dropout_param(self) -> DropoutParameter: ...
    @property
    def dummy_data_param(self) -> DummyDataParameter: ...
    @property
    def eltwise_param(self) -> EltwiseParameter: ...
    @property
    def exp_param(self) -> ExpParameter: ...
    @property
    def hdf5_data_param(self) -> HDF5DataParameter: ...
    @property
    def hdf5_output_param(self) -> HDF5OutputParameter: ...
    @property
    def hinge_loss_param(self) -> HingeLossParameter: ...
    @property
    def image_data_param(self) -> ImageDataParameter: ...
    @property
    def infogain_loss_param(self) -> InfogainLossParameter: ...
    @property
    def inner_product_param(self) -> InnerProductParameter: ...
    @property
    def lrn_param(self) -> LRNParameter: ...
    @property
    def memory_data_param(self) -> MemoryDataParameter: ...
    @property
    def mvn_param(self) -> MVNParameter: ...
    @property
    def pooling_param(self) -> PoolingParameter: ...
    @property
    def power_param(self) -> PowerParameter: ...
    @property
    def relu_param(self) -> ReLUParameter: ...
    @property
    def sigmoid_param(self) -> SigmoidParameter: ...
    @property
    def softmax_param(self) -> SoftmaxParameter: ...
    @property
    def slice_param(self) -> SliceParameter: ...
    @property
    def tanh_param(self) -> TanHParameter: ...
    @property
    def threshold_param(self) -> ThresholdParameter: ...
    @property
    def window_data_param(self) -> WindowDataParameter: ...
    @property
    def python_param(self) -> PythonParameter: ...
    @property
    def prelu_param(self) -> PReLUParameter: ...
    @property
    def spp_param(self) -> SPPParameter: ...
    @property
    def reshape_param(self) -> ReshapeParameter: ...
    @property
    def log_param(self) -> LogParameter: ...
    @property
    def flatten_param(self) -> FlattenParameter: ...
    @property
    def reduction_param(self) -> ReductionParameter: ...
    @property
    def embed_param(self) -> EmbedParameter: ...
    @property
    def tile_param(self) -> TileParameter: ...
    @property
    def batch_norm_param(self) -> BatchNormParameter: ...
    @property
    def elu_param(self) -> ELUParameter: ...
    @property
    def bias_param(self) -> BiasParameter: ...
    @property
    def scale_param(self) -> ScaleParameter: ...
    @property
    def input_param(self) -> InputParameter: ...
    @property
    def crop_param(self) -> CropParameter: ...
    @property
    def parameter_param(self) -> ParameterParameter: ...
    @property
    def recurrent_param(self) -> RecurrentParameter: ...
    @property
    def swish_param(self) -> SwishParameter: ...
    @property
    def clip_param(self) -> ClipParameter: ...
    @property
    def interp_param(self) -> InterpParameter: ...
    @property
    def seg_accuracy_param(self) -> SegAccuracyParameter: ...
    @property
    def mat_write_param(self) -> MatWriteParameter: ...
    @property
    def dense_crf_param(self) -> DenseCRFParameter: ...
    @property
    def domain_transform_param(self) -> DomainTransformParameter: ...
    @property
    def adaptive_bias_channel_param(self) -> AdaptiveBiasChannelParameter: ...
    @property
    def bias_channel_param(self) -> BiasChannelParameter: ...
    @property
    def unique_label_param(self) -> UniqueLabelParameter: ...
    @property
    def mat_read_param(self) -> MatReadParameter: ...
    @property
    def upsample_param(self) -> UpsampleParameter: ...
    @property
    def bn_param(self) -> BNParameter: ...
    @property
    def softmaxloss_param(self) -> SoftmaxLossParameter: ...
    @property
    def padding_param(self) -> PaddingParameter: ...
    def __init__(
        self, *,
        name: str | None = ...,
        type: str | None = ...,
        bottom: Iterable[str] | None = ...,
        top: Iterable[str] | None = ...,
        loss_weight: Iterable[float] | None = ...,
        param: Iterable[ParamSpec | dict[str, Any]] | None = ...,
        blobs: Iterable[BlobProto | dict[str, Any]] | None = ...,
        include: Iterable[NetStateRule | dict[str, Any]] | None = ...,
        exclude: Iterable[NetStateRule | dict[str, Any]] | None = ...,
        phase: int | str | None = ...,
        propagate_down: Iterable[bool] | None = ...,
        transform_param: TransformationParameter | dict[str, Any] | None = ...,
        loss_param: LossParameter | dict[str, Any] | None = ...,
        accuracy_param: AccuracyParameter | dict[str, Any] | None = ...,
        argmax_param: ArgMaxParameter | dict[str, Any] | None = ...,
        concat_param: ConcatParameter | dict[str, Any] | None = ...,
        contrastive_loss_param: ContrastiveLossParameter | dict[str, Any] | None = ...,
        convolution_param: ConvolutionParameter | dict[str, Any] | None = ...,
        data_param: DataParameter | dict[str, Any] | None = ...,
        dropout_param: DropoutParameter | dict[str, Any] | None = ...,
        dummy_data_param: DummyDataParameter | dict[str, Any] | None = ...,
        eltwise_param: EltwiseParameter | dict[str, Any] | None = ...,
        exp_param: ExpParameter | dict[str, Any] | None = ...,
        hdf5_data_param: HDF5DataParameter | dict[str, Any] | None = ...,
        hdf5_output_param: HDF5OutputParameter | dict[str, Any] | None = ...,
        hinge_loss_param: HingeLossParameter | dict[str, Any] | None = ...,
        image_data_param: ImageDataParameter | dict[str, Any] | None = ...,
        infogain_loss_param: InfogainLossParameter | dict[str, Any] | None = ...,
        inner_product_param: InnerProductParameter | dict[str, Any] | None = ...,
        lrn_param: LRNParameter | dict[str, Any] | None = ...,
        memory_data_param: MemoryDataParameter | dict[str, Any] | None = ...,
        mvn_param: MVNParameter | dict[str, Any] | None = ...,
        pooling_param: PoolingParameter | dict[str, Any] | None = ...,
        power_param: PowerParameter | dict[str, Any] | None = ...,
        relu_param: ReLUParameter | dict[str, Any] | None = ...,
        sigmoid_param: SigmoidParameter | dict[str, Any] | None = ...,
        softmax_param: SoftmaxParameter | dict[str, Any] | None = ...,
        slice_param: SliceParameter | dict[str, Any] | None = ...,
        tanh_param: TanHParameter | dict[str, Any] | None = ...,
        threshold_param: ThresholdParameter | dict[str, Any] | None = ...,
        window_data_param: WindowDataParameter | dict[str, Any] | None = ...,
        python_param: PythonParameter | dict[str, Any] | None = ...,
        prelu_param: PReLUParameter | dict[str, Any] | None = ...,
        spp_param: SPPParameter | dict[str, Any] | None = ...,
        reshape_param: ReshapeParameter | dict[str, Any] | None = ...,
        log_param: LogParameter | dict[str, Any] | None = ...,
        flatten_param: FlattenParameter | dict[str, Any] | None = ...,
        reduction_param: ReductionParameter | dict[str, Any] | None = ...,
        embed_param: EmbedParameter | dict[str, Any] | None = ...,
        tile_param: TileParameter | dict[str, Any] | None = ...,
        batch_norm_param: BatchNormParameter | dict[str, Any] | None = ...,
        elu_param: ELUParameter | dict[str, Any] | None = ...,
        bias_param: BiasParameter | dict[str, Any] | None = ...,
        scale_param: ScaleParameter | dict[str, Any] | None = ...,
        input_param: InputParameter | dict[str, Any] | None = ...,
        crop_param: CropParameter | dict[str, Any] | None = ...,
        parameter_param: ParameterParameter | dict[str, Any] | None = ...,
        recurrent_param: RecurrentParameter | dict[str, Any] | None = ...,
        swish_param: SwishParameter | dict[str, Any] | None = ...,
        clip_param: ClipParameter | dict[str, Any] | None = ...,
        interp_param: InterpParameter | dict[str, Any] | None = ...,
        seg_accuracy_param: SegAccuracyParameter | dict[str, Any] | None = ...,
        mat_write_param: MatWriteParameter | dict[str, Any] | None = ...,
        dense_crf_param: DenseCRFParameter | dict[str, Any] | None = ...,
        domain_transform_param: DomainTransformParameter | dict[str, Any] | None = ...,
        adaptive_bias_channel_param: AdaptiveBiasChannelParameter | dict[str, Any] | None = ...,
        bias_channel_param: BiasChannelParameter | dict[str, Any] | None = ...,
        unique_label_param: UniqueLabelParameter | dict[str, Any] | None = ...,
        mat_read_param: MatReadParameter | dict[str, Any] | None = ...,
        upsample_param: UpsampleParameter | dict[str, Any] | None = ...,
        bn_param: BNParameter | dict[str, Any] | None = ...,
        softmaxloss_param: SoftmaxLossParameter | dict[str, Any] | None = ...,
        padding_param: PaddingParameter | dict[str, Any] | None = ...,
    ) -> None: ...

class SolverParameter(Message):
    DESCRIPTOR: Descriptor
    SnapshotFormat: EnumTypeWrapper
    HDF5: int
    BINARYPROTO: int
    SolverMode: EnumTypeWrapper
    CPU: int
    GPU: int
    SolverType: EnumTypeWrapper
    SGD: int
    NESTEROV: int
    ADAGRAD: int
    RMSPROP: int
    ADADELTA: int
    ADAM: int
    train_net: str
    @property
    def test_net(self) -> RepeatedScalarFieldContainer[str]: ...
    @property
    def test_iter(self) -> RepeatedScalarFieldContainer[int]: ...
    test_interval: int
    base_lr: float
    display: int
    max_iter: int
    lr_policy: str
    gamma: float
    power: float
    momentum: float
    weight_decay: float
    stepsize: int
    snapshot: int
    snapshot_prefix: str
    snapshot_diff: bool
    solver_mode: int
    device_id: int
    test_compute_loss: bool
    random_seed: int
    @property
    def train_net_param(self) -> NetParameter: ...
    @property
    def test_net_param(self) -> RepeatedCompositeFieldContainer[NetParameter]: ...
    debug_info: bool
    net: str
    @property
    def net_param(self) -> NetParameter: ...
    @property
    def train_state(self) -> NetState: ...
    @property
    def test_state(self) -> RepeatedCompositeFieldContainer[NetState]: ...
    snapshot_after_train: bool
    regularization_type: str
    solver_type: int
    delta: float
    test_initialization: bool
    average_loss: int
    @property
    def stepvalue(self) -> RepeatedScalarFieldContainer[int]: ...
    clip_gradients: float
    iter_size: int
    snapshot_format: int
    rms_decay: float
    momentum2: float
    type: str
    layer_wise_reduce: bool
    @property
    def weights(self) -> RepeatedScalarFieldContainer[str]: ...
    def __init__(
        self, *,
        train_net: str | None = ...,
        test_net: Iterable[str] | None = ...,
        test_iter: Iterable[int] | None = ...,
        test_interval: int | None = ...,
        base_lr: float | None = ...,
        display: int | None = ...,
        max_iter: int | None = ...,
        lr_policy: str | None = ...,
        gamma: float | None = ...,
        power: float | None = ...,
        momentum: float | None = ...,
        weight_decay: float | None = ...,
        stepsize: int | None = ...,
        snapshot: int | None = ...,
        snapshot_prefix: str | None = ...,
        snapshot_diff: bool | None = ...,
        solver_mode: int | str | None = ...,
        device_id: int | None = ...,
        test_compute_loss: bool | None = ...,
        random_seed: int | None = ...,
        train_net_param: NetParameter | dict[str, Any] | None = ...,
        test_net_param: Iterable[NetParameter | dict[str, Any]] | None = ...,
        debug_info: bool | None = ...,
        net: str | None = ...,
        net_param: NetParameter | dict[str, Any] | None = ...,
        train_state: NetState | dict[str, Any] | None = ...,
        test_state: Iterable[NetState | dict[str, Any]] | None = ...,
        snapshot_after_train: bool | None = ...,
        regularization_type: str | None = ...,
        solver_type: int | str | None = ...,
        delta: float | None = ...,
        test_initialization: bool | None = ...,
        average_loss: int | None = ...,
        stepvalue: Iterable[int] | None = ...,
        clip_gradients: float | None = ...,
        iter_size: int | None = ...,
        snapshot_format: int | str | None = ...,
        rms_decay: float | None = ...,
        momentum2: float | None = ...,
        type: str | None = ...,
        layer_wise_reduce: bool | None = ...,
        weights: Iterable[str] | None = ...,
    ) -> None: ...

class SolverState(Message):
    DESCRIPTOR: Descriptor
    iter: int
    learned_net: str
    @property
    def history(self) -> RepeatedCompositeFieldContainer[BlobProto]: ...
    current_step: int
    fcn_state: bytes
    def __init__(
        self, *,
        iter: int | None = ...,
        learned_net: str | None = ...,
        history: Iterable[BlobProto | dict[str, Any]] | None = ...,
        current_step: int | None = ...,
        fcn_state: bytes | None = ...,
    ) -> None: ...

class AccuracyParameter(Message):
    DESCRIPTOR: Descriptor
    top_k: int
    axis: int
    ignore_label: int
    def __init__(
        self, *,
        top_k: int | None = ...,
        axis: int | None = ...,
        ignore_label: int | None = ...,
    ) -> None: ...

class ArgMaxParameter(Message):
    DESCRIPTOR: Descriptor
    out_max_val: bool
    top_k: int
    axis: int
    def __init__(
        self, *,
        out_max_val: bool | None = ...,
        top_k: int | None = ...,
        axis: int | None = ...,
    ) -> None: ...

class BatchNormParameter(Message):
    DESCRIPTOR: Descriptor
    use_global_stats: bool
    moving_average_fraction: float
    eps: float
    def __init__(
        self, *,
        use_global_stats: bool | None = ...,
        moving_average_fraction: float | None = ...,
        eps: float | None = ...,
    ) -> None: ...

class BiasParameter(Message):
    DESCRIPTOR: Descriptor
    axis: int
    num_axes: int
    @property
    def filler(self) -> FillerParameter: ...
    def __init__(
        self, *,
        axis: int | None = ...,
        num_axes: int | None = ...,
        filler: FillerParameter | dict[str, Any] | None = ...,
    ) -> None: ...

class ClipParameter(Message):
    DESCRIPTOR: Descriptor
    min: float
    max: float
    def __init__(
        self, *,
        min: float | None = ...,
        max: float | None = ...,
    ) -> None: ...

class ConcatParameter(Message):
    DESCRIPTOR: Descriptor
    concat_dim: int
    axis: int
    def __init__(
        self, *,
        concat_dim: int | None = ...,
        axis: int | None = ...,
    ) -> None: ...

class ContrastiveLossParameter(Message):
    DESCRIPTOR: Descriptor
    margin: float
    legacy_version: bool
    def __init__(
        self, *,
        margin: float | None = ...,
        legacy_version: bool | None = ...,
    ) -> None: ...

class ConvolutionParameter(Message):
    DESCRIPTOR: Descriptor
    Engine: EnumTypeWrapper
    DEFAULT: int
    CAFFE: int
    CUDNN: int
    num_output: int
    bias_term: bool
    @property
    def pad(self) -> RepeatedScalarFieldContainer[int]: ...
    @property
    def kernel_size(self) -> RepeatedScalarFieldContainer[int]: ...
    group: int
    @property
    def stride(self) -> RepeatedScalarFieldContainer[int]: ...
    @property
    def weight_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    pad_h: int
    pad_w: int
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    engine: int
    axis: int
    force_nd_im2col: bool
    @property
    def dilation(self) -> RepeatedScalarFieldContainer[int]: ...
    hole: int
    hole_h: int
    hole_w: int
    def __init__(
        self, *,
        num_output: int | None = ...,
        bias_term: bool | None = ...,
        pad: Iterable[int] | None = ...,
        kernel_size: Iterable[int] | None = ...,
        group: int | None = ...,
        stride: Iterable[int] | None = ...,
        weight_filler: FillerParameter | dict[str, Any] | None = ...,
        bias_filler: FillerParameter | dict[str, Any] | None = ...,
        pad_h: int | None = ...,
        pad_w: int | None = ...,
        kernel_h: int | None = ...,
        kernel_w: int | None = ...,
        stride_h: int | None = ...,
        stride_w: int | None = ...,
        engine: int | str | None = ...,
        axis: int | None = ...,
        force_nd_im2col: bool | None = ...,
        dilation: Iterable[int] | None = ...,
        hole: int | None = ...,
        hole_h: int | None = ...,
        hole_w: int | None = ...,
    ) -> None: ...

class CropParameter(Message):
    DESCRIPTOR: Descriptor
    axis: int
    @property
    def offset(self) -> RepeatedScalarFieldContainer[int]: ...
    def __init__(
        self, *,
        axis: int | None = ...,
        offset: Iterable[int] | None = ...,
    ) -> None: ...

class DataParameter(Message):
    DESCRIPTOR: Descriptor
    DB: EnumTypeWrapper
    LEVELDB: int
    LMDB: int
    source: str
    scale: float
    mean_file: str
    batch_size: int
    crop_size: int
    mirror: bool
    rand_skip: int
    backend: int
    force_encoded_color: bool
    prefetch: int
    def __init__(
        self, *,
        source: str | None = ...,
        scale: float | None = ...,
        mean_file: str | None = ...,
        batch_size: int | None = ...,
        crop_size: int | None = ...,
        mirror: bool | None = ...,
        rand_skip: int | None = ...,
        backend: int | str | None = ...,
        force_encoded_color: bool | None = ...,
        prefetch: int | None = ...,
    ) -> None: ...

class DropoutParameter(Message):
    DESCRIPTOR: Descriptor
    dropout_ratio: float
    def __init__(
        self, *,
        dropout_ratio: float | None = ...,
    ) -> None: ...

class DummyDataParameter(Message):
    DESCRIPTOR: Descriptor
    @property
    def data_filler(self) -> RepeatedCompositeFieldContainer[FillerParameter]: ...
    @property
    def num(self) -> RepeatedScalarFieldContainer[int]: ...
    @property
    def channels(self) -> RepeatedScalarFieldContainer[int]: ...
    @property
    def height(self) -> RepeatedScalarFieldContainer[int]: ...
    @property
    def width(self) -> RepeatedScalarFieldContainer[int]: ...
    @property
    def shape(self) -> RepeatedCompositeFieldContainer[BlobShape]: ...
    def __init__(
        self, *,
        data_filler: Iterable[FillerParameter | dict[str, Any]] | None = ...,
        num: Iterable[int] | None = ...,
        channels: Iterable[int] | None = ...,
        height: Iterable[int] | None = ...,
        width: Iterable[int] | None = ...,
        shape: Iterable[BlobShape | dict[str, Any]] | None = ...,
    ) -> None: ...

class ELUParameter(Message):
    DESCRIPTOR: Descriptor
    alpha: float
    def __init__(
        self, *,
        alpha: float | None = ...,
    ) -> None: ...

class EltwiseParameter(Message):
    DESCRIPTOR: Descriptor
    EltwiseOp: EnumTypeWrapper
    PROD: int
    SUM: int
    MAX: int
    operation: int
    @property
    def coeff(self) -> RepeatedScalarFieldContainer[float]: ...
    stable_prod_grad: bool
    def __init__(
        self, *,
        operation: int | str | None = ...,
        coeff: Iterable[float] | None = ...,
        stable_prod_grad: bool | None = ...,
    ) -> None: ...

class EmbedParameter(Message):
    DESCRIPTOR: Descriptor
    num_output: int
    input_dim: int
    bias_term: bool
    @property
    def weight_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    def __init__(
        self, *,
        num_output: int | None = ...,
        input_dim: int | None = ...,
        bias_term: bool | None = ...,
        weight_filler: FillerParameter | dict[str, Any] | None = ...,
        bias_filler: FillerParameter | dict[str, Any] | None = ...,
    ) -> None: ...

class ExpParameter(Message):
    DESCRIPTOR: Descriptor
    base: float
    scale: float
    shift: float
    def __init__(
        self, *,
        base: float | None = ...,
        scale: float | None = ...,
        shift: float | None = ...,
    ) -> None: ...

class FlattenParameter(Message):
    DESCRIPTOR: Descriptor
    axis: int
    end_axis: int
    def __init__(
        self, *,
        axis: int | None = ...,
        end_axis: int | None = ...,
    ) -> None: ...

class HDF5DataParameter(Message):
    DESCRIPTOR: Descriptor
    source: str
    batch_size: int
    shuffle: bool
    def __init__(
        self, *,
        source: str | None = ...,
        batch_size: int | None = ...,
        shuffle: bool | None = ...,
    ) -> None: ...

class HDF5OutputParameter(Message):
    DESCRIPTOR: Descriptor
    file_name: str
    def __init__(
        self, *,
        file_name: str | None = ...,
    ) -> None: ...

class HingeLossParameter(Message):
    DESCRIPTOR: Descriptor
    Norm: EnumTypeWrapper
    L1: int
    L2: int
    norm: int
    def __init__(
        self, *,
        norm: int | str | None = ...,
    ) -> None: ...

class ImageDataParameter(Message):
    DESCRIPTOR: Descriptor
    LabelType: EnumTypeWrapper
    NONE: int
    IMAGE: int
    PIXEL: int
    source: str
    scale: float
    mean_file: str
    batch_size: int
    crop_size: int
    mirror: bool
    rand_skip: int
    shuffle: bool
    new_height: int
    new_width: int
    is_color: bool
    root_folder: str
    has_label: bool
    max_labels: int
    ignore_label: int
    label_type: int
    def __init__(
        self, *,
        source: str | None = ...,
        scale: float | None = ...,
        mean_file: str | None = ...,
        batch_size: int | None = ...,
        crop_size: int | None = ...,
        mirror: bool | None = ...,
        rand_skip: int | None = ...,
        shuffle: bool | None = ...,
        new_height: int | None = ...,
        new_width: int | None = ...,
        is_color: bool | None = ...,
        root_folder: str | None = ...,
        has_label: bool | None = ...,
        max_labels: int | None = ...,
        ignore_label: int | None = ...,
        label_type: int | str | None = ...,
    ) -> None: ...

class InfogainLossParameter(Message):
    DESCRIPTOR: Descriptor
    source: str
    axis: int
    def __init__(
        self, *,
        source: str | None = ...,
        axis: int | None = ...,
    ) -> None: ...

class InnerProductParameter(Message):
    DESCRIPTOR: Descriptor
    num_output: int
    bias_term: bool
    @property
    def weight_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    axis: int
    transpose: bool
    def __init__(
        self, *,
        num_output: int | None = ...,
        bias_term: bool | None = ...,
        weight_filler: FillerParameter | dict[str, Any] | None = ...,
        bias_filler: FillerParameter | dict[str, Any] | None = ...,
        axis: int | None = ...,
        transpose: bool | None = ...,
    ) -> None: ...

class InputParameter(Message):
    DESCRIPTOR: Descriptor
    @property
    def shape(self) -> RepeatedCompositeFieldContainer[BlobShape]: ...
    def __init__(
        self, *,
        shape: Iterable[BlobShape | dict[str, Any]] | None = ...,
    ) -> None: ...

class LRNParameter(Message):
    DESCRIPTOR: Descriptor
    NormRegion: EnumTypeWrapper
    ACROSS_CHANNELS: int
    WITHIN_CHANNEL: int
    Engine: EnumTypeWrapper
    DEFAULT: int
    CAFFE: int
    CUDNN: int
    local_size: int
    alpha: float
    beta: float
    norm_region: int
    k: float
    engine: int
    def __init__(
        self, *,
        local_size: int | None = ...,
        alpha: float | None = ...,
        beta: float | None = ...,
        norm_region: int | str | None = ...,
        k: float | None = ...,
        engine: int | str | None = ...,
    ) -> None: ...

class LogParameter(Message):
    DESCRIPTOR: Descriptor
    base: float
    scale: float
    shift: float
    def __init__(
        self, *,
        base: float | None = ...,
        scale: float | None = ...,
        shift: float | None = ...,
    ) -> None: ...

class LossParameter(Message):
    DESCRIPTOR: Descriptor
    NormalizationMode: EnumTypeWrapper
    FULL: int
    VALID: int
    BATCH_SIZE: int
    NONE: int
    ignore_label: int
    normalize: bool
    normalization: int
    weight_by_label_freqs: bool
    @property
    def class_weighting(self) -> RepeatedScalarFieldContainer[float]: ...
    def __init__(
        self, *,
        ignore_label: int | None = ...,
        normalize: bool | None = ...,
        normalization: int | str | None = ...,
        weight_by_label_freqs: bool | None = ...,
        class_weighting: Iterable[float] | None = ...,
    ) -> None: ...

class MVNParameter(Message):
    DESCRIPTOR: Descriptor
    normalize_variance: bool
    across_channels: bool
    eps: float
    def __init__(
        self, *,
        normalize_variance: bool | None = ...,
        across_channels: bool | None = ...,
        eps: float | None = ...,
    ) -> None: ...

class MemoryDataParameter(Message):
    DESCRIPTOR: Descriptor
    batch_size: int
    channels: int
    height: int
    width: int
    def __init__(
        self, *,
        batch_size: int | None = ...,
        channels: int | None = ...,
        height: int | None = ...,
        width: int | None = ...,
    ) -> None: ...

class PReLUParameter(Message):
    DESCRIPTOR: Descriptor
    @property
    def filler(self) -> FillerParameter: ...
    channel_shared: bool
    def __init__(
        self, *,
        filler: FillerParameter | dict[str, Any] | None = ...,
        channel_shared: bool | None = ...,
    ) -> None: ...

class ParameterParameter(Message):
    DESCRIPTOR: Descriptor
    @property
    def shape(self) -> BlobShape: ...
    def __init__(
        self, *,
        shape: BlobShape | dict[str, Any] | None = ...,
    ) -> None: ...

class PoolingParameter(Message):
    DESCRIPTOR: Descriptor
    PoolMethod: EnumTypeWrapper
    MAX: int
    AVE: int
    STOCHASTIC: int
    Engine: EnumTypeWrapper
    DEFAULT: int
    CAFFE: int
    CUDNN: int
    RoundMode: EnumTypeWrapper
    CEIL: int
    FLOOR: int
    pool: int
    kernel_size: int
    stride: int
    pad: int
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    pad_h: int
    pad_w: int
    engine: int
    global_pooling: bool
    round_mode: int
    @property
    def dilation(self) -> RepeatedScalarFieldContainer[int]: ...
    def __init__(
        self, *,
        pool: int | str | None = ...,
        kernel_size: int | None = ...,
        stride: int | None = ...,
        pad: int | None = ...,
        kernel_h: int | None = ...,
        kernel_w: int | None = ...,
        stride_h: int | None = ...,
        stride_w: int | None = ...,
        pad_h: int | None = ...,
        pad_w: int | None = ...,
        engine: int | str | None = ...,
        global_pooling: bool | None = ...,
        round_mode: int | str | None = ...,
        dilation: Iterable[int] | None = ...,
    ) -> None: ...

class PowerParameter(Message):
    DESCRIPTOR: Descriptor
    power: float
    scale: float
    shift: float
    def __init__(
        self, *,
        power: float | None = ...,
        scale: float | None = ...,
        shift: float | None = ...,
    ) -> None: ...

class PythonParameter(Message):
    DESCRIPTOR: Descriptor
    module: str
    layer: str
    param_str: str
    share_in_parallel: bool
    def __init__(
        self, *,
        module: str | None = ...,
        layer: str | None = ...,
        param_str: str | None = ...,
        share_in_parallel: bool | None = ...,
    ) -> None: ...

class ReLUParameter(Message):
    DESCRIPTOR: Descriptor
    Engine: EnumTypeWrapper
    DEFAULT: int
    CAFFE: int
    CUDNN: int
    negative_slope: float
    engine: int
    def __init__(
        self, *,
        negative_slope: float | None = ...,
        engine: int | str | None = ...,
    ) -> None: ...

class RecurrentParameter(Message):
    DESCRIPTOR: Descriptor
    num_output: int
    @property
    def weight_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    debug_info: bool
    expose_hidden: bool
    def __init__(
        self, *,
        num_output: int | None = ...,
        weight_filler: FillerParameter | dict[str, Any] | None = ...,
        bias_filler: FillerParameter | dict[str, Any] | None = ...,
        debug_info: bool | None = ...,
        expose_hidden: bool | None = ...,
    ) -> None: ...

class ReductionParameter(Message):
    DESCRIPTOR: Descriptor
    ReductionOp: EnumTypeWrapper
    SUM: int
    ASUM: int
    SUMSQ: int
    MEAN: int
    operation: int
    axis: int
    coeff: float
    def __init__(
        self, *,
        operation: int | str | None = ...,
        axis: int | None = ...,
        coeff: float | None = ...,
    ) -> None: ...

class ReshapeParameter(Message):
    DESCRIPTOR: Descriptor
    @property
    def shape(self) -> BlobShape: ...
    axis: int
    num_axes: int
    def __init__(
        self, *,
        shape: BlobShape | dict[str, Any] | None = ...,
        axis: int | None = ...,
        num_axes: int | None = ...,
    ) -> None: ...

class SPPParameter(Message):
    DESCRIPTOR: Descriptor
    PoolMethod: EnumTypeWrapper
    MAX: int
    AVE: int
    STOCHASTIC: int
    Engine: EnumTypeWrapper
    DEFAULT: int
    CAFFE: int
    CUDNN: int
    pyramid_height: int
    pool: int
    engine: int
    def __init__(
        self, *,
        pyramid_height: int | None = ...,
        pool: int | str | None = ...,
        engine: int | str | None = ...,
    ) -> None: ...

class ScaleParameter(Message):
    DESCRIPTOR: Descriptor
    axis: int
    num_axes: int
    @property
    def filler(self) -> FillerParameter: ...
    bias_term: bool
    @property
    def bias_filler(self) -> FillerParameter: ...
    def __init__(
        self, *,
        axis: int | None = ...,
        num_axes: int | None = ...,
        filler: FillerParameter | dict[str, Any] | None = ...,
        bias_term: bool | None = ...,
        bias_filler: FillerParameter | dict[str, Any] | None = ...,
    ) -> None: ...

class SigmoidParameter(Message):
    DESCRIPTOR: Descriptor
    Engine: EnumTypeWrapper
    DEFAULT: int
    CAFFE: int
    CUDNN: int
    engine: int
    def __init__(
        self, *,
        engine: int | str | None = ...,
    ) -> None: ...

class SliceParameter(Message):
    DESCRIPTOR: Descriptor
    slice_dim: int
    @property
    def slice_point(self) -> RepeatedScalarFieldContainer[int]: ...
    axis: int
    def __init__(
        self, *,
        slice_dim: int | None = ...,
        slice_point: Iterable[int] | None = ...,
        axis: int | None = ...,
    ) -> None: ...

class SoftmaxParameter(Message):
    DESCRIPTOR: Descriptor
    Engine: EnumTypeWrapper
    DEFAULT: int
    CAFFE: int
    CUDNN: int
    engine: int
    axis: int
    def __init__(
        self, *,
        engine: int | str | None = ...,
        axis: int | None = ...,
    ) -> None: ...

class SwishParameter(Message):
    DESCRIPTOR: Descriptor
    beta: float
    def __init__(
        self, *,
        beta: float | None = ...,
    ) -> None: ...

class TanHParameter(Message):
    DESCRIPTOR: Descriptor
    Engine: EnumTypeWrapper
    DEFAULT: int
    CAFFE: int
    CUDNN: int
    engine: int
    def __init__(
        self, *,
        engine: int | str | None = ...,
    ) -> None: ...

class ThresholdParameter(Message):
    DESCRIPTOR: Descriptor
    threshold: float
    def __init__(
        self, *,
        threshold: float | None = ...,
    ) -> None: ...

class TileParameter(Message):
    DESCRIPTOR: Descriptor
    axis: int
    tiles: int
    def __init__(
        self, *,
        axis: int | None = ...,
        tiles: int | None = ...,
    ) -> None: ...

class TransformationParameter(Message):
    DESCRIPTOR: Descriptor
    scale: float
    mirror: bool
    crop_size: int
    mean_file: str
    @property
    def mean_value(self) -> RepeatedScalarFieldContainer[float]: ...
    force_color: bool
    force_gray: bool
    @property
    def scale_factors(self) -> RepeatedScalarFieldContainer[float]: ...
    crop_width: int
    crop_height: int
    def __init__(
        self, *,
        scale: float | None = ...,
        mirror: bool | None = ...,
        crop_size: int | None = ...,
        mean_file: str | None = ...,
        mean_value: Iterable[float] | None = ...,
        force_color: bool | None = ...,
        force_gray: bool | None = ...,
        scale_factors: Iterable[float] | None = ...,
        crop_width: int | None = ...,
        crop_height: int | None = ...,
    ) -> None: ...

class WindowDataParameter(Message):
    DESCRIPTOR: Descriptor
    source: str
    scale: float
    mean_file: str
    batch_size: int
    crop_size: int
    mirror: bool
    fg_threshold: float
    bg_threshold: float
    fg_fraction: float
    context_pad: int
    crop_mode: str
    cache_images: bool
    root_folder: str
    def __init__(
        self, *,
        source: str | None = ...,
        scale: float | None = ...,
        mean_file: str | None = ...,
        batch_size: int | None = ...,
        crop_size: int | None = ...,
        mirror: bool | None = ...,
        fg_threshold: float | None = ...,
        bg_threshold: float | None = ...,
        fg_fraction: float | None = ...,
        context_pad: int | None = ...,
        crop_mode: str | None = ...,
        cache_images: bool | None = ...,
        root_folder: str | None = ...,
    ) -> None: ...

class AdaptiveBiasChannelParameter(Message):
    DESCRIPTOR: Descriptor
    num_iter: int
    bg_portion: float
    fg_portion: float
    suppress_others: bool
    margin_others: float
    def __init__(
        self, *,
        num_iter: int | None = ...,
        bg_portion: float | None = ...,
        fg_portion: float | None = ...,
        suppress_others: bool | None = ...,
        margin_others: float | None = ...,
    ) -> None: ...

class BiasChannelParameter(Message):
    DESCRIPTOR: Descriptor
    LabelType: EnumTypeWrapper
    IMAGE: int
    PIXEL: int
    bg_bias: float
    fg_bias: float
    @property
    def ignore_label(self) -> RepeatedScalarFieldContainer[int]: ...
    label_type: int
    background_label: int
    def __init__(
        self, *,
        bg_bias: float | None = ...,
        fg_bias: float | None = ...,
        ignore_label: Iterable[int] | None = ...,
        label_type: int | str | None = ...,
        background_label: int | None = ...,
    ) -> None: ...

class DenseCRFParameter(Message):
    DESCRIPTOR: Descriptor
    max_iter: int
    @property
    def pos_xy_std(self) -> RepeatedScalarFieldContainer[float]: ...
    @property
    def pos_w(self) -> RepeatedScalarFieldContainer[float]: ...
    @property
    def bi_xy_std(self) -> RepeatedScalarFieldContainer[float]: ...
    @property
    def bi_rgb_std(self) -> RepeatedScalarFieldContainer[float]: ...
    @property
    def bi_w(self) -> RepeatedScalarFieldContainer[float]: ...
    output_probability: bool
    def __init__(
        self, *,
        max_iter: int | None = ...,
        pos_xy_std: Iterable[float] | None = ...,
        pos_w: Iterable[float] | None = ...,
        bi_xy_std: Iterable[float] | None = ...,
        bi_rgb_std: Iterable[float] | None = ...,
        bi_w: Iterable[float] | None = ...,
        output_probability: bool | None = ...,
    ) -> None: ...

class DomainTransformParameter(Message):
    DESCRIPTOR: Descriptor
    num_iter: int
    spatial_sigma: float
    range_sigma: float
    min_weight: float
    def __init__(
        self, *,
        num_iter: int | None = ...,
        spatial_sigma: float | None = ...,
        range_sigma: float | None = ...,
        min_weight: float | None = ...,
    ) -> None: ...

class InterpParameter(Message):
    DESCRIPTOR: Descriptor
    height: int
    width: int
    zoom_factor: int
    shrink_factor: int
    pad_beg: int
    pad_end: int
    def __init__(
        self, *,
        height: int | None = ...,
        width: int | None = ...,
        zoom_factor: int | None = ...,
        shrink_factor: int | None = ...,
        pad_beg: int | None = ...,
        pad_end: int | None = ...,
    ) -> None: ...

class MatReadParameter(Message):
    DESCRIPTOR: Descriptor
    prefix: str
    source: str
    strip: int
    batch_size: int
    def __init__(
        self, *,
        prefix: str | None = ...,
        source: str | None = ...,
        strip: int | None = ...,
        batch_size: int | None = ...,
    ) -> None: ...

class MatWriteParameter(Message):
    DESCRIPTOR: Descriptor
    prefix: str
    source: str
    strip: int
    period: int
    def __init__(
        self, *,
        prefix: str | None = ...,
        source: str | None = ...,
        strip: int | None = ...,
        period: int | None = ...,
    ) -> None: ...

class PaddingParameter(Message):
    DESCRIPTOR: Descriptor
    pad_beg: int
    pad_end: int
    def __init__(
        self, *,
        pad_beg: int | None = ...,
        pad_end: int | None = ...,
    ) -> None: ...

class SegAccuracyParameter(Message):
    DESCRIPTOR: Descriptor
    AccuracyMetric: EnumTypeWrapper
    PixelAccuracy: int
    ClassAccuracy: int
    PixelIOU: int
    metric: int
    @property
    def ignore_label(self) -> RepeatedScalarFieldContainer[int]: ...
    reset: bool
    def __init__(
        self, *,
        metric: int | str | None = ...,
        ignore_label: Iterable[int] | None = ...,
        reset: bool | None = ...,
    ) -> None: ...

class SoftmaxLossParameter(Message):
    DESCRIPTOR: Descriptor
    @property
    def ignore_label(self) -> RepeatedScalarFieldContainer[int]: ...
    weight_source: str
    def __init__(
        self, *,
        ignore_label: Iterable[int] | None = ...,
        weight_source: str | None = ...,
    ) -> None: ...

class UniqueLabelParameter(Message):
    DESCRIPTOR: Descriptor
    max_labels: int
    @property
    def ignore_label(self) -> RepeatedScalarFieldContainer[int]: ...
    @property
    def force_label(self) -> RepeatedScalarFieldContainer[float]: ...
    def __init__(
        self, *,
        max_labels: int | None = ...,
        ignore_label: Iterable[int] | None = ...,
        force_label: Iterable[float] | None = ...,
    ) -> None: ...

class UpsampleParameter(Message):
    DESCRIPTOR: Descriptor
    scale: int
    scale_h: int
    scale_w: int
    pad_out_h: bool
    pad_out_w: bool
    upsample_h: int
    upsample_w: int
    def __init__(
        self, *,
        scale: int | None = ...,
        scale_h: int | None = ...,
        scale_w: int | None = ...,
        pad_out_h: bool | None = ...,
        pad_out_w: bool | None = ...,
        upsample_h: int | None = ...,
        upsample_w: int | None = ...,
    ) -> None: ...

class BNParameter(Message):
    DESCRIPTOR: Descriptor
    BNMode: EnumTypeWrapper
    LEARN: int
    INFERENCE: int
    @property
    def scale_filler(self) -> FillerParameter: ...
    @property
    def shift_filler(self) -> FillerParameter: ...
    bn_mode: int
    def __init__(
        self, *,
        scale_filler: FillerParameter | dict[str, Any] | None = ...,
        shift_filler: FillerParameter | dict[str, Any] | None = ...,
        bn_mode: int | str | None = ...,
    ) -> None: ...

class V0LayerParameter(Message):
    DESCRIPTOR: Descriptor
    PoolMethod: EnumTypeWrapper
    MAX: int
    AVE: int
    STOCHASTIC: int
    name: str
    type: str
    num_output: int
    biasterm: bool
    @property
    def weight_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    pad: int
    kernelsize: int
    group: int
    stride: int
    pool: int
    dropout_ratio: float
    local_size: int
    alpha: float
    beta: float
    source: str
    scale: float
    meanfile: str
    batchsize: int
    cropsize: int
    mirror: bool
    k: float
    @property
    def blobs(self) -> RepeatedCompositeFieldContainer[BlobProto]: ...
    @property
    def blobs_lr(self) -> RepeatedScalarFieldContainer[float]: ...
    @property
    def weight_decay(self) -> RepeatedScalarFieldContainer[float]: ...
    rand_skip: int
    det_fg_threshold: float
    det_bg_threshold: float
    det_fg_fraction: float
    det_context_pad: int
    det_crop_mode: str
    new_num: int
    new_channels: int
    new_height: int
    new_width: int
    shuffle_images: bool
    concat_dim: int
    @property
    def hdf5_output_param(self) -> HDF5OutputParameter: ...
    def __init__(
        self, *,
        name: str | None = ...,
        type: str | None = ...,
        num_output: int | None = ...,
        biasterm: bool | None = ...,
        weight_filler: FillerParameter | dict[str, Any] | None = ...,
        bias_filler: FillerParameter | dict[str, Any] | None = ...,
        pad: int | None = ...,
        kernelsize: int | None = ...,
        group: int | None = ...,
        stride: int | None = ...,
        pool: int | str | None = ...,
        dropout_ratio: float | None = ...,
        local_size: int | None = ...,
        alpha: float | None = ...,
        beta: float | None = ...,
        source: str | None = ...,
        scale: float | None = ...,
        meanfile: str | None = ...,
        batchsize: int | None = ...,
        cropsize: int | None = ...,
        mirror: bool | None = ...,
        k: float | None = ...,
        blobs: Iterable[BlobProto | dict[str, Any]] | None = ...,
        blobs_lr: Iterable[float] | None = ...,
        weight_decay: Iterable[float] | None = ...,
        rand_skip: int | None = ...,
        det_fg_threshold: float | None = ...,
        det_bg_threshold: float | None = ...,
        det_fg_fraction: float | None = ...,
        det_context_pad: int | None = ...,
        det_crop_mode: str | None = ...,
        new_num: int | None = ...,
        new_channels: int | None = ...,
        new_height: int | None = ...,
        new_width: int | None = ...,
        shuffle_images: bool | None = ...,
        concat_dim: int | None = ...,
        hdf5_output_param: HDF5OutputParameter | dict[str, Any] | None = ...,
    ) -> None: ...

class V1LayerParameter(Message):
    DESCRIPTOR: Descriptor
    LayerType: EnumTypeWrapper
    NONE: int
    ABSVAL: int
    ACCURACY: int
    ARGMAX: int
    BNLL: int
    CONCAT: int
    CONTRASTIVE_LOSS: int
    CONVOLUTION: int
    DATA: int
    DECONVOLUTION: int
    DROPOUT: int
    DUMMY_DATA: int
    EUCLIDEAN_LOSS: int
    ELTWISE: int
    EXP: int
    FLATTEN: int
    HDF5_DATA: int
    HDF5_OUTPUT: int
    HINGE_LOSS: int
    IM2COL: int
    IMAGE_DATA: int
    INFOGAIN_LOSS: int
    INNER_PRODUCT: int
    LRN: int
    MEMORY_DATA: int
    MULTINOMIAL_LOGISTIC_LOSS: int
    MVN: int
    POOLING: int
    POWER: int
    RELU: int
    SIGMOID: int
    SIGMOID_CROSS_ENTROPY_LOSS: int
    SILENCE: int
    SOFTMAX: int
    SOFTMAX_LOSS: int
    SPLIT: int
    SLICE: int
    TANH: int
    WINDOW_DATA: int
    THRESHOLD: int
    IMAGE_SEG_DATA: int
    SEG_ACCURACY: int
    INTERP: int
    PADDING: int
    MAT_WRITE: int
    MAT_READ: int
    DENSE_CRF: int
    BIAS_CHANNEL: int
    UNIQUE_LABEL: int
    ADAPTIVE_BIAS_CHANNEL: int
    DimCheckMode: EnumTypeWrapper
    STRICT: int
    PERMISSIVE: int
    @property
    def layer(self) -> V0LayerParameter: ...
    @property
    def bottom(self) -> RepeatedScalarFieldContainer[str]: ...
    @property
    def top(self) -> RepeatedScalarFieldContainer[str]: ...
    name: str
    type: int
    @property
    def blobs(self) -> RepeatedCompositeFieldContainer[BlobProto]: ...
    @property
    def blobs_lr(self) -> RepeatedScalarFieldContainer[float]: ...
    @property
    def weight_decay(self) -> RepeatedScalarFieldContainer[float]: ...
    @property
    def concat_param(self) -> ConcatParameter: ...
    @property
    def convolution_param(self) -> ConvolutionParameter: ...
    @property
    def data_param(self) -> DataParameter: ...
    @property
    def dropout_param(self) -> DropoutParameter: ...
    @property
    def hdf5_data_param(self) -> HDF5DataParameter: ...
    @property
    def hdf5_output_param(self) -> HDF5OutputParameter: ...
    @property
    def image_data_param(self) -> ImageDataParameter: ...
    @property
    def infogain_loss_param(self) -> InfogainLossParameter: ...
    @property
    def inner_product_param(self) -> InnerProductParameter: ...
    @property
    def lrn_param(self) -> LRNParameter: ...
    @property
    def pooling_param(self) -> PoolingParameter: ...
    @property
    def window_data_param(self) -> WindowDataParameter: ...
    @property
    def power_param(self) -> PowerParameter: ...
    @property
    def memory_data_param(self) -> MemoryDataParameter: ...
    @property
    def argmax_param(self) -> ArgMaxParameter: ...
    @property
    def eltwise_param(self) -> EltwiseParameter: ...
    @property
    def threshold_param(self) -> ThresholdParameter: ...
    @property
    def dummy_data_param(self) -> DummyDataParameter: ...
    @property
    def accuracy_param(self) -> AccuracyParameter: ...
    @property
    def hinge_loss_param(self) -> HingeLossParameter: ...
    @property
    def relu_param(self) -> ReLUParameter: ...
    @property
    def slice_param(self) -> SliceParameter: ...
    @property
    def include(self) -> RepeatedCompositeFieldContainer[NetStateRule]: ...
    @property
    def exclude(self) -> RepeatedCompositeFieldContainer[NetStateRule]: ...
    @property
    def mvn_param(self) -> MVNParameter: ...
    @property
    def loss_weight(self) -> RepeatedScalarFieldContainer[float]: ...
    @property
    def transform_param(self) -> TransformationParameter: ...
    @property
    def tanh_param(self) -> TanHParameter: ...
    @property
    def sigmoid_param(self) -> SigmoidParameter: ...
    @property
    def softmax_param(self) -> SoftmaxParameter: ...
    @property
    def contrastive_loss_param(self) -> ContrastiveLossParameter: ...
    @property
    def exp_param(self) -> ExpParameter: ...
    @property
    def loss_param(self) -> LossParameter: ...
    @property
    def param(self) -> RepeatedScalarFieldContainer[str]: ...
    @property
    def blob_share_mode(self) -> RepeatedScalarFieldContainer[int]: ...
    @property
    def seg_accuracy_param(self) -> SegAccuracyParameter: ...
    @property
    def interp_param(self) -> InterpParameter: ...
    @property
    def softmaxloss_param(self) -> SoftmaxLossParameter: ...
    @property
    def padding_param(self) -> PaddingParameter: ...
    @property
    def mat_write_param(self) -> MatWriteParameter: ...
    @property
    def mat_read_param(self) -> MatReadParameter: ...
    @property
    def dense_crf_param(self) -> DenseCRFParameter: ...
    @property
    def bias_channel_param(self) -> BiasChannelParameter: ...
    @property
    def unique_label_param(self) -> UniqueLabelParameter: ...
    @property
    def adaptive_bias_channel_param(self) -> AdaptiveBiasChannelParameter: ...
    strict_dim: bool
    def __init__(
        self, *,
        layer: V0LayerParameter | dict[str, Any] | None = ...,
        bottom: Iterable[str] | None = ...,
        top: Iterable[str] | None = ...,
        name: str | None = ...,
        type: int | str | None = ...,
        blobs: Iterable[BlobProto | dict[str, Any]] | None = ...,
        blobs_lr: Iterable[float] | None = ...,
        weight_decay: Iterable[float] | None = ...,
        concat_param: ConcatParameter | dict[str, Any] | None = ...,
        convolution_param: ConvolutionParameter | dict[str, Any] | None = ...,
        data_param: DataParameter | dict[str, Any] | None = ...,
        dropout_param: DropoutParameter | dict[str, Any] | None = ...,
        hdf5_data_param: HDF5DataParameter | dict[str, Any] | None = ...,
        hdf5_output_param: HDF5OutputParameter | dict[str, Any] | None = ...,
        image_data_param: ImageDataParameter | dict[str, Any] | None = ...,
        infogain_loss_param: InfogainLossParameter | dict[str, Any] | None = ...,
        inner_product_param: InnerProductParameter | dict[str, Any] | None = ...,
        lrn_param: LRNParameter | dict[str, Any] | None = ...,
        pooling_param: PoolingParameter | dict[str, Any] | None = ...,
        window_data_param: WindowDataParameter | dict[str, Any] | None = ...,
        power_param: PowerParameter | dict[str, Any] | None = ...,
        memory_data_param: MemoryDataParameter | dict[str, Any] | None = ...,
        argmax_param: ArgMaxParameter | dict[str, Any] | None = ...,
        eltwise_param: EltwiseParameter | dict[str, Any] | None = ...,
        threshold_param: ThresholdParameter | dict[str, Any] | None = ...,
        dummy_data_param: DummyDataParameter | dict[str, Any] | None = ...,
        accuracy_param: AccuracyParameter | dict[str, Any] | None = ...,
        hinge_loss_param: HingeLossParameter | dict[str, Any] | None = ...,
        relu_param: ReLUParameter | dict[str, Any] | None = ...,
        slice_param: SliceParameter | dict[str, Any] | None = ...,
        include: Iterable[NetStateRule | dict[str, Any]] | None = ...,
        exclude: Iterable[NetStateRule | dict[str, Any]] | None = ...,
        mvn_param: MVNParameter | dict[str, Any] | None = ...,
        loss_weight: Iterable[float] | None = ...,
        transform_param: TransformationParameter | dict[str, Any] | None = ...,
        tanh_param: TanHParameter | dict[str, Any] | None = ...,
        sigmoid_param: SigmoidParameter | dict[str, Any] | None = ...,
        softmax_param: SoftmaxParameter | dict[str, Any] | None = ...,
        contrastive_loss_param: ContrastiveLossParameter | dict[str, Any] | None = ...,
        exp_param: ExpParameter | dict[str, Any] | None = ...,
        loss_param: LossParameter | dict[str, Any] | None = ...,
        param: Iterable[str] | None = ...,
        blob_share_mode: Iterable[int | str] | None = ...,
        seg_accuracy_param: SegAccuracyParameter | dict[str, Any] | None = ...,
        interp_param: InterpParameter | dict[str, Any] | None = ...,
        softmaxloss_param: SoftmaxLossParameter | dict[str, Any] | None = ...,
        padding_param: PaddingParameter | dict[str, Any] | None = ...,
        mat_write_param: MatWriteParameter | dict[str, Any] | None = ...,
        mat_read_param: MatReadParameter | dict[str, Any] | None = ...,
        dense_crf_param: DenseCRFParameter | dict[str, Any] | None = ...,
        bias_channel_param: BiasChannelParameter | dict[str, Any] | None = ...,
        unique_label_param: UniqueLabelParameter | dict[str, Any] | None = ...,
        adaptive_bias_channel_param: AdaptiveBiasChannelParameter | dict[str, Any] | None = ...,
        strict_dim: bool | None = ...,
    ) -> None: ...
