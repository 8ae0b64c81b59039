"""The data of the nets: means, data layers and splits, as the published files state them."""

from netspec.variants.row import DataLayer, Input, Split

# Mean over the training images, blue green red; facts of the published data layers.
VOC_MEAN = (104.00699, 116.66877, 122.67892)
CONTEXT_MEAN = (104.007, 116.669, 122.679)
SIFTFLOW_MEAN = (114.578, 115.294, 108.353)
NYUD_MEAN, DEPTH_MEAN, HHA_MEAN = (116.190, 97.203, 92.318), (7.844,), (132.431, 94.076, 118.477)
# torchvision's mean of ImageNet, in 0..255.
IMAGENET_MEAN = (103.53, 116.28, 123.675)
# All pixels of CamVid's 367 training frames (480 x 360, SegNet's split), counted here.
CAMVID_MEAN = (110.257, 108.362, 104.991)

IMAGE = (Input('data', 3, VOC_MEAN),)

_VOC_KEYS = ('seed', 'split', 'mean')
_FITS = ('classes', 'ignore_label')
SBDD_LAYER = DataLayer('voc_layers', 'SBDDSegDataLayer', ('sbdd_dir', *_VOC_KEYS),
                       (('sbdd_dir', 'sbdd/dataset'),), _FITS)
VOC_LAYER = DataLayer('voc_layers', 'VOCSegDataLayer', ('voc_dir', *_VOC_KEYS),
                      (('voc_dir', 'pascal/VOC2011'),), _FITS)
CONTEXT_LAYER = DataLayer(
    'pascalcontext_layers', 'PASCALContextSegDataLayer',
    ('context_dir', 'seed', 'split', 'voc_dir'),
    (('context_dir', 'pascal-context'), ('voc_dir', 'pascal')))
SIFTFLOW_LAYER = DataLayer('siftflow_layers', 'SIFTFlowSegDataLayer',
                           ('siftflow_dir', 'seed', 'split'), (('siftflow_dir', 'sift-flow'),))
NYUD_LAYER = DataLayer('nyud_layers', 'NYUDSegDataLayer', ('tops', 'seed', 'nyud_dir', 'split'),
                       (('nyud_dir', 'nyud'),))
CAMVID_LAYER = DataLayer('camvid_layers', 'CamVidSegDataLayer', ('camvid_dir', *_VOC_KEYS),
                         (('camvid_dir', 'camvid'),), _FITS)

VOC_VAL = Split('val', 'seg11valid', VOC_LAYER)
VOC_SPLITS = (Split('train', 'train', SBDD_LAYER), VOC_VAL)
VOC_ONLY = (Split('train', 'train', VOC_LAYER), Split('val', 'val', VOC_LAYER))
CONTEXT_SPLITS = (Split('train', 'train', CONTEXT_LAYER), Split('val', 'val', CONTEXT_LAYER))
SIFTFLOW_SPLITS = (Split('trainval', 'trainval', SIFTFLOW_LAYER),
                   Split('test', 'test', SIFTFLOW_LAYER))
NYUD_SPLITS = (Split('trainval', 'trainval', NYUD_LAYER), Split('test', 'test', NYUD_LAYER))
CAMVID_SPLITS = (Split('train', 'train', CAMVID_LAYER), Split('val', 'val', CAMVID_LAYER))
