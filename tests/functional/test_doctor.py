"""Each thing is broken once, and the doctor finds it and says what to do: with Tarn running and without."""

import json
import os
import shutil
import subprocess

from conftest import SMALL, s3_client
from tarn_program import PROGRAM


def findings(tarn, *, wrong=True, **options):
    done = tarn.run("doctor", "--json", **options)
    found = json.loads(done.stdout)
    assert done.returncode == (1 if any(not finding["good"] for finding in found) else 0), done.stderr
    for finding in found:
        assert finding["severity"] == "good" or finding["action"] or finding["meaning"], finding
    return [finding for finding in found if not wrong or finding["severity"] != "good"]


def of(found, check):
    """The one finding of a check that is not good; it says what to do."""
    matching = [finding for finding in found if finding["check"] == check and finding["severity"] != "good"]
    assert len(matching) == 1, found
    assert matching[0]["action"], matching
    return matching[0]


def certificate(folder, name, hosts, days):
    """A self-signed one."""
    names = ",".join(("IP:" if host[0].isdigit() else "DNS:") + host for host in hosts)
    done = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                           "-subj", "/CN=test", "-addext", f"subjectAltName={names}", "-days", str(days),
                           "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"], capture_output=True)
    assert done.returncode == 0, done.stderr


def test_a_sound_platform(small):
    checks = {finding["check"] for finding in findings(small, wrong=False)}
    assert {"state", "format", "lock", "permissions", "root key", "disk", "clock", "open files", "sandbox", "metadata",
            "lake", "audit", "secrets", "backup", "workspace", "tasks", "health"} <= checks
    assert {finding["check"] for finding in findings(small)} <= {"backup", "sandbox", "open files", "Python"}


def test_state_directory(make):
    tarn = make(SMALL)
    state = tarn.folder / ".tarn"
    (state / "admin.token").chmod(0o644)
    (state / "notes.txt").write_text("mine")
    found = findings(tarn)
    assert "admin.token" in of(found, "permissions")["text"]
    assert "notes.txt" in of(found, "stray files")["text"]
    (state / "admin.token").chmod(0o600)
    (state / "notes.txt").unlink()
    # One that runs and does not answer.
    running = (state / "running.json").read_text()
    (state / "running.json").unlink()
    assert "none answers" in of(findings(tarn), "lock")["text"]
    (state / "running.json").write_text(running)
    tarn.stop()
    text = json.loads((state / "tarn-state.json").read_text())
    (state / "tarn-state.json").write_text(json.dumps({**text, "format": 99}))
    assert "newer" in of(findings(tarn), "format")["meaning"]
    (state / "tarn-state.json").write_text("{")
    assert of(findings(tarn), "format")["severity"] == "wrong"


def test_root_key(make, tmp_path):
    tarn = make(SMALL)
    key = tarn.environment["TARN_ROOT_KEY_FILE"]
    os.chmod(key, 0o644)
    assert key in of(findings(tarn), "root key")["text"]
    os.chmod(key, 0o600)
    tarn.stop()
    missing = of(findings(tarn, environment={"TARN_ROOT_KEY_FILE": str(tmp_path / "none")}), "root key")
    assert "put back your copy" in missing["action"]
    other = make({"tarn.yaml": ""}, name="other")
    wrong = of(findings(tarn, environment={"TARN_ROOT_KEY_FILE": other.environment["TARN_ROOT_KEY_FILE"]}), "root key")
    assert "another root key" in wrong["text"]
    inside = tarn.folder / ".tarn/tmp/root.key"
    shutil.copy(key, inside)
    found = of(findings(tarn, environment={"TARN_ROOT_KEY_FILE": str(inside)}), "root key")
    assert "lies in the state directory" in found["text"]


def test_machine(make):
    files = {**SMALL, "tarn.yaml": "budget: {disk_stop: 900TiB}\n"}
    tarn = make(files)
    assert "budget.disk_stop" in of(findings(tarn), "disk")["meaning"]
    future = 4_000_000_000
    os.utime(tarn.folder / ".tarn/metadata.db", (future, future))
    assert "was written at" in of(findings(tarn), "clock")["text"]
    tarn.prefix = ["prlimit", "--nofile=512:512"]
    assert "512" in of(findings(tarn), "open files")["text"]
    tarn.prefix = []
    assert of(findings(tarn, environment={"PATH": "/nowhere"}), "Python")["severity"] == "warning"


