"""Test libraries that move `time.time` move the limits."""

import datetime

import pytest
from fastapi import Request


def limited(build):
    app, limiter = build()

    @app.get("/")
    @limiter.limit("1/minute")
    def root(request: Request):
        return {}

    return app


def test_hiro_moves_them(build, statuses):
    hiro = pytest.importorskip("hiro")
    app = limited(build)
    with hiro.Timeline().freeze() as timeline:
        assert statuses(app, "/", 2) == [200, 429]
        timeline.forward(59)
        assert statuses(app, "/") == [429]
        timeline.forward(1)
        assert statuses(app, "/", 2) == [200, 429]


def test_freezegun_moves_them(build, statuses):
    freezegun = pytest.importorskip("freezegun")
    app = limited(build)
    with freezegun.freeze_time("2030-01-01") as frozen:
        assert statuses(app, "/", 2) == [200, 429]
        frozen.tick(datetime.timedelta(seconds=59))
        assert statuses(app, "/") == [429]
        frozen.tick(datetime.timedelta(seconds=1))
        assert statuses(app, "/", 2) == [200, 429]


def test_time_machine_moves_them(build, statuses):
    time_machine = pytest.importorskip("time_machine")
    app = limited(build)
    with time_machine.travel("2030-01-01", tick=False) as traveller:
        assert statuses(app, "/", 2) == [200, 429]
        traveller.shift(59)
        assert statuses(app, "/") == [429]
        traveller.shift(1)
        assert statuses(app, "/", 2) == [200, 429]
