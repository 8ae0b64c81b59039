"""port.reproduce.recipe: which nets a run consists of, and what is refused."""

from pathlib import Path

import pytest

from port.reproduce.recipe import Settings, chain

OUT = Path('o')


@pytest.mark.parametrize(('net', 'reason'), [
    ('camvid-fcn32s', "first the class 'Sky'"), ('nyud-fcn32s-color', "first the class 'wall'"),
    ('siftflow-fcn32s', r'2 head\(s\)'), ('nyud-fcn32s-color-hha', r'2 input\(s\)')])
@pytest.mark.parametrize('name', ['mask-reference', 'mask-fg-only', 'mask-reference-bg'])
def test_masks_need_a_background(name, net, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        chain(Settings(name, '.', net=net, width=0.5), OUT)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('net', ['', 'voc-fcn8s-atonce', 'pascalcontext-fcn32s'])
def test_masks_go_with_nets_that_have_one(net):
    assert chain(Settings('mask-shape', '.', net=net, width=0.5), OUT)


def test_weights_of_an_experiment_may_be_given():
    settings = Settings('mask-reference-fg', '.', width=0.5, donors={'mask-reference': 'w'})
    (stage,) = chain(settings, OUT)
    assert stage.name == 'mask-reference-fg' and stage.donors == (Path('w'),)


def test_what_is_trained_is_no_donor():
    settings = Settings('mask-reference', '.', width=0.5, donors={'mask-reference': 'w'})
    with pytest.raises(ValueError, match='--donor mask-reference: that is what is trained here'):
        chain(settings, OUT)


@pytest.mark.parametrize('text', ['', '{"name": "voc', '[]', '[' * 100000])
def test_a_damaged_record_of_a_run_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / 'voc-fcn32s' / 'snapshot').mkdir(parents=True)
    (tmp_path / 'voc-fcn32s' / 'snapshot' / 'train_iter_1.solverstate').write_bytes(b'')
    (tmp_path / 'run.json').write_text(text)
    with pytest.raises(ValueError, match=r'run.json: this record of a run is damaged: .*; write it '
                                         'anew with the settings'):
        Settings('voc-fcn32s', 'data').claim(tmp_path)


@pytest.mark.parametrize('begun', [True, False, None])
def test_a_run_goes_on_with_the_engine_it_was_begun_with(tmp_path: Path, begun) -> None:
    """Unless another is asked for, which claim refuses; nothing trained yet binds nobody."""
    mine = Settings('voc-fcn32s', 'data')
    Settings('voc-fcn32s', 'data', fast=begun).claim(tmp_path)
    assert mine.as_begun(tmp_path).fast is None
    (tmp_path / 'voc-fcn32s' / 'snapshot').mkdir(parents=True)
    (tmp_path / 'voc-fcn32s' / 'snapshot' / 'train_iter_1.solverstate').write_bytes(b'')
    found = mine.as_begun(tmp_path)
    assert found.fast is begun
    found.claim(tmp_path)
    other = Settings('voc-fcn32s', 'data', fast=not begun).as_begun(tmp_path)
    with pytest.raises(ValueError, match=f'was begun with fast {begun}, now {not begun}'):
        other.claim(tmp_path)


@pytest.mark.parametrize(('name', 'iterations'), [
    ('voc-fcn32s', 600), ('accum', 30), ('camvid-segnet-basic', 50), ('deeplab-largefov', 20),
    ('deeplab-resnet101', 60)])
def test_a_block_is_counted_in_images(name: str, iterations: int) -> None:
    """An iteration takes batch times iter_size of them: 20, 12, 30, 10."""
    found = chain(Settings(name, '.', width=0.5, block=600), OUT)[-1]
    assert found.block == iterations


def test_an_iter_size_of_ones_own_counts() -> None:
    """Caffe adds up the gradients of so many passes for one iteration."""
    (stage,) = chain(Settings('voc-fcn32s', '.', width=0.5, block=600, options={'iter_size': 4}),
                     OUT)
    assert (stage.block, stage.images) == (150, 4)


def test_weights_in_folders_of_others_stay(tmp_path: Path) -> None:
    """Of a run of which nothing was trained only what its own nets would begin with goes."""
    def left(name: str) -> set[str]:
        Settings(name, 'data', width=0.5).claim(tmp_path)
        return {path.parent.name for path in tmp_path.glob('*/init.caffemodel')}
    for name in ('cars', 'voc-fcn32s', 'voc-fcn8s-atonce'):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'init.caffemodel').write_bytes(b'w')
    assert left('voc-fcn32s') == {'cars', 'voc-fcn8s-atonce'}
    assert left('voc-fcn8s-atonce') == {'cars'}


@pytest.mark.parametrize(('given', 'iterations'), [
    ({'batch': 4}, [150, 150, 150]), ({'camvid-fcn16s.batch': 4}, [600, 150, 600]),
    ({'batch': 'x'}, [600, 600, 600])])                   # which the data layer refuses
def test_a_batch_of_ones_own_counts(given, iterations: list[int]) -> None:
    settings = Settings('camvid-fcn8s', '.', width=0.5, block=600, train_data=given)
    assert [stage.block for stage in chain(settings, OUT)] == iterations
