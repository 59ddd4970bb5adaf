"""Settings of the environment, of a file, and of the storage."""

import pytest
from fastapi import Request
from starlette.config import environ

from sluicegate.slowapi import Limiter
from sluicegate.slowapi.extension import HEADERS
from sluicegate.compat.slowapi.storage_url import store_table
from sluicegate.slowapi.util import get_remote_address


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Writes a `.env` file: `settings(RATELIMIT_DEFAULT="1/minute")`."""
    monkeypatch.chdir(tmp_path)

    def write(name=".env", **values):
        (tmp_path / name).write_text("".join(f"{key}={value}\n" for key, value in values.items()))

    return write


def test_they_are_slowapis(settings):
    settings(
        RATELIMIT_ENABLED="false",
        RATELIMIT_HEADERS_ENABLED="true",
        RATELIMIT_STORAGE_URL="redis://cache.example.com",
        RATELIMIT_STORAGE_OPTIONS='{"socket_timeout": 0.2}',
        RATELIMIT_STRATEGY="moving-window",
        RATELIMIT_DEFAULT="1/minute;5/hour",
        RATELIMIT_APPLICATION="2/minute",
        RATELIMIT_HEADER_LIMIT="X-L",
        RATELIMIT_HEADER_REMAINING="X-M",
        RATELIMIT_HEADER_RESET="X-R",
        RATELIMIT_HEADER_RETRY_AFTER="X-A",
        RATELIMIT_HEADER_RETRY_AFTER_VALUE="http-date",
        RATELIMIT_SWALLOW_ERRORS="1",
        RATELIMIT_IN_MEMORY_FALLBACK="3/minute",
        RATELIMIT_KEY_PREFIX="mine",
        RATELIMIT_TRUSTED_PROXIES="10.0.0.0/8, 192.0.2.1",
        RATELIMIT_REQUEST_PARAMETER="optional",
    )
    limiter = Limiter(get_remote_address)
    assert (limiter.enabled, limiter._headers_enabled, limiter._swallow_errors) == (False, True, True)
    assert limiter._storage.native.store == "redis://cache.example.com"
    assert (limiter._strategy, limiter._retry_after, limiter._key_prefix) == ("moving-window", "http-date", "mine")
    names = {HEADERS.LIMIT: "X-L", HEADERS.REMAINING: "X-M", HEADERS.RESET: "X-R", HEADERS.RETRY_AFTER: "X-A"}
    assert limiter._header_mapping == names
    groups = [limiter._default_limits, limiter._application_limits, limiter._in_memory_fallback]
    assert [[str(limit.limit) for group in groups for limit in group] for groups in groups] == [
        ["1 per 1 minute", "5 per 1 hour"],
        ["2 per 1 minute"],
        ["3 per 1 minute"],
    ]
    assert limiter._in_memory_fallback_enabled
    assert limiter.request_parameter == "optional"
    assert limiter.get_app_config("RATELIMIT_KEY_PREFIX") == "mine"
    assert limiter.get_app_config("RATELIMIT_NOTHING", 5) == 5


def test_arguments_win_over_them_but_for_switches(settings):
    settings(
        RATELIMIT_STORAGE_URL="redis://cache.example.com",
        RATELIMIT_STRATEGY="moving-window",
        RATELIMIT_DEFAULT="1/minute",
        RATELIMIT_KEY_PREFIX="theirs",
        RATELIMIT_ENABLED="true",
        RATELIMIT_HEADERS_ENABLED="false",
    )
    limiter = Limiter(
        get_remote_address,
        default_limits=["7/minute"],
        storage_uri="memory://",
        strategy="fixed-window",
        key_prefix="mine",
        enabled=False,
    )
    assert limiter._storage.native.store == "memory://"
    assert (limiter._strategy, limiter._key_prefix, limiter.enabled) == ("fixed-window", "mine", True)
    assert limiter._headers_enabled is False
    assert [str(limit.limit) for group in limiter._default_limits for limit in group] == ["7 per 1 minute"]


def test_a_file_of_another_name_is_read_instead(settings):
    settings(RATELIMIT_KEY_PREFIX="hidden")
    settings("limits.env", RATELIMIT_KEY_PREFIX="mine")
    assert Limiter(get_remote_address, config_filename="limits.env")._key_prefix == "mine"
    assert Limiter(get_remote_address)._key_prefix == "hidden"


def test_the_environment_wins_over_the_file(settings, monkeypatch):
    settings(RATELIMIT_KEY_PREFIX="file")
    monkeypatch.setitem(environ._environ, "RATELIMIT_KEY_PREFIX", "environment")
    assert Limiter(get_remote_address)._key_prefix == "environment"


@pytest.mark.parametrize(
    "wrong", [{"RATELIMIT_ENABLED": "maybe"}, {"RATELIMIT_DEFAULT": "many"}, {"RATELIMIT_STORAGE_OPTIONS": "[1]"}]
)
def test_a_setting_that_makes_no_sense_is_an_error(settings, wrong):
    settings(**wrong)
    with pytest.raises(ValueError, match="|".join(wrong) + "|many"):
        Limiter(get_remote_address)


def test_names_of_headers_are_used(settings, build, statuses):
    settings(RATELIMIT_HEADER_LIMIT="X-L", RATELIMIT_HEADERS_ENABLED="true")
    app, limiter = build()

    @app.get("/")
    @limiter.limit("5/minute")
    def root(request: Request):
        return {}

    from fastapi.testclient import TestClient

    assert TestClient(app).get("/").headers["X-L"] == "5"


@pytest.mark.parametrize(
    ("uri", "url"),
    [
        ("memory://", "memory://"),
        ("async+memory://", "memory://"),
        ("redis://cache:6380/1", "redis://cache:6380/1"),
        ("async+redis://cache", "redis://cache"),
        ("rediss://cache", "rediss://cache"),
        ("redis+unix:///run/redis.sock?db=1", "redis+unix:///run/redis.sock?db=1"),
        ("redis+sentinel://a:26379,b/main", "redis+sentinel://a:26379,b/main"),
        ("async+redis+cluster://a:7000,b:7001", "redis+cluster://a:7000,b:7001"),
        ("valkey://cache", "valkey://cache"),
        ("valkeys://cache", "valkeys://cache"),
        ("memcached://a:11211,b", "memcached://a:11211,b"),
    ],
)
def test_stores_are_named_as_before(uri, url):
    assert store_table(uri, {}) == {"url": url}
    Limiter(get_remote_address, storage_uri=uri)


@pytest.mark.parametrize("uri", ["mongodb://db", "async+mongodb+srv://db", "memory", "etcd://a", ""])
def test_a_store_that_there_is_not_is_an_error(uri):
    with pytest.raises(ValueError, match="memory://"):
        store_table(uri, {})


@pytest.mark.parametrize(
    ("uri", "options", "table"),
    [
        ("redis://a", {"key_prefix": "LIMITS:"}, {"prefix": "LIMITS"}),
        ("redis://a", {"socket_timeout": 0.25, "socket_connect_timeout": 0.1}, {"timeout": "250ms"}),
        ("redis://a", {"socket_timeout": 30}, {"timeout": "1000ms"}),
        ("redis://a", {"socket_timeout": None}, {}),
        ("rediss://a", {"ssl_ca_certs": "ca.pem", "ssl_cert_reqs": "required"}, {"ca": "ca.pem"}),
        ("redis://a/1", {"password": "p@ss/word"}, {"url": "redis://:p%40ss%2Fword@a/1"}),
        ("redis://a", {"username": "me", "password": "x"}, {"url": "redis://me:x@a"}),
        ("redis://you:y@a", {"username": "me", "password": "x"}, {"url": "redis://you:y@a"}),
        ("redis+unix:///s", {"password": "x"}, {"url": "redis+unix:///s?password=x"}),
        ("redis+unix:///s?db=1", {"username": "me", "password": "x"}, {"url": "redis+unix:///s?db=1&username=me&password=x"}),
        ("memory://", {"password": "x"}, {}),
    ],
)
def test_options_of_the_storage_mean_the_same(uri, options, table):
    assert store_table(uri, options) == {"url": uri, **table}


def test_options_without_a_meaning_are_told_and_others_refused(caplog):
    assert store_table("redis://a", {"wrap_exceptions": True}) == {"url": "redis://a"}
    assert "wrap_exceptions" in caplog.text
    for option in ({"connection_pool": object()}, {"ssl_cert_reqs": "none"}, {"ssl_certfile": "me.pem"}):
        with pytest.raises(ValueError, match=next(iter(option))):
            store_table("rediss://a", option)


def test_the_options_that_are_given_stay_as_they_are():
    options = {}
    Limiter(get_remote_address, storage_options=options)
    assert options == {}
