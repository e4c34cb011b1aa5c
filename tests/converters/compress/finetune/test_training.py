"""Loss, learning rate, and TensorFlow kept from computing something else."""

from typing import Any

import numpy as np
import pytest
import zoo
from hypothesis import given
from hypothesis import strategies as st

from edgeseg_converters.compress.finetune.keras_2 import to_keras_2
from edgeseg_converters.compress.finetune.loss import distance
from edgeseg_converters.compress.finetune.training import RateSchedule, true_graphs
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras, import_tensorflow

pytestmark = pytest.mark.tensorflow

tensorflow = import_tensorflow()


def probabilities(seed: int, exclusive: bool) -> Any:
    values = np.random.default_rng(seed).uniform(0.01, 1, (2, 4, 4, 3)).astype(np.float32)
    return tensorflow.constant(values / values.sum(-1, keepdims=True) if exclusive else values)


@pytest.mark.parametrize("exclusive", [True, False])
def test_loss_is_zero_for_the_teacher_itself_and_grows_with_the_distance(exclusive: bool) -> None:
    teacher, other = (probabilities(seed, exclusive) for seed in (0, 1))
    nearer = teacher + 0.3 * (other - teacher)
    same, near, far = (
        float(distance(student, teacher, exclusive=exclusive))
        for student in (teacher, nearer, other)
    )
    assert same == pytest.approx(0, abs=1e-5)
    assert 0.001 < near < far


def test_cross_entropy_is_that_of_the_textbook() -> None:
    # Dice of one pixel: (2 * 1 * 0.25 + 1) / (1 + 0.0625 + 1).
    student, teacher = np.full((1, 1, 1, 1), 0.25, np.float32), np.ones((1, 1, 1, 1), np.float32)
    expected = np.log(4) + 1 - 1.5 / 2.0625
    for exclusive in (True, False):
        loss = float(distance(student, teacher, exclusive=exclusive))
        assert loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("exclusive", [True, False])
def test_certain_answers_have_a_finite_loss_and_gradient(exclusive: bool) -> None:
    student = tensorflow.constant([[[[0.0, 1.0]]]])
    with tensorflow.GradientTape() as tape:
        tape.watch(student)
        loss = distance(student, 1 - student, exclusive=exclusive)
    assert np.isfinite(float(loss))
    assert np.isfinite(tape.gradient(loss, student).numpy()).all()


@given(st.integers(1, 500), st.floats(1e-6, 1))
def test_rate_rises_and_falls(steps: int, highest: float) -> None:
    schedule = RateSchedule(steps, highest)
    rates = [schedule.rate(step) for step in range(steps)]
    assert all(0 < rate <= highest * (1 + 1e-9) for rate in rates)
    assert max(rates) == pytest.approx(highest)
    top = int(np.argmax(rates))
    assert top <= 0.05 * steps + 1
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    if steps > 50:
        assert rates[-1] == pytest.approx(0.01 * highest)


def test_compiled_networks_answer_as_they_do_step_by_step() -> None:
    # This family fails without: TensorFlow fuses a sum into a convolution and loses it.
    model = to_keras_2(read_network(zoo.residual(import_keras())), "residual")
    images = zoo.random_images(2)
    with true_graphs():
        specs = (tensorflow.TensorSpec(images.shape),)
        compiled = tensorflow.function(lambda x: model(x, training=False))
        answer = compiled.get_concrete_function(*specs)(tensorflow.constant(images))
    np.testing.assert_allclose(answer, model(images, training=False), atol=1e-6)


def test_tensorflow_is_left_as_it_was() -> None:
    before = tensorflow.config.optimizer.get_experimental_options().get("remapping", True)
    with true_graphs():
        assert not tensorflow.config.optimizer.get_experimental_options()["remapping"]
    assert tensorflow.config.optimizer.get_experimental_options()["remapping"] == before
