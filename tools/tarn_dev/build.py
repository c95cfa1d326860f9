"""`./dev build`: configure and compile one preset."""

from .setup import setup
from .shell import BUILD, ROOT, Failure, run

PRESETS = ("release", "dev", "asan", "tsan")


def build(preset="release", targets=()):
    """Sets up, configures when that was not done yet, compiles. Returns the build folder."""
    if preset not in PRESETS:
        raise Failure(f"unknown preset {preset}: one of {', '.join(PRESETS)}")
    setup()
    folder = BUILD / preset
    if not (folder / "build.ninja").exists():
        run(["cmake", "--preset", preset], cwd=ROOT, quiet=True)
    run(["cmake", "--build", folder, *(["--target", *targets] if targets else [])])
    return folder


def command(arguments):
    build(*arguments[:1])
