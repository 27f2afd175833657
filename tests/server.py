"""A real desk on a free port, as `streamlit run app.py` starts it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ctc_core.settings import ROOT


@contextmanager
def serving(
    data_dir: Path, *options: str, folder: Path = ROOT, port: int | None = None, kill: bool = False
) -> Iterator[str]:
    """Address of a fresh server; it is stopped (or killed), and has let go of the data folder, afterwards."""
    port = port or free_port()
    environment = os.environ | {
        "CTC_DATA_DIR": str(data_dir),
        "CTC_INBOX_DIR": str(data_dir / "inbox"),
        "CTC_READER": "anna",
    }
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port), *options]
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(address, process)
        yield address
    finally:
        process.kill() if kill else process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


PATIENCE_S = 180
"""A busy machine takes more than a minute to start the desk."""


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError):
            assert process.poll() is None, "the server ended before it answered"
            time.sleep(0.1)
    raise AssertionError(f"no answer from {address}")
