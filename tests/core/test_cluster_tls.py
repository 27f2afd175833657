"""A cluster behind TLS, with certificates that the test makes: real processes, real connections."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import dask.config
import distributed
import pytest

from ctc_core import cluster, scheduler
from ctc_core.cluster import Cluster
from tests.certificates import certificates
from tests.cluster_processes import Processes, assert_same, desk_with, made_here

assert distributed  # brings the defaults of its settings


def given(environment: dict[str, str]) -> AbstractContextManager[object]:
    """This process as if it had been started with this environment."""
    names = (name.removeprefix("DASK_").lower().replace("__", ".") for name in environment)
    return dask.config.set(dict(zip(names, environment.values(), strict=True)))


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """A scheduler and a worker that speak TLS only."""
    folder = tmp_path_factory.mktemp("secured")
    required = {"DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "true"}
    processes = Processes(folder, "tls", certificates(folder / "lab") | required)
    processes.start_scheduler()
    processes.start_worker("a")
    yield processes
    for name in list(processes.running):
        processes.kill(name)


@pytest.fixture(autouse=True)
def as_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctc_core.store.code_version", lambda: "tested")
    monkeypatch.setattr(cluster, "LOOK", 0.05)
    monkeypatch.setattr(scheduler, "CONNECT", 10.0)
    monkeypatch.setattr(Cluster, "segmenter_id", "threshold-1")
    monkeypatch.setattr(Cluster, "encoder_id", "projection-1")


def test_with_certificates_it_is_as_here(secured: Processes, tmp_path: Path) -> None:
    desk = desk_with(tmp_path)
    with given(secured.environment):
        assert desk.run(secured.address).state == "finished"
    assert_same(desk.bundle, made_here(desk, tmp_path / "here"))


def test_without_certificates_the_settings_are_named(secured: Processes, tmp_path: Path) -> None:
    state = desk_with(tmp_path).run(secured.address)
    assert state.state == "refused" and state.message.startswith(f"{secured.address}: TLS expects ")
    assert "DASK_DISTRIBUTED__COMM__TLS__CA_FILE" in state.message


def test_certificates_of_another_authority_do_not_open_it(secured: Processes, tmp_path: Path) -> None:
    desk = desk_with(tmp_path)
    with given(certificates(tmp_path / "others")):
        state = desk.run(secured.address)
    assert state.state == "refused" and state.message.startswith(f"{secured.address}: no scheduler answers there")


def test_a_desk_that_asks_for_tls_does_not_speak_in_clear(secured: Processes, tmp_path: Path) -> None:
    desk = desk_with(tmp_path)
    with given(secured.environment):
        state = desk.run(secured.address.replace("tls://", "tcp://"))
    assert state.state == "refused" and "encryption required by Dask configuration" in state.message
