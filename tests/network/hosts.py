"""Hosts on one machine: network namespaces, each with a name, an address and a cable of its own, on one switch."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import IO, Self

SUBNET = "10.0.0."


def why_not() -> str:
    """Why this machine cannot have such hosts; empty where it can."""
    if os.geteuid() or not shutil.which("ip") or not shutil.which("unshare"):
        return "needs root, ip (package iproute2) and unshare"
    tried = subprocess.run(["unshare", "--net", "--uts", "true"], capture_output=True, text=True, check=False)
    return f"no network namespaces here: {tried.stderr.strip()}" if tried.returncode else ""


class Network:
    """A switch and the hosts on it, which nothing else can reach. Gone at the end, with all that runs on them."""

    def __init__(self, **hosts: int) -> None:
        """By name, the last number of each address."""
        self.hosts = hosts
        self._switch = f"ctc{os.getpid()}"
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        try:
            self._ip(f"netns add {self._switch}", f"-n {self._switch} link add switch type bridge")
            self._ip(f"-n {self._switch} link set switch up")
            for name, number in self.hosts.items():
                self._plug_in(name, f"{SUBNET}{number}/24")
        except BaseException:
            self._remove()
            raise
        return self

    def _plug_in(self, name: str, address: str) -> None:
        space = self._space(name)
        self._ip(
            f"netns add {space}",
            f"link add eth0 netns {space} type veth peer name {name} netns {self._switch}",
            f"-n {self._switch} link set {name} master switch up",
            f"-n {space} address add {address} dev eth0",
            f"-n {space} link set lo up",
            f"-n {space} link set eth0 up",
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._running:
            self.kill(process)
        self._remove()

    def _remove(self) -> None:
        for space in (self._switch, *map(self._space, self.hosts)):
            subprocess.run(["ip", "netns", "delete", space], capture_output=True, check=False)

    def start(
        self, host: str, words: list[str], *, folder: Path, log: IO[bytes], environment: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        """Run a command in a folder, on a host which calls itself by its name."""
        named = ["unshare", "--uts", "sh", "-c", f'hostname {host}; exec "$@"', "sh", *words]
        process = subprocess.Popen(
            ["ip", "netns", "exec", self._space(host), *named],
            cwd=folder, env=os.environ | environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        self._running.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """As if the power went: a command with all that it has started."""
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def pull(self, host: str) -> None:
        """The cable out of the switch: nobody is told."""
        self._ip(f"-n {self._switch} link set {host} down")

    def plug(self, host: str) -> None:
        """The cable back into the switch."""
        self._ip(f"-n {self._switch} link set {host} up")

    def _space(self, host: str) -> str:
        return f"{self._switch}-{host}"

    @staticmethod
    def _ip(*commands: str) -> None:
        for command in commands:
            subprocess.run(["ip", *command.split()], check=True)
