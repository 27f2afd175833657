"""Commands that hand results on: the report on a cartridge, and exports for other programs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from ctc_core.console import Session, progress, show
from ctc_core.exports.names import Format, Which

export_app = typer.Typer()

Threshold = Annotated[float | None, typer.Option(help="P(CTC) from which a cell is a candidate.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what an earlier run wrote there.")]


@export_app.command()
def export(
    what: Annotated[str, typer.Argument(help="Cartridge id, or: all.")],
    form: Annotated[Format, typer.Option("--format", help="See the README.")],
    out: Annotated[Path, typer.Option(help="File to write; a folder for several files.")],
    cells: Annotated[Which, typer.Option(help="Which cells.")] = Which.ALL,
    threshold: Threshold = None,
    per_frame: Annotated[bool, typer.Option(help="GeoJSON: a file for each frame, in frame pixels.")] = False,
    images: Annotated[bool, typer.Option(help="features: write the crops as PNG files, too.")] = True,
    force: Force = False,
) -> None:
    """Write cells for other programs: tables, AnnData, GeoJSON for QuPath, OME-TIFF, the features folder."""
    from ctc_core.exports.write import export as run
    from ctc_core.fitting import score_unscored
    from ctc_core.store import Store

    with Store.open(Session.settings.data_dir) as store:
        score_unscored(store)
        written = run(
            store,
            what,
            form,
            out,
            threshold=threshold or Session.settings.threshold,
            which=cells,
            per_frame=per_frame,
            images=images,
            force=force,
            progress=progress("export"),
        )
    show({"format": form.value, **written, "out": str(out)})


@export_app.command()
def report(
    cartridge: Annotated[str, typer.Argument(help="Cartridge id.")],
    out: Annotated[Path, typer.Option(help="PDF file to write.")],
    threshold: Threshold = None,
    volume: Annotated[float, typer.Option(min=0.1, help="Blood in ml.")] = 7.5,
    cut_off: Annotated[int, typer.Option(min=1, help="CTCs in 7.5 ml: 5 breast and prostate, 3 colorectal.")] = 5,
    sign_as: Annotated[str | None, typer.Option(help="Sign it: your name, as the desk knows you.")] = None,
    reason: Annotated[str, typer.Option(help="Why it is signed.")] = "",
    different_cells: Annotated[
        bool, typer.Option("--different-cells", help="Counted CTCs that lie close together are different cells.")
    ] = False,
    force: Force = False,
) -> None:
    """Write the report on one cartridge: the signed version where nothing has changed since, else a draft."""
    from ctc_core.counting import CountOptions
    from ctc_core.exports.files import refuse_existing, whole_file
    from ctc_core.fitting import score_unscored
    from ctc_core.report import sign
    from ctc_core.store import Store

    refuse_existing([out], force=force)
    settings = Session.settings
    with Store.open(settings.data_dir) as store:
        score_unscored(store)
        options = CountOptions(volume_ml=volume, cut_off=cut_off)
        found = sign.draft(store, cartridge, threshold or settings.threshold, options)
        if sign_as is not None:
            by = {"reader": settings.reader, "session": f"cli-{int(time.time())}"}
            sign.sign(store, found, name=sign_as, reason=reason, **by, distinct=different_cells)
            found = sign.draft(store, cartridge, threshold or settings.threshold, options)
        with whole_file(out) as path:
            path.write_bytes(sign.file_of(store, found))
    show({"cartridge_id": cartridge, **_state(found), "out": str(out)})


def _state(found: Any) -> dict[str, Any]:
    """Whether the file is signed, and what was signed last."""
    last = found.last
    if last is None:
        return {"status": "draft", "version": None}
    state = "signed" if found.is_signed else "draft"
    return {"status": state, "version": last.signature.version, "sha256": last.sha256, "signed": last.signature.signed}
