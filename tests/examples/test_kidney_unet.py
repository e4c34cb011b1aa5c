"""Tests of the kidney U-Net's recipe, on slices drawn here."""

import math
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from augment import Frame, augment
from averaging import averaged
from cross_validate import deal, folds_of, not_seen, score_folds, train_fold
from curves import draw_curves
from data import DECODING, PREPROCESSING, SIZE, Example, Shelf, reduce_label, regions
from drawn_slices import drawn, labelled, write
from fit import (
    SLICES_A_PATIENT,
    EpochLog,
    Plan,
    dice_and_cross_entropy,
    draw_epoch,
    frame_at,
    rate_at,
    with_tumor_twice,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from measure import mean_dice, measure, segmenter_of
from model import build
from PIL import Image
from synthetic_cases import drawn_label, write_case
from tally import ISLAND, Tally, figures, read_tallies, slice_dice, tally
from train import Network, Run, train
from transplant import Donors, donors_of, with_misplaced, with_tumor

from edgeseg.errors import UsageError
from edgeseg.imaging.slices import SliceGeometry
from edgeseg.labelled import UNKNOWN, LabelledSlice, read_labelled, split
from edgeseg_converters.compare.accuracy import SPECK, SliceSegmenter

PAPER_PARAMETERS = 31_030_723
TINY = Network(base=8, depth=1)
GRID = 64


def example(seed: int = 0) -> Example:
    return Example(*drawn(seed))


def donors(count: int = 3) -> Donors:
    return donors_of([(f"p{seed}", example(seed)) for seed in range(count)], GRID)


def test_papers_network() -> None:
    model = build(64, 4, batch_norm=False, separable=False)
    assert model.count_params() == PAPER_PARAMETERS
    assert model.output_shape == (None, 256, 256, 3)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_separable_convolutions_are_cheaper(batch_norm: bool) -> None:
    full, cheap = (build(8, 2, batch_norm=batch_norm, separable=kind) for kind in (False, True))
    assert cheap.count_params() < full.count_params() / 2
    assert cheap.output_shape == full.output_shape


def test_a_slice_in_hu_is_windowed_and_kept() -> None:
    pairs = iter([(np.array([[-1000, 0], [100, 900]], np.int16), np.zeros((2, 2), np.uint8))])
    scanned = LabelledSlice(
        "p", "kits", "p_z1", SliceGeometry(2, 2), windowed=False, read=lambda: next(pairs)
    )
    shelf = Shelf()
    assert shelf.read(scanned).image.tolist() == [[0, 0], [100, 255]]
    assert shelf.read(scanned) is shelf.read(scanned)


def test_a_full_shelf_reads_again() -> None:
    shelf, piece = Shelf(limit=100), labelled(drawn())
    assert shelf.read(piece) is not shelf.read(piece)


@given(st.binary(min_size=64, max_size=64))
def test_regions_are_nested(raw: bytes) -> None:
    label = np.frombuffer(raw, np.uint8).reshape(8, 8) % 4
    kidney_and_mass, mass, tumor = np.moveaxis(regions(label), -1, 0)
    assert (kidney_and_mass >= mass).all()
    assert (mass >= tumor).all()
    assert np.array_equal(kidney_and_mass > 0, label > 0)
    assert np.array_equal(tumor > 0, label == 2)
    assert np.array_equal(reduce_label(label, 8, 8), regions(label))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32))
def test_augmentation_keeps_to_the_grey_levels_and_repeats(seed: int) -> None:
    frame = Frame(rows=48, columns=64, size=GRID)
    image, target = augment(example(), frame, donors(), np.random.default_rng(seed))
    again = augment(example(), frame, donors(), np.random.default_rng(seed))
    assert image.shape == (48, 64, 1)
    assert target.shape == (48, 64, 3)
    assert image.min() >= 0
    assert image.max() <= 1
    assert np.array_equal(np.rint(image * 255) / np.float32(255), image)
    assert np.array_equal(image, again[0])
    assert np.array_equal(target, again[1])


def test_image_and_regions_move_together() -> None:
    image, label = drawn()
    label[:, :64] = 0  # one kidney alone: a flip of only one of the two would show
    bare = Example(image * (label > 0), label)
    shares = []
    for seed in range(50):
        rng = np.random.default_rng(seed)
        moved, target = augment(bare, Frame(96, 96, 96), donors(), rng)
        shares.append((moved[target[..., 0] > 0] > 2 / 255).mean())
    assert np.mean(shares) > 0.97


