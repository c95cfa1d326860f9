"""Code that wants out: what a job tries against the platform, its machine and the other jobs. All of it stays inside,
the platform stays quick meanwhile, and the run says why it failed."""

import os
import re
import time
from pathlib import Path

import pytest

from tarn_program import Tarn, until, write_files

QUICK_SECONDS_MAX = 2  # for an answer of the API while a job does its worst, on a busy machine


@pytest.fixture(scope="module")
def tarn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile") / "workspace"
    write_files(folder, {"sources/things.yaml": "kind: files\npath: ./inbox/*.csv\nstreams: {things: {format: csv}}\n",
                         "inbox/a.csv": "id\n1\n"})
    with Tarn(folder) as started:
        started.start()
        yield started


def start(tarn, code, kind="shell", **keys):
    lines = [f"{key}: {value}" for key, value in {"owner": "admin", **keys}.items()]
    text = "\n".join([*lines, f"{kind}: |", *("  " + line for line in code.strip().split("\n"))]) + "\n"
    write_files(tarn.folder, {"use_cases/bad/it.job.yaml": text})
    tarn.json("apply")
    return tarn.json("run", "bad.it")["runs"][0]


def outcome(tarn, code, kind="shell", seconds=60, **keys):
    run = start(tarn, code, kind, **keys)
    worst = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = time.monotonic()
        found = tarn.get(f"/api/v1/runs/{run}")
        worst = max(worst, time.monotonic() - before)
        if found["state"] in ("succeeded", "failed", "cancelled"):
            assert worst < QUICK_SECONDS_MAX, f"the platform took {worst} s to answer"
            return found
        time.sleep(0.05)
    raise AssertionError(f"run {run} took longer than {seconds} s")


def said(run):
    return "\n".join(line.partition(" ")[2] for line in run["log"])


def processes_with(mark):
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes().split(b"\0"):
                found.append(path)
        except OSError:
            pass
    return found


def test_files_of_the_platform_are_not_there(tarn):
    state = tarn.ready["admin_token_file"].rsplit("/", 1)[0]
    key = tarn.environment["TARN_ROOT_KEY_FILE"]
    paths = [state, f"{state}/admin.token", f"{state}/metadata.db", f"{state}/keys.json", key, str(tarn.folder),
             "/root", "/home", "/var", "/etc/shadow", "/run", "/sys", f"/proc/{tarn.process.pid}"]
    code = "\n".join(f"ls -d {path} && echo SEEN {path}" for path in paths)
    search = "find / -name '*.token' -o -name metadata.db 2>/dev/null"
    text = said(outcome(tarn, f"set +e\n{code}\n{search}\necho over"))
    assert "SEEN" not in text.replace("echo SEEN", ""), text
    assert "metadata.db\n" not in re.sub(r"ls: .*", "", text) and "over" in text


def test_links_in_the_scratch_lead_nowhere(tarn):
    key = tarn.environment["TARN_ROOT_KEY_FILE"]
    run = outcome(tarn, f"set +e\nln -s {key} key; ln -s / root; ln -s /proc/1/root up; mkdir d; mv d /tmp/..\n"
                  "cat key; cat up/etc/passwd; ls root/../../..; mknod disk b 8 0 && cat disk\n"
                  "chmod u+s main.sh; chown 0 main.sh\n"
                  "exec 3</; ls /proc/self/fd/3/../old\necho over")
    text = said(run)
    assert text.count("No such file or directory") >= 2 and "Permission denied" in text and "over" in text, text
    assert Path(key).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("way", ["environ", "mem", "maps", "root", "cwd", "fd", "exe"])
def test_the_first_process_is_closed(tarn, way):
    text = said(outcome(tarn, f"set +e\nls -l /proc/1/{way}/ /proc/1/{way} >out 2>&1; cat /proc/1/{way} >>out 2>&1\n"
                        "grep -c 'denied\\|not permitted\\|No such' out; grep tarn_ out\necho over"))
    assert re.search(r"^[1-9]$", text, re.MULTILINE) and "tarn_" not in text, text


