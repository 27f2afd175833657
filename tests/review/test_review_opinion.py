"""What a gate says in words, and gates with a lab's own limits."""

from math import inf

import pandas as pd

from ctc_core.enumeration.gates import PRESETS
from ctc_core.review.opinion import edited, gate_opinions, limits

BREAST = PRESETS["breast-ctc"]
CELLS = pd.DataFrame(
    {
        "ck_sd": [80.0, 34.2, 80.0, 51.0],
        "size_px": [100.0, 100.0, 2500.0, 75.0],
        "dapi_max": [500.0, 500.0, 500.0, None],
        "cd45_max": [20.0, 90.0, 20.0, 20.0],
    }
)


def test_what_fails_is_said_with_its_value() -> None:
    found = gate_opinions(BREAST, CELLS)
    assert found.passes.tolist() == [True, False, False, False]
    assert found.failing.tolist() == [
        "",
        "CK SD 34, needs more than 50; CD45 maximum 90, needs less than 60",
        "size in pixels 2500, needs 75 to 2000",
        "DAPI maximum is not known",
    ]


def test_a_gate_with_own_limits_says_so() -> None:
    wider = edited(BREAST, {"cd45_max": (-inf, 100.0), "ck_sd": (30.0, inf)})
    assert wider.title == "CTC, breast, own limits"
    assert gate_opinions(wider, CELLS).passes.tolist() == [True, True, False, False]
    assert [limits(one) for one in wider.conditions] == ["more than 30", "75 to 2000", "more than 170", "less than 100"]
    same = {one.quantity: (one.low, one.high) for one in BREAST.conditions}
    assert edited(BREAST, same) is BREAST
