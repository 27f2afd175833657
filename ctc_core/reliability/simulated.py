"""Simulated patients through an encoder, with one kind of object kept away from everything labelled."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ctc_core.errors import SettingsError
from ctc_core.reliability.calibration import KnownPatient, Source

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

LABELLED_CTC_SHARE, DRAW_CTC_SHARE = 0.25, 0.03
"""CTCs among labelled cells, and in a draw. In a real cartridge they are rarer still; 100 draws would hold too few."""


def simulated_patients(
    embed: Embed, *, hold_out: str = "smear", cells_labelled: int = 64, cells_drawn: int = 300, seed: int = 0
) -> Source:
    """Source of simulated patients: (n, 3, 48, 48) crops at CK-positive objects, embedded by `embed`.

    hold_out: kind of object that is planted (`simulate`'s name, e.g. smear, double, shine-through, point); a
        drawn patient has as many of them as it has by nature.

    Raises:
        SettingsError: there is no such kind, or CTCs are to be held out.
    """
    from ctc_core.simulate.patient import KIND_SHARES

    if hold_out not in KIND_SHARES:
        message = f"{hold_out}: not a kind of object to hold out. Choose one of {', '.join(KIND_SHARES)}."
        raise SettingsError(message)

    def source(number: int, labelled: bool) -> KnownPatient:
        from ctc_core.simulate import render_crops

        n = cells_labelled if labelled else cells_drawn
        ctc_share = LABELLED_CTC_SHARE if labelled else DRAW_CTC_SHARE
        drawn_as = [seed, number, int(labelled)]
        crops, kinds, is_ctc = render_crops(
            n,
            int(np.random.default_rng(drawn_as).integers(2**31)),
            patients=[number],
            ctc_share=ctc_share,
            crops_per_patient=n,
        )
        return KnownPatient(embed(crops), is_ctc, kinds == hold_out)

    return source
