"""Commands that build and then become a program: bench, demo, run, soak, pictures."""

from .build import build
from .shell import PYTHON, ROOT, Failure, replace_with, run


def test_environment(folder):
    """How the tests find what was built."""
    return {"TARN_PROGRAM": str(folder / "tarn"), "PYTHONDONTWRITEBYTECODE": "1"}


def demo(arguments):
    replace_with([build() / "tarn", "demo", "flights", *arguments])


def up(arguments):
    replace_with([build() / "tarn", "up", *arguments])


def bench(arguments):
    folder = build()
    scripts = {path.stem: [PYTHON, path] for path in sorted((ROOT / "tests/bench").glob("*.py")) if path.stem[0] != "_"}
    scripts.pop("conftest", None)
    programs = {path.stem.removesuffix("_bench"): [path] for path in sorted((folder / "benches").glob("*_bench"))}
    known = {**programs, **scripts}
    for name in arguments or scripts:
        if name not in known:
            raise Failure(f"no benchmark {name}; there are: {', '.join(known) or 'none yet'}")
        run(known[name], env=test_environment(folder))


def soak(arguments):
    names = sorted(path.stem.removeprefix("soak_") for path in (ROOT / "tests/crash").glob("soak_*.py"))
    if not arguments or arguments[0] not in names:
        known = ", ".join(names) or "none yet"
        raise Failure(f"usage: ./dev soak NAME [--seed N] [--minutes M]; NAME is one of: {known}")
    folder = build()
    replace_with([PYTHON, ROOT / "tests/crash" / f"soak_{arguments[0]}.py", *arguments[1:]], test_environment(folder))


def pictures(_arguments):
    replace_with([PYTHON, ROOT / "tests/browser/pictures.py"], test_environment(build()))
