"""A MariaDB of the test's own: on loopback, in a temporary folder, ended by its own process."""

import contextlib
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from tarn_program import free_port

SERVER = "/usr/sbin/mariadbd"


class Mariadb:
    def __init__(self, folder, port, process):
        self.folder, self.port, self.process = Path(folder), port, process

    def execute(self, sql, database=""):
        """What the statements print, one line a row, tabs between the columns."""
        done = subprocess.run(["mariadb", "--no-defaults", "-S", self.folder / "sock", "-u", "root",
                               "--default-character-set=utf8mb4", "-N", "-B", "-e", sql, *([database] or [])],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        return done.stdout.strip()


@contextlib.contextmanager
def mariadb(*options):
    folder = tempfile.mkdtemp(prefix="tarn-mariadb-")
    process = None
    try:
        subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={folder}/data", "--skip-test-db",
                        "--auth-root-authentication-method=normal", "--skip-name-resolve"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port = free_port()
        process = subprocess.Popen(
            [SERVER, "--no-defaults", "--user=root", f"--datadir={folder}/data", f"--socket={folder}/sock",
             f"--port={port}", "--bind-address=127.0.0.1", "--skip-name-resolve", f"--tmpdir={folder}", *options],
            cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        server = Mariadb(folder, port, process)
        end = time.monotonic() + 60
        while True:
            try:
                server.execute("SELECT 1")
                break
            except RuntimeError:
                if time.monotonic() > end or process.poll() is not None:
                    raise
                time.sleep(0.05)
        yield server
    finally:
        if process:
            process.terminate()
            process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)
