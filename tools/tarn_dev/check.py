"""`./dev check`: what must hold before a commit and is too slow for every test run. `./dev format` mends the layout."""

import json
import subprocess
import sys

from .build import build
from .setup import setup
from .shell import BUILD, ROOT, Failure, run, say
from .test import Totals, run_pytest, run_unit_tests


def format_sources(arguments):
    setup()
    run(["clang-format-16", "-i", *(arguments or cpp_sources())], quiet=True)


def tidy(arguments):
    return subprocess.run([sys.executable, "-B", ROOT / "tests/tidy/rules.py", *arguments]).returncode


def command(arguments):
    unknown = set(arguments) - {"--tsan", "--lint"}
    if unknown:
        raise Failure(f"./dev check does not know {' '.join(unknown)}")
    setup()
    failures = []

    def attempt(name, action):
        say(f"== {name}")
        try:
            action()
        except Failure as failure:
            say(str(failure))
            failures.append(name)

    attempt("format", lambda: run(["clang-format-16", "--dry-run", "-Werror", *cpp_sources()], quiet=True))
    attempt("house style", _tidy)
    attempt("headers compile alone", lambda: build("dev", ["header_check"]))
    attempt("asan", lambda: _sanitized("asan"))
    if "--tsan" in arguments:
        attempt("tsan", lambda: _sanitized("tsan"))
    if "--lint" in arguments:
        attempt("lint", _lint)
    if (ROOT / "web/package.json").exists():
        attempt("web", _web)
    say("failed: " + ", ".join(failures) if failures else "all checks passed")
    return 1 if failures else 0


def cpp_sources():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.cc", "*.h"],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return [name for name in listed if (ROOT / name).exists()]


def _tidy():
    totals = Totals()
    run_pytest("tidy", ROOT / "build/release", totals)
    if totals.failed:
        raise Failure("")


def _sanitized(preset):
    totals = Totals()
    run_unit_tests(build(preset), totals)
    if totals.failed or not totals.passed:
        raise Failure(f"{preset}: {totals}")


def _lint():
    run(["cmake", "--preset", "asan"], quiet=True)
    sources = [name for name in cpp_sources() if name.startswith("src/") and name.endswith(".cc")]
    run(["clang-tidy-16", "--quiet", "-p", BUILD / "asan", *sources])


def _web():
    scripts = json.loads((ROOT / "web/package.json").read_text()).get("scripts", {})
    for name in ("lint", "typecheck"):
        if name in scripts:
            run(["npm", "run", "--silent", name], cwd=ROOT / "web")
