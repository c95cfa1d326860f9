"""The command line, as a person types it."""

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request

import pytest

from conftest import SMALL
from tarn_program import PROGRAM, ROOT, Tarn, until, write_files

OK, FAILURE, USAGE, UNREACHABLE, DENIED, NOT_FOUND = range(6)
COMMANDS = ["up", "demo", "plan", "apply", "pull", "run", "runs", "why", "sql", "ls", "get", "put", "export", "verify",
            "doctor", "reload", "backup", "restore",
            "user create", "user list", "user delete", "user password", "role list", "token create", "token list",
            "token delete", "s3-key create", "s3-key list", "s3-key delete", "secret set", "secret list",
            "secret delete", "topic list", "topic describe", "topic create", "topic delete", "topic alter",
            "topic trim", "topic consume", "topic produce", "group list", "group describe", "group seek",
            "group delete"]


def tarn(*arguments, **options):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=60, **options)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_with_an_example(command):
    done = tarn(*command.split(), "--help")
    assert done.returncode == OK
    assert f"Example:\n  " in done.stdout and "tarn " in done.stdout


@pytest.mark.parametrize("words, meant", [
    (["upp"], "up"), (["sqll", "SELECT 1"], "sql"), (["up", "--webb", "x"], "--web"), (["user", "creat"], "create"),
    (["runs", "--taks"], "--tasks")])
def test_misspelled_words_are_suggested(words, meant):
    done = tarn(*words)
    assert done.returncode == USAGE
    assert f"did you mean {meant}?" in done.stderr


def test_a_missing_argument_is_a_wrong_usage():
    assert tarn("why").returncode == USAGE
    assert tarn().returncode == USAGE
    assert "tarn 0." in tarn("--version").stdout


