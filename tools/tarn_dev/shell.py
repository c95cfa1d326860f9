"""Paths of the project and a few words for running programs."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build"
DEPS = BUILD / "deps"
VENV = BUILD / "venv"
PYTHON = VENV / "bin" / "python"
JOBS = os.cpu_count() or 2


class Failure(Exception):
    """Something a person has to mend; its text is all they get to see."""


def say(text):
    print(text, flush=True)


def run(arguments, *, cwd=ROOT, env=None, quiet=False):
    """Runs a program; raises Failure with its output when it fails."""
    arguments = [str(a) for a in arguments]
    environment = {**os.environ, **(env or {})}
    if not quiet:
        code = subprocess.run(arguments, cwd=cwd, env=environment).returncode
        output = ""
    else:
        done = subprocess.run(
            arguments, cwd=cwd, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        code, output = done.returncode, done.stdout
    if code != 0:
        raise Failure(f"{output}\nfailed ({code}): {shlex.join(arguments)}".strip())


def replace_with(arguments, env=None):
    """Becomes the program: signals and the exit code are its own."""
    sys.stdout.flush()
    arguments = [str(a) for a in arguments]
    os.execvpe(arguments[0], arguments, {**os.environ, **(env or {})})
