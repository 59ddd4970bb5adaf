"""Limits in memory: each client has an account for each path.

    uvicorn memory:app
"""

from fastapi import Depends, FastAPI

from flowers import AVERAGES, Batch, One, classify
from sluicegate.fastapi import RateLimit

app = FastAPI(title="Limits in memory")

# A fixed window is what "10 per 60 s" says to most people: ten requests, and the next ones a minute after the first. Without
# `algorithm` it is a token bucket: ten at once, and then one more every six seconds.
predict_limit = RateLimit("10/60 seconds", algorithm="fixed-window")
batch_limit = RateLimit("2/60 seconds", algorithm="fixed-window")


@app.post("/predict", dependencies=[Depends(predict_limit)])
async def predict(body: One):
    return {"prediction": classify(body.input)}


@app.post("/batch-predict", dependencies=[Depends(batch_limit)])
async def batch_predict(body: Batch):
    return {"predictions": [classify(flower) for flower in body.inputs]}


@app.get("/model-info")
async def model_info():
    return {"model": "nearest average flower", "classes": list(AVERAGES)}
