"""Tiers that are sold, requests that cost what they are worth, and a model that has to load first.

    uvicorn tiers:app
"""

import asyncio
import os
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI, Response

from flowers import Batch, One, classify
from sluicegate import Limiter
from sluicegate.fastapi import RateLimit

limiter = Limiter(
    policy={
        # Set by the proxy that knows the callers. Anybody can send it here: it is an example.
        "identity": {"tier": "header:x-user-tier", "default_tier": "free"},
        "tiers": {"free": {}, "premium": {"scale": 5}},
        # A fifth of every limit while the model loads, and back to the whole within five seconds.
        "warmup": {"scale": 0.2, "ready": "/health", "ramp": "5s"},
    }
)


async def load():
    """Stands for reading a few gigabytes of weights."""
    await asyncio.sleep(float(os.environ.get("LOAD_SECONDS", "10")))
    limiter.ready()


@asynccontextmanager
async def lifespan(app: FastAPI):
    loading = asyncio.create_task(load())
    yield
    loading.cancel()


app = FastAPI(title="Tiers and costs", lifespan=lifespan)


# Token buckets, as all limits that name no algorithm: 20 at once, and then one every three seconds.
@app.post("/predict", dependencies=[Depends(RateLimit("20/minute", limiter=limiter))])
async def predict(body: One):
    return {"prediction": classify(body.input)}


# One account for all premium callers together; everybody else gets 403.
only_premium = RateLimit("30/minute", key="tier", require_tier="premium", limiter=limiter)


@app.post("/premium/predict", dependencies=[Depends(only_premium)])
async def premium_predict(body: One):
    return {"prediction": classify(body.input), "model": "large"}


# Each request to the heavy model counts as five.
@app.post("/heavy/predict", dependencies=[Depends(RateLimit("20/minute", cost=5, limiter=limiter))])
async def heavy_predict(body: One):
    return {"prediction": classify(body.input), "model": "heavy"}


# A batch costs as many items as this array of its body is long.
@app.post("/batch-predict", dependencies=[Depends(RateLimit("100 items/minute", cost="/inputs", limiter=limiter))])
async def batch_predict(body: Batch):
    return {"predictions": [classify(flower) for flower in body.inputs]}


@app.get("/health")
async def health(response: Response):
    response.status_code = 200 if limiter.warming_up is None else 503
    return {"ready": limiter.warming_up is None}
