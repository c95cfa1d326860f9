"""The real program under test: start it on free ports, speak to it with real clients, stop or kill it."""

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = Path(os.environ.get("TARN_PROGRAM", ROOT / "build/release/tarn"))
FREE_PORTS = [part for name in ("web", "s3", "sql", "kafka") for part in (f"--{name}", "127.0.0.1:0")]
START_SECONDS_MAX = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition, what, seconds=60):
    """Asks until the answer is true and returns it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} took longer than {seconds} s")


class Answer:
    """An HTTP answer, whatever its status."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]


def request(method, url, body=None, headers=None, timeout=120):
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    headers = dict(headers or {})
    if data is not None and not isinstance(body, bytes):
        headers["Content-Type"] = "application/json"
    call = urllib.request.Request(url, data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(call, timeout=timeout) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as answer:
        return Answer(answer.code, answer.headers, answer.read())


class Tarn:
    """`tarn up` or `tarn demo` on a folder. The root key and the output lie beside the folder."""

    def __init__(self, folder, command="up", arguments=(), ports=FREE_PORTS):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.arguments = [command, *([str(folder)] if command == "up" else ["flights", "--dir", str(folder)])]
        self.arguments += [*ports, *arguments]
        self.ready_file = self.folder.parent / f"{self.folder.name}.ready"
        self.output = self.folder.parent / f"{self.folder.name}.log"
        self.environment = {**os.environ, "TARN_ROOT_KEY_FILE": str(self.folder.parent / f"{self.folder.name}.key")}
        for name in ("TARN_URL", "TARN_TOKEN"):
            self.environment.pop(name, None)
        self.prefix = []  # what every command runs below
        self.process = None
        self.ready = None

    # ---- life

    def launch(self):
        self.ready_file.unlink(missing_ok=True)
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [*self.prefix, PROGRAM, *self.arguments, "--ready-file", self.ready_file], stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, env=self.environment)
        return self

    def wait_ready(self, seconds=START_SECONDS_MAX):
        def ready():
            assert self.process.poll() is None, self.output.read_text()
            return self.ready_file.exists()
        until(ready, f"starting\n{self.output.read_text()}\n", seconds)
        self.ready = json.loads(self.ready_file.read_text())
        return self

    def start(self, seconds=START_SECONDS_MAX):
        return self.launch().wait_ready(seconds)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        return self.process.returncode if self.process else None

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def forget(self):
        """Removes what a demo run by root keeps outside of a folder that its database's user cannot reach."""
        name = hashlib.sha256(f"{self.folder}/.demo".encode()).hexdigest()[:12]
        shutil.rmtree(f"/var/tmp/tarn-demo-{name}", ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    # ---- speaking to it

    @property
    def web(self):
        return "http://" + self.ready["web"]

    @property
    def s3(self):
        return "http://" + self.ready["s3"]

    @property
    def sql_address(self):
        host, port = self.ready["sql"].rsplit(":", 1)
        return {"host": host, "port": int(port)}

    @property
    def token(self):
        return self.see(Path(self.ready["admin_token_file"])).read_text().strip()

    def see(self, path):
        """Where a file of the program's is for the tests."""
        return path

    def http(self, method, path, body=None, token=None, headers=None):
        """As admin, if no token is given; as nobody with token=""."""
        token = self.token if token is None else token
        credential = {"Authorization": f"Bearer {token}"} if token else {}
        return request(method, self.web + path, body, {**credential, **(headers or {})})

    def get(self, path, **options):
        answer = self.http("GET", path, **options)
        assert answer.status == 200, (answer.status, answer.body)
        return answer.json

    def post(self, path, body, **options):
        answer = self.http("POST", path, body, **options)
        assert answer.status in (200, 201), (answer.status, answer.body)
        return answer.json

    def connect(self, user="admin", password=None, **options):
        return psycopg.connect(**self.sql_address, dbname="tarn", user=user, password=password or self.token,
                               autocommit=True, **options)

    def query(self, sql, parameters=None):
        with self.connect() as connection:
            return connection.execute(sql, parameters).fetchall()

    def value(self, sql):
        return self.query(sql)[0][0]

    def run(self, *arguments, input=None, environment=None, timeout=120):
        """A command of the program in this workspace."""
        return subprocess.run([*self.prefix, PROGRAM, *arguments], cwd=self.folder, input=input, capture_output=True,
                              text=True, env={**self.environment, **(environment or {})}, timeout=timeout)

    def json(self, *arguments, **options):
        done = self.run(*arguments, "--json", **options)
        assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout)

    # ---- its tasks

    def tasks(self):
        return {task["id"]: task for task in self.get("/api/v1/tasks")["tasks"]}

    def wait_fresh(self, seconds=60):
        """Until everything is as fresh as its sources."""
        def fresh():
            tasks = self.tasks().values()
            return tasks and all(task["fresh"] and not task["current"] for task in tasks)
        until(fresh, "loading", seconds)

    def wait_run(self, run, seconds=60):
        ended = ("succeeded", "unchanged", "failed", "cancelled", "skipped")
        def over():
            found = self.get(f"/api/v1/runs/{run}")
            return found if found["state"] in ended else None
        return until(over, f"run {run}", seconds)

    def wait_failed(self, task, seconds=60):
        """Until a task's last attempt went wrong; returns what it says."""
        def failed():
            status = self.tasks().get(task, {})
            for run in (status.get("current"), status.get("last")):
                if run and run["error"] and run["state"] in ("failed", "waiting_retry"):
                    return run
            return None
        return until(failed, f"the failure of {task}", seconds)


def write_files(folder, files):
    for name, content in files.items():
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
