"""PUT and GET of 1 KB over S3, with encryption and fsync on: 1, 8 and 64 clients, beside what the disk's own fdatasync
takes in the same folder and the same minutes. Goal: the median of one client's durable PUT under 5 ms."""

import hashlib
import hmac
import http.client
import os
import statistics
import threading
import time

from _tarn import report, tarn

SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))
BODY = os.urandom(1024)
BUCKET = "bench"


def fdatasync_ms(folder, grows, rounds=200):
    """The median of one thread that writes 4 KB and syncs: at the end of a file that grows, or over what is there, as
    the index's log and the audit log do."""
    times = []
    with open(folder / "probe", "wb", buffering=0) as file:
        if not grows:
            file.write(bytes(4096 * rounds))
            os.fsync(file.fileno())
            file.seek(0)
        for _ in range(rounds):
            begin = time.perf_counter()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begin)
    os.unlink(folder / "probe")
    return 1000 * statistics.median(times)


class Client:
    """Signs by itself: boto3 needs more of a core for one call than what is measured."""

    def __init__(self, address, key):
        self.address, self.key_id = address, key["access_key_id"]
        self.connection = http.client.HTTPConnection(*address.rsplit(":", 1))
        self.day = time.strftime("%Y%m%d", time.gmtime())
        secret = ("AWS4" + key["secret_access_key"]).encode()
        for word in (self.day, "us-east-1", "s3", "aws4_request"):
            secret = hmac.digest(secret, word.encode(), "sha256")
        self.signing_key = secret

    def call(self, method, path, body=None):
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        scope = f"{self.day}/us-east-1/s3/aws4_request"
        names = "host;x-amz-content-sha256;x-amz-date"
        request = (f"{method}\n{path}\n\nhost:{self.address}\nx-amz-content-sha256:UNSIGNED-PAYLOAD\n"
                   f"x-amz-date:{now}\n\n{names}\nUNSIGNED-PAYLOAD")
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = hmac.new(self.signing_key, text.encode(), "sha256").hexdigest()
        self.connection.request(method, path, body, {
            "x-amz-date": now, "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
            "Authorization": f"AWS4-HMAC-SHA256 Credential={self.key_id}/{scope},SignedHeaders={names},"
                             f"Signature={signature}"})
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:300]}")
        return content


def run(clients, one_call):
    """Calls of all clients for SECONDS: their number a second, and the median and 99th percentile in ms."""
    times = [[] for _ in clients]
    end = time.perf_counter() + SECONDS

    def work(number):
        count = 0
        while (begin := time.perf_counter()) < end:
            one_call(clients[number], number, count)
            times[number].append(time.perf_counter() - begin)
            count += 1
    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = sorted(seconds for one in times for seconds in one)
    return len(every) / SECONDS, 1000 * every[len(every) // 2], 1000 * every[int(len(every) * 0.99)]


with tarn({"tarn.yaml": "name: bench\n"}) as running:
    key = running.api("POST", "/api/v1/s3-keys", {"description": "benchmark"})
    clients = [Client(running.s3, key) for _ in range(64)]
    clients[0].call("PUT", f"/{BUCKET}")
    for count in (1, 8, 64):
        rate, median, late = run(clients[:count], lambda client, number, index: client.call(
            "PUT", f"/{BUCKET}/{number}/{index}", BODY))
        over, grown = fdatasync_ms(running.folder, False), fdatasync_ms(running.folder, True)
        goal = "<= 5" if count == 1 else "none"
        report(f"PUT 1 KB, {count} clients, median", median, "ms", goal)
        print(f"  {rate:.0f} a second, 99th percentile {late:.1f} ms; one fdatasync of the disk {over:.2f} ms, of a "
              f"file that grows {grown:.2f} ms", flush=True)
    for count in (1, 8, 64):
        rate, median, late = run(clients[:count], lambda client, number, index: client.call("GET", f"/{BUCKET}/0/0"))
        report(f"GET 1 KB, {count} clients, median", median, "ms", "none")
        print(f"  {rate:.0f} a second, 99th percentile {late:.1f} ms", flush=True)
