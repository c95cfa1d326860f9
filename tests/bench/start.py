"""Ready in < 1 s, idle in < 200 MB: a first start, and one on existing state."""

import pathlib
import shutil
import tempfile
import time

from _tarn import report, started

folder = pathlib.Path(tempfile.mkdtemp(prefix="tarn-bench-"))
try:
    for name in ("first start", "start on existing state"):
        with started(folder) as running:
            report(f"{name}, ready", running.seconds_to_ready, "s", "< 1")
            time.sleep(3)
            report(f"{name}, idle memory", running.memory_mb(), "MB", "< 200")
finally:
    shutil.rmtree(folder, ignore_errors=True)
