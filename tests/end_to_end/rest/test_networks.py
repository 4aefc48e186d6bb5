"""The networks of companies: proxies, their passwords, certificate authorities of their own, client certificates."""

from __future__ import annotations

import base64
import datetime
import ssl
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.end_to_end.program import Done, SandboxProcess, run
from tests.end_to_end.rest.gateways import Gateway, proxy, tls_before
from tests.end_to_end.services.test_outages import free_port

HOST = "dist.example.com"  # known to the proxy alone
USER, PASSWORD = "builder", "pr0xy-s3cret"
SECRETS = (PASSWORD, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode())
DATA = bytes(range(256)) * 65536  # 16 MiB


@dataclass
class Company:
    """A company's own certificate authority, the servers behind it, and a folder with an artifact."""

    folder: Path
    sandbox: SandboxProcess
    authority: trustme.CA
    servers: ExitStack

    @property
    def bundle(self) -> str:
        """The authority's certificate, as the machines of the company have it."""
        self.authority.cert_pem.write_to_path(str(self.folder / "company.pem"))
        return "company.pem"

    def serve(self, *names: str, asks_for_certificate: bool = False, **about: Any) -> Gateway:
        """Put a TLS server before the sandbox, whose certificate is for `names`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(*(names or ("127.0.0.1",)), **about).configure_cert(context)
        if asks_for_certificate:
            self.authority.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return self.servers.enter_context(tls_before(self.sandbox.url, context))

    def deliver(
        self, url: str, env: Mapping[str, str] | None = None, service: str = "app-distribution", **more: Any
    ) -> Done:
        """Deliver the artifact to the service at `url`; `verbose`, so that the log holds all it ever would."""
        own = {"phase-id": 7} if service == "app-distribution" else {"project": "p"}
        common = {
            "service-url": url,
            "api-token": f"sandbox-token-{service}",
            "artifacts": "app.apk",
            "verbose": "true",
        }
        more = {name.replace("_", "-"): value for name, value in more.items()}
        return run({"service": service, **common, **own, **more}, self.folder, env=env)

    def has(self) -> int:
        """How many files have arrived, whole."""
        state = self.sandbox.state()
        builds = [build["file"] for build in state["product-science"]["builds"] if build["file"]]
        return len([file for file in (*state["app-distribution"]["files"], *builds) if file["size"] == len(DATA)])


@pytest.fixture
def company(sandbox: SandboxProcess, tmp_path: Path) -> Iterator[Company]:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "app.apk").write_bytes(DATA)
    with ExitStack() as servers:
        yield Company(folder, sandbox, trustme.CA(), servers)
    (folder / "app.apk").unlink()


def through(gateway: Gateway, credentials: str = "") -> dict[str, str]:
    """The variables that send everything through a proxy."""
    url = f"http://{credentials}127.0.0.1:{gateway.port}"
    return {"HTTP_PROXY": url, "HTTPS_PROXY": url, "NO_PROXY": ""}


def one_line(done: Done) -> str:
    """The error, which is one line and not the end of a storm of tries."""
    assert "; retrying in " not in done.log
    assert "Traceback" not in done.log
    error: str = done.result["error"]
    assert "\n" not in error
    return error


@pytest.mark.parametrize("service", ["app-distribution", "product-science"])
def test_plain_http_goes_through_the_proxy(service: str, company: Company) -> None:
    with proxy() as gateway:
        done = company.deliver(company.sandbox.url, through(gateway), service)
    assert done.code == 0, done.log
    assert company.has() == 1
    assert all(head.split(" ")[1].startswith("http://127.0.0.1:") for head in gateway.heads)
    assert len(gateway.heads) == len(company.sandbox.state()["requests"])


@pytest.mark.parametrize(("service", "host"), [("app-distribution", HOST), ("product-science", "localhost")])
@pytest.mark.parametrize("credentials", ["", f"{USER}:{PASSWORD}@"])
def test_https_goes_through_a_tunnel_of_the_proxy_which_sees_no_token(
    service: str, host: str, credentials: str, company: Company
) -> None:
    server = company.serve(host)
    names = {f"{host}:443": ("127.0.0.1", server.port)}
    with proxy(names, credentials.rstrip("@") or None) as gateway:
        done = company.deliver(f"https://{host}", through(gateway, credentials), service, ca_bundle=company.bundle)
    assert done.code == 0, done.log
    assert company.has() == 1
    assert gateway.heads[0].startswith(f"CONNECT {host}:443 HTTP/1")
    assert not [head for head in gateway.heads if "sandbox-token" in head]
    assert not [secret for secret in SECRETS if secret in done.log]
    state = company.sandbox.state()
    assert not [each for each in state["requests"] if "proxy-authorization" in each["header_names"]]


def test_a_remote_service_cannot_redirect_uploads_to_this_machine(company: Company) -> None:
    server = company.serve(HOST)
    with proxy({f"{HOST}:443": ("127.0.0.1", server.port)}) as gateway:
        done = company.deliver(f"https://{HOST}", through(gateway), "product-science", ca_bundle=company.bundle)
    assert done.code == 4, done.log
    assert "127.0.0.1 is a loopback address of this machine, but the service is elsewhere" in one_line(done)
    assert company.has() == 0
    assert not [each for each in company.sandbox.state()["requests"] if each["origin"] == "storage"]


def test_a_host_in_no_proxy_is_reached_without_the_proxy(company: Company) -> None:
    with proxy() as gateway:
        done = company.deliver(company.sandbox.url, {**through(gateway), "NO_PROXY": "example.org,127.0.0.1"})
    assert done.code == 0, done.log
    assert gateway.heads == []


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("credentials", ["", f"{USER}:{PASSWORD}@"])
def test_a_proxy_that_wants_other_credentials_is_named_without_retries(
    scheme: str, credentials: str, company: Company
) -> None:
    url = company.sandbox.url if scheme == "http" else f"https://{HOST}"
    with proxy(credentials="somebody:else") as gateway:
        done = company.deliver(url, through(gateway, credentials))
    assert done.code == 4, done.log
    assert "the proxy requires a user name and a password: set HTTPS_PROXY" in one_line(done)
    assert not [secret for secret in SECRETS if secret in done.log]
    assert len(gateway.heads) == 1


def test_a_proxy_that_forbids_the_service_is_named(company: Company) -> None:
    with proxy(refuses=403) as gateway:
        done = company.deliver(f"https://{HOST}", through(gateway))
    assert done.code == 4, done.log
    assert f"403 from the proxy; the proxy blocks {HOST}" in one_line(done)


def test_a_proxy_that_is_down_is_distinguished_from_the_service(company: Company) -> None:
    env = through(Gateway(free_port()), f"{USER}:{PASSWORD}@")
    with ThreadPoolExecutor() as pool:
        for done in pool.map(lambda url: company.deliver(url, env), (company.sandbox.url, f"https://{HOST}")):
            assert done.code == 5, done.log
            error = done.result["error"]
            assert error.endswith(
                "the proxy cannot be reached or failed: Connection refused; check HTTPS_PROXY and NO_PROXY"
            )
            assert "\n" not in error
            assert not [secret for secret in SECRETS if secret in done.log]


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1", "ALL_PROXY names a SOCKS proxy, which is not supported"),
        (
            "HTTPS_PROXY",
            f"http://{USER}:{PASSWORD}/more@127.0.0.1:1",
            "HTTPS_PROXY is not a valid URL: in its user name",
        ),
        (
            "HTTPS_PROXY",
            f"http://{USER}:{PASSWORD}#more@127.0.0.1:1",
            "HTTPS_PROXY is not a valid URL: in its user name",
        ),
        ("HTTPS_PROXY", f"http://{USER}:{PASSWORD}@127.0.0.1:port", "HTTPS_PROXY is not a valid URL: write it as"),
    ],
)
def test_an_invalid_proxy_setting_is_not_an_outage(variable: str, value: str, said: str, company: Company) -> None:
    done = company.deliver(f"https://{HOST}", {variable: value, "NO_PROXY": ""}, on_outage="warn")
    assert done.code == 2, done.log
    assert said in one_line(done)
    assert not [secret for secret in (PASSWORD, USER, "more@") if secret in done.log]


def test_a_proxy_that_cannot_reach_the_service_is_asked_again(company: Company) -> None:
    with proxy(refuses=503) as gateway:
        done = company.deliver(f"https://{HOST}", through(gateway))
    assert done.code == 5, done.log
    assert "Tunnel connection failed: 503" in done.result["error"]
    assert len(gateway.heads) == 5


@pytest.mark.parametrize("way", ["ca-bundle", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "ca-bundle wins"])
def test_a_companys_own_authority_is_trusted_when_it_is_given(way: str, company: Company) -> None:
    server = company.serve()
    (company.folder / "other.pem").write_bytes(trustme.CA().cert_pem.bytes())
    inputs = {"ca_bundle": company.bundle} if way.startswith("ca-bundle") else {}
    env = {} if way == "ca-bundle" else {"REQUESTS_CA_BUNDLE": "other.pem"} if inputs else {way: company.bundle}
    done = company.deliver(f"https://127.0.0.1:{server.port}", env, **inputs)
    assert done.code == 0, done.log
    assert company.has() == 1


def test_an_untrusted_server_receives_no_request(company: Company) -> None:
    server = company.serve()
    done = company.deliver(f"https://127.0.0.1:{server.port}")
    assert done.code == 5, done.log
    error = one_line(done)
    assert "TLS: 127.0.0.1 is not trusted: " in error
    assert error.endswith("; if your company has its own CA, set PLUGIN_CA_BUNDLE")
    assert len(server.connections) == 1
    assert company.sandbox.state()["requests"] == []


@pytest.mark.parametrize(
    ("names", "about", "said"),
    [
        (["other.example.com"], {}, "; check the address"),
        (["10.0.0.1"], {}, "; check the address"),
        (
            ["127.0.0.1"],
            {"not_after": datetime.datetime(2001, 1, 1, tzinfo=datetime.timezone.utc)},
            "certificate has expired; check this machine's clock",
        ),
    ],
)
def test_an_invalid_server_certificate_is_reported_with_its_reason(
    names: list[str], about: dict[str, Any], said: str, company: Company
) -> None:
    server = company.serve(*names, **about)
    done = company.deliver(f"https://127.0.0.1:{server.port}", ca_bundle=company.bundle)
    assert done.code == 5, done.log
    assert one_line(done).endswith(said)
    assert len(server.connections) == 1


def test_a_missing_ca_bundle_is_an_input_error(company: Company) -> None:
    server = company.serve()
    done = company.deliver(f"https://127.0.0.1:{server.port}", {"REQUESTS_CA_BUNDLE": "missing.pem"})
    assert done.code == 2, done.log
    assert "REQUESTS_CA_BUNDLE: missing.pem is not a PEM file with certificates: No such file" in one_line(done)


def test_a_client_certificate_is_shown_to_the_service(company: Company) -> None:
    server = company.serve(asks_for_certificate=True)
    ours = company.authority.issue_cert("builder@example.com")
    ours.private_key_and_cert_chain_pem.write_to_path(str(company.folder / "ours.pem"))
    url = f"https://127.0.0.1:{server.port}"
    done = company.deliver(url, ca_bundle=company.bundle, client_certificate="ours.pem")
    assert done.code == 0, done.log
    assert company.has() == 1


@pytest.mark.parametrize("shown", [None, "a stranger's"])
def test_a_missing_or_wrong_client_certificate_is_reported(shown: str | None, company: Company) -> None:
    server = company.serve(asks_for_certificate=True)
    stranger = trustme.CA().issue_cert("somebody@example.com")
    stranger.private_key_and_cert_chain_pem.write_to_path(str(company.folder / "stranger.pem"))
    inputs: dict[str, Any] = {"client_certificate": "stranger.pem"} if shown else {}
    done = company.deliver(f"https://127.0.0.1:{server.port}", ca_bundle=company.bundle, **inputs)
    assert done.code == 5, done.log
    assert one_line(done).endswith("if it requires a client certificate, set PLUGIN_CLIENT_CERTIFICATE")
    assert company.sandbox.state()["requests"] == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [("reset-in-body", "; retrying in "), ("stall-in-body", "stalled: no byte moved for 2 s; retrying in ")],
)
def test_an_upload_that_breaks_off_under_tls_is_sent_again(fault: str, said: str, company: Company) -> None:
    server = company.serve()
    company.sandbox.faults(f"POST /api/v2/resource_files {fault}")
    url = f"https://127.0.0.1:{server.port}"
    done = company.deliver(url, ca_bundle=company.bundle, stall_timeout=2)
    assert done.code == 0, done.log
    assert said in done.log
    assert company.has() == 1
