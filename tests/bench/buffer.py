"""Topics beside Apache Kafka: the same client, the same run, in turns; Tarn syncs before every answer, Kafka by its
defaults never does. Producers: librdkafka (C API) and Apache's ProducerPerformance, acks=all, batches of 64 KB at most;
consumers: ConsumerPerformance and kcat. Besides: the latency of a record at 20,000 a second beside the disk's own
fdatasync, memory of 10,000 idle connections and 10,000 partitions, the start after a kill with a large log.

Goals: CPU of the server's process a million records <= 0.5 x Kafka's; rate with the Java tool >= 1 x, with librdkafka
>= 2 x (where client and server share the cores, both of them have a ceiling: the client's own CPU, which is printed);
p99 <= 0.5 x Kafka's and <= 3 x fdatasync's; < 500 MB; start < 2 s.

BENCH_FULL=1: all of 100 B and 1 KB, 1 and 16 partitions, none and lz4, and more of each.
BENCH_ONLY=rates,latency,memory,start: some parts. Other work on the machine shows in the rates; CPU and ratios bear it.
"""

import contextlib
import os
import pathlib
import resource
import shutil
import socket
import struct
import subprocess
import tempfile
import time

from confluent_kafka.admin import AdminClient, NewTopic

import _apache_kafka
import _librdkafka
from _apache_kafka import Server
from _tarn import report, started, tarn

FULL = os.environ.get("BENCH_FULL") == "1"
PARTS = os.environ.get("BENCH_ONLY", "rates,latency,memory,start").split(",")
ROUNDS = 3 if FULL else 2
RECORDS = {100: 4_000_000, 1000: 1_000_000} if FULL else {100: 1_000_000, 1000: 300_000}  # of a run, by their bytes
LATENCY_SECONDS = 20 if FULL else 5
LOG_GIGABYTES = float(os.environ.get("BENCH_LOG_GB", "10" if FULL else "1"))
EACH = [(size, partitions, codec) for size in (100, 1000) for partitions in (1, 16) for codec in ("none", "lz4")]
SHAPES = EACH if FULL else [(100, 1, "none"), (100, 16, "lz4"), (1000, 16, "none")]
TICKS = os.sysconf("SC_CLK_TCK")
BATCH = {"batch.size": 65536, "linger.ms": 5}


