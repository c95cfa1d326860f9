"""What a backup every few minutes costs: the first one of 300 MB, then those of what five minutes of work changed."""

import os
import pathlib
import shutil
import statistics
import tempfile
import time

from _tarn import report, tarn

OBJECTS = 3_000
OBJECT_BYTES = 100_000
ROUNDS = 6
CHANGED = 20  # objects between two backups, and as many statements times five


def cpu_seconds(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


place = tempfile.mkdtemp(prefix="tarn-bench-backups-")
try:
    with tarn({"tarn.yaml": "name: bench\n"}) as running:
        s3 = running.s3_client()
        s3.create_bucket(Bucket="load")

        def put(first, count):
            for number in range(first, first + count):
                s3.put_object(Bucket="load", Key=f"load/{number:06}", Body=os.urandom(OBJECT_BYTES))

        def back_up():
            before, begin = cpu_seconds(running.process), time.monotonic()
            made = running.api("POST", "/api/v1/backups", {"to": place})
            return time.monotonic() - begin, cpu_seconds(running.process) - before, made["bytes_new"]

        put(0, OBJECTS)
        seconds, _, _ = back_up()
        report("first backup, 300 MB", seconds, "s", "< 30")
        measured = []
        with running.connect() as connection:
            for turn in range(ROUNDS):
                put(OBJECTS + turn * CHANGED, CHANGED)
                for _ in range(CHANGED * 5):
                    connection.execute("SELECT 1").fetchall()
                measured.append(back_up())
        seconds, processor, copied = (statistics.median(column) for column in zip(*measured, strict=True))
        report("each further one, of 2 MB changed", seconds, "s", "< 3: a hundredth of five minutes")
        report("processor time of it", processor, "s", "< 3")
        report("copied by it", copied / 1e6, "MB", "< 20")
finally:
    shutil.rmtree(place, ignore_errors=True)
