"""Stock Redis clients that ask for decisions, with the policy of docs/resp.md."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from server import TIMEOUT, free_port

PAGE = (Path(__file__).parents[1] / "docs/resp.md").read_text()
TOKEN = "0123456789abcdef"


def sample(language):
    """The code block of the page in a language."""
    return PAGE.split(f"```{language}\n")[1].split("```")[0]


@pytest.fixture
def serve(start):
    """Starts a gateway that speaks the protocol, and gives its port: `port, gateway = serve()`."""

    def serve(more=""):
        policy = sample("toml").replace("127.0.0.1:8081", f"127.0.0.1:{free_port()}")
        port = free_port()
        gateway = start(policy.replace("127.0.0.1:6380", f"127.0.0.1:{port}") + more)
        return port, gateway

    return serve


def run(*command, given=None):
    """What a program prints."""
    done = subprocess.run(
        [str(word) for word in command], input=given, capture_output=True, text=True, timeout=TIMEOUT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_shows_what_redis_cli_prints(serve):
    port, _ = serve()
    command = sample("sh").split()
    assert command[:3] == ["redis-cli", "-p", "6380"]
    reply = run("redis-cli", "--no-raw", "-p", port, *command[3:])
    expected = next(block for block in PAGE.split("```text\n")[1:] if block.startswith("1) "))
    assert reply == expected.split("```")[0]


def test_redis_cli_asks_by_either_protocol_and_from_its_prompt(serve):
    port, _ = serve(f'token = "{TOKEN}"\n')
    for protocol in ["-2", "-3"]:
        asked = ["redis-cli", "--no-raw", protocol, "-p", port, "--no-auth-warning", "-a", TOKEN]
        assert run(*asked, "CL.THROTTLE", protocol, 0, 1, 86400).splitlines()[0] == "1) (integer) 0"
        assert run(*asked, "CL.THROTTLE", protocol, 0, 1, 86400).splitlines()[:2] == ["1) (integer) 1", "2) (integer) 1"]
    prompt = run("redis-cli", "-p", port, given=f"AUTH {TOKEN}\nTHROTTLE a 2 1 86400\nCOMMAND DOCS\nQUIT\n")
    assert prompt.startswith("OK\n1\n2\n1\n86400\n0\n") and "Takes from an account" in prompt
    assert "NOAUTH" in run("redis-cli", "-p", port, "PING")


def test_redis_cli_pipes_commands(serve):
    port, _ = serve()
    commands = "".join(f"CL.THROTTLE key:{number} 1 1 60\r\n" for number in range(20_000))
    told = run("redis-cli", "-p", port, "--pipe", given=commands)
    assert "errors: 0, replies: 20000" in told, told


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_decides_and_pipelines(serve, protocol):
    port, gateway = serve(f'token = "{TOKEN}"\n')
    with redis.Redis(port=port, password=TOKEN, protocol=protocol, client_name="app") as client:
        assert client.ping()
        assert client.client_getname() in ("app", b"app")
        assert client.execute_command("CL.THROTTLE", "a", 1, 1, 86400) == [0, 2, 1, -1, 86400]
        assert client.execute_command("THROTTLE", "b", 1, 1, 86400) == [1, 1, 0, 86400, 0]
        pipeline = client.pipeline(transaction=False)
        for number in range(10_000):
            pipeline.execute_command("CL.THROTTLE", f"key:{number % 100}", 49, 1, 86400)
        replies = pipeline.execute()
        assert [sum(reply[0] == limited for reply in replies) for limited in (0, 1)] == [5_000, 5_000]
        assert [reply[2] for reply in replies[::100]][:51] == [*range(49, -1, -1), 0]
        with pytest.raises(redis.ResponseError, match="max_burst is to be a whole number"):
            client.execute_command("CL.THROTTLE", "a", "many", 1, 1)
        with pytest.raises(redis.ResponseError, match="unknown command 'GET'"):
            client.get("a")
    assert gateway.labelled("sluicegate_throttle_decisions_total", 'decision="deny"') == 5_000
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=port, password="wrong", protocol=protocol).ping()


IOREDIS = """
const Redis = require(process.argv[1]);
const redis = new Redis({ port: Number(process.argv[2]), password: process.argv[3], connectionName: "app" });
(async () => {
  const first = await redis.call("CL.THROTTLE", "a", 1, 1, 86400);
  const pipeline = redis.pipeline();
  for (let number = 0; number < 1000; number++) pipeline.call("THROTTLE", "b", 10, 1, 86400);
  const replies = await pipeline.exec();
  const wrong = await redis.call("CL.THROTTLE", "a").catch((error) => error.message);
  const allowed = replies.filter(([error, reply]) => error === null && reply[0] === 1).length;
  console.log(JSON.stringify({ first, allowed, wrong, pong: await redis.ping() }));
  await redis.quit();
})();
"""


def test_ioredis_decides_and_pipelines(serve):
    port, _ = serve(f'token = "{TOKEN}"\n')
    library = Path(sys.prefix) / "node_modules" / "ioredis"
    told = json.loads(run("node", "-e", IOREDIS, library, port, TOKEN))
    assert told["first"] == [0, 2, 1, -1, 86400]
    assert (told["allowed"], told["pong"]) == (10, "PONG")
    assert "CL.THROTTLE key max_burst count period [quantity]" in told["wrong"]


@pytest.mark.parametrize("pipeline", [1, 16])
def test_redis_benchmark_runs_clean(serve, pipeline):
    port, gateway = serve()
    command = ["CL.THROTTLE", "key:__rand_int__", 9, 10, 60]
    told = run("redis-benchmark", "-p", port, "-c", 50, "-n", 20_000, "-r", 1_000, "-P", pipeline, "-q", *command)
    assert "requests per second" in told and "rror" not in told and "WARN" not in told, told
    decided = gateway.labelled("sluicegate_throttle_decisions_total", 'command="cl.throttle"')
    # With so many clients, it may send some more than it waits for.
    assert 20_000 <= decided <= 20_000 + 50 * pipeline


def test_gateways_on_one_redis_share_the_accounts(serve, arrange):
    shared = f'\n[store]\nurl = "{arrange("redis").url}"\ntimeout = "1s"\n'
    clients = [redis.Redis(port=serve(shared)[0]) for _ in range(2)]
    replies = [client.execute_command("CL.THROTTLE", "a", 4, 1, 86400) for client in clients * 5]
    assert [reply[0] for reply in replies] == [0] * 5 + [1] * 5
    assert [reply[2] for reply in replies] == [4, 3, 2, 1, 0] + [0] * 5
    pipeline = clients[0].pipeline(transaction=False)
    for _ in range(1_000):
        pipeline.execute_command("THROTTLE", "b", 500, 1, 86400)
    assert [reply[2] for reply in pipeline.execute()] == [*range(499, -1, -1)] + [0] * 500