def middle(values):
    return sorted(values)[len(values) // 2]


def percentile(values, part):
    return values[min(len(values) - 1, int(len(values) * part))]


def cpu_seconds(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def ours(running):
    return Server("Tarn", running.kafka, running.process,
                  {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": running.user,
                   "sasl.password": running.token})


def make_topic(server, name, partitions):
    admin = AdminClient(server.login())
    for future in admin.create_topics([NewTopic(name, partitions, 1)]).values():
        future.result()


def remove_topic(server, name):
    admin = AdminClient(server.login())
    for future in admin.delete_topics([name]).values():
        future.result()


# ---- rates and CPU

def measured(server, count, work):
    """(records a second, CPU of the server and of all clients, seconds a million records)"""
    before, clients = cpu_seconds(server.process), client_cpu()
    rate = work()
    scale = 1e6 / count
    return rate, (cpu_seconds(server.process) - before) * scale, (client_cpu() - clients) * scale


def client_cpu():
    return sum(usage.ru_utime + usage.ru_stime for usage in
               (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)))


def kcat(server, topic, count):
    """Records a second of one consumer of all partitions, its login included."""
    settings = [part for name, value in server.login().items() if name != "bootstrap.servers"
                for part in ("-X", f"{name}={value}")]
    begin = time.monotonic()
    done = subprocess.run(["kcat", "-b", server.address, *settings, "-C", "-q", "-t", topic, "-o", "beginning", "-e",
                           "-c", str(count), "-f", "."], stdout=subprocess.PIPE, check=True, timeout=300)
    if len(done.stdout) != count:
        raise RuntimeError(f"kcat read {len(done.stdout)} of {count} records")
    return count / (time.monotonic() - begin)


def one_round(server, folder, number, shape):
    """What each tool does to a topic of its own: {name: (rate, server's CPU, clients' CPU)}"""
    size, partitions, codec = shape
    count = RECORDS[size]
    topic = f"bench-{size}-{partitions}-{codec}-{number}"
    found = {}
    make_topic(server, topic, partitions)
    found["librdkafka produces"] = measured(server, count, lambda: _librdkafka.produce(
        server, topic, count, size, codec, **BATCH))
    found["Java consumes"] = measured(server, count, lambda: _apache_kafka.consumer_performance(
        server, folder, topic, count))
    if shutil.which("kcat"):
        found["librdkafka consumes"] = measured(server, count, lambda: kcat(server, topic, count))
    remove_topic(server, topic)
    make_topic(server, topic + "-java", partitions)
    found["Java produces"] = measured(server, count, lambda: _apache_kafka.producer_performance(
        server, folder, topic + "-java", count, size, **BATCH, **{"compression.type": codec})[0])
    remove_topic(server, topic + "-java")
    return found


def rates(servers, folder):
    for server in servers:  # Kafka's server compiles itself while it works
        one_round(server, folder, "warm", SHAPES[0])
    for shape in SHAPES:
        rounds = {server.name: [] for server in servers}
        for number in range(ROUNDS):
            for server in servers if number % 2 == 0 else servers[::-1]:
                rounds[server.name].append(one_round(server, folder, number, shape))
        tell(shape, *(rounds[server.name] for server in servers))


def tell(shape, tarns, kafkas):
    size, partitions, codec = shape
    print(f"{size} B, {partitions} partitions, {codec}: records/s and CPU s a million, server / clients", flush=True)
    for name in tarns[0]:
        (rate, cpu, clients), (their_rate, their_cpu, their_clients) = (
            tuple(middle([one[name][index] for one in rounds]) for index in range(3)) for rounds in (tarns, kafkas))
        goal = "" if "consumes" in name else ", goal >= 2" if "librdkafka" in name else ", goal >= 1"
        print(f"  {name}: Tarn {rate:,.0f} {cpu:.2f} / {clients:.2f}; Kafka {their_rate:,.0f} {their_cpu:.2f} / "
              f"{their_clients:.2f}; rate {rate / their_rate:.2f} x{goal}; CPU {cpu / their_cpu:.2f} x, goal <= 0.5",
              flush=True)


# ---- latency

def fdatasync_ms(folder, seconds):
    """What one thread that appends 4 KB and syncs sees, sorted."""
    times = []
    with open(folder / "probe", "wb", buffering=0) as file:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            begin = time.perf_counter()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            times.append(1000 * (time.perf_counter() - begin))
            time.sleep(0.001)
    os.unlink(folder / "probe")
    return sorted(times)


def latency(servers, folder):
    p50, p99 = {}, {}
    for number in range(ROUNDS):
        for server in servers if number % 2 == 0 else servers[::-1]:
            topic = f"latency-{number}"
            make_topic(server, topic, 1)
            if number == 0:
                _librdkafka.latencies(server, topic, 20_000, 3, 100)
            times = _librdkafka.latencies(server, topic, 20_000, LATENCY_SECONDS, 100)
            p50.setdefault(server.name, []).append(percentile(times, 0.5))
            p99.setdefault(server.name, []).append(percentile(times, 0.99))
            remove_topic(server, topic)
        times = fdatasync_ms(folder, LATENCY_SECONDS)
        p50.setdefault("fdatasync", []).append(percentile(times, 0.5))
        p99.setdefault("fdatasync", []).append(percentile(times, 0.99))
    print("20,000 records/s of 100 B, linger 0: ms p50 / p99: " + "; ".join(
        f"{name} {middle(p50[name]):.2f} / {middle(p99[name]):.2f}" for name in p50), flush=True)
    tarns = middle(p99["Tarn"])
    report("p99 to fdatasync's", tarns / middle(p99["fdatasync"]), "x", "<= 3")
    if len(servers) > 1:
        report("p99 to Kafka's", tarns / middle(p99["Apache Kafka"]), "x", "<= 0.5")


# ---- memory

def string(text):
    return struct.pack(">h", len(text)) + text.encode()


def exchange(connection, key, body):
    frame = struct.pack(">hhi", key, 1, 0) + string("bench") + body
    connection.sendall(struct.pack(">i", len(frame)) + frame)
    return connection.recv(4096)


def idle_connection(running):
    host, port = running.kafka.rsplit(":", 1)
    connection = socket.create_connection((host, int(port)))
    exchange(connection, 17, string("PLAIN"))
    login = f"\0{running.user}\0{running.token}".encode()
    answer = exchange(connection, 36, struct.pack(">i", len(login)) + login)
    if answer[8:10] != b"\0\0":
        raise RuntimeError("the login failed")
    return connection


def memory(running):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    connections = min(10_000, hard - 100)
    before = running.memory_mb()
    with contextlib.ExitStack() as idle:
        for _ in range(connections):
            idle.enter_context(idle_connection(running))
        with_connections = running.memory_mb()
    for number in range(10):
        make_topic(ours(running), f"many-{number}", 1000)
    print(f"memory: {before:.0f} MB, with {connections:,} idle connections {with_connections:.0f} MB, with 10,000 "
          f"partitions {running.memory_mb():.0f} MB (goal < 500)", flush=True)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# ---- the start

def start(folder):
    """After a kill -9 with a large log: what is behind the last checkpoint, a segment at most, is read again."""
    with started(folder) as running:
        make_topic(ours(running), "large", 16)
        count = int(LOG_GIGABYTES * 100) * _librdkafka.AT_ONCE
        _librdkafka.produce(ours(running), "large", count, 1000, "none", **BATCH)
        running.process.kill()
    log = sum(path.stat().st_size for path in folder.glob(".tarn/buffer/log/*.log"))
    with started(folder) as running:
        report(f"start after a kill with {log / 1e9:.1f} GB of log", running.seconds_to_ready, "s", "< 2")
    with started(folder) as running:
        report("start after a stop", running.seconds_to_ready, "s", "< 2")


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tarn-bench-buffer-"))
    why = _apache_kafka.missing()
    if why:
        print(f"rates and ratios are skipped: {why}", flush=True)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        running = stack.enter_context(tarn({"tarn.yaml": "name: bench\n"}))
        servers = [ours(running)]
        if not why and {"rates", "latency"} & set(PARTS):
            servers.append(stack.enter_context(_apache_kafka.apache_kafka()))
        if len(servers) > 1 and "rates" in PARTS:
            rates(servers, folder)
        if "latency" in PARTS:
            latency(servers, folder)
        if "memory" in PARTS:
            memory(running)
    if "start" in PARTS:
        with tarn({"tarn.yaml": "name: bench\n"}) as running:
            running.process.terminate()
            running.process.wait(20)
            start(running.folder)


if __name__ == "__main__":
    main()
