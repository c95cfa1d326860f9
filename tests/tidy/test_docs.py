"""The documentation agrees with the code: keys of the workspace, named limits, links, and length."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LINES_MAX = 400
# A section -> the files whose Bind functions read what it describes.
REFERENCE = {
    "tarn.yaml": ["src/app/config.cc", "src/ingestion/buffer/config.h"] + [f"src/access/{name}/config.h" for name in (
        "identity", "audit", "monitoring", "budget", "encryption", "backup")],
    "When it runs": ["src/workspace/timing.cc"],
    "Parts of time": ["src/workspace/partition.cc"],
    "What a run is told": ["src/workspace/parameters.cc"],
    "Sources": ["src/ingestion/connectors/source_file.cc"],
    "Tables": ["src/processing/batch/table_file.cc"],
    "In tarn.yaml": ["src/processing/jobs/config.h"],
    "Keys of a job": ["src/processing/jobs/job_file.cc"],
    "Tests": ["src/processing/batch/test_file.cc", "src/access/identity/policy_case.cc"],
    "Use cases": ["src/processing/batch/use_case_file.cc"],
    "Dashboards": ["src/analysis/dashboards/dashboard_file.cc", "src/analysis/dashboards/report_keys.cc"],
    "Destinations": ["src/processing/destinations/destination_file.cc"],
    "Alerts": ["src/access/alerting/rule.cc"],
    "Policies": ["src/access/identity/policy.cc", "src/access/identity/restriction.cc"],
}
# Sections that stand in a page of their own.
ELSEWHERE = {"In tarn.yaml": ("docs/jobs.md", "In tarn.yaml"), "Keys of a job": ("docs/jobs.md", "Keys of a job"),
             **{name: ("docs/runs.md", name) for name in ("When it runs", "Parts of time", "What a run is told")},
             **{name: (f"docs/{name.lower()}.md", "All keys") for name in ("Dashboards", "Destinations", "Alerts")}}
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def bound_keys(code):
    """(keys that are read, keys that are refused for now) by the Bind functions of a file."""
    read = set(re.findall(r'\bbinder\.(?:Key|Choice|Section|Map|List|Any)\("(\w+)"', code))
    read |= set(re.findall(r'\bkeys\.Key\(\{[^}]*\},\s*"(\w+)"', code))
    refused = set(re.findall(r'\bbinder\.NotYet\("(\w+)"', code))
    for names, body in re.findall(r"for \(const char\* \w+ : \{([^}]*)\}\) \{([^}]*)\}", code):
        if "NotYet" in body:
            refused |= set(re.findall(r'"(\w+)"', names))
    return read, refused


def section(text, title):
    match = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert match, f"there is no section {title}"
    return match.group(1)


def documented_keys(text):
    """The parts of all key paths in the first column: `listen.web` gives listen and web; <name> and [] are left out."""
    paths = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    return {part.removesuffix("[]") for path in paths for part in path.split(".") if not part.startswith("<")}


@pytest.mark.parametrize("title", REFERENCE)
def test_workspace_reference(title):
    read, refused = bound_keys("\n".join((ROOT / file).read_text() for file in REFERENCE[title]))
    assert read, f"no keys were found in {REFERENCE[title]}: does this test still know how they are bound?"
    page, heading = ELSEWHERE.get(title, ("docs/workspace.md", title))
    text = section((ROOT / page).read_text(), heading)
    documented = documented_keys(text)
    assert not read - documented, f"{page}, {heading}: describe {sorted(read - documented)}"
    assert not documented - read, f"{page}, {heading}: no such keys {sorted(documented - read)}"
    told = set(re.findall(r"`(\w+)`", text.rpartition("Refused by name:")[2]))
    assert not refused - told, f"{page}, {heading}: say that {sorted(refused - told)} are refused by name"


def test_limits_are_those_of_the_code():
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+) \| `([^`]+)` \|", (ROOT / "docs/limits.md").read_text(), re.MULTILINE)
    assert len(rows) > 50
    for name, _, file in rows:
        path = ROOT / "src" / file
        assert path.is_file(), f"docs/limits.md: {name}: there is no src/{file}"
        assert re.search(rf"\b{re.escape(name)}\b", path.read_text()), f"docs/limits.md: {name} is not in src/{file}"


@pytest.mark.parametrize("page", PAGES)
def test_page(page):
    text = (ROOT / page).read_text()
    if page != "docs/reference.md":  # printed by the program: nobody reads it from its beginning
        assert len(text.splitlines()) <= LINES_MAX
    prose = re.sub(r"`[^`\n]*`", "", text)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if "://" in target or target.startswith("#"):
            continue
        assert (ROOT / page).parent.joinpath(target.partition("#")[0]).exists(), f"{page} links to {target}"


def test_paths_in_backticks_exist():
    """Files of the project that a page names as `src/x.cc`, `docs/y.md` ... are there."""
    missing = []
    for page in PAGES:
        pattern = r"`((?:src|docs|tests|tools|cmake)/[\w./-]+\.(?:h|cc|md|py|txt|json|cmake))`"
        for path in re.findall(pattern, (ROOT / page).read_text()):
            if not (ROOT / path).exists():
                missing.append(f"{page}: {path}")
    assert not missing, "\n".join(missing)
