"""The house style as rules over files: `violations(tree)` returns everything that breaks one.

Run by hand over some folders: ./dev tidy [PATH ...]
"""

import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from source import blank, functions, includes

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 800
LINE_LENGTH_MAX = 120
BLOB_BYTES_MAX = 1 << 20
DOOR_COMMENT_LINES_MIN = 5

# An arrow (an include) may only point to the left.
COMPONENTS = (
    "base", "wire", "security", "metadata", "workspace", "engine",
    "storage/lake", "storage/catalog", "storage/lakehouse", "storage/warehouse",
    "ingestion/registry", "ingestion/buffer", "ingestion/connectors", "ingestion/orchestrator",
    "processing/batch", "processing/jobs", "processing/destinations",
    "processing/streaming", "processing/ml", "processing/etl",
    "analysis/query", "analysis/dashboards", "analysis/reports", "analysis/data_api", "analysis/notebooks",
    "access/identity", "access/monitoring", "access/budget", "access/audit", "access/encryption", "access/alerting",
    "access/governance", "access/backup",
    "app",
)
# Every header of these is public; elsewhere only the door, and what the component's DOORS file lists.
OPEN_COMPONENTS = ("base", "wire", "security")
# Headers that the build makes; the arrows hold for them too.
GENERATED = ("wire/kafka/messages/",)

# Libraries: which headers are theirs, and how many of our files may include them. A file that does is named in the
# ADAPTERS file of its component: "<file> <library>  <why>". None: every file may.
LIBRARIES = {
    "json": (r"nlohmann/", None),
    "fmt": (r"fmt/", None),
    "test": (r"gtest/|gmock/|rapidcheck", None),
    "benchmark": (r"benchmark/", None),
    "posix": (r"(sys|netinet|arpa|linux)/"
              r"|(unistd|fcntl|poll|signal|spawn|dirent|netdb|pthread|termios|syslog|grp|pwd)\.h$", 17),
    "boost": (r"boost/", 8),
    "duckdb": (r"duckdb", 13),
    "sqlite": (r"sqlite3", 5),
    "pq": (r"libpq", 4),
    "mariadb": (r"mysql\.h|mysqld_error\.h|errmsg\.h|ma_pvio\.h", 4),
    "openssl": (r"openssl/", 8),
    "protobuf": (r"google/protobuf/", 2),
    "yaml": (r"yaml-cpp/", 2),
    "curl": (r"curl/", 2),
    "pugixml": (r"pugixml", 3),
    "simdjson": (r"simdjson", 3),
    "cli11": (r"CLI/", 4),
    "argon2": (r"argon2", 1),
    "roaring": (r"roaring/", 4),
    "isal": (r"isa-l", 4),
    "xxhash": (r"xxhash", 4),
    "zstd": (r"zstd", 4),
    "lz4": (r"lz4", 3),
    "snappy": (r"snappy", 3),
    "zlib": (r"zlib", 4),
    "re2": (r"re2/", 6),
    "date": (r"date/", 4),
    "seccomp": (r"seccomp", 2),
    "dl": (r"dlfcn\.h$", 1),
    "duktape": (r"duktape", 1),
    "rsvg": (r"librsvg/|pango/|cairo", 1),
    "malloc": (r"malloc\.h$", 1),
}
TEST_ONLY_LIBRARIES = {"test": ("_test.cc", "_for_test.h", "_for_test.cc"), "benchmark": ("_bench.cc",)}
# What a test may lean on besides doors: headers of other components that exist for tests.
TEST_FILES = ("_test.cc", "_for_test.h", "_for_test.cc")
# Some headers are written in C: <cstdint>, not <stdint.h>.
C_HEADER = re.compile(r"^(assert|ctype|errno|float|limits|locale|math|setjmp"
                      r"|stdarg|stddef|stdint|stdio|stdlib|string|time|wchar)\.h$")


@dataclass(frozen=True)
class Ban:
    pattern: str
    instead: str
    allowed: str = "$^"  # paths below src/ where it is the right thing


