"""The store: everything the desk knows, behind one object. One process owns a data folder at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from ctc_core.errors import StoreError
from ctc_core.store import cartridge_bundle, files, projection
from ctc_core.store.accounts import Accounts
from ctc_core.store.bundle import Bundle, read_bundle
from ctc_core.store.calibration import CalibrationSets
from ctc_core.store.database import Database, open_database
from ctc_core.store.journal import Draft, Entry, Journal
from ctc_core.store.owner import OwnerLock
from ctc_core.store.registry import draft
from ctc_core.store.relabelling import Relabelling
from ctc_core.store.reports import Reports
from ctc_core.store.roles import refusal
from ctc_core.store.tags import Tags
from ctc_core.types import Role


class Store(Relabelling, Reports, Tags, CalibrationSets, Accounts):
    """Journal, database, crops and bundles of one data folder. Safe to share between threads.

    What a person decides goes to the journal first, then to DuckDB; a method that returns has saved.
    """

    def __init__(self, folder: Path, journal: Journal, database: Database, release: Callable[[], None]) -> None:
        super().__init__(folder, database)
        self.journal = journal
        self.problems: tuple[str, ...] = ()
        """What could not be restored when the store was opened; empty if all is well."""
        self._applied = 0
        """Number of the last journal entry that the database holds."""
        self._release = release

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open (or begin) the data folder, and bring the database up to the journal.

        Raises:
            StoreBusy: another process owns it.
            JournalError: the journal was edited or cut.
        """
        with ExitStack() as stack:
            lock = OwnerLock(folder)
            stack.callback(lock.release)
            journal = Journal(folder / "journal")
            database, missing = open_database(folder, journal)
            stack.callback(database.close)
            store = cls(folder, journal, database, release=lambda: None)
            store._replay(missing)
            store.problems += store.restore_points() + store.restore_rejects()
            store._release = stack.pop_all().close
            return store

    def close(self) -> None:
        """Write everything into the file and let others have the folder. Harmless when already closed."""
        self._release()
        self._release = lambda: None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def folder(self) -> Path:
        """The data folder."""
        return self._folder

    def revision(self) -> int:
        """Grows with every write; part of the key of whatever is cached from here."""
        return self._database.revision

    def basis(self) -> int:
        """Grows with every write but words of readers (`projection.WORDS`): key of what none of them changes."""
        return self._database.basis

    def frozen(self) -> AbstractContextManager[object]:
        """Hold all writes back while several reads must agree: `with store.frozen(): ...`."""
        return self._database.lock

    def add_patient(self, pseudonym: str, role: Role, reader: str, session: str) -> None:
        """Make a patient known. The same patient with the same role again is harmless.

        Raises:
            StoreError: not a pseudonym, or known with another role.
        """
        if not cartridge_bundle.NAME.fullmatch(pseudonym):
            message = f"{pseudonym[:80]!a}: not a pseudonym. Use letters, digits, dot, dash and underscore, at most 64."
            raise StoreError(message)
        with self._exclusive():
            known = self._role(pseudonym)
            if known is None:
                self._record(draft("patient", pseudonym, reader, session, new=role.value))
            elif known is not role:
                message = (
                    f"{pseudonym}: already known with the role {known.value}. Use that role, or another pseudonym."
                )
                raise StoreError(message)

    def set_role(self, pseudonym: str, role: Role, reader: str, session: str, reason: str = "") -> None:
        """Change what a patient's cells may be used for.

        Raises:
            StoreError: unknown patient; a test patient; review to train without a reason; any other change once there
                are cartridges.
        """
        with self._exclusive():
            old = self._role(pseudonym)
            if old is role:
                return
            refused = refusal(old, role, reason, has_cartridges=self._has_cartridges(pseudonym))
            if refused or old is None:
                message = f"{pseudonym}: {refused}."
                raise StoreError(message)
            self._record(draft("role", pseudonym, reader, session, old=old.value, new=role.value, reason=reason))

    def add_bundle(self, path: Path, reader: str = "ingest", session: str = "") -> str:
        """Import a cartridge bundle, all or nothing, and keep it under `bundles/`. The same bundle again is harmless.

        Returns:
            The cartridge's id.

        Raises:
            StoreError: the bundle is damaged, its patient is unknown, or the cartridge is here from another bundle.
        """
        bundle = read_bundle(path)
        row = cartridge_bundle.check(bundle)
        cartridge_id, pseudonym = str(row["cartridge_id"]), str(row["pseudonym"])
        with self._exclusive():
            if not self._is_imported(cartridge_id, pseudonym, bundle):
                self._import(bundle, cartridge_id, pseudonym, reader, session)
        return cartridge_id

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """One writer at a time, on a database that holds all of the journal."""
        with self._database.lock:
            self._catch_up([])
            yield

    def _record(self, *drafts: Draft) -> None:
        """Journal first, then DuckDB."""
        with self._exclusive():
            self._catch_up(self.journal.append(self.permitted(drafts)))

    def _catch_up(self, entries: Sequence[Entry]) -> None:
        """Apply what was just appended, and before it whatever an earlier failure left between journal and database."""
        if self._applied + len(entries) != self.journal.head[0]:
            entries = [entry for entry in self.journal.entries() if entry.seq > self._applied]
        if entries:
            self._apply(entries)
            self._applied = entries[-1].seq

    def _apply(self, entries: Sequence[Entry]) -> None:
        with self._database.write(words_only=all(entry.kind in projection.WORDS for entry in entries)) as cur:
            projection.project(cur, entries, self._folder)

    def _replay(self, missing: Sequence[Entry]) -> None:
        """Apply what the database lacks. A cartridge whose bundle is gone must not keep other decisions away."""
        for is_cartridge, group in itertools.groupby(missing, key=lambda entry: entry.kind == "cartridge"):
            if not is_cartridge:
                self._apply(list(group))
                continue
            for entry in group:
                self._apply_or_report(entry)
        self._applied = self.journal.head[0]
        with self._database.read() as cur:
            imported = cur.execute("SELECT cartridge_id, bundle_id FROM cartridge ORDER BY ALL").fetchall()
        for cartridge_id, bundle_id in imported:
            self._restore_crops(cartridge_id, self._folder / "bundles" / bundle_id)

    def _apply_or_report(self, entry: Entry) -> None:
        try:
            self._apply([entry])
        except StoreError as error:
            self.problems += (f"{entry.subject}: the cartridge is not in the store. {error}",)
            self.lost |= {entry.subject}

    def _restore_crops(self, cartridge_id: str, bundle: Path) -> None:
        """Only from the bundle that was imported: another one in its place would put other cells under these names."""
        crops = self._folder / "crops"
        if files.lacks_crops(bundle, cartridge_id, crops):
            try:
                files.link_crops(read_bundle(bundle, id_=bundle.name).folder, cartridge_id, crops)
            except (OSError, StoreError) as error:
                self.problems += (
                    f"{cartridge_id}: its crops cannot be restored ({error}). Restore {bundle} from a backup.",
                )

    def _is_imported(self, cartridge_id: str, pseudonym: str, bundle: Bundle) -> bool:
        with self._database.read() as cur:
            found = cur.execute("SELECT bundle_id FROM cartridge WHERE cartridge_id = ?", [cartridge_id]).fetchall()
        if found and found[0][0] != bundle.manifest.bundle_id:
            message = (
                f"{cartridge_id}: already in the store, from bundle {found[0][0]}; decisions hang on its cells."
                " Keep it, or ingest the archive again into another data folder."
            )
            raise StoreError(message)
        if self._role(pseudonym) is None:
            message = f"{pseudonym}: no such patient in the store. Add the patient with a role, then import again."
            raise StoreError(message)
        return bool(found)

    def _import(self, bundle: Bundle, cartridge_id: str, pseudonym: str, reader: str, session: str) -> None:
        """Rows first, then files, then the journal: a line there always names a bundle that can be imported."""
        imported_at = datetime.now(UTC).isoformat(timespec="microseconds")
        new = {"bundle_id": bundle.manifest.bundle_id, "manifest": bundle.manifest_sha256}
        new |= {"pseudonym": pseudonym, "imported_at": imported_at}
        drafts = self.permitted([draft("cartridge", cartridge_id, reader, session, new=new)])
        with self._database.write() as cur:
            cartridge_bundle.insert(cur, bundle, imported_at)
            kept = files.keep(bundle, self._folder / "bundles")
            files.link_crops(kept, cartridge_id, self._folder / "crops")
            entries = self.journal.append(drafts)
            projection.record(cur, entries)
        self._applied = entries[-1].seq

    def _role(self, pseudonym: str) -> Role | None:
        with self._database.read() as cur:
            found = cur.execute("SELECT role FROM patient WHERE pseudonym = ?", [pseudonym]).fetchall()
        return Role(found[0][0]) if found else None

    def _has_cartridges(self, pseudonym: str) -> bool:
        with self._database.read() as cur:
            return bool(cur.execute("SELECT 1 FROM cartridge WHERE pseudonym = ? LIMIT 1", [pseudonym]).fetchall())
