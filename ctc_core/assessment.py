"""How far the classifier in use can be trusted, from what the store knows: cluster by cluster, and for one cartridge.

Which areas are strong or weak was decided when the map was built, on training patients that the classifier did not see;
figures are those of the classifier in use on test patients. Labels are the current ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from ctc_core.errors import NotEnoughLabels, StoreError
from ctc_core.latent import BACKGROUND, LatentMap, load
from ctc_core.map_inputs import TRAIN, active_classifier
from ctc_core.mapping import active_map
from ctc_core.reliability import (
    Evidence,
    Novelty,
    Rates,
    Reliability,
    assess,
    fit_novelty,
    pooled,
    rates,
)
from ctc_core.store import ModelRecord, Store, read_bundle
from ctc_core.types import Role


@dataclass(frozen=True, eq=False)
class BuiltMap:
    """The map in use and what it was made from."""

    model: ModelRecord
    latent_map: LatentMap
    classifier_id: str
    """Of the classifier whose validation decides what is strong or weak."""
    inputs: Mapping[str, Any]
    """encoder_id, classifier_id, labels (state by role) and cells (number by group) at the time."""
    evidence: pd.DataFrame
    """cell_id, patient, group, label, probability of the labelled cells of that time; P(CTC) is held out."""

    @property
    def clusters(self) -> tuple[int, ...]:
        """Background and all clusters."""
        return (BACKGROUND, *self.latent_map.cluster_ids)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd about it, as sentences."""
        return tuple(self.model.parameters["notes"])


@dataclass(frozen=True, eq=False)
class Trust:
    """What is known of the classifier in use."""

    built: BuiltMap
    classifier_id: str
    threshold: float
    reliability: Reliability
    rates: Rates
    novelty: Novelty | None
    """None where there are too few labelled cells."""


def built_map(store: Store) -> BuiltMap:
    """The map in use.

    Raises:
        UserError: there is none.
        StoreError: its files are missing or were changed.
    """
    active = active_map(store)
    runs = store.runs()
    made = runs[(runs.kind == "map") & (runs.artefact == active.model_id)]
    if made.empty:
        message = f"{active.model_id}: the store does not say what this map was made from. Build it again."
        raise StoreError(message)
    inputs, parameters = json.loads(made.inputs.iloc[0]), json.loads(made.parameters.iloc[0])
    evidence = read_bundle(store.folder / "bundles" / parameters["points"]).table("evidence").to_pandas()
    return BuiltMap(active, load(active.folder), inputs["classifier_id"], inputs, evidence)


def fingerprint(store: Store) -> str:
    """Equal as long as map, classifier, labels and points are: the key of whatever is kept from here."""
    active, classifier = store.active_model("map"), store.active_model("classifier")
    if active is None or classifier is None:
        return ""
    labels = {role: asdict(state) for role, state in store.label_state(active.parameters["encoder_id"]).items()}
    ids = [store.blind_to(), str(store.folder), active.model_id, classifier.model_id, labels]
    ids += [store.patients().role.tolist()]
    return json.dumps([*ids, store.map_counts(active.model_id, classifier.model_id)])


def stale(store: Store) -> list[str]:
    """What has changed since the map in use was built, one sentence each; empty if nothing has, or there is none."""
    active = store.active_model("map")
    runs = store.runs()
    made = runs[(runs.kind == "map") & (runs.artefact == (active.model_id if active else ""))]
    if made.empty:
        return []
    before = json.loads(made.inputs.iloc[0])
    changed = []
    if active_classifier(store).model_id != before["classifier_id"]:
        changed.append("The classifier was fitted again.")
    now = store.label_state(before["encoder_id"])
    for role, state in now.items():
        if asdict(state) != before["labels"][role]:
            changed.append(f"Labels of {'training' if role == TRAIN else 'test'} patients were added or changed.")
    cartridges = store.cartridges()
    of_training = cartridges[(cartridges.role == Role.TRAIN) & (cartridges.encoder_id == before["encoder_id"])]
    if int(of_training.cells.sum()) != before["cells"]["train"] + before["cells"]["unlabelled"]:
        changed.append("Cells of training patients were added.")
    return changed


# ---- trust -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Labelled:
    """What the classifier in use said of labelled cells on the map in use; needs the store, but no threshold."""

    built: BuiltMap
    classifier_id: str
    trained: pd.DataFrame
    """Cells of training patients; P(CTC) is held out."""
    tested: pd.DataFrame
    patients: pd.Series
    """Pseudonym of each cartridge."""
    novelty: Novelty | None


def trust(store: Store, threshold: float) -> Trust:
    """What is known of the classifier in use on the map in use.

    Raises:
        UserError: there is no map or no classifier.
    """
    return judged(labelled(store), threshold)


def labelled(store: Store) -> Labelled:
    """The labelled cells on the map in use.

    Raises:
        UserError: there is no map or no classifier.
    """
    built, classifier = built_map(store), active_classifier(store)
    cells = store.cells_on_map(built.model.model_id, classifier.model_id).dropna(subset=["label"])
    held_out = built.evidence[["cell_id", "probability"]]
    trained = cells[cells.role == Role.TRAIN].drop(columns="probability").merge(held_out, on="cell_id")
    tested = cells[cells.role == Role.TEST]
    return Labelled(built, classifier.model_id, trained, tested, _patients(store), _novelty(store, built))


def judged(known: Labelled, threshold: float) -> Trust:
    """What is known of the classifier when cells from `threshold` are candidates."""
    built = known.built
    validation, test = (_evidence(cells, known.patients, threshold) for cells in (known.trained, known.tested))
    return Trust(
        built,
        known.classifier_id,
        threshold,
        assess(validation, test, clusters=built.clusters),
        rates(pooled(validation, test), built.clusters),
        known.novelty,
    )


def _patients(store: Store) -> pd.Series:
    return store.cartridges().set_index("cartridge_id").pseudonym


def _evidence(cells: pd.DataFrame, patients: pd.Series, threshold: float) -> Evidence:
    known = cells.dropna(subset=["probability"])
    return Evidence(
        tuple(known.cell_id),
        known.cartridge_id.map(patients).to_numpy(np.str_),
        known.cluster.to_numpy(np.int64),
        (known.label == "ctc").to_numpy().astype(np.int64),
        known.probability.to_numpy(float) >= threshold,
    )


def _novelty(store: Store, built: BuiltMap) -> Novelty | None:
    pools = [pool(built.latent_map.encoder_id) for pool in (store.training_pool, store.evaluation_pool)]
    features = built.latent_map.reduction.transform(np.concatenate([pool.vectors for pool in pools]))
    try:
        return fit_novelty(features, np.concatenate([pool.patients for pool in pools]))
    except NotEnoughLabels:
        return None