FREE_CALL = r"(?<![\w.>:~])(?:(?<!\w)::|std::)?"  # not a method, not a name in a namespace of ours
GLOBAL_CALL = r"(?<![\w>])::"  # names so common that only the spelling ::name( is meant
ENV = r"^base/(env|process)\w*\."
TESTS = r"|_test\.(cc|h)$"
BANS = (
    Ban(FREE_CALL + r"(open|openat|creat|fopen|fdopen|fsync|fdatasync|sync_file_range|mmap|unlink|rename|mkdir|rmdir"
        r"|ftruncate|pread|pwrite|opendir|readdir|mkstemp|flock)\s*\(", "Files of base/env.h", ENV),
    Ban(r"\bstd::(o|i)?fstream\b|\bstd::filesystem\b", "Files of base/env.h", ENV + TESTS),
    Ban(FREE_CALL + r"(gettimeofday|clock_gettime|localtime|localtime_r|gmtime|mktime|ctime)\s*\("
        r"|" + FREE_CALL + r"time\s*\(\s*(nullptr|NULL|0|&\w+)\s*\)|_clock::now\s*\(",
        "Clock of base/env.h", ENV + "|^base/time"),
    Ban(r"\bsleep_(for|until)\s*\(|" + FREE_CALL + r"(u|nano)?sleep\s*\(", "Clock::Sleep of base/env.h", ENV),
    Ban(FREE_CALL + r"(s?rand|[dlm]rand48|random|getrandom|getentropy|RAND_bytes)\s*\(|\brandom_device\b|\bmt19937",
        "Random of base/env.h", ENV + r"|^base/(net_tls|crypto)"),
    Ban(FREE_CALL + r"(socket|getaddrinfo|gethostbyname|accept4)\s*\("
        r"|" + GLOBAL_CALL + r"(connect|bind|listen|accept|send|recv)\s*\(",
        "listeners and the dialer of base/net.h", r"^base/(net|http)"),
    Ban(FREE_CALL + r"(fork|vfork|execv\w*|execl\w*|posix_spawn\w*|popen|system)\s*\(", "Process of base/process.h",
        r"^base/process|^processing/\w+/sandbox"),
    Ban(FREE_CALL + r"(getenv|secure_getenv|setenv|putenv)\s*\(", "configuration, handed in from app/",
        r"^(app|base)/" + TESTS),
    Ban(r"\bstd::(cout|cerr|clog)\b|" + FREE_CALL + r"(v?f?printf|f?puts|putchar)\s*\(|\bfmt::print\s*\(",
        "Log of base/log.h", r"^app/|^base/(log|result)"),
    Ban(r"\.detach\s*\(\s*\)", "an Executor of base/executor.h, or a thread that its owner joins"),
    Ban(r"\bstd::async\b", "an Executor of base/executor.h"),
    Ban(FREE_CALL + r"assert\s*\(", "TARN_CHECK of base/result.h, which release builds keep"),
    Ban(FREE_CALL + r"(exit|_exit|quick_exit|abort|terminate)\s*\(", "an Error; only app/ ends the program",
        r"^app/|^base/"),
    Ban(FREE_CALL + r"(strcpy|strcat|sprintf|vsprintf|strtok|gets|alloca)\s*\(", "std::string, fmt::format"),
    Ban(FREE_CALL + r"(ato[ifl]|atoll|sto(i|l|ul|ll|ull|f|d)|strto\w+)\s*\(", "std::from_chars, or a parser of base/"),
    Ban(r"\busing\s+namespace\s+(?!std::(\w+_)?literals|std::chrono_literals)", "qualified names"),
)

# Written in pieces, so that this file does not break its own rules.
STRAY_MARKS = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
MACHINE_PATH = re.compile(r"(?<![\w./~$}-])/(work|root|opt/wheels)/[\w.]")
REGISTRY_HOST = re.compile(
    r"npm" r"js\.(org|com)|py" r"pi\.org|python" r"hosted|deb\.deb" r"ian\.org|crates" r"\.io|proxy\.go" r"lang|"
    r"repo1?\.ma" r"ven|artifact" r"ory|ne" r"xus\.", re.IGNORECASE)
CODE_SUFFIXES = (".h", ".cc", ".py", ".ts", ".tsx", ".js", ".css", ".cmake")


@dataclass(frozen=True, order=True)
class Violation:
    path: str
    line: int
    rule: str
    text: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.text}"


