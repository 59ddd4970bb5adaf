"""The shells that people paste commands into."""

import subprocess

from server import TIMEOUT

SHELLS = ["bash", "zsh"]


def paste(shell, script, folder=None, env=None):
    """The output of an interactive shell without configuration, which stops at the first failed command.

    An interactive zsh takes `#` for a command and its comment for arguments.
    """
    command = {"bash": ["bash", "--norc", "--noprofile", "-e"], "zsh": ["zsh", "-f", "-i", "-e", "-o", "no_prompt_sp"]}
    prompts = {"PS1": "", "PS2": "", "PROMPT": "", "PROMPT2": ""}
    shell = subprocess.run(
        command[shell],
        input=script,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        cwd=folder,
        env={**(env or {}), **prompts},
    )
    assert shell.returncode == 0, (script, shell.stdout, shell.stderr)
    return shell.stdout
