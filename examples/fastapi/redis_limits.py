"""Limits in Redis, which all workers and machines share. While Redis does not answer, each process goes on by its own memory.

    SLUICEGATE_STORE__URL=redis://127.0.0.1:6379 uvicorn redis_limits:app --workers 4
"""

import os
from contextlib import asynccontextmanager

from fastapi import FastAPI

from flowers import Batch, One, classify
from sluicegate import Limiter, StoreError
from sluicegate.fastapi import RateLimit

limiter = Limiter(os.environ.get("SLUICEGATE_STORE__URL", "redis://127.0.0.1:6379"))


@asynccontextmanager
async def lifespan(app: FastAPI):
    try:
        await limiter.check_async()  # connects, so that the first request does not wait for that
    except StoreError as error:
        if error.misconfiguration:  # such as a wrong password: start only once that is mended
            raise
    yield


app = FastAPI(title="Limits in Redis", lifespan=lifespan)


@app.post("/predict")
@RateLimit("20/60 seconds", algorithm="fixed-window", limiter=limiter)
async def predict(body: One):
    return {"prediction": classify(body.input)}


@app.post("/batch-predict")
@RateLimit("5/300 seconds", algorithm="fixed-window", limiter=limiter)
async def batch_predict(body: Batch):
    return {"predictions": [classify(flower) for flower in body.inputs]}
