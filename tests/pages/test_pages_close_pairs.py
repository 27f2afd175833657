"""What the candidates page says of confirmed neighbours."""

from streamlit.testing.v1 import AppTest


def test_neighbours_are_named_with_their_distance_and_nothing_else_is_said() -> None:
    def page() -> None:
        from ctc_core.enumeration import ClosePair
        from ctc_core.ui.review_count import show_close_pairs

        show_close_pairs([])
        show_close_pairs([ClosePair("c-001", "event:7", 6.6)])

    at = AppTest.from_function(page, default_timeout=60).run()
    assert not at.exception
    (warning,) = at.warning
    assert warning.value.replace("\\", "") == (
        "Perhaps counted twice: c-001 and event:7, 7 µm apart. If they show the same cell, decide the event's image, "
        "or the worse cut of two cells, as Non-CTC, and say so in its comment."
    )
