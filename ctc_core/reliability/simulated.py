"""Simulated patients through an encoder, with one kind of object kept away from everything labelled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core.errors import SettingsError
from ctc_core.kept import kept_arrays
from ctc_core.reliability.calibration import KnownPatient, Source
from ctc_core.simulate.patient import KIND_SHARES

KINDS = tuple(KIND_SHARES)
"""Kinds of objects that are no CTCs."""

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

LABELLED_CTC_SHARE, DRAW_CTC_SHARE = 0.25, 0.03
"""CTCs among labelled cells, and in a draw. In a real cartridge they are rarer still; 100 draws would hold too few."""


def simulated_patients(
    embed: Embed,
    *,
    hold_out: str = "smear",
    cells_labelled: int = 64,
    cells_drawn: int = 300,
    seed: int = 0,
    folder: Path | None = None,
) -> Source:
    """Source of simulated patients: (n, 3, 48, 48) crops at CK-positive objects, embedded by `embed`.

    hold_out: kind of object that is planted (`simulate`'s name, e.g. smear, double, shine-through, point); a
        drawn patient has as many of them as it has by nature.
    folder: of this encoder and this simulator; each patient is kept there as soon as it is embedded, so that a run
        that was broken off goes on where it stopped, and the next kind costs nothing.

    Raises:
        SettingsError: there is no such kind, or CTCs are to be held out.
    """
    if hold_out not in KINDS:
        message = f"{hold_out}: not a kind of object to hold out. Choose one of {', '.join(KINDS)}."
        raise SettingsError(message)

    def source(number: int, labelled: bool) -> KnownPatient:
        n = cells_labelled if labelled else cells_drawn
        path = folder / f"{number}-{'labelled' if labelled else 'drawn'}-{n}-{seed}.npz" if folder else None
        cells = kept_arrays(path, lambda: _drawn(embed, number, n, seed, labelled=labelled))
        return KnownPatient(cells["vectors"], cells["is_ctc"], cells["kinds"] == hold_out)

    return source


def _drawn(embed: Embed, number: int, n: int, seed: int, *, labelled: bool) -> dict[str, NDArray[Any]]:
    from ctc_core.simulate import render_crops

    ctc_share = LABELLED_CTC_SHARE if labelled else DRAW_CTC_SHARE
    drawn_as = int(np.random.default_rng([seed, number, int(labelled)]).integers(2**31))
    crops, kinds, is_ctc = render_crops(n, drawn_as, patients=[number], ctc_share=ctc_share, crops_per_patient=n)
    return {"vectors": embed(crops), "kinds": kinds, "is_ctc": is_ctc}
