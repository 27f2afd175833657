"""Signed reports: the file in `reports/`, its hash and who signed it in the journal (kind `report`).

A signed report is never changed. When decisions change, a new version is signed beside it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ctc_core.errors import StoreError
from ctc_core.models import sha256
from ctc_core.store.disk import sync_folder
from ctc_core.store.journal import EVER
from ctc_core.store.reads import CANDIDATE_ID
from ctc_core.store.registry import Registry, draft

if TYPE_CHECKING:
    import duckdb

    from ctc_core.store.journal import Entry

REPORT = "report"
FOLDER = "reports"


@dataclass(frozen=True)
class Signature:
    """What a signature fixes. It is printed in the report, so it is made before the report's file."""

    version: int
    """1, 2, 3 ... of one cartridge."""
    name: str
    reason: str
    signed: str
    """UTC, ISO 8601, whole seconds."""
    content_id: str
    """SHA-256 of what the report says."""
    journal_entry: int
    journal_hash: str
    """Last entry of the journal, and its hash, when the report was made."""


@dataclass(frozen=True)
class SignedReport:
    """One signed version of the report on a cartridge."""

    cartridge_id: str
    signature: Signature
    sha256: str
    """Of the PDF file."""
    content_sha256: str
    """Of the JSON file with what it says."""
    reader: str
    time: datetime
    """When the journal received it; UTC, without a zone."""
    pdf: Path
    content: Path


class Reports(Registry):
    """The part of the store that keeps signed reports, and says who read a cartridge."""

    def cartridge_readings(self, cartridge_id: str) -> pd.DataFrame:
        """what (label, review), target (cell_id, rid), reader, label, time (UTC): each reader's last word, by time."""
        return self._rows(
            f"""
            SELECT what, target, reader, label, time FROM readings_until({EVER})
            WHERE cartridge_id = ? ORDER BY seq
            """,
            cartridge_id,
        )

    def hides(self, cartridge_id: str) -> bool:
        """Whether a second reading hides from who reads now what others say of cells of a cartridge."""
        sql = "SELECT 1 FROM blinded JOIN cell ON cell_id = target WHERE cartridge_id = ? LIMIT 1"
        return not self._rows(sql, cartridge_id).empty

    def manifest_sha256(self, cartridge_id: str) -> str:
        """Hash of the manifest of a cartridge's bundle, which names the hash of each of its files."""
        rows = self._rows(
            "SELECT new FROM journal_entry WHERE kind = 'cartridge' AND subject = ? ORDER BY seq DESC LIMIT 1",
            cartridge_id,
        )
        return str(json.loads(rows.new[0])["manifest"])

    def reports(self, cartridge_id: str | None = None) -> tuple[SignedReport, ...]:
        """Signed reports of one cartridge, or of all, oldest first."""
        with self._database.read() as cur:
            rows = cur.execute(
                """
                SELECT subject, new, reader, time FROM journal_entry
                WHERE kind = ? AND coalesce(subject = ?, true) ORDER BY seq
                """,
                [REPORT, cartridge_id],
            ).fetchall()
        return tuple(self._signed(subject, json.loads(new), reader, time) for subject, new, reader, time in rows)

    def signed_off(self, cartridge_ids: Sequence[str], reader: str) -> frozenset[str]:
        """What this reader says that stands in signed reports: ids of cells, and event:<rid> of events."""
        with self._database.read() as cur:
            signed = cur.execute(
                "SELECT subject, max(seq) FROM journal_entry WHERE kind = ? AND list_contains(?, subject) GROUP BY ALL",
                [REPORT, list(cartridge_ids)],
            ).fetchall()
            rows = [
                row
                for one in signed
                for row in cur.execute(
                    f"""
                    SELECT {CANDIDATE_ID}
                    FROM readings_until({EVER}) WHERE cartridge_id = ? AND seq < ? AND reader = ?
                    """,
                    [*one, reader],
                ).fetchall()
            ]
        return frozenset(target for (target,) in rows)

    def add_report(
        self, cartridge_id: str, signature: Signature, pdf: bytes, content: str, *, reader: str, session: str
    ) -> SignedReport:
        """Keep a signed report: its files first, then the journal. Nothing is signed until this returns.

        Raises:
            StoreError: no such cartridge, another version comes next, the journal has gone on, or the disk refused.
        """
        with self._exclusive():
            self._check(cartridge_id, signature)
            before = self.reports(cartridge_id)
            old = {"version": before[-1].signature.version, "sha256": before[-1].sha256} if before else None
            new = {**asdict(signature), "sha256": _digest(pdf), "content_sha256": _digest(content.encode())}
            paths = self._report_paths(cartridge_id, signature.version)
            for path, data in zip(paths, (pdf, content.encode()), strict=True):
                _write(path, data)
            reason = signature.reason
            self._record(draft(REPORT, cartridge_id, reader, session, old=old, new=new, reason=reason))
            return self.reports(cartridge_id)[-1]

    def _check(self, cartridge_id: str, signature: Signature) -> None:
        known = self._rows("SELECT 1 FROM cartridge WHERE cartridge_id = ?", cartridge_id)
        entries = self._rows("SELECT max(seq) AS last FROM journal_entry")
        if known.empty:
            message = f"{cartridge_id}: no such cartridge in the store. Nothing was signed."
        elif signature.version != len(self.reports(cartridge_id)) + 1:
            message = f"{cartridge_id}: version {signature.version} is not the next one. Load the page again."
        elif entries["last"][0] != signature.journal_entry:
            message = f"{cartridge_id}: something was decided while the report was made. Nothing was signed; try again."
        else:
            return
        raise StoreError(message)

    def _report_paths(self, cartridge_id: str, version: int) -> tuple[Path, Path]:
        folder = self._folder / FOLDER / cartridge_id
        return folder / f"v{version}.pdf", folder / f"v{version}.json"

    def _signed(self, cartridge_id: str, new: dict[str, Any], reader: str, time: datetime) -> SignedReport:
        hashes = {name: new.pop(name) for name in ("sha256", "content_sha256")}
        signature = Signature(**new)
        pdf, content = self._report_paths(cartridge_id, signature.version)
        return SignedReport(cartridge_id, signature, **hashes, reader=reader, time=time, pdf=pdf, content=content)


def report_problems(store: Reports) -> Iterator[str]:
    """One sentence for each file of a signed report that is missing or was changed."""
    for report in store.reports():
        for path, expected in ((report.pdf, report.sha256), (report.content, report.content_sha256)):
            if not path.is_file():
                yield f"{path}: the signed report is missing. Restore it from a backup."
            elif sha256(path) != expected:
                yield f"{path}: the signed report was changed after it was signed. Restore it from a backup."


def project_report(_cur: duckdb.DuckDBPyConnection, _entry: Entry) -> None:
    """Nothing more to note: signed reports are read from journal_entry."""


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write(path: Path, data: bytes) -> None:
    """On disk, whole, before the journal names it."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        partial.unlink(missing_ok=True)
        message = f"{path}: cannot be written ({error}); nothing was signed. Make room on the disk and try again."
        raise StoreError(message) from error
