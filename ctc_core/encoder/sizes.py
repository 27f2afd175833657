"""Input sizes of the network, known without loading it."""

from __future__ import annotations

from ctc_core.errors import ModelError

PATCH_PX = 8
"""Edge of the squares that the network cuts its input into."""


def check_input_px(px: int) -> int:
    """`px` itself.

    Raises:
        ModelError: not a positive multiple of the patch size.
    """
    if px <= 0 or px % PATCH_PX:
        message = (
            f"input size {px} px: the network takes positive multiples of {PATCH_PX}. Choose e.g. 48, 64, 96 or 224."
        )
        raise ModelError(message)
    return px
