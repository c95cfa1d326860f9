"""`./dev test`: every suite, and as the last line the count of all of them.

Unit tests are the GoogleTest programs that ctest knows; the other suites are folders of pytest, and vitest for the web
UI. The whole run has one time limit; a suite that would cross it is stopped and counts as a failure.
"""

import json
import os
import re
import signal
import subprocess
import time
import xml.etree.ElementTree
from concurrent.futures import ThreadPoolExecutor

from .build import build
from .launch import test_environment
from .shell import BUILD, JOBS, PYTHON, ROOT, Failure, say

PYTEST_SUITES = ("tidy", "functional", "conformance", "crash")
SUITES = ("unit", *PYTEST_SUITES, "web")
TOTAL_MINUTES_MAX = 55
UNIT_PROGRAM_SECONDS_MAX = 600
RESULTS = BUILD / "test_results"
PYTEST_NO_TESTS = 5


class Totals:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.deadline = time.monotonic() + TOTAL_MINUTES_MAX * 60

    def add(self, passed, failed, skipped=0):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped

    def seconds_left(self):
        return max(1.0, self.deadline - time.monotonic())

    def __str__(self):
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def command(arguments):
    fast = "--fast" in arguments
    wanted = [name for name in arguments if name != "--fast"] or list(SUITES)
    unknown = [name for name in wanted if name not in SUITES]
    if unknown:
        raise Failure(f"./dev test has no suite {unknown[0]}; there are: {', '.join(SUITES)}")
    totals = Totals()
    try:
        folder = build()
        for name in wanted:
            if name == "unit":
                run_unit_tests(folder, totals, fast)
            elif name == "web":
                _run_web(totals)
            else:
                run_pytest(name, folder, totals, fast)
    except Failure as failure:
        say(str(failure))
        totals.add(0, 1)
    say(str(totals))
    return 1 if totals.failed or not totals.passed else 0


def run_unit_tests(folder, totals, fast=False):
    """Runs each *_test program of the build folder, several at once."""
    listing = subprocess.run(["ctest", "--show-only=json-v1"], cwd=folder, stdout=subprocess.PIPE, check=True).stdout
    programs = [test["command"][0] for test in json.loads(listing)["tests"] if "command" in test]
    arguments = ["--gtest_brief=1", *(["--gtest_filter=-*Slow*"] if fast else [])]
    with ThreadPoolExecutor(JOBS) as pool:
        seconds_max = min(UNIT_PROGRAM_SECONDS_MAX, totals.seconds_left())
        outcomes = pool.map(lambda program: _run_unit_program([program, *arguments], folder, seconds_max), programs)
        for program, (passed, failed, skipped, seconds, output) in zip(programs, outcomes):
            say(f"unit {os.path.basename(program):32} {passed} passed, {failed} failed, {seconds:.1f} s")
            if failed:
                say(output)
            totals.add(passed, failed, skipped)


def _run_unit_program(arguments, folder, seconds_max):
    started = time.monotonic()
    code, output = _run_limited(arguments, folder, seconds_max)
    passed = _number(r"\[  PASSED  \] (\d+) test", output)
    failed = len(re.findall(r"^\[  FAILED  \] \S+.*\(\d+ ms\)$", output, re.MULTILINE))
    skipped = _number(r"\[  SKIPPED \] (\d+) tests?[.,]", output)
    if code != 0 and not failed:  # a crash, a time-out or a leak that the sanitizer found after the last test
        failed = 1
        output += f"\n{os.path.basename(arguments[0])} ended with {code}"
    return passed, failed, skipped, time.monotonic() - started, output


def _number(pattern, text):
    found = re.search(pattern, text)
    return int(found.group(1)) if found else 0


def _run_limited(arguments, folder, seconds_max, env=None, echo=False):
    """Runs a program in a process group of its own, which ends with the time limit. Returns (exit code, output)."""
    process = subprocess.Popen(
        [str(a) for a in arguments], cwd=folder, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
        stdout=None if echo else subprocess.PIPE, stderr=None if echo else subprocess.STDOUT,
        text=True, errors="replace", start_new_session=True)
    try:
        output, _ = process.communicate(timeout=seconds_max)
        return process.returncode, output or ""
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return -signal.SIGKILL, (output or "") + f"\nstopped: over its time limit of {seconds_max:.0f} s"
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGKILL)
        raise


def run_pytest(name, folder, totals, fast=False):
    path = ROOT / "tests" / name
    if not path.is_dir() or not any(path.rglob("test_*.py")):
        return
    RESULTS.mkdir(exist_ok=True)
    report = RESULTS / f"{name}.xml"
    report.unlink(missing_ok=True)
    code, output = _run_limited(
        [PYTHON, "-m", "pytest", "-q", "--no-header", "--color=no", "-p", "no:cacheprovider", f"--junitxml={report}",
         *(["-m", "not slow"] if fast else []), path],
        ROOT, totals.seconds_left(), test_environment(folder), echo=True)
    if output:
        say(output)
    if code == PYTEST_NO_TESTS:
        return
    passed = failed = skipped = 0
    if report.exists():
        suite = xml.etree.ElementTree.parse(report).getroot().find("testsuite")
        failed = int(suite.get("failures")) + int(suite.get("errors"))
        skipped = int(suite.get("skipped"))
        passed = int(suite.get("tests")) - failed - skipped
    if code != 0 and not failed:
        failed = 1
    say(f"{name}: {passed} passed, {failed} failed, {skipped} skipped")
    totals.add(passed, failed, skipped)


def _run_web(totals):
    manifest = ROOT / "web/package.json"
    if not manifest.exists() or "test" not in json.loads(manifest.read_text()).get("scripts", {}):
        return
    RESULTS.mkdir(exist_ok=True)
    report = RESULTS / "web.json"
    report.unlink(missing_ok=True)
    code, output = _run_limited(
        ["npm", "run", "--silent", "test", "--", "--run", "--reporter=default", "--reporter=json",
         f"--outputFile.json={report}"], ROOT / "web", totals.seconds_left())
    passed = failed = 0
    if report.exists():
        counts = json.loads(report.read_text())
        passed, failed = counts["numPassedTests"], counts["numFailedTests"]
    if code != 0:
        failed = max(failed, 1)
        say(output)
    say(f"web: {passed} passed, {failed} failed")
    totals.add(passed, failed)
