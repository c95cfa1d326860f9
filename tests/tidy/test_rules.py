"""Each rule can fail: small sources that break it, and their neighbours that do not."""

import pytest
import rules
from rules import Tree
from source import blank, functions


def found(check, path="src/base/x.cc", text="", **others):
    files = {path: text, **{name.replace("__", "/"): content for name, content in others.items()}}
    return [violation.text for violation in check(Tree(files))]


def test_long_files_and_lines_fail():
    assert found(rules.check_sizes, text="x\n" * 801)
    assert found(rules.check_sizes, path="web/src/a.tsx", text="x\n" * 801)
    assert not found(rules.check_sizes, text="x\n" * 800)
    assert found(rules.check_sizes, text="x" * 121)
    assert not found(rules.check_sizes, text="x" * 120)


def test_a_blob_fails():
    assert list(rules.check_sizes(Tree({"a.bin": None}, {"a.bin": (1 << 20) + 1})))


FUNCTION_HEADS = [
    "int Main(int a) ",
    "Status Lake::Put(Bytes b) const noexcept ",
    "auto Name() -> std::vector<int> ",
    "Foo::Foo(int a) : a_(a), b_{a} ",
    "Foo::Foo(int a) : a_{a} ",
    "TEST(Lake, Puts) ",
    "template <typename T> requires(sizeof(T) > 1) T Max(T a) ",
    "bool operator()(int a) ",
    "class A { public: [[nodiscard]] int F() override ",
    "namespace a::b { struct C : B { C() ",
]


@pytest.mark.parametrize("head", FUNCTION_HEADS)
def test_function_lines_are_counted(head):
    closing = "}" * head.replace("b_{a}", "").replace("a_{a}", "").count("{")
    body = 'if (x) {\n  y = {1, 2}; s = "}{"; c = \'{\'; // }\n}\n' * 3
    text = f"\n{head}{{\n{body}}}\n{closing}"
    assert [function.lines for function in functions(text)] == [11]
    assert functions(text)[0].line == 2


def test_what_is_no_function():
    assert not functions("const Row kRows[] = {\n  {1, F(2)},\n  {3, F(4)},\n};\nenum class A : int {\n a };\n")
    assert not functions("#define TRY(x) \\\n ({ \\\n x; })\n")
    assert not functions("struct A {\n int b{1};\n std::map<int, int> c = {{1, 2}};\n};\n")
    assert [f.head for f in functions("int a{1};\nint F() {\n}\nint G() {\n}\n")] == ["int F()", "int G()"]


def test_a_long_function_fails():
    assert found(rules.check_functions, text="void F() {\n" + "a;\n" * 69 + "}\n")
    assert not found(rules.check_functions, text="void F() {\n" + "a;\n" * 68 + "}\n")


def test_literals_and_comments_are_blanked():
    assert blank('a("x//y"); // b\nR"(c "d\n)" 1\'000 \'"\' e').split() == ['a("");', '""', "1'000", "'", "'", "e"]


BANNED = [
    "int f = open(path);", "::open(path);", "fsync(fd);", "std::rename(a, b);", "std::ofstream file;",
    "std::filesystem::path p;", "time(nullptr);", "std::chrono::system_clock::now();", "gettimeofday(&t, 0);",
    "std::this_thread::sleep_for(1s);", "rand();", "std::random_device d;", "socket(AF_INET, 0, 0);",
    "::connect(fd, a, b);", "fork();", "std::getenv(name);", "std::cout << 1;", "printf(format);",
    "std::thread(F).detach();", "assert(a);", "std::exit(1);", "atoi(a);", "std::stoi(a);", "using namespace std;",
]
ALLOWED = [
    "file.open(path);", "files->open(path);", "Open(path);", "lake::open(path);", "reopen(path);", "// open(path)",
    'Log("open(path)");', "Timestamp time(now);", "socket_(a);", "std::bind(a, b);", "stream.connect(a);",
    "static_assert(a);", "TARN_CHECK(a);", "using namespace std::chrono_literals;", "on_exit(a);",
]


@pytest.mark.parametrize("text", BANNED)
def test_banned(text):
    assert found(rules.check_bans, path="src/storage/lake/a.cc", text=text)


@pytest.mark.parametrize("text", ALLOWED)
def test_not_banned(text):
    assert not found(rules.check_bans, path="src/storage/lake/a.cc", text=text)


def test_banned_calls_are_allowed_where_they_belong():
    assert not found(rules.check_bans, path="src/base/env_posix.cc", text="open(path); fsync(fd); time(nullptr);")
    assert not found(rules.check_bans, path="src/app/main.cc", text="std::cout << 1;")


