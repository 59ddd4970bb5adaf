"""llama.cpp's server with a small Gemma model, as the example starts it."""

import os
from pathlib import Path

import httpx

from server import Server, free_port

EXAMPLE = Path(__file__).parents[1] / "examples" / "llama"
SLOTS = 2


class Llama(Server):
    """Two slots on one thread. Without a prompt cache, so that its counters have every token of every prompt."""

    def __init__(self, folder):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [os.environ["LLAMA_PYTHON"], EXAMPLE / "llama_server.py", "--port", port, "--no-prompt-cache"]
        sizes = ["--slots", SLOTS, "--context", 512, "--threads", 1]
        super().__init__([*command, *sizes, "--folder", folder], f"{self.url}/health", folder / "llama.log")

    def busy(self):
        """The number of slots that generate."""
        return sum(slot["is_processing"] for slot in httpx.get(f"{self.url}/slots").raise_for_status().json())

    def counted(self):
        """The tokens of prompts that it has processed, and those that it has produced."""
        lines = httpx.get(f"{self.url}/metrics").raise_for_status().text.splitlines()
        counters = dict(line.split() for line in lines if not line.startswith("#"))
        return int(counters["llamacpp:prompt_tokens_total"]), int(counters["llamacpp:tokens_predicted_total"])
