"""What readers say about cells and events: each for themselves, together, and an adjudicator where they disagree."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import pandas as pd

from ctc_core.store import decisions
from ctc_core.store.journal import EVER
from ctc_core.store.maps import Maps
from ctc_core.store.reads import CANDIDATE_ID
from ctc_core.types import Decision, Label


class Readings(Maps):
    """The part of the store that knows who said what. Nobody's reading overwrites another person's."""

    lost: frozenset[str] = frozenset()
    """Cartridges that could not be filled in again: what is decided about their cells cannot be saved just now."""

    def decide(self, sent: Sequence[Decision]) -> tuple[str, ...]:
        """Save decisions, all or none, and return the ids that were read back from the store.

        Sending a decision again is harmless: it is acknowledged and not written twice. A decision replaces or withdraws
        what the same reader said before, and nothing else.

        Raises:
            StoreError: a decision that cannot be meant (see `decisions.drafts`); nothing is saved.
        """
        return self._save(sent, settle=False)

    def adjudicate(
        self, cell_id: str, label: Label | None, *, reader: str, session: str, reason: str, id_: str | None = None
    ) -> str:
        """Settle what a cell is where its readers disagree; None takes the adjudication back. Returns its id.

        Their readings stay as they are. The client may make the id: sending an adjudication again saves it once.

        Raises:
            StoreError: no reason, or nothing to settle; nothing is saved.
        """
        places = self.crop_places([cell_id])
        cartridge_id = "" if places.empty else str(places.cartridge_id[0])
        sent = Decision(id_ or uuid.uuid4().hex, cartridge_id, cell_id, None, label, reader, session, reason)
        return self._save([sent], settle=True)[0]

    def adjudicate_event(
        self,
        cartridge_id: str,
        rid: str,
        label: Label | None,
        *,
        reader: str,
        session: str,
        reason: str,
        id_: str | None = None,
    ) -> str:
        """The same for an event of CellSearch that no cell of ours matches."""
        sent = Decision(id_ or uuid.uuid4().hex, cartridge_id, None, rid, label, reader, session, reason)
        return self._save([sent], settle=True)[0]

    def _save(self, sent: Sequence[Decision], *, settle: bool) -> tuple[str, ...]:
        with self._exclusive():
            with self._database.read() as cur:
                drafts = decisions.drafts(cur, sent, settle=settle, lost=self.lost)
            self._record(*drafts)
            with self._database.read() as cur:
                return decisions.read_back(cur, sent, settle=settle)

    def readings(self) -> pd.DataFrame:
        """cell_id, cartridge_id, reader, label, seq: the last word of each reader on each cell, unless withdrawn."""
        return self._rows("SELECT cell_id, cartridge_id, reader, label, seq FROM reader_label ORDER BY cell_id, seq")

    def read_twice(self) -> pd.DataFrame:
        """cell_id, cartridge_id, reader, label: the last words on cells that two or more people have read."""
        return self._rows(
            """
            SELECT cell_id, cartridge_id, reader, label FROM reader_label
            QUALIFY count(*) OVER (PARTITION BY cell_id) > 1 ORDER BY cell_id, seq
            """
        )

    def last_words(self) -> dict[str, int]:
        """By cartridge, the journal's number of the last decision about it: part of the key of what is learned."""
        rows = self._rows(
            """
            SELECT cartridge_id, max(seq) AS seq
            FROM (SELECT cartridge_id, seq FROM reading UNION ALL SELECT cartridge_id, seq FROM judgement) GROUP BY ALL
            """
        )
        return {str(name): int(seq) for name, seq in zip(rows.cartridge_id, rows.seq, strict=True)}

    def own_words(self, cartridge_id: str, reader: str) -> dict[str, tuple[str, str]]:
        """Label and comment of one reader, by candidate_id: a cell's id, or event:<rid>."""
        with self._database.read() as cur:
            rows = cur.execute(
                f"""
                SELECT {CANDIDATE_ID}, label, reason
                FROM readings_until({EVER}) WHERE cartridge_id = ? AND reader = ?
                """,
                [cartridge_id, reader],
            ).fetchall()
        return {target: (label, comment) for target, label, comment in rows}

    def consensus(self) -> pd.DataFrame:
        """cell_id, cartridge_id, label: what readers agree on, or an adjudicator says."""
        return self._rows(
            "SELECT cell_id, cartridge_id, label FROM current_label WHERE label IS NOT NULL ORDER BY cell_id"
        )

    def conflicts(self) -> pd.DataFrame:
        """Cells whose readers disagree and that nobody has adjudicated, the oldest conflict first.

        cell_id, cartridge_id, pseudonym, role, frame, y, x, diameter_um, dapi_mean, ck_mean, cd45_mean, crop_index,
        readers and labels (lists in the same order; unsure among them).
        """
        return self._rows(
            """
            SELECT cell_id, cartridge_id, pseudonym, role, cell.frame, cell.y, cell.x, diameter_um,
                dapi_mean, ck_mean, cd45_mean, crop_index, readers, labels
            FROM (SELECT cell_id, seq FROM current_label WHERE conflict) JOIN (
                SELECT cell_id, list(reader ORDER BY seq) AS readers, list(label ORDER BY seq) AS labels
                FROM reader_label GROUP BY cell_id
            ) USING (cell_id)
            JOIN cell USING (cell_id) JOIN cartridge USING (cartridge_id) JOIN patient USING (pseudonym) ORDER BY seq
            """
        )

    def label_table(self) -> pd.DataFrame:
        """cartridge_id, cell_id, frame, y, x (frame pixels), label, reader, reason, time (UTC): all readings."""
        return self._rows(
            """
            SELECT cartridge_id, cell_id, cell.frame, cell.y, cell.x, label, reader, reason, time
            FROM reader_label JOIN cell USING (cartridge_id, cell_id) ORDER BY cartridge_id, crop_index, seq
            """
        )
