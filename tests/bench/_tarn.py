"""Starts a Tarn for a benchmark: a workspace in a temporary folder, free ports, its own root key."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("TARN_PROGRAM", str(ROOT / "build/release/tarn"))


class Tarn:
    def __init__(self, folder, process, ready, seconds):
        self.folder = folder
        self.process = process
        self.web, self.s3, self.sql = ready["web"], ready["s3"], ready["sql"]
        self.kafka = ready["kafka"]
        self.user = ready["admin_user"]
        self.token = pathlib.Path(ready["admin_token_file"]).read_text().strip()
        self.seconds_to_ready = seconds

    def api(self, method, path, body=None):
        request = urllib.request.Request(f"http://{self.web}{path}", method=method)
        request.add_header("Authorization", "Bearer " + self.token)
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, data) as answer:
            return json.load(answer)

    def connect(self):
        import psycopg

        host, port = self.sql.rsplit(":", 1)
        return psycopg.connect(host=host, port=port, user=self.user, password=self.token, dbname="tarn",
                               autocommit=True)

    def wait_fresh(self, seconds=600):
        """Until every task is fresh; a failed one is an error with its text."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            tasks = self.api("GET", "/api/v1/tasks")["tasks"]
            for task in tasks:
                if task["last"] and task["last"]["state"] == "failed" and not task["current"]:
                    raise RuntimeError(f"{task['id']}: {task['last']['error']}")
            if tasks and all(task["fresh"] for task in tasks):
                return
            time.sleep(0.02)
        late = ", ".join(f"{task['id']}: {task['why']}" for task in tasks if not task["fresh"])
        raise RuntimeError("not fresh in time: " + late)

    def memory_mb(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("no VmRSS")

    def s3_client(self):
        import boto3

        key = self.api("POST", "/api/v1/s3-keys", {"description": "benchmark"})
        return boto3.client("s3", endpoint_url=f"http://{self.s3}", region_name="us-east-1",
                            aws_access_key_id=key["access_key_id"], aws_secret_access_key=key["secret_access_key"])


@contextlib.contextmanager
def tarn(files):
    """files: {relative path: text or bytes} of the workspace."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tarn-bench-"))
    try:
        write(folder, files)
        with started(folder) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


@contextlib.contextmanager
def started(folder):
    ready_file = folder / "ready.json"
    ready_file.unlink(missing_ok=True)
    environment = dict(os.environ, TARN_ROOT_KEY_FILE=str(folder / "root.key"))
    begin = time.monotonic()
    process = subprocess.Popen([PROGRAM, "up", str(folder), "--ready-file", str(ready_file), "--web", "127.0.0.1:0",
                                "--s3", "127.0.0.1:0", "--sql", "127.0.0.1:0", "--kafka", "127.0.0.1:0"],
                               env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not ready_file.exists():
            if process.poll() is not None:
                raise RuntimeError(f"tarn ended with {process.returncode}")
            if time.monotonic() - begin > 60:
                raise RuntimeError("tarn was not ready in a minute")
            time.sleep(0.002)
        yield Tarn(folder, process, json.loads(ready_file.read_text()), time.monotonic() - begin)
    finally:
        process.terminate()
        process.wait(20)


def report(name, value, unit, goal):
    print(f"{name}: {value:.3g} {unit} (goal {goal})", flush=True)