def test_ports(make, small):
    tarn = make(SMALL)
    tarn.stop()
    (tarn.folder / "tarn.yaml").write_text(f"listen: {{web: '{small.ready['web']}', s3: '127.0.0.1:0', "
                                           "sql: '127.0.0.1:0', kafka: '127.0.0.1:0'}\n")
    found = of(findings(tarn), "ports")
    assert small.ready["web"] in found["text"] and "--web" in found["action"]


def test_certificate(make, tmp_path):
    tarn = make(SMALL)
    tarn.stop()
    listen = "listen: {web: '127.0.0.1:0', s3: '127.0.0.1:0', sql: '127.0.0.1:0', kafka: '127.0.0.1:0'}\n"
    tls = "tls: {certificate: ../a.pem, key: ../a.key}\nhosts: [tarn.example.org]\n"
    (tarn.folder / "tarn.yaml").write_text(listen + tls)
    assert "no such file" in of(findings(tarn), "certificate")["text"]
    certificate(tmp_path, "a", ["tarn.example.org"], 100)
    assert not [finding for finding in findings(tarn) if finding["check"] == "certificate"]
    certificate(tmp_path, "b", ["elsewhere.example.org"], 5)
    shutil.copy(tmp_path / "b.key", tmp_path / "a.key")
    assert "does not belong" in of(findings(tarn), "certificate")["text"]
    shutil.copy(tmp_path / "b.pem", tmp_path / "a.pem")
    texts = " ".join(finding["text"] for finding in findings(tarn) if finding["check"] == "certificate")
    assert "expires soon" in texts and "is not for tarn.example.org" in texts


def test_damage(make):
    listen = "listen: {web: '127.0.0.1:0', s3: '127.0.0.1:0', sql: '127.0.0.1:0', kafka: '127.0.0.1:0'}\n"
    tarn = make({**SMALL, "tarn.yaml": listen})
    tarn.wait_fresh()
    s3 = s3_client(tarn, tarn.json("s3-key", "create"))
    s3.create_bucket(Bucket="load")
    s3.put_object(Bucket="load", Key="large", Body=os.urandom(100_000))
    state = tarn.folder / ".tarn"
    stored = max(state.glob("lake/objects/*/*"), key=lambda path: path.stat().st_size)
    stored.rename(tarn.folder / "away")
    assert "1 of 1" in of(findings(tarn), "lake")["text"]
    tarn.stop()
    assert of(findings(tarn), "lake")["severity"] == "wrong"
    (tarn.folder / "away").rename(stored)
    assert not [finding for finding in findings(tarn) if finding["check"] == "lake"]
    # A bit of an audit record.
    segment = min(state.glob("audit/*.seg"))
    content = bytearray(segment.read_bytes())
    content[200] ^= 1
    segment.write_bytes(content)
    assert of(findings(tarn), "audit")["severity"] == "wrong"
    content[200] ^= 1
    segment.write_bytes(content)
    # A page of the metadata.
    database = bytearray((state / "metadata.db").read_bytes())
    database[len(database) // 2] ^= 1
    (state / "metadata.db").write_bytes(database)
    found = findings(tarn)
    assert any(finding["check"] in ("metadata", "state") and "damaged" in finding["text"] for finding in found), found


def test_secrets_that_are_not_there(make):
    source = "kind: rest\nbase_url: http://127.0.0.1:1\nauth: {bearer: secret:nowhere}\nstreams: {x: {path: /x}}\n"
    tarn = make({**SMALL, "sources/api.yaml": source})
    found = [finding for finding in findings(tarn) if finding["check"] == "secrets"]
    assert len(found) == 1 and "nowhere" in found[0]["text"] and found[0]["action"] == "tarn secret set nowhere"


def test_without_any_state(tmp_path):
    done = subprocess.run([PROGRAM, "doctor", "--dir", tmp_path, "--json"], capture_output=True, text=True)
    assert "yet to be made" in done.stdout
    (tmp_path / "tarn.yaml").write_text("nmae: x\n")
    done = subprocess.run([PROGRAM, "doctor", "--dir", tmp_path], capture_output=True, text=True)
    assert done.returncode == 1 and "nmae" in done.stdout and "to do:" in done.stdout
