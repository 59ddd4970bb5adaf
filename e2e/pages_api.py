"""An API for pages: `pages_api.py PORT [ORIGIN]`. With an origin, FastAPI's CORSMiddleware lets its pages call."""

import sys
from collections import Counter

import uvicorn
from fastapi import Cookie, FastAPI, Response
from fastapi.middleware.cors import CORSMiddleware

app = FastAPI()
calls = Counter()


@app.get("/calls")
def seen():
    return calls


@app.post("/predict")
def predict():
    return {"class": "setosa"}


@app.post("/login")
def login(response: Response):
    response.set_cookie("session", "s3cret", httponly=True)
    return {"logged": "in"}


@app.get("/me")
def me(session: str = Cookie("nobody")):
    return {"session": session}


@app.get("/api/items")
def items():
    return ["a", "b"]


if len(sys.argv) > 2:
    app.add_middleware(
        CORSMiddleware,
        allow_origins=[sys.argv[2]],
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["x-model"],
        max_age=0,
    )


async def counted(scope, receive, send):
    if scope["type"] == "http" and scope["path"] != "/calls":
        calls[f"{scope['method']} {scope['path']}"] += 1
    await app(scope, receive, send)


uvicorn.run(counted, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
