"""Time limits on a clock that is passed in: what is read, and that nothing else reads a clock."""

import math
import re
from pathlib import Path

import pytest
from clocks import ticking_clock
from planning_problems import MIB, unet_problem

import edgeseg.planning
from edgeseg.boards.boards_file import Board
from edgeseg.boards.link import GIGABIT
from edgeseg.planning.clock import NEVER, Deadline
from edgeseg.planning.planner import plan


def test_a_deadline_passes_with_its_clock() -> None:
    now = [100.0]
    deadline = Deadline.after(8, lambda: now[0])
    half = deadline.within(0.5)
    assert (deadline.seconds_left, half.seconds_left) == (8, 4)
    now[0] = 104
    assert (deadline.passed, half.passed) == (False, True)
    now[0] = 109
    assert (deadline.passed, deadline.seconds_left) == (True, -1)


def test_never_does_not_pass() -> None:
    assert not NEVER.passed
    assert math.isinf(NEVER.within(0.0).seconds_left)


def test_only_the_clock_module_names_time() -> None:
    root = Path(edgeseg.planning.__file__).parent
    names_time = re.compile(r"\btime\.\w|import time\b|from time import")
    naming = [path.name for path in root.rglob("*.py") if names_time.search(path.read_text())]
    assert naming == ["clock.py"]


@pytest.mark.parametrize("time_limit", [0.05, 0.5])
def test_with_a_clock_of_its_own_a_plan_that_runs_out_of_time_is_the_same_again(
    time_limit: float,
) -> None:
    boards = [Board(f"b{n}", 400 * MIB) for n in range(2)]
    problem = unet_problem(3, boards, [GIGABIT] * 2)
    plans = [plan(problem, time_limit=time_limit, clock=ticking_clock()) for _ in range(2)]
    assert plans[0] == plans[1]
