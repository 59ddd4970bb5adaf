#!/usr/bin/env bash
# How fastapi-limiter 0.2.0 counts: RateLimiter(limiter=Limiter(Rate(2, Duration.MINUTE)), identifier=…) on two routes, asked
# by four callers that the identifier tells apart. One would expect two requests a minute for each caller of each route, as in
# 0.1.6 and as the argument `identifier` says.
#
# Seen with fastapi-limiter 0.2.0, pyrate-limiter 4.5.1 and FastAPI 0.165.0 on Python 3.11:
#
#     fastapi-limiter 0.2.0, pyrate-limiter 4.5.1
#     caller a  /x 200  /y 200
#     caller b  /x 429  /y 429
#     caller c  /x 429  /y 429
#     caller d  /x 429  /y 429
#
# pyrate-limiter makes a single bucket of rates and puts every name into it, so that all callers of all routes share one
# account. Callers are told apart only with a BucketFactory of one's own.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    fastapi-limiter==0.2.0 pyrate-limiter==4.5.1 fastapi==0.165.0 httpx==0.28.1

cat >"$folder/ask.py" <<'PYTHON'
import sys
from importlib.metadata import version

from fastapi import Depends, FastAPI, Request
from fastapi.testclient import TestClient
from fastapi_limiter.depends import RateLimiter
from pyrate_limiter import Duration, Limiter, Rate


async def caller(request: Request):
    return request.headers["x-caller"]


app = FastAPI()
limit = Depends(RateLimiter(limiter=Limiter(Rate(2, Duration.MINUTE)), identifier=caller))
for path in ("/x", "/y"):
    app.get(path, dependencies=[limit])(lambda: "ok")

client = TestClient(app)
seen = {name: [client.get(path, headers={"x-caller": name}).status_code for path in ("/x", "/y")] for name in "abcd"}

print(f"fastapi-limiter {version('fastapi-limiter')}, pyrate-limiter {version('pyrate-limiter')}")
for name, (x, y) in seen.items():
    print(f"caller {name}  /x {x}  /y {y}")
sys.exit(seen != {"a": [200, 200], "b": [429, 429], "c": [429, 429], "d": [429, 429]})
PYTHON
"$folder/env/bin/python" -W ignore "$folder/ask.py"
