"""The journal: every decision as one JSON line, chained by hashes, on disk before anything else happens.

`journal/YYYY-MM.jsonl`; the chain runs on from file to file. Each line is the canonical JSON of an `Entry`; its `hash`
is the SHA-256 of that JSON without `hash`, and `previous` is the hash of the line before. The chain proves that no line
inside it was edited, removed or moved. It carries no key: whoever rewrites all of it is caught only by a hash kept
elsewhere (`Journal.head`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ctc_core.errors import DecisionRefused, JournalError
from ctc_core.store.disk import set_torn_end_aside, sync_folder, write_all

GENESIS = "0" * 64
"""`previous` of the first entry."""

EVER = 2**63 - 1
"""A number later than that of every entry; DuckDB's largest."""

MAX_TEXT = 4000
"""Characters in one text of an entry."""


@dataclass(frozen=True)
class Draft:
    """What is to be written; place and time come from the journal."""

    id: str
    kind: str
    """One of the kinds in projection.py: label, review, patient, model, round ..."""
    reader: str
    session: str
    subject: str
    """What it is about: a pseudonym, the id of a model or a round, or `<cartridge>/<cell or rid>`."""
    new: Any
    """JSON value; None withdraws."""
    old: Any = None
    reason: str = ""
    role: str = ""
    """What the reader was allowed to do at that time: reader, expert or admin; empty: not known."""
    why: str = ""
    """Why an earlier decision of the same reader was changed; empty where none was."""

    def __post_init__(self) -> None:
        """Refuse what could be written here but not kept by the store."""
        texts = (self.id, self.reader, self.role, self.session, self.subject, self.reason, self.why)
        if any(len(text) > MAX_TEXT or _NO_TEXT.search(text) for text in texts):
            what = f"{self.kind} {self.subject[:80]!a}"
            message = f"{what}: a text has more than {MAX_TEXT} characters or is no valid text. Shorten it."
            raise DecisionRefused(message)


@dataclass(frozen=True)
class Entry:
    """One line of the journal."""

    seq: int
    """1, 2, 3 ... without gaps."""
    id: str
    time: str
    """UTC, ISO 8601 with microseconds."""
    kind: str
    reader: str
    session: str
    subject: str
    old: Any
    new: Any
    reason: str
    previous: str
    hash: str
    role: str = ""
    """Of the reader; lines written before roles were kept have none."""
    why: str = ""
    """Of a change; lines written before it was asked for have none."""


FIELDS = {field.name for field in fields(Entry)}
_FIELDS_AT_SOME_TIME = (FIELDS, FIELDS - {"why"}, FIELDS - {"why", "role"})