@dataclass
class Tree:
    """The files under test: path below the project's root -> content; None for binary files, only their size counts."""
    files: dict[str, str | None]
    sizes: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of_project(cls, root: Path):
        names = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=root, stdout=subprocess.PIPE, check=True).stdout.decode().split("\0")
        tree = cls({})
        for name in names:
            path = root / name
            if not name or not path.is_file():
                continue
            content = path.read_bytes()
            tree.sizes[name] = len(content)
            try:
                tree.files[name] = content.decode()
            except UnicodeDecodeError:
                tree.files[name] = None
        return tree

    def cpp(self):
        for path, text in self.files.items():
            if text is not None and path.startswith("src/") and path.endswith((".h", ".cc")):
                yield path, text

    def component_lists(self, name):
        """(path, component, [(line, first word, second word)]) of each DOORS or ADAPTERS file."""
        for path, text in self.files.items():
            if text is not None and path.startswith("src/") and path.endswith("/" + name):
                rows = [(number, *(line.split() + ["", ""])[:2], len(line.split()))
                        for number, line in enumerate(text.splitlines(), 1) if line.strip() and line[0] != "#"]
                yield path, path.removeprefix("src/").removesuffix("/" + name), rows


def component_of(path):
    """The component that a path below src/ lies in, or None."""
    for component in COMPONENTS:
        if path.startswith(component + "/"):
            return component
    return None


def door_of(component):
    return f"{component}/{component.rsplit('/', 1)[-1]}.h"


def check_sizes(tree):
    for path, text in tree.files.items():
        if tree.sizes.get(path, len(text or "")) > BLOB_BYTES_MAX:
            yield Violation(path, 1, "blob", f"over {BLOB_BYTES_MAX} bytes; data comes through ./dev setup")
        if text is None or not path.endswith(CODE_SUFFIXES):
            continue
        lines = text.splitlines()
        if len(lines) > FILE_LINES_MAX:
            yield Violation(path, 1, "file length", f"{len(lines)} lines, {FILE_LINES_MAX} at most")
        for number, line in enumerate(lines, 1):
            if len(line) > LINE_LENGTH_MAX:
                yield Violation(path, number, "line length", f"{len(line)} characters, {LINE_LENGTH_MAX} at most")


def check_functions(tree):
    for path, text in tree.cpp():
        for function in functions(text):
            if function.lines > FUNCTION_LINES_MAX:
                head = function.head[-80:]
                yield Violation(path, function.line, "function length",
                                f"{function.lines} lines, {FUNCTION_LINES_MAX} at most: {head}")


def check_bans(tree):
    for path, text in tree.cpp():
        code = blank(text)
        for ban in BANS:
            if re.search(ban.allowed, path.removeprefix("src/")):
                continue
            for match in re.finditer(ban.pattern, code):
                line = code.count("\n", 0, match.start()) + 1
                yield Violation(path, line, "banned", f"{match.group(0).strip()} ... use {ban.instead}")


def check_text(tree):
    for path, text in tree.files.items():
        if text is None or path == "LICENSE":
            continue
        for number, line in enumerate(text.splitlines(), 1):
            for rule, pattern in (("stray mark", STRAY_MARKS), ("machine path", MACHINE_PATH),
                                  ("registry host", REGISTRY_HOST)):
                found = pattern.search(line)
                if found:
                    yield Violation(path, number, rule, found.group(0))


def check_headers(tree):
    for path, text in tree.cpp():
        if not path.endswith(".h"):
            continue
        if not re.search(r"^#pragma once$", text, re.MULTILINE):
            yield Violation(path, 1, "header", "no #pragma once")
        component = component_of(path.removeprefix("src/"))
        if component and path == "src/" + door_of(component):
            comment = re.match(r"(?://[^\n]*\n)*", text).group(0).count("\n")
            if comment < DOOR_COMMENT_LINES_MIN:
                yield Violation(path, 1, "door", f"opens with {comment} comment lines, {DOOR_COMMENT_LINES_MIN} at "
                                "least: what it is, what it never does, owner, threads, state, failures, an example")


