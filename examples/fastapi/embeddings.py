"""Embeddings by a model of scikit-learn's, limited by texts and by requests in flight, and paid for by what was embedded.

    uvicorn embeddings:app
"""

from typing import Annotated

from fastapi import Depends, FastAPI
from pydantic import BaseModel
from sklearn import datasets
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from sluicegate.fastapi import Pass, RateLimit, metrics


class Texts(BaseModel):
    inputs: list[str]


def train():
    """A model of what scikit-learn's own data sets say of themselves: words that share lines have like meanings."""
    loaders = [datasets.load_iris, datasets.load_wine, datasets.load_breast_cancer, datasets.load_diabetes]
    lines = [line for load in loaders for line in load().DESCR.splitlines()]
    words = TfidfVectorizer(stop_words="english", sublinear_tf=True)
    return make_pipeline(words, TruncatedSVD(32, random_state=0), Normalizer()).fit(lines)


model = train()

app = FastAPI(title="Embeddings")
app.add_route("/metrics", metrics)

# For each client a token bucket of texts, and two slots: a third request at once is denied. One decision takes both, or none.
limit = RateLimit("200 items/minute", "2 concurrent", cost="/inputs")


@app.post("/embed")
def embed(body: Texts, permit: Annotated[Pass, Depends(limit)]):
    different = list(dict.fromkeys(body.inputs))
    vectors = model.transform(different).round(4).tolist() if different else []
    # Every text was charged before; one that came twice was embedded once, and is paid for once.
    permit.settle(items=len(different))
    known = dict(zip(different, vectors, strict=True))
    return {"embeddings": [known[text] for text in body.inputs], "usage": {"items": len(different)}}
