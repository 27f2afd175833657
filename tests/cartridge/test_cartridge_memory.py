"""What an archive that we accept costs the process that reads it, beside the 512 MiB that it may have."""

from pathlib import Path

import pytest

from ctc_core.cartridge import Grid
from ctc_core.cartridge.tiff import MAX_PIXELS
from tests.cartridge.decoder_memory import measured

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux says how much memory there was")


def test_a_full_cartridge_needs_no_more_than_its_largest_frame(make) -> None:
    """175 small frames: memory does not grow with their number."""
    found = measured(make(grid=Grid(5, 35, 200, 150)))
    assert (found["frames"], found["unfit"]) == (175, 0)
    assert found["rss_mb"] < 40 and found["address_space_mb"] < 100


def test_the_largest_frame_that_is_accepted_fits(make) -> None:
    edge = int(MAX_PIXELS**0.5)
    found = measured(make(grid=Grid(1, 1, edge, edge), events=()))
    assert (found["frames"], found["unfit"]) == (1, 0)
    assert found["address_space_mb"] < found["limit_mb"] / 2
