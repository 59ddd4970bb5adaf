"""A model server as many are written: FastAPI before scikit-learn models of the iris data set. It knows no limits.

`python model_server.py PORT` serves it on loopback. The paths under /control are for tests, which call them
directly: what the server was asked, whether it says that it is ready, and when a stream goes on.
"""

import asyncio
import json
import sys
from collections import Counter

import uvicorn
from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

IRIS = load_iris()
LIGHTWEIGHT = LogisticRegression(max_iter=1000).fit(IRIS.data, IRIS.target)
HEAVY = RandomForestClassifier(n_estimators=20, random_state=0).fit(IRIS.data, IRIS.target)


class Control:
    """The state that tests see and set."""

    def __init__(self):
        self.streams = 0
        self.reset()

    def reset(self):
        self.ready = True
        self.calls = Counter()
        self.last_headers = {}
        self.next_event = asyncio.Event()


control = Control()
app = FastAPI()


class One(BaseModel):
    input: list[float]


class Many(BaseModel):
    inputs: list[list[float]]


class Count:
    """Counts requests, those too that match no path."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and not scope["path"].startswith("/control/"):
            request = Request(scope)
            control.calls[request.url.path] += 1
            control.last_headers[request.url.path] = request.headers.items()
        await self.app(scope, receive, send)


app.add_middleware(Count)


@app.post("/predict")
@app.post("/premium/predict")
@app.post("/tiered/predict")
@app.post("/models/lightweight/predict")
async def predict(one: One):
    return {"prediction": species(LIGHTWEIGHT, [one.input])[0]}


@app.post("/models/heavy/predict")
async def predict_heavy(one: One):
    return {"prediction": species(HEAVY, [one.input])[0]}


@app.post("/batch-predict")
@app.post("/predict/batch")
@app.post("/models/batch-process")
async def predict_batch(many: Many):
    return {"predictions": species(LIGHTWEIGHT, many.inputs)}


@app.get("/model-info")
async def model_info():
    return {"data_set": "iris", "classes": IRIS.target_names.tolist(), "features": IRIS.feature_names}


@app.get("/models/{name}")
async def model(name: str):
    return {"name": name}


@app.get("/health")
async def health():
    if control.ready:
        return {"status": "ready"}
    return JSONResponse({"status": "warming up"}, status_code=503)


@app.post("/echo")
async def echo(request: Request):
    """The body, byte for byte."""
    return Response(await request.body(), media_type="application/octet-stream")


@app.get("/stream")
async def stream():
    """Server-sent events: the first at once, each other when /control/next is asked for it, three in all."""

    async def events():
        control.streams += 1
        try:
            for number in range(3):
                if number:
                    await control.next_event.wait()
                    control.next_event.clear()
                yield f"data: {json.dumps({'number': number})}\n\n"
        finally:
            control.streams -= 1

    return StreamingResponse(events(), media_type="text/event-stream")


@app.websocket("/socket")
async def socket(websocket: WebSocket):
    """Says the species of each flower that it is told, until the client has no more."""
    await websocket.accept()
    async for flower in websocket.iter_json():
        await websocket.send_json(species(LIGHTWEIGHT, [flower])[0])


@app.get("/control/state")
async def state():
    return {"calls": control.calls, "last_headers": control.last_headers, "streams": control.streams}


@app.put("/control/reset")
async def reset():
    control.reset()


@app.put("/control/ready/{ready}")
async def set_ready(ready: bool):
    control.ready = ready


@app.put("/control/next")
async def next_event():
    control.next_event.set()


def species(model, flowers):
    return [str(IRIS.target_names[index]) for index in model.predict(flowers)]


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
