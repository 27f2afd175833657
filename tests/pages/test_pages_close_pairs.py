"""What the candidates page says of confirmed neighbours."""

from streamlit.testing.v1 import AppTest


def test_neighbours_are_told_with_distance_and_place_and_nothing_else_is_said() -> None:
    def page() -> None:
        from ctc_core.enumeration import ClosePair
        from ctc_core.ui.review_count import show_close_pairs

        show_close_pairs([])
        show_close_pairs([ClosePair("c-001", "event:7", 6.6, (5, 129, 620))])

    at = AppTest.from_function(page, default_timeout=60).run()
    assert not at.exception
    (warning,) = at.warning
    assert warning.value == (
        "Confirmed CTCs that are perhaps counted twice: 7 µm apart in frame 5, y 129, x 620. In the order "
        '"Place on the cartridge" they stand near each other. If they show the same cell, decide the event\'s image, '
        "or the worse cut of two cells, as Non-CTC, and say so in its comment."
    )
