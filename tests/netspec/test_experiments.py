"""The papers' other experiments: what each changes, and that it changes nothing else."""

import pytest

from netspec.experiments import BUILDERS, EXPERIMENTS, find_experiment
from netspec.families.fcn import fcn
from netspec.schema import parse_net, parse_solver
from netspec.variants import VARIANTS


def texts(name, **options):
    files = find_experiment(name).contents('x', {}, **options)
    return {path.stem: text for path, text in files.items()}


@pytest.mark.parametrize('name', EXPERIMENTS)
def test_every_experiment_has_three_nets_and_a_solver(name):
    found = texts(name)
    train, val = (split.file for split in EXPERIMENTS[name].row.splits)
    assert list(found) == [train, val, 'deploy', 'solver']
    assert EXPERIMENTS[name].title and parse_solver(found['solver']).max_iter
    made = set()
    for layer in parse_net(found[train]).layer:
        assert set(layer.bottom) <= made
        made |= set(layer.top)
    assert 'loss' in made and {'score', 'score_foreground'} & made


def test_accumulation_sums_as_the_paper_has_it():
    """PAMI section 6.2: the update sums over the images of a step, which iter_size averages."""
    assert EXPERIMENTS['accum'].row.schedule.base_lr == pytest.approx(20 * 1e-10)
    assert EXPERIMENTS['online'].row.schedule.base_lr == 1e-10
    assert EXPERIMENTS['sampling-25'].row.schedule.base_lr == pytest.approx(4 * 1e-10)
    assert EXPERIMENTS['sampling-25'].row.schedule.iter_size == 4


def test_the_rate_is_dropped_without_a_skip():
    drop = EXPERIMENTS['drop-rate'].row
    assert drop.init[0].donor == 'voc-fcn32s' and drop.stride == 32
    assert drop.schedule.base_lr == pytest.approx(1e-12)


def test_augmentation_is_of_the_training_images_alone():
    train, val = (parse_net(texts('augmented')[split]).layer[0].python_param.param_str
                  for split in ('train', 'val'))
    assert "'mirror': True, 'jitter': 32" in train and 'jitter' not in val


def test_balancing_weighs_the_background_like_all_other_classes():
    loss = parse_net(texts('balanced')['train']).layer[-1].loss_param
    assert loss.weight_by_label_freqs and len(loss.class_weighting) == 21
    assert 0.75 * loss.class_weighting[0] == pytest.approx(0.25 * loss.class_weighting[1])
    assert find_experiment('balanced', 'camvid-fcn32s').row.class_weighting[2] > 4
    with pytest.raises(ValueError, match='no class weights are known for nyud-fcn32s-color'):
        find_experiment('balanced', 'nyud-fcn32s-color')


def test_the_roots_of_the_weights_balance_half_as_much():
    whole, root = (list(find_experiment(name, 'camvid-fcn32s').row.class_weighting)
                   for name in ('balanced', 'balanced-root'))
    assert [weight * weight for weight in root] == pytest.approx(whole)
    loss = parse_net(texts('balanced-root')['train']).layer[-1].loss_param
    assert loss.weight_by_label_freqs
    assert loss.class_weighting[1] / loss.class_weighting[0] == pytest.approx(3 ** 0.5)


def test_from_scratch_the_whole_net_has_fillers():
    layers = {layer.name: layer for layer in parse_net(texts('scratch')['train']).layer}
    assert layers['fc7'].convolution_param.weight_filler.type == 'msra'
    assert not EXPERIMENTS['scratch'].row.init


def test_table_1_trains_on_voc_alone():
    row = EXPERIMENTS['table1-vgg16'].row
    schedule = row.schedule
    assert (schedule.base_lr, schedule.momentum, schedule.iter_size) == (1e-4, 0.9, 20)
    assert schedule.max_iter * 20 / 1112 >= 175 and row.normalize
    assert [split.name for split in row.splits] == ['train', 'val']


def test_the_skip_of_two_streams_is_the_mean_of_both():
    layers = {layer.name: layer for layer in
              parse_net(texts('nyud-fcn16s-color-hha')['trainval']).layer}
    for stream in ('color', 'hha'):
        assert list(layers[f'score_pool4{stream}'].bottom) == [f'pool4{stream}']
    fused = layers['score_pool4']
    assert list(fused.bottom) == ['score_pool4color', 'score_pool4hha']
    assert list(fused.eltwise_param.coeff) == [0.5, 0.5] and 'fuse_pool4' in layers


@pytest.mark.parametrize('stride', [32, 16, 8])
def test_33_classes_have_a_list_of_their_own(stride):
    found = texts(f'context33-fcn{stride}s')
    for split in ('train', 'val'):
        net = parse_net(found[split])
        assert "'task': '33_labels.txt'" in net.layer[0].python_param.param_str
        (score,) = (x for x in net.layer if x.name == 'score_fr')
        assert score.convolution_param.num_output == 34
    init = EXPERIMENTS[f'context33-fcn{stride}s'].row.init[0].donor
    assert init == ('VGG16' if stride == 32 else f'context33-fcn{2 * stride}s')


