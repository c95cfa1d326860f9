"""Apache Kafka as the peer of a benchmark: one node with its defaults, started from a folder of jars; and its tools.

The folder is build/kafka, or TARN_KAFKA_LIBS names it. Maven fills it, as kafka.pom.xml says.
"""

import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time

from _tarn import ROOT

LIBS = pathlib.Path(os.environ.get("TARN_KAFKA_LIBS", ROOT / "build/kafka"))
# What kafka-server-start.sh gives the broker.
BROKER_JVM = ["-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
              "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent"]
QUIET = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=error"]


def missing():
    """Why there is no peer; None if there is one."""
    if not shutil.which("java"):
        return "java is not installed"
    if not list(LIBS.glob("kafka_2.13-*.jar")):
        return (f"no Apache Kafka in {LIBS}; mvn -f tests/bench/kafka.pom.xml dependency:copy-dependencies "
                "-DoutputDirectory=$PWD/build/kafka")
    return None


def java(*arguments, jvm=()):
    return ["java", *jvm, *QUIET, "-cp", str(LIBS / "*"), *map(str, arguments)]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A broker that is measured, ours or theirs."""

    def __init__(self, name, address, process, settings):
        self.name, self.address, self.process, self.settings = name, address, process, settings

    def login(self):
        """For librdkafka."""
        return {"bootstrap.servers": self.address, "log_level": 4, **self.settings}

    def properties(self, folder):
        """The same for the Java tools: a file."""
        lines = [f"{name}={value}" for name, value in self.settings.items() if not name.startswith("sasl.")]
        lines.append(f"bootstrap.servers={self.address}")
        if "sasl.username" in self.settings:
            user, password = self.settings["sasl.username"], self.settings["sasl.password"]
            lines += ["sasl.mechanism=PLAIN",
                      "sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required "
                      f'username="{user}" password="{password}";']
        path = folder / f"{self.name.replace(' ', '_')}.properties"
        path.write_text("\n".join(lines) + "\n")
        return path


@contextlib.contextmanager
def apache_kafka():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tarn-bench-kafka-"))
    port, controller = free_port(), free_port()
    (folder / "server.properties").write_text(f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={folder}/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
""")
    config = folder / "server.properties"
    output = open(folder / "output", "wb")
    try:
        subprocess.run(java("kafka.tools.StorageTool", "format", "-t", "Xy9vYnJlbmNoX3RhcmFhYQ", "-c", config),
                       check=True, stdout=output, stderr=output)
        process = subprocess.Popen(java("kafka.Kafka", config, jvm=BROKER_JVM), stdout=output, stderr=output)
        try:
            wait_until_listening(process, port, folder)
            yield Server("Apache Kafka", f"127.0.0.1:{port}", process, {})
        finally:
            process.terminate()
            process.wait(60)
    finally:
        output.close()
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_listening(process, port, folder):
    end = time.monotonic() + 120
    while True:
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError("Apache Kafka did not start: " + (folder / "output").read_text()[-2000:])
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)


def run_tool(*arguments):
    done = subprocess.run(java(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600,
                          check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{arguments[0]}: {done.stdout[-2000:]}")
    return done.stdout


def producer_performance(server, folder, topic, count, size, rate=-1, **settings):
    """(records a second, p50 in ms, p99 in ms)"""
    output = run_tool("org.apache.kafka.tools.ProducerPerformance", "--topic", topic, "--num-records", count,
                      "--record-size", size, "--throughput", rate, "--command-config",
                      server.properties(folder), "--command-property", "acks=all",
                      *(f"{name}={value}" for name, value in settings.items()))
    found = re.search(r"([\d.]+) records/sec .* ([\d.]+) ms 50th, .* ([\d.]+) ms 99th", output.splitlines()[-1])
    if not found or f"{count} records sent" not in output.splitlines()[-1]:
        raise RuntimeError(f"ProducerPerformance said: {output[-2000:]}")
    return tuple(map(float, found.groups()))


def consumer_performance(server, folder, topic, count):
    """Records a second, from when partitions are assigned."""
    output = run_tool("org.apache.kafka.tools.ConsumerPerformance", "--bootstrap-server", server.address, "--topic",
                      topic, "--num-records", count, "--command-config", server.properties(folder), "--timeout", 60_000)
    lines = output.strip().splitlines()
    heads = [index for index, line in enumerate(lines[:-1]) if line.startswith("start.time, ")]
    row = dict(zip(lines[heads[0]].split(", "), lines[heads[0] + 1].split(", "), strict=False)) if heads else {}
    if int(row.get("data.consumed.in.nMsg", 0)) < count:
        raise RuntimeError(f"ConsumerPerformance said: {output[-2000:]}")
    return float(row["fetch.nMsg.sec"])
