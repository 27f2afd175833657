"""What the server process owns, once for all browser tabs: the store, the jobs, the worker it started."""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import logging
import os
import subprocess
import sys
import threading
import time
from datetime import datetime

import pyarrow as pa
import streamlit as st

from ctc_core import backups, fitting, job_kinds, mapping
from ctc_core.errors import CTCError
from ctc_core.jobs import FAILED, Jobs, Kind
from ctc_core.settings import Auth, Settings
from ctc_core.store import Store
from ctc_core.ui.session import present, require_log_in

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
"""How often finished jobs are looked for."""
BACKUP_EVERY_S = 60.0
"""How often is asked whether a backup is due."""
WORKER_AGAIN_S = 20.0
"""A worker that ended while there is work is started again after this long (one that finds another ends at once)."""


TOGETHER = (
    *("narwhals.stable.v1", "narwhals.stable.v2"),
    *("sklearn.calibration", "sklearn.decomposition", "sklearn.neighbors", "sklearn.svm"),
)
"""Imported before there are threads: a page and the jobs' thread need them at the same time."""


class Desk:
    """Owner of the data folder. Imports what the worker has finished; starts it when there is something to compute."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store.open(settings.data_dir)
        self.store.answer(present)
        if settings.auth is not Auth.NONE:
            self.store.service = settings.reader
        self.jobs = Jobs(settings.data_dir)
        self._worker: subprocess.Popen[bytes] | None = None
        self._worker_started = -WORKER_AGAIN_S
        self._completed_at = -1  # basis of the store when it was last looked at
        self._backup_looked_at = time.monotonic()  # not in the first minute: people wait for the first page
        self._closing = threading.Event()
        self._looking = threading.Lock()
        for module in TOGETHER:  # their parts import each other: two threads at once deadlock or find half of one
            importlib.import_module(module)
        self._score_first()
        self._thread = threading.Thread(target=self._look_after_jobs, name="look-after-jobs", daemon=True)
        self._thread.start()
        atexit.register(self.close)  # Streamlit releases cached resources when they are cleared, not when it ends

    def close(self) -> None:
        """Stop the worker (its job resumes later) and let others have the data folder. Harmless when already closed."""
        atexit.unregister(self.close)
        self._closing.set()
        self._thread.join()
        if self._worker is not None and self._worker.poll() is None:
            self._worker.terminate()
            self._worker.wait()
        self.store.close()

    @property
    def worker(self) -> int | None:
        """Process id of the worker that this desk has started, while it runs."""
        running = self._worker is not None and self._worker.poll() is None
        return self._worker.pid if running and self._worker else None

    def _look_after_jobs(self) -> None:
        while not self._closing.wait(LOOK_EVERY_S):
            try:
                self.look_after_jobs()
            except Exception:  # one failed import must not end the thread that makes the next
                log.exception("looking after the jobs failed; trying again")

    def look_after_jobs(self) -> None:
        """Import every finished job, once; prepare requested ones; see that somebody computes the waiting ones."""
        with self._looking:
            for job_id in self.jobs.in_state("finished"):
                job_kinds.receive(self.store, self.jobs, job_id)
            self._complete_the_store()
            self._back_up_nightly()
            for job_id in self.jobs.in_state("requested"):
                job_kinds.prepare(self.store, self.jobs, job_id)
        if self.jobs.in_state("queued", "running"):
            self._keep_worker()

    def _score_first(self) -> None:
        """Before the first page: one of a store that was filled again would show no candidate."""
        try:
            fitting.score_unscored(self.store)
        except CTCError:
            log.exception("cells could not be scored; trying again")

    def _complete_the_store(self) -> None:
        """Score and place cells that lack it, after a change: new ones, and all in a store that was filled again."""
        basis = self.store.basis()
        if basis == self._completed_at or mapping.is_active(self.jobs):
            return
        self._completed_at = basis
        fitting.score_unscored(self.store)
        if mapping.lacks_points(self.store) and not self._failed_before():
            self.jobs.request(Kind.PLACE, self.settings.reader)

    def _back_up_nightly(self) -> None:
        """Ask for the night's backup, also when the desk was off at night. An empty store needs none."""
        if time.monotonic() < self._backup_looked_at + BACKUP_EVERY_S or not self.store.journal.head[0]:
            return
        self._backup_looked_at = time.monotonic()
        if backups.is_due(self.settings, self.jobs, datetime.now().astimezone()):
            self.jobs.request(Kind.BACKUP, self.settings.reader, str(self.settings.backups.resolve()))

    def _failed_before(self) -> bool:
        """The last attempt to place cells came to nothing: a person has to try it again."""
        last = next(iter(self.jobs.status(*mapping.KINDS)), None)
        return last is not None and last.job.kind is Kind.PLACE and last.state.state in FAILED

    def _keep_worker(self) -> None:
        """Start a worker unless ours runs. Where another one serves this data folder, the new one ends by itself."""
        if self._worker is not None and self._worker.poll() is None:
            return
        if time.monotonic() - self._worker_started < WORKER_AGAIN_S:
            return
        self._worker_started = time.monotonic()
        command = [sys.executable, "-m", "ctc_core", "--data", str(self.settings.data_dir), "worker"]
        self._worker = subprocess.Popen([*command, "--parent", str(os.getpid())], stdin=subprocess.DEVNULL)


@st.cache_resource(show_spinner="Opening the store", on_release=Desk.close)  # type: ignore[has-type, untyped-decorator]
def open_desk() -> Desk:
    """The desk of this server process.

    Raises:
        SettingsError: people are to log in, and cannot.
        StoreBusy: another process owns the data folder.
        JournalError: the journal was edited or cut.
    """
    settings = Settings()
    require_log_in(settings)
    pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own keeps what the largest galleries took for ever
    desk = Desk(settings)
    _spare_the_collector()
    return desk


@functools.cache
def _spare_the_collector() -> None:
    """Let the garbage collector pass over what was imported: objects that will never be garbage. Once a process."""
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # or libraries complain at the end that nothing of theirs was given back
