"""Routes and requests for tokens on the paths of the mock model, and the mark of a token in the streams of three dialects."""

import re

MESSAGES = [{"role": "user", "content": "How many gates has the river?"}]

# A route whose streams take ten tokens at a time.
ROUTE = """
[[route]]
path = "{path}"
meter = {{ tokens = "{meter}", default_output = 10 }}
limits = ["{limit}"]
"""

# The request of each path, for at most n tokens.
BODIES = {
    "/v1/chat/completions": lambda n: {"messages": MESSAGES, "max_tokens": n},
    "/v1/completions": lambda n: {"prompt": "Count the gates", "max_tokens": n},
    "/v1/responses": lambda n: {"input": "Count the gates", "max_output_tokens": n},
    "/v1/messages": lambda n: {"messages": MESSAGES, "max_tokens": n},
    "/api/chat": lambda n: {"messages": MESSAGES, "options": {"num_predict": n}},
    "/api/generate": lambda n: {"prompt": "Count the gates", "options": {"num_predict": n}},
}
DELTAS = {
    "/v1/chat/completions": re.compile(rb'"delta":{"content":"[^"]'),
    "/v1/messages": re.compile(rb'"type":"content_block_delta"'),
    "/api/chat": re.compile(rb'"done":false'),
}
