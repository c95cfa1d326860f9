"""The commands of `./dev`."""

import sys

from . import build, setup
from .shell import Failure


def main(arguments):
    commands = {
        "setup": lambda args: setup.setup(),
        "build": build.command,
    }
    if not arguments or arguments[0] in ("help", "-h", "--help"):
        print(__doc__)
        return 0
    try:
        return commands[arguments[0]](arguments[1:]) or 0
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