def check_arrows(tree):
    """Includes of our own headers: they exist, point to the left, and enter through doors."""
    doors = {}
    for path, component, rows in tree.component_lists("DOORS"):
        for line, header, reason, _ in rows:
            doors[f"{component}/{header}"] = (path, line)
            if not reason:
                yield Violation(path, line, "doors", f"{header}: say why after the name")
            if f"src/{component}/{header}" not in tree.files:
                yield Violation(path, line, "doors", f"there is no {header}")
    used = set()
    for path, text in tree.cpp():
        own = component_of(path.removeprefix("src/"))
        if own is None:
            yield Violation(path, 1, "arrow", "in no component that tests/tidy/rules.py lists")
            continue
        for line, kind, target in includes(text):
            if kind != '"':
                continue
            other = component_of(target)
            if other is None or ("src/" + target not in tree.files and not target.startswith(GENERATED)):
                yield Violation(path, line, "include", f'"{target}" is no header below src/')
            elif other != own:
                used.add(target)
                if COMPONENTS.index(other) > COMPONENTS.index(own):
                    yield Violation(path, line, "arrow", f"{own} may not know {other}")
                elif target.endswith("_for_test.h") and path.endswith(TEST_FILES):
                    continue
                elif other not in OPEN_COMPONENTS and target != door_of(other) and target not in doors:
                    yield Violation(path, line, "door", f"{target} is private: use {door_of(other)}, "
                                    f"or list it in src/{other}/DOORS with a reason")
    if "src/app/main.cc" in tree.files:  # before there is a program, a door may still wait for who uses it
        for header, (path, line) in doors.items():
            if header not in used:
                yield Violation(path, line, "doors", f"nobody outside includes {header}: take it out")


def library_of(header):
    for library, (pattern, _) in LIBRARIES.items():
        if re.match(pattern, header):
            return library
    return None


def check_adapters(tree):
    """Third-party headers stay in the few files that ADAPTERS lists, and the lists name nothing that is not so."""
    listed, used = {}, {}
    for path, component, rows in tree.component_lists("ADAPTERS"):
        for line, file, library, words in rows:
            if library not in LIBRARIES or LIBRARIES[library][1] is None:
                yield Violation(path, line, "adapters", f"'{library}' is no library that needs a permission")
            elif words < 3:
                yield Violation(path, line, "adapters", "a row is: file library why")
            listed[(f"src/{component}/{file}", library)] = (path, line)
    for path, text in tree.cpp():
        for line, kind, header in includes(text):
            if kind == "<" and C_HEADER.match(header):
                yield Violation(path, line, "include", f"<{header}>: use <c{header.removesuffix('.h')}>")
            elif kind == "<" and ("." in header or "/" in header):
                yield from _check_library(path, line, header, listed, used)
    for key, (path, line) in listed.items():
        if key not in used:
            yield Violation(path, line, "adapters", f"{key[0]} does not include {key[1]}: take the row out")
    for library, (_, files_max) in LIBRARIES.items():
        files = sorted(file for file, name in used if name == library)
        if files_max is not None and len(files) > files_max:
            yield Violation(files[-1], 1, "adapters",
                            f"{len(files)} files include {library}, {files_max} at most: {files}")


def _check_library(path, line, header, listed, used):
    library = library_of(header)
    if library is None:
        yield Violation(path, line, "include", f"<{header}> belongs to no library that tests/tidy/rules.py lists")
        return
    suffixes = TEST_ONLY_LIBRARIES.get(library)
    if suffixes and not path.endswith(suffixes):
        yield Violation(path, line, "include", f"<{header}> is for files named *{', *'.join(suffixes)}")
    if LIBRARIES[library][1] is None:
        return
    first = (path, library) not in used
    used[(path, library)] = line
    if first and (path, library) not in listed:
        component = component_of(path.removeprefix("src/"))
        yield Violation(path, line, "adapters", f"<{header}> is not for every file: go through who wraps it, or add "
                        f"'{path.removeprefix(f'src/{component}/')} {library} <why>' to src/{component}/ADAPTERS")


CHECKS = (check_sizes, check_functions, check_bans, check_text, check_headers, check_arrows, check_adapters)


def violations(tree):
    return sorted({violation for check in CHECKS for violation in check(tree)})


def main(paths):
    root = Path(__file__).resolve().parent.parent.parent
    prefixes = tuple(str(Path(path).resolve().relative_to(root)) for path in paths) or ("",)
    found = [v for v in violations(Tree.of_project(root)) if v.path.startswith(prefixes) or prefixes == (".",)]
    print("\n".join(map(str, found)) or "tidy")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
