"""A cluster behind TLS, with certificates that the test makes: real processes, real connections."""

import datetime
import ipaddress
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import dask.config
import distributed
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ctc_core import cluster, scheduler
from ctc_core.cluster import Cluster
from tests.cluster_processes import Processes, assert_same, desk_with, made_here

assert distributed  # brings the defaults of its settings
Key = ec.EllipticCurvePrivateKey


def certificate(name: str, key: Key, issuer: str, signed_by: Key) -> bytes:
    """PEM; of an authority where it is its own issuer."""
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (name, issuer)]
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder(*reversed(names), key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=name == issuer, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    )
    return builder.sign(signed_by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def certificates(folder: Path) -> dict[str, str]:
    """An authority and one machine's certificate, and the environment that names them."""
    folder.mkdir(parents=True)
    authority, machine = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    files = {"ca": folder / "ca.pem", "cert": folder / "machine.pem", "key": folder / "machine.key"}
    files["ca"].write_bytes(certificate("lab", authority, "lab", authority))
    files["cert"].write_bytes(certificate("machine", machine, "lab", authority))
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    files["key"].write_bytes(machine.private_bytes(*pem))
    whose = [(who, what) for who in ("scheduler", "worker", "client") for what in ("cert", "key")]
    named = {f"DASK_DISTRIBUTED__COMM__TLS__{who}__{what}".upper(): str(files[what]) for who, what in whose}
    return {**named, "DASK_DISTRIBUTED__COMM__TLS__CA_FILE": str(files["ca"])}


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
