"""What changes in a Tarn that runs: its certificate, the level of its log, its schedule of backups."""

import json
import signal
import socket
import ssl

from conftest import SMALL
from test_doctor import certificate

from tarn_program import Tarn, request, until, write_files

TLS = "name: small\ntls: {certificate: tls/a.pem, key: tls/a.key}\n"


class Encrypted(Tarn):
    @property
    def web(self):
        return "https://" + self.ready["web"]


def shown(address):
    """Fingerprint of the certificate that a new connection sees."""
    host, port = address.rsplit(":", 1)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection((host, int(port)), 10) as plain, context.wrap_socket(plain) as stream:
        return stream.getpeercert(binary_form=True)


def of_file(path):
    return ssl.PEM_cert_to_DER_cert(path.read_text())


def replace(folder, name):
    """As renewal tools do it: the key, then the certificate."""
    for suffix in ("key", "pem"):
        (folder / f"a.{suffix}").write_bytes((folder / f"{name}.{suffix}").read_bytes())


def started(tmp_path):
    folder = tmp_path / "workspace"
    (folder / "tls").mkdir(parents=True)
    for name in ("a", "b", "c"):
        certificate(folder / "tls", name, ["localhost", "127.0.0.1"], 300)
    write_files(folder, {**SMALL, "tarn.yaml": TLS})
    return Encrypted(folder)


def test_a_new_certificate_is_taken_by_itself(tmp_path):
    with started(tmp_path) as tarn:
        tarn.start()
        tls = tarn.folder / "tls"
        first = of_file(tls / "a.pem")
        assert shown(tarn.ready["web"]) == shown(tarn.ready["s3"]) == first
        host, port = tarn.ready["web"].rsplit(":", 1)
        context = ssl.create_default_context(cafile=str(tls / "a.pem"))
        context.check_hostname = False
        with socket.create_connection((host, int(port)), 10) as plain, context.wrap_socket(plain) as kept:
            replace(tls, "b")
            second = of_file(tls / "b.pem")
            until(lambda: shown(tarn.ready["web"]) == second, "the new certificate", 30)
            assert shown(tarn.ready["s3"]) == second
            # Who was connected before stays so.
            kept.sendall(f"GET /health HTTP/1.1\r\nHost: {tarn.ready['web']}\r\n\r\n".encode())
            assert b"200" in kept.recv(100)
        # A pair that does not fit: the one before is shown on, and the log says why.
        (tls / "a.key").write_bytes((tls / "c.key").read_bytes())
        refused = tarn.run("reload")
        assert refused.returncode == 1 and "does not belong" in refused.stderr, refused
        assert shown(tarn.ready["web"]) == second
        (tls / "a.pem").write_bytes((tls / "c.pem").read_bytes())
        until(lambda: shown(tarn.ready["web"]) == of_file(tls / "c.pem"), "the third certificate", 30)


def test_reload(make):
    tarn = make({**SMALL, "tarn.yaml": "name: small\n"})
    file = tarn.folder / "tarn.yaml"
    assert tarn.json("reload") == {"taken": [], "need_restart": [], "certificate": False}
    file.write_text("name: other\nlog: {level: debug}\nbackup: {to: ../b, every: 1h}\nruns: {parallel: 2}\n")
    changed = tarn.json("reload")
    assert changed["taken"] == ["backup.every", "backup.to", "log.level"]
    assert changed["need_restart"] == ["name", "runs.parallel"]
    assert tarn.get("/api/v1/backups")["schedule"]["every"] == "1h"
    # What still needs a restart is said again; a wrong file changes nothing.
    assert tarn.json("reload") == {"taken": [], "need_restart": ["name", "runs.parallel"], "certificate": False}
    file.write_text("name: other\nbackup: {evry: 2h}\n")
    refused = tarn.run("reload")
    assert refused.returncode == 1 and "evry" in refused.stderr and "tarn.yaml:2" in refused.stderr
    assert tarn.get("/api/v1/backups")["schedule"]["every"] == "1h"
    assert tarn.value("SELECT count(*) FROM system.audit WHERE action = 'platform:Reload' AND phase = 'end'") >= 3
    # Health goes by what was reloaded.
    file.write_text("budget: {disk_stop: 900TiB}\n")
    tarn.json("reload")
    assert tarn.http("GET", "/health").status == 503
    file.write_text("")
    tarn.json("reload")
    assert tarn.http("GET", "/health").status == 200


def log_of(tarn):
    return [json.loads(line) for line in (tarn.folder / ".tarn/log/tarn.log").read_text().splitlines()]


def test_by_signal(make):
    tarn = make({**SMALL, "tarn.yaml": "name: small\n"})
    (tarn.folder / "tarn.yaml").write_text("name: small\nbackup: {to: ../b, every: 2h}\n")
    tarn.process.send_signal(signal.SIGHUP)
    until(lambda: tarn.get("/api/v1/backups")["schedule"], "reloading")
    (tarn.folder / "tarn.yaml").write_text("nmae: small\n")
    tarn.process.send_signal(signal.SIGHUP)
    until(lambda: any("nmae" in str(line) for line in log_of(tarn)), "the complaint")
    assert tarn.get("/api/v1/backups")["schedule"]["every"] == "2h"
    assert tarn.stop() == 0


def test_who_may(make):
    tarn = make(SMALL)
    tarn.post("/api/v1/users", {"name": "rita"})
    token = tarn.post("/api/v1/tokens", {"user": "rita", "name": "tests"})["token"]
    assert tarn.http("POST", "/api/v1/reload", {}, token=token).status == 403
    assert tarn.http("GET", "/api/v1/doctor", token=token).status == 403
    assert request("POST", tarn.web + "/api/v1/reload", {}).status == 401