def canonical(value: Any) -> str:
    """JSON with sorted keys, no spaces, ASCII only: the same value is always the same text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


_NO_TEXT = re.compile("[\0\ud800-\udfff]")
"""NUL and lone surrogates, which JSON takes and DuckDB does not."""


def _line(digest: str, rest: bytes) -> bytes:
    """`hash` sorts before all other fields, so a line is its hash and then exactly what was hashed."""
    return b'{"hash":"' + digest.encode() + b'",' + rest


_REST = len(_line("0" * 64, b""))


def _digest(content: dict[str, Any]) -> str:
    hashed = {key: value for key, value in content.items() if key != "hash"}
    return hashlib.sha256(canonical(hashed).encode()).hexdigest()


class Journal:
    """Owner of `journal/`. Not thread-safe: the store holds its lock around every call but that of `entries` to a size.

    Raises:
        JournalError: a line was edited, removed or moved; names the file, the line and its number in the chain.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unsure = False
        if not folder.exists():
            folder.mkdir(parents=True)
            sync_folder(folder.parent)
        self.torn = set_torn_end_aside(self.files[-1]) if self.files else None
        """Where a half-written end was kept, or None. It was never acknowledged."""
        self.head: tuple[int, str] = (0, GENESIS)
        """(seq, hash) of the last entry."""
        for entry in self.entries():
            self.head = entry.seq, entry.hash
        self._sizes = self.sizes()
        """As this process left them: behind a file that was cut nothing may be written."""

    @property
    def files(self) -> list[Path]:
        """The month files, oldest first."""
        return sorted(self._folder.glob("[0-9][0-9][0-9][0-9]-[0-9][0-9].jsonl"))

    def sizes(self) -> dict[Path, int]:
        """Bytes of the month files, oldest first."""
        return {path: path.stat().st_size for path in self.files}

    def entries(self, sizes: dict[Path, int] | None = None) -> Iterator[Entry]:
        """All entries in order, read from disk and verified on the way; with `sizes`, those written at that moment."""
        seq, previous = 0, GENESIS
        for path, left in (self.sizes() if sizes is None else sizes).items():
            with path.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    if left <= 0:
                        break
                    entry = _read(line, seq + 1, previous, f"{path.name}, line {number}")
                    seq, previous, left = entry.seq, entry.hash, left - len(line)
                    yield entry

    def append(self, drafts: Sequence[Draft]) -> list[Entry]:
        """Write `drafts` in order and return once they are on disk: all of them or none.

        Raises:
            DecisionRefused: something is changed without a word why.
            JournalError: the disk refused (full, gone); what was half written is taken back.
        """
        if self._unsure:
            cut = "a write was cut off and not taken back. Restart the desk; it repairs the journal."
            raise JournalError(f"{self._folder}: {cut}")
        for draft in drafts:
            _refuse_unexplained(draft)
        now = datetime.now(UTC)
        entries = self._chain(drafts, now.isoformat(timespec="microseconds"))
        if entries:
            lines = "".join(canonical(asdict(entry)) + "\n" for entry in entries)
            self._write(self._file_of(now), lines.encode())
            self.head = entries[-1].seq, entries[-1].hash
            self._unsure = False
        return entries

    def _chain(self, drafts: Sequence[Draft], time: str) -> list[Entry]:
        entries: list[Entry] = []
        seq, previous = self.head
        for draft in drafts:
            seq += 1
            content = asdict(draft) | {"seq": seq, "time": time, "previous": previous}
            previous = _digest(content)
            entries.append(Entry(**content, hash=previous))
        return entries

    def _file_of(self, now: datetime) -> Path:
        """The month's file; the newest one there is if the clock has gone back."""
        return max([*self.files, self._folder / f"{now:%Y-%m}.jsonl"])

    def _write(self, path: Path, data: bytes) -> None:
        """Until the caller has moved `head`, memory and disk may differ and nothing more must be written."""
        self._refuse_changed(path)
        self._unsure = True
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        size = os.fstat(descriptor).st_size
        try:
            write_all(descriptor, data)
            os.fdatasync(descriptor)
            if not size:
                sync_folder(self._folder)
            self._sizes[path] = size + len(data)
        except BaseException as error:
            self._take_back(descriptor, size)
            if not isinstance(error, OSError):
                raise
            message = f"{path}: cannot be written ({error}); nothing was saved. Make room on the disk and try again."
            raise JournalError(message) from error
        finally:
            os.close(descriptor)

    def _refuse_changed(self, path: Path) -> None:
        if (path.stat().st_size if path.exists() else 0) != self._sizes.get(path, 0):
            message = (
                f"{path}: was cut or changed by another program; nothing was saved."
                " Stop the desk, restore the journal from a backup and start again."
            )
            raise JournalError(message)

    def _take_back(self, descriptor: int, size: int) -> None:
        """May fail as well; then the journal stays unsure until it is opened again, which cuts the torn line off."""
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, size)
            os.fsync(descriptor)
            self._unsure = False


def _refuse_unexplained(draft: Draft) -> None:
    """What takes the place of an earlier value has its reason in the entry, whatever kind it is."""
    if draft.old not in (None, [], draft.new) and not (draft.reason.strip() or draft.why.strip()):
        message = f"{draft.subject} ({draft.kind}): changing this needs a reason. Nothing was saved; give one."
        raise DecisionRefused(message)


def _read(line: bytes, seq: int, previous: str, place: str) -> Entry:
    """The entry in `line` if it is the one that must stand there."""
    try:
        content = json.loads(line)
        intact = (
            content.keys() in _FIELDS_AT_SOME_TIME
            and line == _line(content["hash"], line[_REST:])
            and line.endswith(b"}\n")
        )
        intact = intact and hashlib.sha256(b"{" + line[_REST:-1]).hexdigest() == content["hash"]
    except (ValueError, AttributeError, TypeError, RecursionError):
        intact = False
    if not intact:
        message = (
            f"{place} (entry {seq}): the line was changed after it was written. Restore the journal from a backup."
        )
        raise JournalError(message)
    if (content["seq"], content["previous"]) != (seq, previous):
        message = (
            f"{place}: entry {content['seq']} stands where entry {seq} must follow; lines were removed, added or moved."
            " Restore the journal from a backup."
        )
        raise JournalError(message)
    return Entry(**content)
