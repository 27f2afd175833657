"""Maps in the store: a map is an artefact in `bundles/`, registered as a model of the kind `map`; cells have points."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ctc_core.errors import StoreError
from ctc_core.store.bundle import Bundle, read_bundle
from ctc_core.store.files import keep
from ctc_core.store.registry import Registry

MAP, POINTS = "map", "points"
"""Kinds of bundles: a fitted map, and cells placed on it (table `points`: cell_id, x, y, cluster; input `map_id`)."""

MAPS_KEPT = 2
"""Maps whose points are kept in the database: the one in use and the one before it."""


@dataclass(frozen=True)
class LabelState:
    """Which labels of a role there are now; equal labels give an equal digest."""

    n: int
    digest: str


class Maps(Registry):
    """The part of the store that keeps maps and points."""

    def add_map(self, folder: Path, map_id: str, parameters: Mapping[str, Any], reader: str, session: str) -> Path:
        """Keep a map's bundle and make the map known; `activate_model` puts it in use. Returns where it is kept.

        Raises:
            StoreError: no bundle, or one of another kind.
        """
        kept = keep(_of_kind(folder, MAP), self._bundles)
        self.add_model(map_id, MAP, kept, parameters, reader=reader, session=session)
        return kept

    def add_points(self, folder: Path) -> int:
        """Keep a bundle of points and import it in one transaction; number of points. Again is harmless.

        Raises:
            StoreError: no bundle, or one of another kind.
        """
        made = _of_kind(folder, POINTS)
        with self._exclusive():  # who compares store and bundles sees both or none
            return self._import_points(read_bundle(keep(made, self._bundles)))

    def activate_model(self, model_id: str, reader: str, session: str, reason: str = "") -> None:
        """As `Registry.activate_model`. Points are kept of the map in use and of the one before; bundles keep all."""
        super().activate_model(model_id, reader, session, reason)
        if any(model.model_id == model_id and model.kind == MAP for model in self.models()):
            self.restore_points()
            self._prune_points()

    def restore_points(self) -> tuple[str, ...]:
        """Import the bundles of maps kept that have no point, as in a store filled again; what went wrong."""
        filled = set(self._rows("SELECT DISTINCT map_id FROM latent_point").map_id)
        problems = []
        for folder in self.bundles_of(POINTS, "map_id", set(self._activated_maps()[:MAPS_KEPT]) - filled):
            try:
                self._import_points(read_bundle(folder))
            except StoreError as error:
                problems.append(f"Cells placed on a map are missing. {error}")
        return tuple(problems)

    def _activated_maps(self) -> list[str]:
        """Maps that are or were in use, the present one first."""
        return list(
            self._rows(
                """
                SELECT map_id FROM latent_map JOIN journal_entry ON subject = map_id AND kind = 'activate'
                GROUP BY map_id ORDER BY max(seq) DESC
                """
            ).map_id
        )

    def _prune_points(self) -> None:
        """Delete the points of maps replaced long ago; a map that is being imported was never in use and is spared."""
        with self._database.write() as cur:
            old = self._activated_maps()[MAPS_KEPT:]
            cur.execute("DELETE FROM latent_point WHERE map_id IN (SELECT unnest(?::VARCHAR[]))", [old])

    def bundles_of(self, kind: str, owner: str, ids: set[str]) -> list[Path]:
        """Folders of the bundles of a kind whose input `owner` is one of `ids`, oldest first."""
        if not ids:
            return []
        found = [path for path in self._bundles.glob(f"{kind}-*/manifest.json") if _input(path, owner) in ids]
        return [path.parent for path in sorted(found, key=lambda path: (path.stat().st_mtime_ns, path))]

    def points(self, map_id: str, cartridge_id: str) -> pd.DataFrame:
        """cell_id, x, y, cluster (-1: background) of the cells that were placed; ordered by crop_index."""
        return self._rows(
            """
            SELECT cell_id, latent_point.x, latent_point.y, cluster FROM latent_point JOIN cell USING (cell_id)
            WHERE map_id = ? AND cartridge_id = ? ORDER BY crop_index
            """,
            map_id,
            cartridge_id,
        )

    def cells_on_map(self, map_id: str, model_id: str | None, cartridge_id: str | None = None) -> pd.DataFrame:
        """Placed cells of training patients, labelled ones of test patients, and those of a cartridge; by cell_id.

        cell_id, cartridge_id, role, x, y, cluster, label (missing: none, or unsure), probability (P(CTC) by model
        `model_id`, NaN: not scored).
        """
        return self._rows(
            """
            WITH among AS MATERIALIZED ( -- few, and therefore first: the other tables hold a row for every cell
                SELECT cell_id, cartridge_id, role, known.label FROM (
                    SELECT cartridge_id, role FROM cartridge JOIN patient USING (pseudonym)
                    WHERE role IN ('train', 'test') OR cartridge_id = $cartridge
                )
                JOIN cell USING (cartridge_id)
                LEFT JOIN (SELECT cell_id, label FROM training_label) AS known USING (cell_id)
                WHERE role = 'train' OR known.label IS NOT NULL OR cartridge_id = $cartridge
            )
            SELECT cell_id, cartridge_id, role, placed.x, placed.y, cluster, label, scored.probability FROM among
            JOIN (
                SELECT cell_id, x, y, cluster FROM latent_point SEMI JOIN among USING (cell_id) WHERE map_id = $map
            ) AS placed USING (cell_id)
            LEFT JOIN (
                SELECT cell_id, probability FROM prediction SEMI JOIN among USING (cell_id) WHERE model_id = $model
            ) AS scored USING (cell_id)
            ORDER BY cell_id
            """,
            cartridge=cartridge_id,
            map=map_id,
            model=model_id,
        )

    def map_counts(self, map_id: str, model_id: str) -> tuple[int, int]:
        """Number of cells on a map, and of cells scored by a model."""
        points, scores = (
            int(self._rows(f"SELECT count(*) AS n FROM {table} WHERE {key} = ?", value).n[0])
            for table, key, value in (("latent_point", "map_id", map_id), ("prediction", "model_id", model_id))
        )
        return points, scores

    def unplaced(self, map_id: str, encoder_id: str) -> pd.DataFrame:
        """cell_id, cartridge_id of the cells with a vector of this encoder and no point on this map."""
        return self._rows(
            """
            SELECT cell_id, cartridge_id FROM embedding JOIN cell USING (cell_id)
            ANTI JOIN (SELECT cell_id FROM latent_point WHERE map_id = ?) AS placed USING (cell_id)
            WHERE encoder_id = ? ORDER BY cartridge_id, crop_index
            """,
            map_id,
            encoder_id,
        )

    def crop_places(self, cell_ids: list[str]) -> pd.DataFrame:
        """cell_id, pseudonym, cartridge_id, frame, crop_index of some cells, in any order."""
        return self._rows(
            """
            SELECT cell_id, pseudonym, cartridge_id, cell.frame, crop_index FROM cell
            JOIN cartridge USING (cartridge_id) WHERE cell_id IN (SELECT unnest(?::VARCHAR[]))
            """,
            cell_ids,
        )

    def label_state(self, encoder_id: str) -> dict[str, LabelState]:
        """By role, `train` and `test`: the labels that the pools hold, without their vectors."""
        rows = self._rows(
            """
            SELECT role, count(*) AS n,
                md5(string_agg(cell_id || ':' || (label = 'ctc'), ',' ORDER BY cell_id)) AS digest
            FROM training_label
            JOIN embedding USING (cell_id) JOIN cartridge USING (cartridge_id) JOIN patient USING (pseudonym)
            WHERE embedding.encoder_id = ? AND role IN ('train', 'test')
            GROUP BY role
            """,
            encoder_id,
        )
        found = {role: LabelState(int(n), str(digest)) for role, n, digest in rows.itertuples(index=False)}
        return {role: found.get(role, LabelState(0, "")) for role in ("train", "test")}

    @property
    def _bundles(self) -> Path:
        return self._folder / "bundles"

    def _import_points(self, bundle: Bundle) -> int:
        points = bundle.table("points").select(["cell_id", "x", "y", "cluster"])
        with self._database.write() as cur:
            cur.register("incoming", points)
            cur.execute(
                "INSERT OR REPLACE INTO latent_point BY NAME SELECT *, ? AS map_id FROM incoming",
                [bundle.manifest.inputs["map_id"]],
            )
        return len(points)


def _of_kind(folder: Path, kind: str) -> Bundle:
    bundle = read_bundle(folder)
    if bundle.manifest.kind != kind:
        message = f"{folder}: a bundle of kind {bundle.manifest.kind}, not {kind}. Make the bundle again."
        raise StoreError(message)
    return bundle


def _input(manifest: Path, name: str) -> str:
    """The model that a bundle belongs to; nothing where that cannot be read."""
    try:
        return str(json.loads(manifest.read_text())["inputs"][name])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
