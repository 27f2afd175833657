"""Certificates as a lab makes them for its cluster, and the environment that names them."""

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

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
