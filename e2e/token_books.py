"""The gateway's books of tokens: everything that was charged, by the balances of limits too large to be spent."""

import httpx

from server import TIMEOUT

QUOTA = 1_000_000_000

LIMITS = f"""
[defaults]
key = "global"
algorithm = "fixed-window"

[limits.requests]
quota = "{QUOTA} requests/day"

[limits.input]
quota = "{QUOTA} input_tokens/day"

[limits.output]
quota = "{QUOTA} output_tokens/day"

[limits.slots]
quota = "1000 concurrent"
"""

METERS = {
    "/v1/chat/completions": "openai",
    "/v1/completions": "openai",
    "/v1/responses": "openai",
    "/v1/embeddings": "openai",
    "/v1/messages": "anthropic",
    "/api/chat": "ollama",
    "/api/generate": "ollama",
    "/completion": "llama.cpp",
}


def policy(paths=METERS, settings=""):
    """A policy that meters these paths, with more settings of their meters, and whose limits deny nothing."""
    settings = settings and f", {settings}"
    routes = [
        f'[[route]]\npath = "{path}"\nmeter = {{ tokens = "{METERS[path]}"{settings} }}\nlimits = ["requests", "input", "output", "slots"]\n'
        for path in paths
    ]
    return LIMITS + "\n" + "\n".join(routes)


class Books:
    """What the limits of `policy()` have charged since the gateway began."""

    def __init__(self, gateway):
        answer = ADMIN.get(f"{gateway.admin_url}/limits", params={"key": "global"}).raise_for_status()
        remaining = {limit["limit"]: limit["remaining"] for limit in answer.json()["limits"]}
        self.requests = QUOTA - remaining["requests"]
        self.input = QUOTA - remaining["input"]
        self.output = QUOTA - remaining["output"]
        self.slots = 1000 - remaining["slots"]

    def __sub__(self, earlier):
        """The requests, input tokens and output tokens charged since `earlier`."""
        return (self.requests - earlier.requests, self.input - earlier.input, self.output - earlier.output)


# One client for all gateways: making one takes longer than its request.
ADMIN = httpx.Client(timeout=TIMEOUT)
