import pytest

from ctc_core.encoder.sizes import check_input_px
from ctc_core.errors import ModelError


@pytest.mark.parametrize("px", [24, 48, 224])
def test_multiples_of_the_patch_pass(px):
    assert check_input_px(px) == px


@pytest.mark.parametrize("px", [0, -8, 50])
def test_input_sizes_that_do_not_fit_are_refused(px):
    with pytest.raises(ModelError, match=f"input size {px} px"):
        check_input_px(px)
