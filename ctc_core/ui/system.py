"""What the System page shows: this installation, the data folder, its backups, models and jobs."""

from __future__ import annotations

import platform
import shutil
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import streamlit as st

from ctc_core import backups
from ctc_core.jobs import ACTIVE, Jobs, Kind
from ctc_core.settings import Settings
from ctc_core.store import Store, code_version
from ctc_core.store.backup import newest, read_manifest
from ctc_core.ui.messages import plain

OLD = timedelta(hours=36)
"""A backup older than a night and the day after it."""
FEW_GB = 5.0
_KINDS = {
    Kind.INGEST: "Ingest",
    Kind.MAP: "Map",
    Kind.PLACE: "Cells placed",
    Kind.REFIT: "Refit",
    Kind.BACKUP: "Backup",
}


def size(path: Path) -> int:
    """Bytes of a file or of all in a folder; what vanishes meanwhile counts nothing."""
    if not path.is_dir():
        return path.stat().st_size if path.exists() else 0
    return sum(child.stat().st_size for child in path.rglob("*") if child.is_file())


def in_units(count: float) -> str:
    """Bytes as people say them."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def show_installation() -> None:
    """Versions."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("streamlit", "duckdb", "numpy"))
    st.text(f"Code {code_version()}, Python {platform.python_version()}, {packages}")


def show_data(settings: Settings, store: Store) -> None:
    """Where the data lie, how large they are and how far the journal is."""
    folder = settings.data_dir.resolve()
    free = shutil.disk_usage(folder).free
    seq, head = store.journal.head
    with st.container(horizontal=True, gap="medium"):
        st.metric(
            "Database", in_units(size(folder / "store.duckdb") + size(folder / "store.duckdb.wal")), width="content"
        )
        st.metric("Bundles", in_units(size(folder / "bundles")), width="content")
        st.metric(
            "Journal",
            in_units(size(folder / "journal")),
            f"{seq:,} entries",
            delta_color="off",
            delta_arrow="off",
            width="content",
        )
        st.metric("Free on this disk", in_units(free), width="content")
    st.text(f"Data folder {folder}\nLast entry {head}")
    if free < FEW_GB * 1e9:
        st.warning("The disk is nearly full. Make room before anything is ingested.", icon=":material/warning:")


def show_backup(settings: Settings) -> None:
    """The newest backup, its age, and what is wrong with where it lies."""
    age, last = backups.age(settings), newest(settings.backups)
    if age is None or last is None:
        st.warning("There is no backup yet. One is made every night.", icon=":material/warning:")
    else:
        manifest = read_manifest(last)
        st.metric(
            "Age of the newest backup",
            _age(age),
            f"{manifest.entries:,} entries, {in_units(manifest.bytes)}",
            delta_color="off",
            delta_arrow="off",
        )
        st.text(str(last))
        if age > OLD:
            st.warning("The last night brought no backup. Look at the jobs below.", icon=":material/warning:")
        for problem in manifest.problems:
            st.error(plain(problem), icon=":material/error:")
    for path in backups.damaged(settings):
        told = "its backup.json was changed or cut, so nothing can be restored from it. Look at that disk."
        st.error(plain(f"{path}: {told}"), icon=":material/error:")
    if _same_disk(settings):
        st.caption(
            "Backups lie on the same disk as the data: they help against mistakes, not against a broken disk. "
            "Name a folder on another disk in CTC_BACKUP_DIR."
        )


def _same_disk(settings: Settings) -> bool:
    folder = settings.backups
    there = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    return there.stat().st_dev == settings.data_dir.stat().st_dev


def _age(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    if hours < 1:
        return f"{age.total_seconds() / 60:.0f} min"
    return f"{hours:.0f} h" if hours < 72 else f"{hours / 24:.0f} days"


def show_models(store: Store, settings: Settings) -> None:
    """The networks of the settings and what is in use of what was fitted here."""
    st.text(f"Segmenter {settings.segmenter}, encoder {settings.encoder}")
    rows = [
        {"Kind": model.kind, "Model": model.model_id, "Since (UTC)": model.created}
        for model in store.models()
        if model.active
    ]
    if rows:
        st.dataframe(pd.DataFrame(rows), hide_index=True)
    else:
        st.caption("No classifier and no map yet.")


def show_jobs(jobs: Jobs, worker: int | None) -> None:
    """Whether somebody computes, and the last jobs."""
    waiting = len(jobs.in_state(*ACTIVE))
    running = (
        f"The worker runs (process {worker})" if worker else "The worker rests: it starts when there is something to do"
    )
    st.text(f"{running}. {waiting} {'job' if waiting == 1 else 'jobs'} waiting or running.")
    rows = [
        {
            "Job": _KINDS.get(status.job.kind, str(status.job.kind)),
            "About": status.name if status.job.kind is Kind.INGEST else "",
            "Person": status.job.reader,
            "Asked for (UTC)": datetime.fromtimestamp(status.job.created, UTC).replace(tzinfo=None),
            "State": status.state.state,
            "Message": status.state.message,
        }
        for status in jobs.status()[:20]
    ]
    if rows:
        st.dataframe(pd.DataFrame(rows), hide_index=True)
