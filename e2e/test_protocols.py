"""Clients of HTTP/2 and of TLS, as they are installed everywhere."""

import re
import subprocess

from server import PATIENCE

HEALTH = '[[route]]\npath = "/health"\nlimits = ["{quota}"]\n'


def ask(*command):
    """What a command line client prints, which must succeed."""
    asked = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
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
