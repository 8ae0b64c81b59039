"""ResNet-34 without its classifier (He et al. 2015, Table 1; torchvision's layout).

Layers are named as in He's deeper nets, which were released for Caffe; this one never was.
"""

from netspec.blocks import LEARNT, MSRA, Style, batch_norm
from netspec.spec import NetSpec, Top
from netspec.spec import layers as L
from netspec.spec import params as P

# stage: channels, blocks
STAGES = {2: (64, 3), 3: (128, 4), 4: (256, 6), 5: (512, 3)}


def resnet34(n: NetSpec, data: Top, style: Style) -> dict[int, Top]:
    """Add conv1 … res5c_relu; return the last top of each stage by its stride, 4 to 32."""
    conv1 = _conv_bn(n, 'conv1', '_conv1', data, style, 64, 7, 2, style.fill_first(3 * 49))
    n['conv1_relu'] = L.ReLU(conv1, in_place=True)
    # Rounded down, as torch pools; Caffe's own default rounds up.
    top = n['pool1'] = L.Pooling(n['conv1_relu'], pool=P.Pooling.MAX, kernel_size=3, stride=2,
                                 pad=1, round_mode=P.Pooling.FLOOR)
    ends: dict[int, Top] = {}
    for stage, (channels, blocks) in STAGES.items():
        for i in range(blocks):
            stride = 2 if stage > 2 and i == 0 else 1
            top = _block(n, f'{stage}{"abcdef"[i]}', top, style, channels, stride)
        ends[2 ** stage] = top
    return ends


def _block(n: NetSpec, unit: str, bottom: Top, style: Style, channels: int, stride: int) -> Top:
    """Add a basic block: two 3 x 3 convolutions, and the bottom, projected where sizes change."""
    shortcut = bottom
    if stride > 1:
        shortcut = _conv_bn(n, f'res{unit}_branch1', f'{unit}_branch1', bottom, style, channels,
                            1, stride)
    top = _conv_bn(n, f'res{unit}_branch2a', f'{unit}_branch2a', bottom, style, channels, 3,
                   stride)
    top = n[f'res{unit}_branch2a_relu'] = L.ReLU(top, in_place=True)
    top = _conv_bn(n, f'res{unit}_branch2b', f'{unit}_branch2b', top, style, channels, 3)
    n[f'res{unit}'] = L.Eltwise(shortcut, top, operation=P.Eltwise.SUM)
    n[f'res{unit}_relu'] = L.ReLU(n[f'res{unit}'], in_place=True)
    return n[f'res{unit}_relu']


def _conv_bn(n: NetSpec, name: str, unit: str, bottom: Top, style: Style, channels: int, ks: int,
             stride: int = 1, filler: dict | None = None) -> Top:
    """Add a convolution without bias, and its normalisation and scale in place."""
    n[name] = L.Convolution(bottom, param=LEARNT, num_output=style.channels(channels),
                            kernel_size=ks, stride=stride, pad=ks // 2, bias_term=False,
                            **(filler or style.fill() or MSRA))
    return batch_norm(n, n[name], f'bn{unit}', f'scale{unit}')
