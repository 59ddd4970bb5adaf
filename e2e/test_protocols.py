"""Clients of HTTP/2 and of TLS, as they are installed everywhere."""

import re
import subprocess

import pytest

from server import TIMEOUT, until

HEALTH = '[[route]]\npath = "/health"\nlimits = ["{quota}"]\n'


def ask(*command):
    """The output of a command line client, which must succeed."""
    asked = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    assert asked.returncode == 0, asked.stdout + asked.stderr
    return asked.stdout


def curl(url, *options):
    """The version and status of an answer to curl."""
    return ask("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_version} %{http_code}", *options, url)


def test_curl_speaks_both_versions_on_one_port(start):
    gateway = start("")

    assert curl(f"{gateway.url}/health", "--http2-prior-knowledge") == "2 200"
    assert curl(f"{gateway.url}/health", "--http1.1") == "1.1 200"


def test_a_denial_over_http_2_says_how_long_to_wait(start):
    gateway = start(HEALTH.format(quota="1/minute"))
    url = f"{gateway.url}/health"

    assert curl(url, "--http2-prior-knowledge") == "2 200"
    answer = ask("curl", "--silent", "--include", "--http2-prior-knowledge", url)

    assert answer.startswith("HTTP/2 429")
    assert 59 <= int(re.search(r"^retry-after: (\d+)", answer, re.MULTILINE)[1]) <= 60


def test_nghttp_is_answered_on_all_its_streams(start):
    gateway = start("")

    printed = ask("nghttp", "--null-out", "--stat", *[f"{gateway.url}/health?{number}" for number in range(20)])

    assert len(re.findall(r" 200 +\d+ /health", printed)) == 20, printed


def test_of_many_requests_at_once_exactly_the_quota_passes(start):
    gateway = start(HEALTH.format(quota="100/hour"))

    printed = ask("h2load", "-n", "3000", "-c", "10", "-m", "50", f"{gateway.url}/health")

    assert "status codes: 100 2xx, 0 3xx, 2900 4xx, 0 5xx" in printed, printed


@pytest.fixture
def sign(tmp_path):
    """Makes a certificate for 127.0.0.1 and its key, as `openssl` does, and says where they are."""

    def sign(name):
        certificate, key = tmp_path / f"{name}.pem", tmp_path / f"{name}.key"
        new = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1")
        ask(*new, "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate)
        return certificate, key

    return sign


def by_tls(certificate, key):
    """A policy that serves by TLS, with a limit."""
    tls = f'[gateway.tls]\ncertificate = "{certificate}"\nkey = "{key}"\n'
    return tls + HEALTH.format(quota="3/hour")


def test_curl_negotiates_the_version_by_tls(start, sign, model):
    certificate, key = sign("gateway")
    gateway = start(by_tls(certificate, key))
    url = f"{gateway.url.replace('http://', 'https://')}/health"

    assert curl(url, "--http2", "--insecure") == "2 200"
    assert model.headers("/health")["x-forwarded-proto"] == "https"
    assert curl(url, "--http1.1", "--cacert", certificate) == "1.1 200"
    assert curl(url, "--tlsv1.2", "--tls-max", "1.2", "--cacert", certificate) == "2 200"
    assert curl(url, "--http2", "--cacert", certificate) == "2 429"


def test_a_renewed_certificate_needs_no_restart_and_a_bad_one_changes_nothing(start, sign):
    certificate, key = sign("gateway")
    old, renewed, its_key = certificate.read_text(), *sign("renewed")
    gateway = start(by_tls(certificate, key))
    url = f"{gateway.url.replace('http://', 'https://')}/health"

    certificate.write_text(renewed.read_text())
    until(lambda: "the old certificate stays" in gateway.logged(), "the gateway has looked at the half of a pair")
    trusted = certificate.with_name("trusted.pem")
    trusted.write_text(old)
    assert curl(url, "--cacert", trusted) == "2 200"

    key.write_text(its_key.read_text())
    until(lambda: "read the certificate" in gateway.logged(), "the gateway has looked at the pair")
    assert curl(url, "--cacert", renewed) == "2 200"


def test_curl_that_speaks_in_clear_to_the_port_of_tls_is_told_so(start, sign):
    gateway = start(by_tls(*sign("gateway")))

    for options in [[], ["--http1.0"], ["--data", "x" * 100_000]]:
        answer = ask("curl", "--silent", "--include", *options, f"{gateway.url}/health")
        assert answer.startswith("HTTP/1.1 400 Bad Request"), answer
        assert "application/problem+json" in answer and "This port speaks TLS: use https" in answer
    assert gateway.logged().count("This port speaks TLS: use https") == 3
    assert gateway.labelled("sluicegate_requests_total", 'decision="refuse"') == 3


def test_curl_that_speaks_tls_to_the_port_in_clear_leaves_a_line_in_the_log(start):
    gateway = start("")
    url = f"{gateway.url.replace('http://', 'https://')}/health"

    asked = subprocess.run(["curl", "--silent", "--insecure", url], capture_output=True, timeout=TIMEOUT)

    assert asked.returncode == 35, "no handshake"
    assert "This port speaks HTTP in clear: use http" in gateway.logged()
    assert curl(f"{gateway.url}/health") == "1.1 200"
