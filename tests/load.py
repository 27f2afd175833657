"""Many readers at once: `python -m tests.load [--readers 10] [--seconds 120] [--busy] [--cells 300]`.

Each reader has a websocket connection of its own, and the pace of a person: a key every one to two seconds. Measured is
the time from the key to the acknowledgement, with the 150 ms that the browser waits for more keys before it sends
(outbox.js) left out, as they are no work of the server. Prints JSON: median and 95th percentile in ms, and again from
when all had their cells before them (all open the page in the same second); decisions, what was lost or doubled, and
the largest memory of the server.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from ctc_core.settings import ROOT
from ctc_core.store import Store, verify
from ctc_core.worker import BEHIND
from tests.desk_client import DeskClient
from tests.server import free_port, serving
from tests.small_store import CARTRIDGE, build_queue_store, build_small_store

LABELS = ("ctc", "non-ctc", "unsure", "artifact")
RESEND_S = 3.0
"""As outbox.js: Streamlit drops a run's last messages where the next request comes in the instant in which it ends."""
PAGES = {"candidates": build_small_store, "queue": build_queue_store}


def read_on(
    client: DeskClient, until: float, pauses: tuple[float, float], rng: random.Random, waits: list[tuple[float, float]]
) -> None:
    """Decide one cell after the other; when each was, and the seconds that it took, goes to `waits`."""
    with client:
        client.wait_for_gallery()
        while time.monotonic() < until:
            row, pressed = rng.choice(client.rows), time.monotonic()
            client.decide(row["candidate_id"], CARTRIDGE, rng.choice(LABELS))
            while client.waiting:
                client.flush()
                client.idle(RESEND_S, done=lambda: not client.waiting)
            waits.append((pressed, time.monotonic() - pressed))
            client.idle(rng.uniform(*pauses))


def run(folder: Path, *, readers: int, seconds: float, page: str, cells: int, busy: bool) -> dict[str, Any]:
    """Label for so many seconds, and look at what was saved."""
    data, port = PAGES[page](folder / "data", n_cells=cells), free_port()
    clients = [DeskClient(f"http://127.0.0.1:{port}", page) for _ in range(readers)]
    waits: list[list[tuple[float, float]]] = [[] for _ in clients]
    with serving(data, port=port), _at_work(busy=busy), _memory_of(port) as peak:
        with clients[0]:
            clients[0].wait_for_gallery()  # everything is loaded once
        until = time.monotonic() + seconds
        threads = [
            threading.Thread(target=read_on, args=(client, until, (1.0, 2.0), random.Random(i), waits[i]))
            for i, client in enumerate(clients)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    every = [wait for each in waits for wait in each]
    all_open = max(each[0][0] for each in waits)
    return {
        "decisions": len(every),
        **_times([took for _, took in every]),
        "all_open": _times([took for pressed, took in every if pressed > all_open]),
        "peak_mb": round(peak[0] / 1e6),
        **_kept(data, clients),
    }


def _times(waits: list[float]) -> dict[str, Any]:
    median, p95 = np.percentile(np.array(waits) * 1000, [50, 95]) if waits else (np.nan, np.nan)
    return {"median_ms": round(float(median), 1), "p95_ms": round(float(p95), 1)}


def _kept(data: Path, clients: list[DeskClient]) -> dict[str, Any]:
    acknowledged = set().union(*(client.acknowledged for client in clients))
    with Store.open(data) as store:
        saved = [row[0] for row in store.decisions()]
        problems = list(verify(store).problems)
    lost, doubled = len(acknowledged - set(saved)), len(saved) - len(set(saved))
    return {"lost": lost, "doubled": doubled, "problems": problems, "refused": sum(len(c.refused) for c in clients)}


@contextmanager
def _at_work(*, busy: bool) -> Iterator[None]:
    """A process that computes all the time, as the desk's worker does in an ingest, and as far behind (`BEHIND`)."""
    if not busy:
        yield
        return
    start = f"import os, numpy as np\nos.nice({BEHIND})\n"
    program = f"{start}x = np.ones((600, 600), np.float32)\nwhile True: x = np.tanh(x @ x)"
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT) as worker:
        yield
        worker.kill()


@contextmanager
def _memory_of(port: int) -> Iterator[list[int]]:
    """The largest memory (unique to it, bytes) of the process that listens on a port, in a list."""
    peak, over = [0], threading.Event()
    (process,) = [
        psutil.Process(c.pid) for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr.port == port
    ]

    def watch() -> None:
        while not over.wait(0.5):
            peak[0] = max(peak[0], process.memory_full_info().uss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    yield peak
    over.set()
    watcher.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, number in {"readers": 10, "seconds": 120, "cells": 300}.items():
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--page", choices=PAGES, default="candidates")
    parser.add_argument("--busy", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="load-") as folder:
        print(json.dumps({**vars(given), **run(Path(folder), **vars(given))}))


if __name__ == "__main__":
    main()
