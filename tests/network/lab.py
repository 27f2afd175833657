"""A lab: a scheduler, two workers and whoever has the store, on hosts of their own, as README's "Several machines"."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.certificates import certificates
from tests.network.hosts import SUBNET, Network

HOSTS = {"scheduler": 5, "anna": 6, "ben": 7, "desk": 8}
WORKERS = ("anna", "ben")
ADDRESS = f"tls://{SUBNET}{HOSTS['scheduler']}:8786"
RELEASE = "release"
"""A copy of the code, which somebody may be editing: all machines need the same."""
SILENT = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "11s"}
"""A host that says nothing for so long is given up; dask takes no less, and 30 s where nobody asks for less."""
PATIENCE = 120.0
AGAIN = ["sh", "-c", 'while sleep 1; do "$@"; done', "sh"]
"""A worker ends when it loses its scheduler."""
CLOSED = ("--dashboard-address", "127.0.0.1:0")
"""What dask shows about itself has no TLS."""


@dataclass
class Lab:
    """Commands on hosts, and what they write to the disk that all of them see."""

    folder: Path
    archive: Path
    network: Network
    environment: dict[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def built(cls, folder: Path, archive: Path) -> Iterator[Lab]:
        """With all that runs on it."""
        environment = certificates(folder / "certificates") | SILENT | {"DASK_TEMPORARY_DIRECTORY": str(folder)}
        with Network(**HOSTS) as network:
            lab = cls(folder, archive, network, environment)
            lab.start("scheduler")
            for name in WORKERS:
                lab.start(name)
            yield lab

    def start(self, name: str) -> None:
        """The scheduler, or a worker."""
        if name == "scheduler":
            words = ["scheduler", "--protocol", "tls", "--host", f"{SUBNET}{HOSTS[name]}"]
        else:
            words = ["worker", ADDRESS, "--nthreads", "1", "--memory-limit", "0"]
        self._run(name, AGAIN if name in WORKERS else [], "dask", *words, *CLOSED)

    def kill(self, name: str) -> None:
        """As if the power went."""
        self.network.kill(self.running[name])

    def ingest(self, data: str) -> Ingest:
        """The command, begun."""
        words = ["--data", str(self.folder / data), "ingest", str(self.archive), "--patient", "P-1", "--role", "review"]
        self._run("desk", [], "ctc_core", *words, "--scheduler", ADDRESS, "--json")
        return Ingest(self.running["desk"], self.folder / data, self.folder / "desk.log")

    def _run(self, name: str, how: list[str], *words: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            command = [*how, sys.executable, "-m", *words]
            where = {"folder": self.folder / RELEASE, "log": log, "environment": self.environment}
            self.running[name] = self.network.start(name, command, **where)


@dataclass
class Ingest:
    """One run of the command."""

    process: subprocess.Popen[bytes]
    data: Path
    log: Path

    def finished(self) -> int:
        """Frames by now."""
        return len(list(self.data.glob("jobs/*/parts/*/[0-9]*.json")))

    def wait_for_frames(self, number: int) -> None:
        """Until so many are finished."""
        until = time.monotonic() + PATIENCE
        while self.finished() < number:
            assert self.process.poll() is None and time.monotonic() < until, self.log.read_text()[-2000:]
            time.sleep(0.02)

    def began_with(self) -> int:
        """Frames that were finished when it began, as it said."""
        said = re.search(r" (\d+)/\d+ (Frame|All frames)", self.log.read_text())
        return int(said[1]) if said else 0

    def end(self) -> tuple[int, str]:
        """Exit code, and the last line that it printed."""
        code = self.process.wait(PATIENCE)
        return code, self.log.read_text().strip().splitlines()[-1]

    def succeed(self) -> dict[str, object]:
        """What it printed."""
        code, last = self.end()
        assert not code, self.log.read_text()[-2000:]
        return dict(json.loads(last))


def contents(data: Path) -> dict[str, str]:
    """SHA-256 of every file of every bundle that a data folder has."""
    files = sorted(path for path in data.glob("bundles/*/*") if path.is_file())
    return {str(path.relative_to(data)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
