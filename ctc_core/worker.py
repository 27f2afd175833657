"""The worker: takes jobs from the queue and computes. The only process that loads the networks; one a data folder."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from pathlib import Path

from ctc_core.jobs import Jobs
from ctc_core.settings import Settings

log = logging.getLogger(__name__)

BEHIND = 10
"""By so much a desk's worker stands behind its readers (`nice`): who decides shall not wait for what computes."""


def main(settings: Settings, *, parent: int | None = None) -> bool:
    """Serve the queue until a signal arrives. False at once when another worker serves this data folder.

    Args:
        settings: where the data lie and which networks to use.
        parent: process id of the desk that started us; when it is gone, the worker ends after the present frame and
            the job goes on with the next desk. Such a worker lets the desk's own process go first.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with (settings.data_dir / "worker.lock").open("a+") as lock:
        if not _claim(lock.fileno()):
            log.info("another worker serves %s", settings.data_dir)
            return False
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        if parent is not None:
            os.nice(BEHIND)
            threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
        serve(Jobs(settings.data_dir), settings)
    return True


def _claim(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def serve(jobs: Jobs, settings: Settings) -> None:
    """Run queued jobs one after the other."""
    from ctc_core.cluster import Cluster
    from ctc_core.job_kinds import run
    from ctc_core.networks import Networks

    networks, cluster = Networks(settings), Cluster.of(settings)
    jobs.runner = lambda job_id: run(jobs, job_id, networks, cluster=cluster)
    for job_id in jobs.recover():
        log.info("resuming job %s", job_id)
    consumer = jobs.huey.create_consumer(workers=1, worker_type="thread", initial_delay=0.1, max_delay=1.0)
    consumer.run()


def _end_with(parent: int) -> None:
    """End this process when the desk is gone: jobs resume from their finished frames, so nothing is lost."""
    while os.getppid() == parent:
        time.sleep(1.0)
    log.info("the desk has ended, and so does its worker")
    os._exit(0)


def log_to(folder: Path) -> None:
    """Send this process's log to `folder`/worker.log."""
    folder.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=folder / "worker.log", level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