def test_stray_marks_paths_and_hosts_fail():
    for text in ("// TO" "DO: later", "see /wo" "rk/main", "https://registry.npm" "js.org/x"):
        assert found(rules.check_text, path="docs/a.md", text=text), text
    assert not found(rules.check_text, path="docs/a.md", text="the work/root of it; build/work/x; todo lists")


def test_headers_need_their_guard_and_doors_their_words():
    assert found(rules.check_headers, path="src/base/a.h", text="int a;\n")
    assert not found(rules.check_headers, path="src/base/a.h", text="#pragma once\n")
    assert found(rules.check_headers, path="src/storage/lake/lake.h", text="// Lake.\n#pragma once\n")
    assert not found(rules.check_headers, path="src/storage/lake/lake.h", text="// Lake.\n" * 5 + "#pragma once\n")


LAKE = {"src__storage__lake__lake.h": "", "src__storage__lake__pack.h": ""}


@pytest.mark.parametrize("path, include, fails", [
    ("src/ingestion/connectors/a.cc", "storage/lake/lake.h", False),
    ("src/storage/lakehouse/a.cc", "storage/lake/lake.h", False),
    ("src/storage/lake/a.cc", "storage/lake/pack.h", False),
    ("src/storage/lakehouse/a.cc", "storage/lake/pack.h", True),  # private
    ("src/engine/a.cc", "storage/lake/lake.h", True),  # to the right
    ("src/storage/lakehouse/a.cc", "lake.h", True),  # not from src/
    ("src/storage/lakehouse/a.cc", "storage/lake/gone.h", True),
    ("src/nowhere/a.cc", "storage/lake/lake.h", True),  # no such component
    ("src/ingestion/buffer/a.cc", "wire/kafka/messages/fetch.h", False),  # made by the build
    ("src/base/a.cc", "wire/kafka/messages/fetch.h", True),
])
def test_arrows_and_doors(path, include, fails):
    assert bool(found(rules.check_arrows, path=path, text=f'#include "{include}"\n', **LAKE)) == fails


def test_test_support_is_for_tests():
    lake = {**LAKE, "src__storage__lake__lake_for_test.h": ""}
    include = '#include "storage/lake/lake_for_test.h"\n'
    assert not found(rules.check_arrows, path="src/storage/lakehouse/a_test.cc", text=include, **lake)
    assert found(rules.check_arrows, path="src/storage/lakehouse/a.cc", text=include, **lake)
    assert found(rules.check_arrows, path="src/engine/a_test.cc", text=include, **lake)  # to the right


def test_doors_file():
    include = '#include "storage/lake/pack.h"\n'
    opened = {**LAKE, "src__storage__lake__DOORS": "pack.h  compaction reads packs\n"}
    assert not found(rules.check_arrows, path="src/storage/lakehouse/a.cc", text=include, **opened)
    assert found(rules.check_arrows, path="src/app/main.cc", text="", **opened)  # nobody uses it
    assert found(rules.check_arrows, path="src/base/a.cc", src__storage__lake__DOORS="gone.h  why\n")
    assert found(rules.check_arrows, path="src/base/a.cc", **LAKE, src__storage__lake__DOORS="pack.h\n")  # no reason


def test_adapters():
    path, text, row = "src/metadata/sqlite.cc", "#include <sqlite3.h>\n", "sqlite.cc sqlite the adapter\n"
    assert found(rules.check_adapters, path=path, text=text)
    assert not found(rules.check_adapters, path=path, text=text, src__metadata__ADAPTERS=row)
    assert found(rules.check_adapters, path=path, text="", src__metadata__ADAPTERS=row)
    assert found(rules.check_adapters, path=path, text=text, src__metadata__ADAPTERS="sqlite.cc sqlite\n")
    assert not found(rules.check_adapters, text="#include <nlohmann/json.hpp>\n#include <vector>\n")
    assert found(rules.check_adapters, text="#include <stdint.h>\n")
    assert found(rules.check_adapters, text="#include <gtest/gtest.h>\n")
    assert not found(rules.check_adapters, path="src/base/x_test.cc", text="#include <gtest/gtest.h>\n")
    assert found(rules.check_adapters, text="#include <unheard/of.h>\n")


def test_each_library_has_a_ceiling():
    over = rules.LIBRARIES["sqlite"][1] + 1
    files = {f"src/metadata/a{n}.cc": "#include <sqlite3.h>\n" for n in range(over)}
    files["src/metadata/ADAPTERS"] = "".join(f"a{n}.cc sqlite why\n" for n in range(over))
    assert any("at most" in violation.text for violation in rules.check_adapters(Tree(files)))
