from __future__ import annotations

import pytest

from ctc_core.cartridge.channels import Roles, named_channel, resolve
from ctc_core.cartridge.files import Unfit
from ctc_core.types import Channel

DAPI, CK, CD45, MARKER = Channel.DAPI, Channel.CK, Channel.CD45, Channel.MARKER


@pytest.mark.parametrize(
    ("names", "channel"),
    [
        (("DAPI", "dapi", "DNA", "Nuc", "nuclear stain", "DAPI_1", "Hoechst"), DAPI),
        (("CK", "PE", "CK-PE", "ck pe", "Cytokeratin", "CK8", "PanCK (PE)", "CK-FITC"), CK),
        (("CD45", "APC", "CD45-APC", "apc", "CD45 / PE"), CD45),
        (("FITC", "HER2", "Her2neu-FITC", "HER-2", "PD-L1", "EGFR", "Empty", "CD16-APC", "AR-V7"), MARKER),
        (("", "Filter 3", "CD45 CK", "PE/APC", "SPECIAL", "OPEN", "page2"), None),
    ],
)
def test_filter_names(names: tuple[str, ...], channel: Channel | None) -> None:
    assert {name: named_channel(name) for name in names} == dict.fromkeys(names, channel)


@pytest.mark.parametrize(
    ("pages", "channels"),
    [
        (4, (DAPI, MARKER, CK, CD45)),
        (5, (DAPI, MARKER, CK, CD45, MARKER)),
        (6, (DAPI, MARKER, CK, CD45, MARKER, MARKER)),
    ],
)
def test_position_decides_without_names(pages: int, channels: tuple[Channel, ...]) -> None:
    assert resolve([], pages) == Roles(channels, tuple(c.value.upper() for c in channels), ())


def test_names_that_agree_need_no_note() -> None:
    names = ("DAPI", "FITC", "CK-PE", "CD45-APC")
    assert resolve(names, 4) == Roles((DAPI, MARKER, CK, CD45), names, ())


def test_names_win_over_position_and_a_note_says_so() -> None:
    names = ("DAPI", "FITC", "APC", "PE")
    assert resolve(names, 4) == Roles(
        (DAPI, MARKER, CD45, CK),
        names,
        (
            (
                "page 3 is named 'APC' and is read as CD45, although page 3 usually shows CK: "
                "the name was followed, please check one cell"
            ),
            (
                "page 4 is named 'PE' and is read as CK, although page 4 usually shows CD45: "
                "the name was followed, please check one cell"
            ),
        ),
    )


def test_three_named_pages_are_enough() -> None:
    assert resolve(["DAPI", "CK", "CD45"], 3).channels == (DAPI, CK, CD45)


def test_a_name_that_tells_nothing_leaves_the_page_to_its_position() -> None:
    roles = resolve(["DAPI", "FITC", "Filter 3", "CD45"], 4)
    assert roles == Roles(
        (DAPI, MARKER, CK, CD45),
        ("DAPI", "FITC", "Filter 3", "CD45"),
        ("the name 'Filter 3' of page 3 does not tell its stain; read as CK by its position",),
    )


@pytest.mark.parametrize(
    ("names", "pages", "reason"),
    [
        ((), 3, "the frames have 3 pages and no filter names say what they show"),
        (("DAPI", "FITC", "CK", "CD45", "HER2"), 4, "the XML names 5 filters, but the frames have 4 pages"),
        (("DAPI", "CK", "CK", "CD45"), 4, "2 pages show CK, exactly one is needed"),
        (("DAPI", "FITC", "CD45", "Filter 4"), 4, "no pages show CK, exactly one is needed"),
        (("DAPI", "FITC", "CK", "HER2"), 4, "no pages show CD45, exactly one is needed"),
        (("Empty", "FITC", "CK", "CD45"), 4, "no pages show DAPI, exactly one is needed"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(names: tuple[str, ...], pages: int, reason: str) -> None:
    with pytest.raises(Unfit) as caught:
        resolve(names, pages)
    assert str(caught.value) == reason
