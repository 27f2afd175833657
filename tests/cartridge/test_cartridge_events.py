from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctc_core.cartridge import Grid, Quarantined, parse_location
from ctc_core.cartridge.events import NO_EVENTS, EventList, events_from_xml
from ctc_core.cartridge.files import Unfit
from ctc_core.cartridge.tables import format_location
from ctc_core.types import Box, Event

GRID = Grid(5, 35)
LOCATIONS = {
    1: "(120,230),(100,200)",
    35: "(47176,230),(47156,200)",
    36: "(47176,1266),(47156,1236)",
    70: "(120,1266),(100,1236)",
    175: "(47176,4374),(47156,4344)",
}
GOOD = {"rid": "7", "framenum": "36", "location": LOCATIONS[36], "assigned": "true", "numselected": "1"}
EVENT = Event("7", 36, Box(100, 200, 120, 230), assigned=True, numselected=1)


@pytest.mark.parametrize("frame", LOCATIONS)
def test_locations_of_the_format_description(frame: int) -> None:
    record = {**GOOD, "framenum": str(frame), "location": LOCATIONS[frame]}
    expected = Event("7", frame, Box(100, 200, 120, 230), assigned=True, numselected=1)
    assert events_from_xml([record], GRID) == EventList((expected,), (), "assigned", ())
    assert format_location(GRID.to_cartridge(Box(100, 200, 120, 230), frame)) == LOCATIONS[frame]


@pytest.mark.parametrize(
    "text",
    [
        "(120,230),(100,200)",
        "(100,200),(120,230)",
        "(100,230),(120,200)",
        " ( 120 , 230 ) , ( 100 , 200 ) ",
        "((120,230),(100,200))",
        "(120;230);(100;200)",
        "(120 230) (100 200)",
        "(120.0,2.3e2),(1e2,+200.)",
    ],
)
def test_locations_are_read_in_every_known_spelling(text: str) -> None:
    assert parse_location(text) == Box(100, 200, 120, 230)


@pytest.mark.parametrize(
    "text", ["", "120,230,100,200", "(120,230)", "(1,2),(3,4),(5,6)", "(NaN,2),(3,4)", "(1,2,3),(4,5,6)", "(1,2),(a,b)"]
)
def test_other_texts_are_no_location(text: str) -> None:
    with pytest.raises(Unfit, match="its location is not a box of two corners"):
        parse_location(text)


tenths = st.integers(-100_000, 1_000_000).map(lambda n: n / 100)


@given(tenths, tenths, tenths, tenths, st.booleans())
def test_location_round_trip(x0: float, y0: float, x1: float, y1: float, swapped: bool) -> None:
    box = Box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    assert parse_location(format_location(box, swapped=swapped, decimals=True)) == box


@given(st.text(alphabet="0123456789.,;()+-eE Naif", max_size=40))
def test_any_text_is_a_box_or_a_reason(text: str) -> None:
    try:
        box = parse_location(text)
    except Unfit:
        return
    assert box.x0 <= box.x1 and box.y0 <= box.y1


@pytest.mark.parametrize(
    ("change", "quarantined"),
    [
        ({"rid": ""}, ("record 2", "it has no usable id")),
        ({"rid": "=cmd()"}, ("record 2", "it has no usable id")),
        ({"rid": "x" * 65}, ("record 2", "it has no usable id")),
        ({"rid": "7"}, ("7", "its id was used by an earlier event")),
        ({"framenum": ""}, ("8", "it has no frame number")),
        ({"framenum": "NaN"}, ("8", "its field 'framenum' is not a whole number")),
        ({"framenum": "176"}, ("8", "it lies in frame 176, but the grid has frames 1 to 175")),
        ({"framenum": "-3"}, ("8", "it lies in frame -3, but the grid has frames 1 to 175")),
        ({"location": ""}, ("8", "it has no location")),
        ({"location": "(NaN,NaN),(NaN,NaN)"}, ("8", "its location is not a box of two corners")),
        ({"location": "(1e999,1),(0,0)"}, ("8", "its box is not finite")),
        ({"location": "(120,230),(120,200)"}, ("8", "its box has no area")),
        ({"location": LOCATIONS[1]}, ("8", "its box lies outside its frame")),
        ({"location": "(48500,2000),(45800,1300)"}, ("8", "its box is larger than a frame")),
        ({"assigned": "perhaps"}, ("8", "its field 'assigned' is neither true nor false")),
    ],
)
def test_a_bad_event_is_set_aside_and_the_others_stay(change: dict[str, str], quarantined: tuple[str, str]) -> None:
    bad = {name: text for name, text in {**GOOD, "rid": "8", **change}.items() if text}
    last = {**GOOD, "rid": "9"}
    expected = (EVENT, Event("9", 36, EVENT.box, assigned=True, numselected=1))
    assert events_from_xml([GOOD, bad, last], GRID) == EventList(expected, (Quarantined(*quarantined),), "assigned", ())


def test_a_box_across_the_frame_border_is_cut_to_the_frame() -> None:
    record = {**GOOD, "framenum": "1", "location": "(20,18),(-6,-4)"}
    (event,) = events_from_xml([record], GRID).events
    assert event.box == Box(0, 0, 20, 18)


def test_counting_from_one_is_tolerated() -> None:
    """The origin is not documented: the last pixel may be called 1384."""
    record = {**GOOD, "framenum": "1", "location": "(1385,1037),(1383,1035)"}
    assert [e.box for e in events_from_xml([record], GRID).events] == [Box(1383, 1035, 1384, 1036)]


def _without(*names: str, **changed: str) -> dict[str, str]:
    return {name: text for name, text in {**GOOD, **changed}.items() if name not in names}


@pytest.mark.parametrize("text", ["true", "TRUE", "t", "1"])
def test_assigned_decides_where_it_is_present(text: str) -> None:
    records = [_without(assigned=text, numselected="0"), _without(rid="8", assigned="false", numselected="3")]
    found = events_from_xml(records, GRID)
    assert (found.rule, [(e.assigned, e.numselected) for e in found.events]) == ("assigned", [(True, 0), (False, 3)])


def test_numselected_one_to_three_decides_without_assigned() -> None:
    records = [_without("assigned", rid=str(10 + n), numselected=str(n)) for n in range(5)]
    found = events_from_xml(records, GRID)
    assert [(e.assigned, e.numselected) for e in found.events] == [
        (False, 0),
        (True, 1),
        (True, 2),
        (True, 3),
        (False, 4),
    ]
    assert (found.rule, found.notes) == (
        "numselected",
        ("1 of 5 events have numselected 2: marker-positive, to be confirmed",),
    )


def test_events_without_any_selection_count_as_not_selected_and_say_so() -> None:
    found = events_from_xml([_without("assigned", "numselected")], GRID)
    assert [e.assigned for e in found.events] == [False]
    assert found.notes == ("1 of 1 events do not say whether the operator selected them: counted as not selected",)


def test_an_unreadable_numselected_matters_only_where_it_decides() -> None:
    assert [e.numselected for e in events_from_xml([_without(numselected="many")], GRID).events] == [None]
    found = events_from_xml([_without("assigned", numselected="many")], GRID)
    assert found.quarantined == (Quarantined("7", "its field 'numselected' is not a whole number"),)


def test_eventnum_stands_in_for_rid() -> None:
    found = events_from_xml([_without("rid", eventnum="41"), {**GOOD, "eventnum": "41"}], GRID)
    assert [e.rid for e in found.events] == ["41", "7"]


def test_no_events_is_noted() -> None:
    assert events_from_xml([], GRID) == EventList((), (), "assigned", (NO_EVENTS,))
