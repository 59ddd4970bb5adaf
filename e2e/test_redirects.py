"""Redirects of a FastAPI app, which makes them of the host and the path that it is told."""

import sys
from pathlib import Path

import httpx

from server import Server, free_port


def test_a_client_follows_an_app_below_a_base_path(start, tmp_path):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    app = Server([sys.executable, Path(__file__).with_name("pages_api.py"), port], f"{url}/calls", tmp_path / "api.log")
    try:
        gateway = start("", f"{url}/api")
        redirected = httpx.get(f"{gateway.url}/items/")
        followed = httpx.get(f"{gateway.url}/items/", follow_redirects=True)
        assert redirected.headers["location"] == f"{gateway.url}/items"
        assert followed.json() == ["a", "b"]
        unmapped = start("[gateway]\nrewrite_redirects = false", f"{url}/api")
        assert httpx.get(f"{unmapped.url}/items/", follow_redirects=True).status_code == 404
    finally:
        app.stop()
