"""Installs what building and testing need: Debian packages, pinned artifacts, the Python venv, Node packages.

Every step has a stamp keyed by the hash of its inputs, so a second run only compares hashes.
"""

import contextlib
import fcntl
import fnmatch
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

from .shell import BUILD, DEPS, PYTHON, ROOT, VENV, Failure, run, say

APT_LIST = ROOT / "tools" / "apt.txt"
ARTIFACT_LOCK = ROOT / "tools" / "artifacts.lock.json"
REQUIREMENTS = ROOT / "tests" / "requirements.txt"
NODE_FOLDERS = ("web", "tests/browser")
STAMPS = BUILD / ".setup"
POSTGRES_CLUSTER_CONF = "/etc/postgresql-common/createcluster.conf"


def setup():
    """Runs every step whose inputs changed. Several may call at once: a lock makes them take turns."""
    BUILD.mkdir(exist_ok=True)
    with _lock():
        _apt()
        _step("artifacts", [ARTIFACT_LOCK], _artifacts)
        _step("python", [REQUIREMENTS], _python)
        for folder in NODE_FOLDERS:
            lock = ROOT / folder / "package-lock.json"
            if lock.exists():
                _step("node-" + folder.replace("/", "-"), [lock], lambda folder=folder: _node(folder))


@contextlib.contextmanager
def _lock():
    with open(BUILD / ".setup.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _step(name, inputs, action):
    digest = hashlib.sha256()
    for path in inputs:
        digest.update(path.read_bytes())
    stamp = STAMPS / name
    if stamp.exists() and stamp.read_text() == digest.hexdigest():
        return
    action()
    STAMPS.mkdir(exist_ok=True)
    stamp.write_text(digest.hexdigest())


def _apt():
    wanted = [line.strip() for line in APT_LIST.read_text().splitlines() if line.strip() and line[0] != "#"]
    if not shutil.which("dpkg-query"):
        say("setup: no dpkg here, so install what tools/apt.txt lists by your system's own means")
        return
    known = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *wanted],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    installed = {line.split()[0] for line in known.splitlines() if line.endswith(" installed")}
    missing = [package for package in wanted if package not in installed]
    if not missing:
        return
    say(f"setup: installing Debian packages that tools/apt.txt asks for: {' '.join(missing)}")
    become_root = [] if os.geteuid() == 0 else ["sudo"]
    if become_root and not shutil.which("sudo"):
        raise Failure("setup: neither root nor sudo; as root run: apt-get install " + " ".join(missing))
    if "postgresql" in missing and not os.path.exists(POSTGRES_CLUSTER_CONF):
        # The tests start servers of their own; a cluster that listens for nobody is not wanted.
        run([*become_root, "sh", "-c",
             f"mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' > {POSTGRES_CLUSTER_CONF}"])
    environment = [*become_root, "env", "DEBIAN_FRONTEND=noninteractive"]
    run([*environment, "apt-get", "update", "-q"], quiet=True)
    run([*environment, "apt-get", "install", "-q", "-y", "--no-install-recommends",
         "-o", "Dpkg::Options::=--force-confold", *missing], quiet=True)


def _artifacts():
    for artifact in json.loads(ARTIFACT_LOCK.read_text())["artifacts"]:
        _step("artifact-" + artifact["name"] + "-" + artifact["sha256"][:12], [], lambda a=artifact: _artifact(a))


def _artifact(artifact):
    say(f"setup: getting {artifact['package']}")
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        if artifact["client"] == "npm":
            run(["npm", "pack", "--silent", artifact["package"]], cwd=folder, quiet=True)
        elif artifact["client"] == "pip-wheel":
            run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:",
                 "-d", ".", artifact["package"]], cwd=folder, quiet=True)
        else:
            name = artifact["package"].split("==")[0]
            run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", name,
                 "-d", ".", artifact["package"]], cwd=folder, quiet=True)
        archive = os.path.join(folder, artifact["file"])
        if not os.path.exists(archive):
            raise Failure(f"setup: expected {artifact['file']}, got {os.listdir(folder)}")
        with open(archive, "rb") as file:
            found = hashlib.sha256(file.read()).hexdigest()
        if found != artifact["sha256"]:
            raise Failure(f"setup: {artifact['file']} has sha256 {found}, not the one in {ARTIFACT_LOCK.name}")
        _unpack(archive, artifact)


def _unpack(archive, artifact):
    for name, read in _members(archive):
        for pattern, parts_dropped, folder in artifact["unpack"]:
            if not fnmatch.fnmatchcase(name, pattern):
                continue
            parts = name.split("/")[parts_dropped:]
            if ".." in parts:
                raise Failure(f"setup: {artifact['file']} holds the path {name}")
            target = DEPS.joinpath(folder, *parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            target.write_bytes(read())
            break
    for name in artifact.get("unzip", []):
        with zipfile.ZipFile(DEPS / name) as file:
            file.extractall((DEPS / name).parent)
        (DEPS / name).unlink()


def _members(archive):
    """Yields (path inside the archive, function that reads it) for each plain file."""
    if archive.endswith(".whl"):
        with zipfile.ZipFile(archive) as file:
            for name in file.namelist():
                if not name.endswith("/"):
                    yield name, lambda name=name: file.read(name)
        return
    with tarfile.open(archive) as file:
        for member in file:
            if member.isfile():
                yield member.name, lambda member=member: file.extractfile(member).read()


def _python():
    say("setup: making build/venv with what tests/requirements.txt lists")
    if not PYTHON.exists():
        run([sys.executable, "-m", "venv", VENV], quiet=True)
    run([PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes", "--no-deps",
         "-r", REQUIREMENTS], quiet=True)


def _node(folder):
    say(f"setup: installing the Node packages of {folder}/")
    # Browsers come from Debian, so no package may fetch one of its own while it installs.
    run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=ROOT / folder, quiet=True,
        env={"PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1"})
