"""The probe trusts what the client trusts: a certificate that fails a delivery fails it too."""

from __future__ import annotations

import datetime
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from plugin.errors import UnavailableError
from plugin.redact import Redactor
from plugin.rest.exchange import Connection
from plugin.rest.probe import Unreached, Way, connect, context_of
from tests.unit.rest.servers import OK, client, head, server

pytestmark = pytest.mark.real_sockets
Ground = tuple[ssl.SSLContext, trustme.CA]  # what a server shows, and the authority that is trusted


def usual(_folder: Path) -> Ground:
    authority = trustme.CA()
    return _showing(authority.issue_cert("localhost")), authority


def of_another_name(_folder: Path) -> Ground:
    authority = trustme.CA()
    return _showing(authority.issue_cert("other.example")), authority


def by_an_intermediate_that_alone_is_trusted(_folder: Path) -> Ground:
    authority = trustme.CA().create_child_ca()
    return _showing(authority.issue_cert("localhost")), authority


def with_a_common_name_alone(folder: Path) -> Ground:
    authority = trustme.CA()
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    signer = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .sign(signer, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = folder / "server.pem"
    chain.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context, authority


def _showing(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.mark.parametrize(
    "made", [usual, of_another_name, by_an_intermediate_that_alone_is_trusted, with_a_common_name_alone]
)
def test_the_probe_trusts_what_the_client_trusts(made: Callable[[Path], Ground], tmp_path: Path) -> None:
    shown, authority = made(tmp_path)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    protocols: list[str | None] = []
    shown.set_alpn_protocols(["http/1.1"])

    def talk(connection: socket.socket) -> None:
        with shown.wrap_socket(connection, server_side=True) as secured:
            protocols.append(secured.selected_alpn_protocol())
            head(secured)
            secured.sendall(OK)

    with server(talk) as (plain, _):
        port = urlsplit(plain).port or 0
        url = f"https://localhost:{port}"
        by_client = by_probe = ""
        try:
            client(url, ca_bundle=str(bundle))[0].get("/")
        except UnavailableError as error:
            by_client = str(error).partition(": ")[2]
        way = Way(url, None, Redactor())
        try:
            with connect("localhost", ["127.0.0.1"], port, 5) as opened:
                way.secure(opened, context_of(Connection(url, ca_bundle=str(bundle))), 5)[0].close()
        except Unreached as error:
            by_probe = str(error)
    assert by_probe == by_client
    assert bool(by_probe) is (made in (of_another_name, with_a_common_name_alone)) or "intermediate" in made.__name__
    assert set(protocols) <= {"http/1.1"}