def test_other_processes_are_out_of_reach(tarn):
    code = f"""
import ctypes, os, signal
libc = ctypes.CDLL(None, use_errno=True)
def tell(name, result): print(name, "REFUSED" if result < 0 else "ALLOWED", os.strerror(ctypes.get_errno()))
for pid in (1, {tarn.process.pid}, {os.getpid()}):
    for sig in (0, signal.SIGSTOP, signal.SIGKILL):
        if pid == 1 and sig == 0: continue
        try: os.kill(pid, sig); print("signal", pid, int(sig), "sent")
        except OSError as error: print("signal", pid, int(sig), "REFUSED")
tell("ptrace attach", libc.ptrace(16, 1, 0, 0))
tell("ptrace traceme", libc.ptrace(0, 0, 0, 0))
tell("process_vm_readv", libc.syscall(310, 1, 0, 0, 0, 0, 0))
tell("unshare", libc.unshare(0x10000000))
tell("mount", libc.mount(b"none", b"/job", b"tmpfs", 0, None))
tell("pivot_root", libc.syscall(155, b"/job", b"/job"))
tell("chroot", libc.chroot(b"/job"))
tell("keyctl", libc.syscall(250, 0, 0))
tell("bpf", libc.syscall(321, 0, 0, 0))
tell("perf_event_open", libc.syscall(298, 0, 0, 0, 0, 0))
tell("userfaultfd", libc.syscall(323, 0))
tell("io_uring_setup", libc.syscall(425, 1, 0))
tell("kexec_load", libc.syscall(246, 0, 0, 0, 0))
tell("setns", libc.setns(0, 0))
tell("clone newuser", libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0))
tell("setuid", libc.setuid(0))
tell("packet socket", libc.socket(17, 3, 0))
tell("raw socket", libc.socket(2, 3, 1))
tell("vsock", libc.socket(40, 1, 0))
tell("netlink", libc.socket(16, 3, 0))
print("over")
"""
    text = said(outcome(tarn, code, "python"))
    assert "ALLOWED" not in text and text.count("REFUSED") >= 24 and "over" in text, text
    assert tarn.process.poll() is None


def test_no_port_of_this_machine_and_no_metadata(tarn):
    ports = [address.rsplit(":", 1)[1] for address in (tarn.ready["s3"], tarn.ready["sql"])]
    api = tarn.ready["web"].rsplit(":", 1)[1]
    code = f"""
import socket
for host, port in [("127.0.0.1", {ports[0]}), ("127.0.0.1", {ports[1]}), ("127.0.0.1", 22), ("localhost", 5432),
                   ("::1", {api}), ("169.254.169.254", 80), ("10.0.0.1", 80), ("1.1.1.1", 53), ("example.com", 80)]:
    try:
        socket.create_connection((host, port), 3)
        print("REACHED", host, port)
    except OSError as error:
        print("refused", host, port, type(error).__name__)
print("the API", socket.create_connection(("127.0.0.1", {api}), 3).getpeername()[1] == {api})
for name in ("@/tmp/.X11-unix/X0", "/run/dbus/system_bus_socket", "/var/run/docker.sock"):
    s = socket.socket(socket.AF_UNIX)
    try: s.connect(name.replace("@", chr(0))); print("REACHED", name)
    except OSError: pass
"""
    text = said(outcome(tarn, code, "python"))
    assert "REACHED" not in text and text.count("refused") == 9 and "the API True" in text, text


def test_granted_addresses_go_through_the_dialer(tarn):
    code = """
import socket
s = socket.create_connection(("169.254.169.254", 80), 3)
s.settimeout(5)
print("answer", s.recv(10))
"""
    run = outcome(tarn, code, "python", network="['169.254.169.254:80']")
    assert "answer b''" in said(run), said(run)  # closed: link-local addresses are never dialled
    assert "not allowed to connect" in (tarn.folder / ".tarn/log/tarn.log").read_text()


def test_other_tokens_are_not_to_be_had(tarn):
    code = """
set +e
cat $HOME/.config/tarn/* /tmp/* 2>/dev/null | grep -c tarn_
grep -al 'tarn_' /proc/[0-9]*/environ 2>/dev/null | grep -v -e self | wc -l
tarn token create sly && echo MADE
tarn s3-key create && echo MADE
tarn user password admin --help > /dev/null
python3 - <<'END'
import os, urllib.request, json
def ask(method, path, body):
    request = urllib.request.Request(os.environ["TARN_URL"] + path, method=method, data=json.dumps(body).encode(),
        headers={"Authorization": "Bearer " + os.environ["TARN_TOKEN"], "Content-Type": "application/json"})
    try: print(path, "MADE", urllib.request.urlopen(request).status)
    except urllib.error.HTTPError as error: print(path, "refused", error.code)
ask("POST", "/api/v1/tokens", {"name": "sly"})
ask("POST", "/api/v1/tokens", {"name": "sly", "user": "admin"})
ask("POST", "/api/v1/s3-keys", {})
ask("POST", "/api/v1/login-links", {"user": "admin"})
ask("POST", "/api/v1/users", {"name": "mallory"})
ask("PUT", "/api/v1/users/admin/password", {"password": "long enough for this"})
ask("PUT", "/api/v1/roles/evil", {"members": ["user:admin"]})
END
"""
    text = said(outcome(tarn, code))
    assert "MADE" not in text and text.count("refused") == 7, text


