#!/usr/bin/env bash
# FastAPI refuses a body that is no JSON before it calls any dependency, and one of the wrong shape after it has called all.
#
# One would guess that `dependencies=[Depends(…)]` runs for every request of a route, as a middleware does. A limit, an
# audit or a counter that stands there never learns of requests with a malformed body: clients may send these without
# end, each is read and parsed, and none is counted. Both are answered with 422. What must see all requests belongs into
# a middleware.
#
# Prints the versions and how often the dependency ran. Exits with 1 if that changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check fastapi==0.165.0 starlette==1.10.0 httpx==0.28.1

"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import fastapi
import starlette
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel


class Item(BaseModel):
    size: int


ran = []
app = FastAPI()


@app.post("/", dependencies=[Depends(lambda: ran.append(1))])
def endpoint(item: Item):
    return item


def ask(body):
    ran.clear()
    answer = TestClient(app).post("/", content=body, headers={"content-type": "application/json"})
    return answer.status_code, len(ran)


print(f"fastapi {fastapi.__version__}, starlette {starlette.__version__}")
seen = {body: ask(body) for body in ('{"size": 1}', '{"size": "large"}', '{"size": ')}
for body, (status, times) in seen.items():
    print(f"{body:20} status {status}, the dependency ran {times} times")
expected = {'{"size": 1}': (200, 1), '{"size": "large"}': (422, 1), '{"size": ': (422, 0)}
raise SystemExit(0 if seen == expected else 1)
PYTHON
