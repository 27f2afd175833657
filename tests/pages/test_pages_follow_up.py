"""The chart of a patient's draws: its table and its words, from counts written down."""

from datetime import datetime

from ctc_core.counting import FollowUp
from ctc_core.enumeration import Count
from ctc_core.intervals import Interval
from ctc_core.ui.follow_up import chart, described, follow_up_table


def drawn(cartridge: str, day: int, confirmed: int, mean: float, p: float) -> FollowUp:
    concentration = Interval(mean, mean - 1.0, mean + 2.0)
    count = Count(confirmed, float(confirmed), 7, concentration, concentration, 5, p, p)
    return FollowUp(cartridge, datetime(2026, 1, day), 20, 40, count)


DRAWS = (drawn("A-1", 1, 12, 13.4, 0.99), drawn("A-2", 15, 2, 2.8, 0.1))


def test_one_row_for_each_draw() -> None:
    table = follow_up_table(DRAWS)
    columns = ["draw", "cartridge", "counted", "mean", "low", "high", "p", "cellsearch", "read", "shown"]
    assert table[columns].to_numpy().tolist() == [
        [1, "A-1", 12.0, 13.4, 12.4, 15.4, 0.99, 7, 20, 40],
        [2, "A-2", 2.0, 2.8, 1.7999999999999998, 4.8, 0.1, 7, 20, 40],
    ]
    assert described(table) == (
        "CTCs in 7.5 ml over 2 draws; draw 1: 12.0 confirmed, mean 13.4; draw 2: 2.0 confirmed, mean 2.8"
    )


def test_draws_in_order_and_the_cut_off_beside_them() -> None:
    made = chart(follow_up_table(DRAWS), 5).to_dict()
    marks = [layer["mark"]["type"] for layer in made["layer"]]
    assert marks == ["line", "rule", "point", "point", "rule", "text"]
    assert made["layer"][0]["encoding"]["x"]["sort"] == ["1: A-1", "2: A-2"]
    assert {"cut_off": 5, "name": "cut-off"} in [row for rows in made["datasets"].values() for row in rows]
