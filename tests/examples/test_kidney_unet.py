"""Tests of the kidney U-Net's recipe, on slices drawn here."""

import math
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from augment import Frame, augment
from data import LabelledSlice, load, reduce_label, regions, split
from fit import (
    SIZE,
    SLICES_A_PATIENT,
    EpochLog,
    Plan,
    dice_and_cross_entropy,
    draw_epoch,
    rate_at,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from measure import dice, mean_dice, score
from model import build
from PIL import Image
from train import Run, train

from edgeseg.errors import UsageError, VolumeError

PAPER_PARAMETERS = 31_030_723


def drawn(patient: str = "case_00001", seed: int = 0, side: int = 128) -> LabelledSlice:
    """Draw a grey body with two bright kidneys, one of them with a tumour."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side] / side
    image = np.where((rows - 0.5) ** 2 + (columns - 0.5) ** 2 < 0.16, 60, 0).astype(np.uint8)
    label = np.zeros_like(image)
    for column in (0.35, 0.65):
        inside = (rows - 0.6) ** 2 + (columns - column) ** 2 < 0.006
        image[inside], label[inside] = 180, 1
    tumor = (rows - 0.55) ** 2 + (columns - 0.7) ** 2 < 0.003
    image[tumor], label[tumor] = 120, 2
    image[image > 0] += rng.integers(0, 10, (image > 0).sum(), np.uint8)
    return LabelledSlice(patient, "kits19_slices", f"{patient}_z{seed:03}", image, label)


def write(folder: Path, pieces: list[LabelledSlice]) -> Path:
    """Lay slices out as the KiTS19 folder does."""
    for kind in ("images", "labels"):
        (folder / "kits19_slices" / kind).mkdir(parents=True, exist_ok=True)
    for piece in pieces:
        for kind, pixels in (("images", piece.image), ("labels", piece.label)):
            Image.fromarray(pixels).save(folder / "kits19_slices" / kind / f"{piece.name}.png")
    return folder


def test_papers_network() -> None:
    model = build(64, 4, batch_norm=False, separable=False)
    assert model.count_params() == PAPER_PARAMETERS
    assert model.output_shape == (None, 256, 256, 3)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_separable_convolutions_are_cheaper(batch_norm: bool) -> None:
    full, cheap = (build(8, 2, batch_norm=batch_norm, separable=kind) for kind in (False, True))
    assert cheap.count_params() < full.count_params() / 2
    assert cheap.output_shape == full.output_shape


def test_load_and_split(tmp_path: Path) -> None:
    names = ("case_00001", "case_00001", "case_00002")
    pieces = [drawn(name, seed) for seed, name in enumerate(names)]
    found = load(write(tmp_path, pieces))
    assert [piece.patient for piece in found] == list(names)
    assert np.array_equal(found[0].image, pieces[0].image)
    train, held_out = split(found, ["case_00002"])
    assert {piece.patient for piece in train} == {"case_00001"}
    assert {piece.patient for piece in held_out} == {"case_00002"}


@pytest.mark.parametrize(
    ("held_out", "message"),
    [(["case_00009"], "no slices of case_00009"), (["case_00001"], "every patient is held out")],
)
def test_split_refuses(held_out: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        split([drawn()], held_out)


def test_load_refuses(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="has no slices"):
        load(tmp_path)
    label = write(tmp_path, [drawn()]) / "kits19_slices/labels/case_00001_z000.png"
    Image.fromarray(np.full((128, 128), 7, np.uint8)).save(label)
    with pytest.raises(VolumeError, match="label value 7"):
        load(tmp_path)
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(label)
    with pytest.raises(VolumeError, match="sizes must agree"):
        load(tmp_path)
    label.write_bytes(b"no image")
    with pytest.raises(VolumeError, match="can't be read"):
        load(tmp_path)
    label.unlink()
    with pytest.raises(VolumeError, match="has no label"):
        load(tmp_path)


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
    frame = Frame(rows=48, columns=64, size=64)
    image, target = augment(drawn(), frame, np.random.default_rng(seed))
    again = augment(drawn(), frame, np.random.default_rng(seed))
    assert image.shape == (48, 64, 1)
    assert target.shape == (48, 64, 3)
    assert image.min() >= 0
    assert image.max() <= 1
    assert np.array_equal(np.rint(image * 255) / np.float32(255), image)
    assert np.array_equal(image, again[0])
    assert np.array_equal(target, again[1])


def test_image_and_regions_move_together() -> None:
    piece = drawn()
    label = piece.label.copy()
    label[:, :64] = 0  # one kidney alone: a flip of only one of the two would show
    bare = LabelledSlice("p", "kits19_slices", "p", piece.image * (label > 0), label)
    shares = []
    for seed in range(50):
        image, target = augment(bare, Frame(96, 96, 96), np.random.default_rng(seed))
        shares.append((image[target[..., 0] > 0] > 2 / 255).mean())
    assert np.mean(shares) > 0.97


def test_epoch_draws_every_patient_and_none_too_often() -> None:
    slices = [drawn("many", seed, 16) for seed in range(20)] + [drawn("few", 0, 16)]
    chosen, _ = draw_epoch(slices, seed=1, epoch=3)
    patients = [piece.patient for piece in chosen]
    assert patients.count("many") == SLICES_A_PATIENT
    assert patients.count("few") == 1
    assert len({piece.name for piece in chosen}) == len(chosen)
    assert [piece.name for piece in draw_epoch(slices, 1, 3)[0]] == [p.name for p in chosen]
    assert [piece.name for piece in draw_epoch(slices, 1, 4)[0]] != [p.name for p in chosen]


def test_rate_warms_up_and_falls() -> None:
    rates = [rate_at(done / 100, 1e-3) for done in range(101)]
    assert rates[0] < rates[2]
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[-1] == pytest.approx(1e-5)


def test_loss_tells_right_from_wrong() -> None:
    truth = reduce_label(drawn().label, 64, 64)[None]
    assert float(dice_and_cross_entropy(truth, truth)) == pytest.approx(0, abs=1e-5)
    assert float(dice_and_cross_entropy(truth, np.zeros_like(truth))) > 1


def test_score_by_patient() -> None:
    slices = [drawn("a", 0), drawn("a", 1), drawn("b", 2)]
    truth = reduce_label(slices[0].label, 64, 64)
    exact = score(lambda images: np.stack([truth] * len(images)), slices, 64)
    assert [(one.patient, one.slices) for one in exact] == [("a", 2), ("b", 1)]
    assert mean_dice(exact, "tumor") == 1
    everywhere = score(lambda images: np.ones_like(images.repeat(3, axis=-1)), slices, 64)
    assert mean_dice(everywhere, "tumor") < 0.1
    assert np.isnan(dice(np.ones((2, 2), bool), np.zeros((2, 2), bool)))


def test_false_tumor_is_counted_on_tumor_free_slices() -> None:
    piece = drawn("10001")
    kidney = (piece.label == 1).astype(np.uint8)
    free = LabelledSlice("10001", "curvas", "10001_1_a1", piece.image, kidney)
    (called,) = score(lambda images: np.ones_like(images.repeat(3, axis=-1)), [free], 64)
    (quiet,) = score(lambda images: np.zeros_like(images.repeat(3, axis=-1)), [free], 64)
    assert (called.tumor_free, called.false_tumor) == (1, 1)
    assert (quiet.tumor_free, quiet.false_tumor) == (1, 0)


# Keras' own saving of TensorFlow variables.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_training_learns_resumes_and_repeats(tmp_path: Path) -> None:
    pieces = [drawn("case_00001", seed, 32) for seed in range(4)] + [drawn("case_00002", 9, 32)]
    data = write(tmp_path, pieces)

    plan = Plan(epochs=3, minutes=math.inf, batch=4, rate=1e-2, seed=3)

    def trained(name: str, plan: Plan, *, resume: bool = False) -> list[EpochLog]:
        return train(Run(tmp_path / name, 8, 1), data, ["case_00002"], plan, resume=resume)

    first, second = trained("a.keras", plan), trained("b.keras", plan)
    assert [row.loss for row in second] == pytest.approx([row.loss for row in first], rel=1e-4)
    assert first[-1].loss < first[0].loss
    assert not np.isnan(first[-1].kidney_and_mass)
    more = trained("a.keras", replace(plan, epochs=5), resume=True)
    assert [row.epoch for row in more] == [1, 2, 3, 4, 5]
    assert more[-1].loss < first[-1].loss
    with pytest.raises(UsageError, match="another base or depth"):
        Run(tmp_path / "a.keras", 8, 2).resume()
    model = keras.models.load_model(tmp_path / "a.keras")
    assert model.input_shape == (None, SIZE, SIZE, 1)
    assert not model.compiled


def test_resume_needs_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to resume"):
        Run(tmp_path / "none.keras", 8, 1).resume()
