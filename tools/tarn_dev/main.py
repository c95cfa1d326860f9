"""Usage: ./dev COMMAND ...

  setup                install what is missing: Debian packages, pinned libraries, venv, Node packages
  build [PRESET]       compile build/PRESET (release; also dev, asan, tsan); leaves build/release/tarn
  test [--fast] [SUITE ...]
                       build, then every suite; --fast leaves out tests marked slow; the last line counts them all
  check [--tsan] [--lint]
                       format, house style, every header alone, unit tests under the address sanitizer
  tidy [PATH ...]      what breaks the house style there, in a second
  format               lay out the C++ sources as .clang-format says
  bench [NAME ...]     tests/bench/NAME.py, or a component's NAME_bench
  demo [ARGUMENTS]     build, then: tarn demo flights ARGUMENTS
  run [ARGUMENTS]      build, then: tarn up ARGUMENTS
  soak NAME [--seed N] [--minutes M]
                       build, then tests/crash/soak_NAME.py: long, seeded, resumable
  package              build, then a tarball, a .deb and a container file in build/package
  pictures             build, then take the pictures of the web UI that README.md shows, in Chromium
"""

import sys

from . import build, check, launch, package, setup, test
from .shell import Failure

COMMANDS = {
    "setup": lambda arguments: setup.setup(),
    "build": build.command,
    "test": test.command,
    "check": check.command,
    "tidy": check.tidy,
    "format": check.format_sources,
    "bench": launch.bench,
    "demo": launch.demo,
    "run": launch.up,
    "soak": launch.soak,
    "package": package.command,
    "pictures": launch.pictures,
}


def main(arguments):
    if not arguments or arguments[0] in ("help", "-h", "--help"):
        print(__doc__)
        return 0
    if arguments[0] not in COMMANDS:
        print(f"./dev has no command {arguments[0]}\n\n{__doc__}", file=sys.stderr)
        return 2
    try:
        return COMMANDS[arguments[0]](arguments[1:]) or 0
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