def test_a_tumor_grows_on_the_kidney_of_a_healthy_slice() -> None:
    image, label = drawn(9)
    target = reduce_label(label * (label == 1), 128, 128)
    hu = np.where(label == 2, 60, image).astype(np.float32)
    grown = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        changed, regions_after = with_tumor(hu, target, donors(), rng)
        tumor = regions_after[..., 2] > 0
        assert (regions_after >= target).all()
        assert np.array_equal(regions_after[..., 1], regions_after[..., 2])
        if tumor.sum() < 30:
            continue
        grown += 1
        # The donors' tumours have two thirds of their kidneys' HU; tints vary by some ten percent.
        assert 80 < changed[tumor].mean() < 170
    assert grown > 10


def test_without_kidney_or_donor_no_tumor_grows() -> None:
    image, label = drawn()
    hu, rng = image.astype(np.float32), np.random.default_rng(0)
    nothing = np.zeros((*label.shape, 3), np.float32)
    assert with_tumor(hu, nothing, donors(), rng)[1] is nothing
    target = reduce_label(label, 128, 128)
    assert with_tumor(hu, target, Donors((), ()), rng)[0] is hu


def test_misplaced_tissue_keeps_away_from_kidneys() -> None:
    image, label = drawn()
    hu, kidney = image.astype(np.float32), label > 0
    changed = [
        with_misplaced(hu, kidney, donors(), np.random.default_rng(seed)) != hu
        for seed in range(20)
    ]
    assert not np.any(changed, axis=0)[kidney].any()
    assert np.mean([one.any() for one in changed]) > 0.9


def test_epoch_draws_every_patient_and_none_too_often() -> None:
    slices = [labelled(drawn(0, 16), "many", seed) for seed in range(20)]
    slices.append(labelled(drawn(0, 16), "few"))
    chosen, _ = draw_epoch(slices, seed=1, epoch=3)
    patients = [piece.patient for piece in chosen]
    assert patients.count("many") == SLICES_A_PATIENT
    assert patients.count("few") == 1
    assert len({piece.name for piece in chosen}) == len(chosen)
    assert [piece.name for piece in draw_epoch(slices, 1, 3)[0]] == [p.name for p in chosen]
    assert [piece.name for piece in draw_epoch(slices, 1, 4)[0]] != [p.name for p in chosen]


def test_slices_with_a_tumor_are_drawn_twice() -> None:
    image, label = drawn(0, 32)
    healthy = labelled((image, label * (label == 1)), "healthy")
    names = [
        piece.patient for piece in with_tumor_twice([healthy, labelled((image, label))], Shelf())
    ]
    assert names == ["healthy", "case_00001", "case_00001"]


def test_slices_are_small_at_first_and_whole_at_last() -> None:
    frames = [frame_at(share) for share in (0, 0.5, 0.9, 1, 1.2)]
    assert [frame.size for frame in frames] == [192, SIZE, SIZE, SIZE, SIZE]
    assert [frame.rows for frame in frames] == [160, 192, SIZE, SIZE, SIZE]


def test_rate_warms_up_and_falls() -> None:
    rates = [rate_at(done / 100, 1e-3) for done in range(101)]
    assert rates[0] < rates[2]
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[-1] == pytest.approx(1e-5)


def test_loss_tells_right_from_wrong() -> None:
    truth = reduce_label(drawn()[1], 64, 64)[None]
    assert float(dice_and_cross_entropy(truth, truth)) == pytest.approx(0, abs=1e-5)
    assert float(dice_and_cross_entropy(truth, np.zeros_like(truth))) > 1


def test_nothing_is_asked_of_unknown_pixels() -> None:
    image, label = drawn(side=SIZE)
    label[:128] = UNKNOWN
    truth = reduce_label(label, 64, 64)[None]
    assert (truth[:, :32] == -1).all()
    wrong = np.where(truth < 0, np.float32(1), truth)
    assert float(dice_and_cross_entropy(truth, wrong)) == pytest.approx(0, abs=1e-5)
    everything = np.ones((1, SIZE, SIZE, 3), np.float32)
    segmenter = SliceSegmenter(lambda _: everything, PREPROCESSING, DECODING)
    slices = [labelled((image, label))]
    (one,) = tally(0, slices, measure(segmenter, slices))
    assert one.kidney_found == one.tumor_found == 128 * SIZE
    assert one.kidney == one.kidney_common == np.count_nonzero(label[128:])


def found_in(name: str, patient: str = "p", **counts: int) -> Tally:
    columns = ("kidney", "kidney_found", "kidney_common", "tumor", "tumor_found", "tumor_common")
    return Tally(0, "s", patient, name, **dict.fromkeys(columns, 0) | counts)


