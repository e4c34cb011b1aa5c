"""A run is drawn with every machine that did anything, in the order of the lane."""

from planning_problems import MIB, unet_problem

from edgeseg.boards.boards_file import Board
from edgeseg.boards.link import GIGABIT
from edgeseg.planning.outcome.prediction import COORDINATOR
from edgeseg.planning.outcome.simulation import timeline
from edgeseg.planning.planner import plan
from edgeseg_runtime.page.run_timeline import lane_timeline


def test_tracks_hold_all_bars_of_the_lane() -> None:
    problem = unet_problem(4, [Board(f"b{n}", 400 * MIB) for n in range(2)], [GIGABIT] * 2)
    planned = plan(problem, time_limit=0.5)
    drawn = lane_timeline(problem, planned)
    bars = [bar for track in drawn.tracks for bar in track.bars]
    assert sorted(map(repr, bars)) == sorted(map(repr, timeline(problem, planned.lanes[0], 3)))
    assert drawn.seconds == max(bar.end for bar in bars)
    machines = list(dict.fromkeys(track.machine for track in drawn.tracks))
    assert machines == [COORDINATOR, *planned.lanes[0].members]
    assert drawn.lanes == 1