@pytest.mark.parametrize(('name', 'momentum', 'images'), [
    ('accum', 0.9, 20), ('online', 0.9, 1), ('heavy', 0.99, 1)])
def test_regimes_compute_as_many_gradients(name, momentum, images):
    schedule = EXPERIMENTS[name].row.schedule
    assert (schedule.momentum, schedule.iter_size) == (momentum, images)
    assert schedule.block * schedule.repeats * schedule.iter_size == 100000
    assert texts(name)['train'] == texts('heavy')['train']


def test_heavy_is_the_published_net():
    assert list(parse_net(texts('heavy')['val']).layer) == list(fcn('voc-fcn32s', 'val').layer)


def test_fixed_lets_only_the_scores_learn():
    rates = {layer.name: [p.lr_mult for p in layer.param]
             for layer in parse_net(texts('fixed')['train']).layer if layer.param}
    assert rates.pop('score_fr') == [1, 2]
    assert rates and not any(sum(rates.values(), []))


@pytest.mark.parametrize(('pool', 'kernel', 'channels'), [(5, 64, 512), (4, 32, 512), (3, 16, 256)])
def test_truncated_nets_end_at_their_pool(pool, kernel, channels):
    layers = {layer.name: layer for layer in parse_net(texts(f'pool{pool}')['train']).layer}
    assert f'pool{pool + 1}' not in layers and 'fc6' not in layers
    assert list(layers[f'score_pool{pool}'].bottom) == [f'pool{pool}']
    up = layers['upscore'].convolution_param
    assert (list(up.kernel_size), list(up.stride)) == ([kernel], [2 ** pool])
    # Cell 0 of the pool is centred (s - 1) / 2 - 99 into the image (pad 100, kernel 3), and
    # (k - 1) / 2 into what upscore makes of it: the difference is the offset.
    assert list(layers['score'].crop_param.offset) == [99 + (kernel - 2 ** pool) // 2]


def test_truncated_deploy_nets_have_no_loss():
    assert 'loss' not in {x.name for x in parse_net(texts('pool4')['deploy']).layer}
    narrow = parse_net(texts('pool4', width=0.25, classes=5)['deploy'])
    (score,) = (x for x in narrow.layer if x.name == 'score_pool4')
    assert score.convolution_param.num_output == 5


@pytest.mark.parametrize(('name', 'train', 'val'), [
    ('mask-reference', '', ''), ('mask-reference-fg', '', 'background'),
    ('mask-reference-bg', '', 'foreground'), ('mask-fg-only', 'background', 'background'),
    ('mask-bg-only', 'foreground', 'foreground'), ('mask-shape', 'both', 'both')])
def test_masks(name, train, val):
    found = texts(name)
    for split, mask in (('train', train), ('val', val)):
        params = parse_net(found[split]).layer[0].python_param.param_str
        assert (f"'mask': '{mask}'" in params) == bool(mask)
    assert EXPERIMENTS[name].foreground
    assert (EXPERIMENTS[name].weights_of == 'mask-reference') == name.startswith('mask-reference-')


def test_voc_only_trains_on_vocs_own_list():
    data = parse_net(texts('voc-only', data_root={'voc_dir': '/v'})['train']).layer[0].python_param
    assert data.layer == 'VOCSegDataLayer' and "'split': 'train'" in data.param_str


def test_an_experiment_with_another_net():
    online = find_experiment('online', 'camvid-fcn16s')
    assert online.row.dataset == 'camvid' and online.row.stride == 16
    assert online.row.init == VARIANTS['camvid-fcn16s'].init
    assert find_experiment('voc-fcn8s').row is VARIANTS['voc-fcn8s']


@pytest.mark.parametrize(('name', 'net', 'words'), [
    ('voc-fcn8s', 'voc-fcn16s', 'is a net already'), ('pool3', 'voc-fcn-alexnet', 'VGG16'),
    ('voc-only', 'camvid-fcn32s', 'is for voc-fcn32s'),
    ('context33-fcn16s', 'voc-fcn16s', 'is for pascalcontext-fcn16s'),
    ('table1-vgg16', 'camvid-fcn32s', 'is for voc-fcn32s')])
def test_nets_that_do_not_fit(name, net, words):
    with pytest.raises(ValueError, match=words):
        find_experiment(name, net)


def test_unknown_names_get_the_closest():
    with pytest.raises(KeyError, match="did you mean 'accum'"):
        find_experiment('acum')
    assert not set(BUILDERS) & set(VARIANTS)