def test_figures_are_those_of_the_counts() -> None:
    of = figures(
        [
            found_in("a", kidney=10, kidney_found=10, kidney_common=8, tumor_found=SPECK),
            found_in("b", kidney=10, kidney_found=10, kidney_common=4, tumor_found=SPECK - 1),
            found_in("c", "q", kidney_found=ISLAND + 1),
            found_in("d", "q", kidney_found=ISLAND),
            found_in("e", "r", kidney=4, kidney_found=4, kidney_common=4, tumor=1, tumor_found=9),
        ]
    )
    assert (of.slices, of.kidney_and_mass.patients, of.tumor.patients) == (5, 2, 1)
    assert of.kidney_and_mass.mean == pytest.approx((0.6 + 1) / 2)
    assert of.tumor.mean == 0
    assert (of.false_tumor, of.tumor_free) == (1, 4)
    assert (of.false_kidney, of.kidney_free) == (1, 2)


def test_dice_slice_by_slice_leaves_slivers_out() -> None:
    tallies = [
        found_in("a", kidney=501, kidney_found=501, kidney_common=501),
        found_in("b", kidney=500),
    ]
    assert slice_dice(tallies, "kidney", 500).mean == 1
    assert slice_dice(tallies, "kidney", 499).mean == 0.5


def test_mirrored_slices_have_mirrored_masks() -> None:
    model, pair = build(8, 1, batch_norm=True, separable=False), drawn(side=SIZE)
    image, geometry = pair[0], SliceGeometry(SIZE, SIZE)
    both = segmenter_of(model, mirror=True)
    mask = both.mask(image, geometry, windowed=True)
    turned = both.mask(image[:, ::-1].copy(), geometry, windowed=True)
    assert np.mean(turned[:, ::-1] == mask) > 0.99
    plain = segmenter_of(model).mask(image, geometry, windowed=True)
    assert (plain != mask).any()


def test_measure_by_patient() -> None:
    image, label = drawn(side=SIZE)
    healthy = label * (label == 1)
    slices = [
        labelled((image, label), "a"),
        labelled((image, label), "a", 1),
        labelled((image, healthy), "b"),
    ]
    truth = regions(label)[None].astype(np.float32)
    scores = measure(SliceSegmenter(lambda _: truth, PREPROCESSING, DECODING), slices)
    assert [(one.patient, len(one.masks)) for one in scores] == [("a", 2), ("b", 1)]
    assert scores[0].dice["tumor"] == 1
    assert mean_dice(scores, "tumor") == 1
    assert (scores[1].absent["tumor"], scores[1].false["tumor"]) == (1, 1)
    assert 0.5 < scores[1].dice["kidney_and_mass"] < 1
    assert math.isnan(mean_dice(scores[1:], "tumor"))


def test_averaged_weights_lag_behind_and_statistics_fit_them() -> None:
    layers = [keras.Input((4, 4, 1)), keras.layers.Conv2D(1, 1, kernel_initializer="ones")]
    model = keras.Sequential([*layers, keras.layers.BatchNormalization(momentum=0.5)])
    model.compile(keras.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.9), loss="mse")
    images = np.random.default_rng(0).normal(5, 1, (64, 4, 4, 1)).astype(np.float32)
    for _ in range(20):
        model.train_on_batch(images, np.tanh(images) - 5)
    now = model.get_weights()
    kernel, bias, _, _, mean, _ = averaged(model, images)
    assert abs(kernel - 1) < abs(now[0] - 1)
    assert mean == pytest.approx((images * kernel[0, 0] + bias).mean(), abs=0.03)
    assert all(map(np.array_equal, model.get_weights(), now))


