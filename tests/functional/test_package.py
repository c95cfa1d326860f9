"""What `./dev package` makes runs where it is unpacked and is the same twice; unit and container file hold together."""

import os
import re
import shutil
import subprocess
import sys
import tarfile

import pytest
from tarn_program import PROGRAM, ROOT, Tarn, write_files

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    sys.path.insert(0, str(ROOT / "tools"))
    from tarn_dev import package
    folder = tmp_path_factory.mktemp("package")
    return package, {path.name.split("_")[0].split("-")[0] if path.suffix != ".deb" else "deb": path
                     for path in package.package(PROGRAM, folder)}, folder


@pytest.fixture(scope="module")
def installed(packages, tmp_path_factory):
    """The .deb, unpacked below a folder."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run(["dpkg-deb", "-x", packages[1]["deb"], folder], check=True)
    return folder


def test_the_deb_runs_without_the_build(installed, tmp_path, monkeypatch):
    program = installed / "usr/bin/tarn"
    linked = subprocess.run(["ldd", program.resolve()], capture_output=True, text=True).stdout
    assert f"libduckdb.so => {installed}/usr/lib/tarn" in linked and "not found" not in linked
    dynamic = subprocess.run(["readelf", "-d", program.resolve()], capture_output=True, text=True).stdout
    assert re.search(r"R(UN)?PATH.*\[\$ORIGIN\]", dynamic)
    assert str(ROOT).encode() not in program.read_bytes()
    monkeypatch.setattr("tarn_program.PROGRAM", program)
    write_files(tmp_path / "w", {"tarn.yaml": ""})
    with Tarn(tmp_path / "w") as tarn:
        tarn.start()
        assert tarn.value("SELECT 40 + 2") == 42
        assert tarn.json("backup", tmp_path / "b")["files"] > 3
        assert tarn.stop() == 0


def test_the_deb_says_what_it_needs(packages, installed):
    deb = packages[1]["deb"]
    fields = subprocess.run(["dpkg-deb", "-f", deb], capture_output=True, text=True, check=True).stdout
    for needed in ("libc6", "libssl3", "libpq5", "libstdc++6"):
        assert re.search(rf"Depends:.*\b{re.escape(needed)}(?![\w-])", fields)
    listing = subprocess.run(["dpkg-deb", "-c", deb], capture_output=True, text=True, check=True).stdout
    assert all(line.split()[1] == "root/root" for line in listing.splitlines())
    notices = (installed / "usr/share/doc/tarn/THIRD_PARTY.txt").read_text()
    for name in ("DuckDB", "SQLite3 Multiple Ciphers", "libboost", "react ", "nycflights13"):
        assert name in notices
    manual = subprocess.run(["gzip", "-dc", installed / "usr/share/man/man1/tarn.1.gz"], capture_output=True, text=True)
    for command in ("UP", "BACKUP", "RESTORE", "DOCTOR", "RELOAD"):
        assert f".SH {command}\n" in manual.stdout
    for script in ("postinst", "prerm"):
        subprocess.run(["sh", "-n", ROOT / "tools/package" / script], check=True)


def test_the_same_bytes_twice(packages, tmp_path):
    package, first, folder = packages
    for path in package.package(PROGRAM, tmp_path / "again"):
        assert path.read_bytes() == (folder / path.name).read_bytes(), path.name


def test_the_tarball_and_its_container_file(packages, tmp_path):
    _, files, folder = packages
    container = files["Containerfile"].read_text()
    assert not re.search(r"@\w+@", container)
    added = re.search(r"^ADD (\S+) /opt/$", container, re.MULTILINE).group(1)
    with tarfile.open(folder / added) as archive:
        archive.extractall(tmp_path)
    linked = re.search(r"ln -s /opt/(\S+) /usr/bin/tarn", container).group(1)
    done = subprocess.run([tmp_path / linked, "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("tarn ")
    assert re.search(r"^USER [1-9]", container, re.MULTILINE), "not as root"
    fields = subprocess.run(["dpkg-deb", "-f", files["deb"], "Depends"], capture_output=True, text=True).stdout
    for needed in re.findall(r"(?:^|, )(lib[\w.+-]+)", fields):
        assert f" {needed} " in container


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_the_unit(tmp_path):
    unit = (ROOT / "tools/package/tarn.service").read_text().replace("/usr/bin/tarn", str(PROGRAM))
    unit = re.sub("^Documentation=.*\n", "", unit, flags=re.MULTILINE)
    (tmp_path / "tarn.service").write_text(unit)
    done = subprocess.run(["systemd-analyze", "verify", tmp_path / "tarn.service"], capture_output=True, text=True,
                          env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"})
    complaints = [line for line in done.stderr.splitlines() if "tarn.service" in line]
    assert not complaints, complaints
    for line in ("ProtectSystem=strict", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "LoadCredential=root.key:"):
        assert line in unit