def test_a_fork_bomb(tarn):
    run = outcome(tarn, "bomb() { bomb | bomb & }\nbomb\nsleep 5", cpu="3s")  # its branches die of the limit
    assert run["state"] in ("succeeded", "failed"), run
    many = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass\n"
    run = outcome(tarn, many, "python", cpu="3s")
    assert run["state"] == "failed" and "CPU time of 3s" in run["error"], run["error"]
    assert tarn.value("SELECT 1") == 1


def test_a_memory_bomb_of_one_and_of_many(tarn):
    run = outcome(tarn, "x = []\nwhile True: x.append(bytearray(10_000_000))", "python", memory="64MiB")
    assert run["state"] == "failed" and ("MemoryError" in run["error"] or "its memory of 64MiB" in run["error"])
    many = ("import os, time\nfor i in range(20):\n    if os.fork() == 0:\n        x = bytearray(30_000_000)\n"
            "        time.sleep(20)\n        os._exit(0)\ntime.sleep(20)")
    run = outcome(tarn, many, "python", memory="100MiB")
    assert run["state"] == "failed" and "its memory of 100MiB" in run["error"], run["error"]


def test_a_huge_file(tarn):
    run = outcome(tarn, "cat /dev/zero > /tmp/huge", scratch="20MiB")
    assert run["state"] == "failed" and ("File too large" in run["error"] or "No space left" in run["error"]
                                         or "signal 25" in run["error"]), run["error"]
    run = outcome(tarn, "i=0; while :; do head -c 5000000 /dev/zero > /tmp/$i; i=$((i+1)); done", scratch="20MiB")
    assert run["state"] == "failed" and "No space left" in run["error"], run["error"]
    run = outcome(tarn, "cat /dev/zero > /dev/shm/huge; sleep 20", memory="20MiB", scratch="1GiB")
    assert run["state"] == "failed" and "its memory of 20MiB" in run["error"], run["error"]


def test_endless_output(tarn):
    run = outcome(tarn, "yes 'all work and no play'", timeout="3s")
    assert run["state"] == "failed" and "its timeout of 3s" in run["error"]
    assert len(run["log"]) < 8100 and "the output was cut here" in said(run)
    run = outcome(tarn, "head -c 3000000 /dev/zero; printf '\\033[2J\\007\\377 done'; exit 4")
    assert run["state"] == "failed" and run["error"].startswith("it exited with 4")
    assert "\x1b" not in run["error"] and "\0" not in str(run["log"])


def test_what_hides_from_the_timeout(tarn):
    mark = f"86400.{os.getpid()}"
    code = (f"trap '' TERM INT HUP QUIT\n(setsid sh -c \"trap '' TERM; (setsid sleep {mark} &) ; sleep {mark}\" &)\n"
            f"nohup sleep {mark} >/dev/null 2>&1 &\nsleep {mark}")
    run = outcome(tarn, code, timeout="2s")
    assert run["state"] == "failed" and "its timeout of 2s" in run["error"]
    until(lambda: not processes_with(mark), "all processes of the job are gone", seconds=5)
    run = outcome(tarn, f"(setsid sh -c '(setsid sleep {mark} &)' &)\necho left")
    assert run["state"] == "succeeded"
    assert not processes_with(mark)


def test_a_cancelled_job_is_gone(tarn):
    mark = f"86401.{os.getpid()}"
    run = start(tarn, f"trap '' TERM\nsleep {mark} &\nsleep {mark}")
    until(lambda: processes_with(mark), "the job sleeps")
    tarn.post(f"/api/v1/runs/{run}/cancel", {})
    assert tarn.wait_run(run)["state"] == "cancelled"
    assert not processes_with(mark)


def test_the_death_of_the_platform_is_the_death_of_its_jobs(tarn):
    mark = f"86402.{os.getpid()}"
    run = start(tarn, f"trap '' TERM\n(setsid sleep {mark} &)\nsleep {mark}", timeout="1h")
    until(lambda: len(processes_with(mark)) == 2, "the job sleeps")
    tarn.kill()
    until(lambda: not processes_with(mark), "the job is gone", seconds=5)
    tarn.start()
    until(lambda: len(processes_with(mark)) == 2, "the job runs again")
    assert tarn.get(f"/api/v1/runs/{run}")["state"] == "running"
    tarn.post(f"/api/v1/runs/{run}/cancel", {})
    assert tarn.wait_run(run)["state"] == "cancelled"
    assert not processes_with(mark)