def test_nothing_runs_here(tmp_path):
    done = tarn("runs", cwd=tmp_path)
    assert done.returncode == UNREACHABLE
    assert "tarn up" in done.stderr
    done = tarn("runs", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["error"]["code"] == "unavailable"


def test_a_running_tarn_is_found_by_its_folder_and_by_its_url(small):
    assert small.json("sql", "SELECT 41 + 1 AS answer")["rows"] == [[42]]
    below = small.folder / "use_cases/shop"
    done = subprocess.run([PROGRAM, "sql", "--csv", "SELECT 1 AS a"], cwd=below, capture_output=True, text=True)
    assert done.stdout == "a\n1\n"
    there = {**os.environ, "TARN_URL": small.web, "TARN_TOKEN": small.token}
    done = subprocess.run([PROGRAM, "sql", "--csv", "SELECT 2 AS b"], cwd="/", capture_output=True, text=True,
                          env=there)
    assert done.stdout == "b\n2\n"
    there["TARN_TOKEN"] = "tarn_wrong"
    assert subprocess.run([PROGRAM, "runs"], cwd="/", capture_output=True, env=there).returncode == DENIED


def test_sql_prints_tables_csv_and_json(small):
    query = "SELECT id, name, price FROM shop.sales ORDER BY id"
    lines = small.run("sql", query).stdout.splitlines()
    assert lines[0].split() == ["id", "name", "price"]
    assert lines[2].split() == ["1", "pen", "1.5"]
    assert "3 rows" in lines[-1]
    assert small.run("sql", "--csv", query).stdout.splitlines()[1] == "1,pen,1.5"
    assert small.json("sql", query)["row_count"] == 3
    assert small.run("sql", "--csv", input="SELECT 1 AS a;\nSELECT 7 AS b;").stdout == "b\n7\n"
    script = small.folder.parent / "script.sql"
    script.write_text("SELECT 3 AS c")
    assert small.run("sql", "--csv", "-f", str(script)).stdout == "c\n3\n"


def test_sql_errors_point_at_the_place(small):
    done = small.run("sql", "SELECT id,\n  prize FROM shop.sales")
    assert done.returncode != OK
    assert "  prize FROM shop.sales\n" in done.stderr
    assert re.search(r"^ {4}\^$", done.stderr, re.MULTILINE), done.stderr


def test_plan_and_apply(small):
    extra = small.folder / "use_cases/shop/extra.sql"
    extra.write_text("SELECT 1 AS one\n")
    try:
        assert {"change": "add", "kind": "table", "name": "shop.extra", "file": "use_cases/shop/extra.sql"} in (
            small.json("plan")["steps"])
        assert "+ table shop.extra" in small.run("apply").stdout
        assert small.run("plan").stdout.startswith("nothing to do")
        assert "succeeded" in small.run("run", "shop.extra", "--wait").stdout
        extra.write_text("SELECT one FROM shop.nothing_of_that_name\n")
        broken = small.run("plan")
        assert broken.returncode == FAILURE
        assert "use_cases/shop/extra.sql:1" in broken.stdout
        assert small.run("apply").returncode == FAILURE
        assert small.value("SELECT one FROM shop.extra") == 1
    finally:
        extra.unlink()
        assert small.run("apply").returncode == OK


def test_runs_and_why(small):
    assert "shop.sales" in small.run("runs").stdout
    assert "source:things.things" in small.run("runs", "--tasks").stdout
    assert "fresh" in small.run("why", "shop.sales").stdout
    unknown = small.run("why", "shop.saless")
    assert unknown.returncode == NOT_FOUND
    waited = small.run("run", "shop.by_name", "--wait")
    assert waited.returncode == OK and "shop.by_name" in waited.stdout


def test_the_lake_by_ls_get_put(small, tmp_path):
    source = tmp_path / "big.bin"
    source.write_bytes(os.urandom(3_000_000))
    assert small.run("put", str(source), "mine/folder/").returncode == OK
    assert "big.bin" in small.run("ls", "mine/folder/").stdout
    assert "mine" in small.run("ls").stdout
    target = tmp_path / "back.bin"
    assert small.run("get", "mine/folder/big.bin", str(target)).returncode == OK
    assert target.read_bytes() == source.read_bytes()
    missing = small.run("get", "mine/folder/none", str(target))
    assert missing.returncode == NOT_FOUND
    assert target.read_bytes() == source.read_bytes()
    assert small.run("put", str(source), "lakehouse/shop/x").returncode == DENIED


def test_people_and_their_credentials(small):
    assert small.run("user", "create", "paul").returncode == OK
    assert small.run("user", "create", "paul").returncode == FAILURE
    assert "paul" in small.run("user", "list").stdout
    assert small.run("user", "password", "paul", input="correct horse battery\n").returncode == OK
    login = urllib.request.Request(small.web + "/api/v1/login", method="POST",
                                   data=json.dumps({"user": "paul", "password": "correct horse battery"}).encode(),
                                   headers={"Content-Type": "application/json"})
    assert urllib.request.urlopen(login, timeout=10).status == 200
    token = small.json("token", "create", "--user", "paul")["token"]
    as_paul = {"TARN_URL": small.web, "TARN_TOKEN": token}
    denied = small.run("user", "list", environment=as_paul)
    assert denied.returncode == DENIED and "paul" in denied.stderr
    key = small.json("s3-key", "create", "--user", "paul")
    assert key["access_key_id"] and key["secret_access_key"]
    assert "AWS_SECRET_ACCESS_KEY" in small.run("s3-key", "create").stdout
    assert "reader" in small.run("role", "list").stdout
    assert small.run("user", "delete", "paul").returncode == OK
    assert small.run("runs", environment=as_paul).returncode == DENIED


def test_secrets_are_listed_but_never_shown(small):
    assert small.run("secret", "set", "door", input="open sesame\n").returncode == OK
    assert small.json("secret", "set", "door", input="open sesame\n") == {"secret": "door", "set": True}
    listed = small.run("secret", "list", "--json")
    assert "door" in listed.stdout and "sesame" not in listed.stdout
    assert small.run("secret", "delete", "door").returncode == OK


def test_verify_doctor_and_export(make, tmp_path):
    tarn = make(SMALL)
    tarn.wait_fresh()
    assert tarn.json("verify")["issues"] == []
    assert "audit" in tarn.run("verify", "audit").stdout
    doctor = tarn.run("doctor")
    assert doctor.returncode == OK, doctor.stdout
    assert tarn.json("export", str(tmp_path / "live"))["objects"] > 4
    assert tarn.stop() == 0
    assert tarn.json("verify")["issues"] == []
    assert "opens" in tarn.run("doctor").stdout
    assert tarn.run("export", str(tmp_path / "out")).returncode == OK
    from deltalake import DeltaTable
    assert DeltaTable(str(tmp_path / "out/lakehouse/shop/sales")).to_pyarrow_table().num_rows == 3
    raw = [path for path in (tmp_path / "out/raw").rglob("*.csv")]
    assert [path.read_text() for path in raw] == [SMALL["inbox/a.csv"]]
    # What a running Tarn gives is the same.
    def files(name):
        return {path.relative_to(tmp_path / name): path.read_bytes()
                for path in (tmp_path / name).rglob("*") if path.is_file()}
    assert files("live") == files("out")


def test_without_the_root_key_nothing_opens(make):
    tarn = make(SMALL)
    tarn.stop()
    done = tarn.run("verify", environment={"TARN_ROOT_KEY_FILE": str(tarn.folder / "nowhere.key")})
    assert done.returncode == FAILURE
    assert "root key" in done.stderr


def test_a_taken_port_is_named_with_what_to_do(small, tmp_path):
    folder = tmp_path / "other"
    write_files(folder, {"tarn.yaml": ""})
    second = Tarn(folder, ports=["--web", small.ready["web"], "--s3", "127.0.0.1:0", "--sql", "127.0.0.1:0",
            "--kafka", "127.0.0.1:0"])
    second.launch().process.wait(30)
    text = second.output.read_text()
    assert second.process.returncode != OK
    assert small.ready["web"] in text and "--web" in text


def test_a_second_tarn_on_the_same_folder_is_refused(small):
    second = Tarn(small.folder)
    second.ready_file = small.folder.parent / "second.ready"
    second.output = small.folder.parent / "second.log"
    second.launch().process.wait(30)
    assert second.process.returncode == UNREACHABLE
    assert "run" in second.output.read_text()
    assert small.value("SELECT 1") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_cleanly_on_signals(make, number):
    tarn = make({"tarn.yaml": ""})
    tarn.process.send_signal(number)
    assert tarn.process.wait(20) == 0
    assert not (tarn.folder / ".tarn/running.json").exists()
    assert tarn.run("runs").returncode == UNREACHABLE


def test_the_login_link_works_once(make):
    tarn = make({"tarn.yaml": ""})
    link = until(lambda: re.search(r"/login#link=(\S+)", tarn.output.read_text()), "the login link")[1]
    assert tarn.http("POST", "/api/v1/login/link", {"token": link}, token="").status == 200
    assert tarn.http("POST", "/api/v1/login/link", {"token": link}, token="").status in (400, 401, 403, 404)


def test_json_is_one_document_and_the_exit_code_tells(make):
    """Also when something is wrong: scripts read the one and look at the other."""
    tarn = make({**SMALL, "use_cases/shop/picky.sql": "/* tarn\nchecks: [{rows: '> 9'}]\n*/\nSELECT * FROM sales\n"})
    assert tarn.run("run", "things.things", "--wait").returncode == OK
    ran = tarn.run("run", "shop.*", "--wait", "--json")
    states = {run["task"]: run["state"] for run in json.loads(ran.stdout)["runs"]}
    assert ran.returncode == FAILURE
    assert states["table:shop.picky"] == "failed" and states["table:shop.by_name"] in ("succeeded", "unchanged")
    doctor = tarn.run("doctor", "--json")
    assert doctor.returncode == FAILURE
    assert [finding for finding in json.loads(doctor.stdout) if not finding["good"]]
    (tarn.folder / "use_cases/shop/bad.sql").write_text("SELECT 1 FROM nothing_there")
    plan = tarn.run("plan", "--json")
    assert plan.returncode == FAILURE and json.loads(plan.stdout)["issues"]


def test_what_is_typed_wrong_is_refused(small, tmp_path):
    assert "number of rows" in small.run("sql", "--limit", "many", "SELECT 1").stderr
    assert small.run("get", "mine").returncode == FAILURE
    target = tmp_path / "none.bin"
    assert small.run("get", "raw/none", str(target)).returncode == NOT_FOUND
    assert list(tmp_path.iterdir()) == [], "nothing half is left"
    (tmp_path / "file").write_text("x")
    assert "no folder" in small.run("up", str(tmp_path / "file")).stderr
    assert "source:things.things" in small.run("why", "things.things").stdout


def test_an_object_goes_to_standard_output(small, tmp_path):
    (tmp_path / "note.txt").write_text("grüße")
    assert small.run("put", str(tmp_path / "note.txt"), "mine/").returncode == OK
    assert small.run("get", "mine/note.txt", "-").stdout == "grüße"


def test_a_ready_file_that_cannot_be_written_ends_it_clean(tmp_path):
    tarn = Tarn(tmp_path / "workspace")
    tarn.ready_file = tmp_path / "nowhere" / "ready"
    tarn.launch()
    assert tarn.process.wait(30) != 0
    assert "nowhere" in tarn.output.read_text()
    assert not (tarn.folder / ".tarn/running.json").exists()


def test_a_silent_source_does_not_hold_up_the_end(make):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        tarn = make({"sources/api.yaml": f"kind: rest\nbase_url: {url}\nstreams: {{a: {{path: /}}}}\n"})
        until(lambda: [run["state"] for run in tarn.get("/api/v1/runs")["runs"]] == ["running"], "starting the load")
        began = time.monotonic()
        assert tarn.stop() == OK
        assert time.monotonic() - began < 10, "a silent server does not hold up the end"


def test_the_reference_in_the_docs_is_what_the_code_says(tmp_path):
    """Made where no Tarn runs, no workspace lies and nobody is logged in; nothing is left behind."""
    told = subprocess.run([PROGRAM, "reference"], cwd=tmp_path, capture_output=True, text=True, timeout=60,
                          env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(tmp_path)})
    assert told.returncode == 0, told.stderr
    assert not list(tmp_path.iterdir())
    kinds = subprocess.run([PROGRAM, "reference", "--json"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "tarn.yaml" in {kind["file"] for kind in json.loads(kinds.stdout)["kinds"]}
    page = (ROOT / "docs/reference.md").read_text()
    assert told.stdout == page, "make it anew: `tarn reference > docs/reference.md`"
    for file in ("tarn.yaml", "policies/", "sources/<name>.yaml", "use_cases/*/<name>.sql", "use_cases/*/use_case"):
        assert f"## `{file}" in page