# Keras' own saving of TensorFlow variables.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_training_learns_resumes_and_repeats(tmp_path: Path) -> None:
    folder = write(tmp_path / "data", {"case_00001": 4, "case_00002": 1}, side=32)
    slices, held_out = split(read_labelled(folder), ["case_00002"])
    plan = Plan(epochs=3, minutes=math.inf, batch=4, rate=1e-2, seed=3)

    def trained(name: str, plan: Plan, *, resume: bool = False) -> list[EpochLog]:
        return train(Run(tmp_path / name, TINY), slices, held_out, plan, resume=resume)

    first, second = trained("a.keras", plan), trained("b.keras", plan)
    assert [row.loss for row in second] == pytest.approx([row.loss for row in first], rel=1e-4)
    assert first[-1].loss < first[0].loss
    assert not np.isnan(first[-1].kidney_and_mass)
    more = trained("a.keras", replace(plan, epochs=5), resume=True)
    assert [row.epoch for row in more] == [1, 2, 3, 4, 5]
    assert more[-1].loss < first[-1].loss
    with pytest.raises(UsageError, match="another base or depth"):
        Run(tmp_path / "a.keras", Network(8, 2)).resume()
    model = keras.models.load_model(tmp_path / "a.keras")
    assert model.input_shape == (None, SIZE, SIZE, 1)
    assert not model.compiled


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_training_in_bfloat16_saves_float32(tmp_path: Path) -> None:
    slices = [labelled(drawn(seed, 32), "p", seed) for seed in range(2)]
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        plan = Plan(epochs=1, minutes=math.inf, batch=2, rate=1e-3, seed=0)
        train(Run(tmp_path / "m.keras", TINY), slices, [labelled(drawn(5, 32), "q")], plan)
    finally:
        keras.config.set_dtype_policy("float32")
    model = keras.models.load_model(tmp_path / "m.keras")
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_training_on_volumes(tmp_path: Path) -> None:
    for name, seed in (("case_00001", 1), ("case_00002", 2)):
        write_case(tmp_path / "kits", name, drawn_label(), seed)
    slices, held_out = split(read_labelled(tmp_path / "kits"), ["case_00002"])
    plan = Plan(epochs=1, minutes=math.inf, batch=4, rate=1e-3, seed=0)
    (row,) = train(Run(tmp_path / "m.keras", TINY), slices, held_out, plan)
    assert math.isfinite(row.kidney_and_mass)


def test_a_patient_on_both_sides_is_refused(tmp_path: Path) -> None:
    both = [labelled(drawn(0, 32), "case_00001")]
    plan = Plan(epochs=1, minutes=math.inf, batch=1, rate=1e-3, seed=0)
    with pytest.raises(UsageError, match="case_00001"):
        train(Run(tmp_path / "m.keras", TINY), both, both, plan)


def test_resume_needs_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to resume"):
        Run(tmp_path / "none.keras", TINY).resume()


def test_curves_are_a_picture(tmp_path: Path) -> None:
    rows = [EpochLog(1, 1, 0.1, 1e-3, 1.5), EpochLog(2, 2, 0.2, 1e-3, 1.2, 0.5, 0.1)]
    draw_curves({"one": rows}, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.format == "PNG"
        assert len(np.unique(np.asarray(picture.convert("L")))) > 10


def test_patients_are_dealt_evenly_and_once() -> None:
    slices = [labelled(drawn(0, 16), f"a{number}") for number in range(7)]
    slices += [replace(piece, source="other", patient=f"b{piece.patient}") for piece in slices[:5]]
    folds = deal(slices, 4, seed=0)
    assert sorted(sum(folds, ())) == sorted({piece.patient for piece in slices})
    assert [len(fold) for fold in folds] == [3, 3, 3, 3]
    assert all(1 <= sum(name.startswith("b") for name in fold) <= 2 for fold in folds)
    assert folds == deal(slices[::-1], 4, seed=0)
    assert folds != deal(slices, 4, seed=1)
    with pytest.raises(UsageError, match="12 patients can't make 13 folds"):
        deal(slices, 13, seed=0)


def test_patients_that_the_first_weights_saw_are_in_no_fold() -> None:
    one, other = (labelled(drawn(0, 16), name) for name in ("case_00001", "case_00002"))
    slices = [one, other, replace(one, source="earlier")]
    assert not_seen(slices, []) == tuple(slices)
    assert not_seen(slices, ["earlier"]) == (other,)
    with pytest.raises(UsageError, match="no slices are of later"):
        not_seen(slices, ["later"])


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_cross_validation_scores_every_slice_once(tmp_path: Path) -> None:
    data = write(tmp_path / "data", {f"case_0000{number}": 1 for number in range(4)}, side=32)
    out, slices = tmp_path, read_labelled(data)
    plan = Plan(epochs=1, minutes=math.inf, batch=4, rate=1e-3, seed=0)
    folds = folds_of(slices, Run(out / "model.keras", TINY), 2, seed=0)
    for fold in folds:
        train_fold(fold, slices, plan)
    before = (out / "fold1.keras").read_bytes()
    train_fold(folds[1], slices, plan)
    assert (out / "fold1.keras").read_bytes() == before
    tallies = score_folds(folds, slices, out)
    assert sorted(one.patient for one in tallies) == [f"case_0000{n}" for n in range(4)]
    assert read_tallies(out / "slices.csv") == tallies
    mirrored = score_folds(folds, slices, out, mirror=True)
    assert [(one.name, one.kidney) for one in mirrored] == [(s.name, s.kidney) for s in tallies]
    assert read_tallies(out / "slices-mirror.csv") == mirrored
    for name in ("errors.png", "curves.png"):
        with Image.open(out / name) as picture:
            assert picture.width > 600
