"""Many runs at once: each is a job of its own, spread over the cores and kept as soon as it is done.

A run that was kept is not computed again, so that an interrupted command goes on where it stopped. What a run is kept
under is the hash of everything that it depends on: the folder's files, the plan, this package's sources and the
libraries it fits with.
"""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

from ctc_core.errors import CTCError
from ctc_core.features import FeaturesFolder, read_features
from ctc_core.relabel.experiments.loop import Record
from ctc_core.relabel.experiments.real import Real, real
from ctc_core.relabel.experiments.simulated import Sim1, Sim2, sim1, sim2
from ctc_core.types import Progress, silent

Plan = Sim1 | Sim2 | Real


@dataclass(frozen=True)
class Job:
    """One run."""

    strategy: str
    seed: int
    plan: Plan


@dataclass(frozen=True)
class Done:
    """What came of it."""

    job: Job
    records: list[Record]
    seconds: tuple[float, ...]
    """Of each choice of cells; empty in the real-world experiment."""


def run_job(folder: FeaturesFolder, job: Job) -> Done:
    """Here and now."""
    spent: list[float] = []
    if isinstance(job.plan, Sim1):
        records = sim1(folder, job.strategy, job.seed, job.plan, spent)
    elif isinstance(job.plan, Sim2):
        records = sim2(folder, job.strategy, job.seed, job.plan, spent)
    else:
        records = real(folder, job.strategy, job.seed, job.plan)
    return Done(job, records, tuple(spent))


def run_jobs(
    folder: Path, jobs: Sequence[Job], *, kept: Path | None = None, workers: int = 1, progress: Progress = silent
) -> list[Done]:
    """All jobs on a features folder, in their order; equal whatever `workers` is, but for the seconds.

    Args:
        kept: folder of finished runs, created; None keeps none.
        workers: processes, this one among them. Each fits with one thread.
        progress: done and all jobs; called at once with those found in `kept`.

    Raises:
        UserError: the folder cannot be read, or a plan does not fit it.
        CTCError: a worker process died; the runs that were done are kept.
    """
    read = read_features(folder)
    shelf = _Shelf(kept, folder)
    found = {job: done for job in jobs if (done := shelf.get(job)) is not None}
    progress(len(found), len(jobs), "runs kept from before" if found else "")
    left = [job for job in dict.fromkeys(jobs) if job not in found]
    for done in _computed(read, folder, left, min(workers, len(left))):
        shelf.put(done)
        found[done.job] = done
        progress(len(found), len(jobs), f"{done.job.strategy}, seed {done.job.seed}")
    return [found[job] for job in jobs]


# ---- processes ------------------------------------------------------------------------------------------------------


def _computed(read: FeaturesFolder, folder: Path, jobs: list[Job], workers: int) -> Iterator[Done]:
    if workers <= 1:
        with _one_thread():
            yield from (run_job(read, job) for job in jobs)
        return
    pool = ProcessPoolExecutor(workers - 1, mp_context=get_context("spawn"), initializer=_begin, initargs=(folder,))
    try:
        waiting = {job: pool.submit(_work, job) for job in jobs}
        with _one_thread():  # the others need seconds to start: this one works, too, from the end
            for job in reversed(jobs):
                if job in waiting and waiting[job].cancel():
                    del waiting[job]
                    yield run_job(read, job)
                for other in [one for one, future in waiting.items() if future.done()]:
                    yield waiting.pop(other).result()
        for future in as_completed(waiting.values()):
            yield future.result()
    except BrokenExecutor as error:  # the system has killed it, or it could not start
        message = f"A worker process died ({error}). Run the command again: finished runs are kept. Try --workers 1."
        raise CTCError(message) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_read: list[FeaturesFolder] = []
"""In a worker process: the folder, read once."""
_held = ExitStack()


def _begin(folder: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command decides when to stop
    _held.enter_context(_one_thread())
    _read.append(read_features(folder))


def _work(job: Job) -> Done:
    return run_job(_read[0], job)


def _one_thread() -> ExitStack:
    """Threads of linear algebra would only wait for each other beside other processes."""
    import sklearn.svm  # noqa: F401  # limits hold for libraries that are loaded
    from threadpoolctl import threadpool_limits

    stack = ExitStack()
    stack.enter_context(threadpool_limits(1))
    return stack


# ---- kept runs ------------------------------------------------------------------------------------------------------


class _Shelf:
    """Finished runs as one JSON file each."""

    def __init__(self, kept: Path | None, folder: Path) -> None:
        self.kept, self.folder = kept, folder_hash(folder) if kept else ""

    def _path(self, kept: Path, job: Job) -> Path:
        about = {"folder": self.folder, "code": code_version(), "plan": type(job.plan).__name__, **asdict(job)}
        name = hashlib.sha256(json.dumps({**about, "settings": asdict(job.plan)}, sort_keys=True).encode()).hexdigest()
        return kept / f"{job.strategy}-{job.seed}-{name[:16]}.json"

    def get(self, job: Job) -> Done | None:
        path = self._path(self.kept, job) if self.kept else None
        if path is None or not path.is_file():
            return None
        value = json.loads(path.read_text())
        return Done(job, value["records"], tuple(value["seconds"]))

    def put(self, done: Done) -> None:
        if self.kept is None:
            return
        self.kept.mkdir(parents=True, exist_ok=True)
        path = self._path(self.kept, done.job)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps({"records": done.records, "seconds": done.seconds}, allow_nan=False))
        partial.replace(path)


def folder_hash(folder: Path) -> str:
    """Of names and contents of the folder's tables and arrays."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("df_*"), *folder.glob("*.npy")]):
        digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@cache
def code_version() -> str:
    """12 hex digits: sources that a run's figures depend on, and versions of the libraries."""
    here = Path(__file__).resolve().parent
    own = [here / f"{name}.py" for name in ("cells", "draws", "loop", "real", "simulated")]
    others = [here.parents[1] / name for name in ("features.py", "latent/clusters.py", "reliability/metrics.py")]
    sources = sorted([*own, *others, *here.parent.glob("*.py"), *here.parent.glob("strategies/*.py")])
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources))
    digest.update(" ".join(version(name) for name in ("numpy", "scipy", "scikit-learn")).encode())
    return digest.hexdigest()[:12]
