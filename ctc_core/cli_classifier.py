"""Commands on the classifier: fit it, score cells, list candidates."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from ctc_core.console import Session, show

if TYPE_CHECKING:
    from ctc_core.store import Store

classifier_app = typer.Typer()


@classifier_app.command()
def fit() -> None:
    """Fit the classifier on all labels of training patients, activate it, score every cartridge."""
    from ctc_core.fitting import fit as run
    from ctc_core.models import model_folder, model_id

    settings = Session.settings
    encoder_id = model_id(model_folder(settings.encoder, settings.data_dir))
    with _store() as store:
        session = f"cli-{int(time.time())}"
        show(run(store, settings.data_dir / "models", encoder_id, reader=settings.reader, session=session))


@classifier_app.command()
def score(cartridges: Annotated[list[str] | None, typer.Argument(help="Default: all.")] = None) -> None:
    """P(CTC) of all cells by the active classifier."""
    from ctc_core.fitting import score as run

    with _store() as store:
        show({"cells": run(store, cartridges or list(store.cartridges().cartridge_id))})


@classifier_app.command()
def candidates(
    cartridge: Annotated[str, typer.Argument(help="Cartridge id.")],
    threshold: Annotated[float | None, typer.Option(help="P(CTC) from which a cell is a candidate.")] = None,
) -> None:
    """List the classifier's candidates, with the CellSearch event each was matched to and what was decided."""
    from ctc_core.enumeration import candidate_rows
    from ctc_core.fitting import score_unscored
    from ctc_core.mapping import cell_clusters
    from ctc_core.matched import candidates as run

    with _store() as store:
        score_unscored(store)
        if store.active_model("classifier") is None:
            typer.echo("No classifier is active, so nothing is a candidate. Run: python -m ctc_core fit.", err=True)
        table = run(store, cartridge, threshold or Session.settings.threshold)
        show(candidate_rows(table, cell_clusters(store, cartridge)))


def _store() -> Store:
    from ctc_core.store import Store

    return Store.open(Session.settings.data_dir)
