"""Rate limits for FastAPI and Starlette.

    from sluicegate.fastapi import RateLimit

    @app.post("/predict", dependencies=[Depends(RateLimit("10/minute"))])
    async def predict(): ...

`RateLimit` is a dependency and a decorator, `RateLimitMiddleware` limits a whole app by a policy file, `metrics` tells how the
limits are used.
"""

from .._metered import StreamCut
from .._native import Answer, Pass
from ..asgi import RateLimitMiddleware
from .exceeded import RateLimitExceeded
from .metrics import metrics
from .rate_limit import RateLimit, default_limiter, permit

__all__ = [
    "Answer",
    "Pass",
    "RateLimit",
    "RateLimitExceeded",
    "RateLimitMiddleware",
    "StreamCut",
    "default_limiter",
    "metrics",
    "permit",
]
