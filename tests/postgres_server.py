"""A PostgreSQL of the test's own: on loopback, in a temporary folder, ended by its own process."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from tarn_program import free_port

BIN = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
START_SECONDS_MAX = 30


@contextlib.contextmanager
def postgres(user="postgres", port=None, durable=False):
    """Yields the port; `user` may everything, without a password. As root it runs as another user: it refuses root.
    Only benchmarks wait for its disk."""
    folder = Path(tempfile.mkdtemp(prefix="tarn-postgres-"))
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if prefix:
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
    port, process = port or free_port(), None
    try:
        subprocess.run([*prefix, BIN / "initdb", "-D", folder / "data", "-A", "trust", "-U", user], check=True,
                       stdout=subprocess.DEVNULL, cwd="/")
        process = subprocess.Popen([*prefix, BIN / "postgres", "-D", folder / "data", "-p", str(port), "-k", folder,
                                    "-c", "listen_addresses=127.0.0.1", "-c", f"fsync={'on' if durable else 'off'}"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        ready = [BIN / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        end = time.monotonic() + START_SECONDS_MAX
        while subprocess.run(ready).returncode != 0:
            if time.monotonic() > end or process.poll() is not None:
                raise RuntimeError("PostgreSQL did not start")
            time.sleep(0.05)
        yield port
    finally:
        if process:
            process.terminate()
            process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)
