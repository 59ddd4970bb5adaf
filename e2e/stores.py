"""Real servers of Redis, and a proxy that fails on demand, as tests start and break them."""

import json
import os
import subprocess


class Stores:
    """Some servers that belong together, until `stop()`: `Stores("redis", "aof")`, `Stores("sentinel")`.

    What can be started, and what it can be told, is in `crates/sluicegate-test-servers/src/main.rs`.
    """

    def __init__(self, *arrangement):
        command = [os.environ["TEST_SERVERS_BIN"], *(str(word) for word in arrangement)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        """Tells the servers something, and waits for the answer."""
        try:
            print(json.dumps([str(word) for word in words]), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            pass  # it has ended, so it does not answer either
        answer = self.process.stdout.readline()
        assert answer, f"{self.process.args[1:]} could not do {words}; what it says is on standard error"
        return json.loads(answer)

    @property
    def url(self):
        return self.ask("url")

    def port(self, server=0):
        return int(self.ask("port", server))

    def ca(self, server=0):
        """The file with the certificate of the authority that has signed the server's."""
        return self.ask("ca", server)

    def command(self, *words, server=0):
        """Sends a command to one of the servers."""
        return self.ask("command", server, *words)

    def kill(self, server=0):
        """`kill -9`."""
        self.ask("kill", server)

    def pause(self, server=0):
        """SIGSTOP."""
        self.ask("pause", server)

    def resume(self, server=0):
        self.ask("resume", server)

    def restart(self, server=0):
        """On the same port, with the same files."""
        self.ask("restart", server)

    def catch_up(self, replica, primary):
        """Waits until a replica has everything that its primary has."""
        self.ask("catch_up", replica, primary)

    def clients(self, server=0):
        """The numbers of the connections to a server by TCP."""
        lines = self.command("CLIENT", "LIST", server=server).splitlines()
        fields = [dict(word.split("=", 1) for word in line.split()) for line in lines if line]
        return {line["id"] for line in fields if line["addr"].startswith("127.0.0.1:") and line["laddr"] != "?:0"}

    def stop(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


class Proxy(Stores):
    """A proxy before the server on a port of this machine."""

    def __init__(self, port):
        super().__init__("proxy", port)
        self.port = int(self.ask("port"))
        self.url = f"redis://127.0.0.1:{self.port}"

    port = url = None  # its own, and not those of a server
