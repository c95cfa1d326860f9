"""The event stream: many who listen, and what each of them is told."""

import http.client
import json
import pathlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from conftest import SMALL
from tarn_program import until

LISTENERS = 50  # more than the program has threads for requests


class Listener:
    """A browser's EventSource, as bytes."""

    def __init__(self, tarn, token=None):
        host, port = tarn.ready["web"].rsplit(":", 1)
        self.connection = http.client.HTTPConnection(host, int(port), timeout=30)
        self.connection.request("GET", "/api/v1/events", headers={"Authorization": f"Bearer {token or tarn.token}"})
        self.socket = self.connection.sock  # the answer takes it
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        assert self.answer.headers["Content-Type"] == "text/event-stream"
        self.events = []
        self.ended = False
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        kind = None
        try:
            while line := self.answer.readline():
                word, _, text = line.decode().strip().partition(": ")
                if word == "event":
                    kind = text
                elif word == "data":
                    self.events.append((kind, json.loads(text)))
        except (OSError, http.client.HTTPException, ValueError):
            pass
        self.ended = True

    def of(self, kind):
        return [event for name, event in self.events if name == kind]

    def close(self):
        self.socket.shutdown(2)
        self.thread.join()


def threads_of(tarn):
    status = pathlib.Path(f"/proc/{tarn.process.pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in status if line.startswith("Threads")))


def streams(tarn):
    lines = tarn.http("GET", "/metrics").body.decode().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("tarn_web_event_streams")))


def test_fifty_listen_and_others_are_served(make):
    tarn = make(SMALL)
    tarn.wait_fresh()
    before = threads_of(tarn)
    with ThreadPoolExecutor(LISTENERS) as pool:
        listeners = list(pool.map(lambda _: Listener(tarn), range(LISTENERS)))
    until(lambda: all(listener.of("tick") for listener in listeners), "the first tick of each")
    assert threads_of(tarn) <= before + 2
    assert streams(tarn) == LISTENERS
    # Whoever does not listen waits for nobody.
    begin = time.monotonic()
    for _ in range(20):
        tarn.get("/api/v1/tasks")
    assert time.monotonic() - begin < 10
    tarn.post("/api/v1/runs", {"target": "shop.sales"})
    until(lambda: all(any(run["task"] == "table:shop.sales" and run["state"] in ("succeeded", "unchanged")
                          for run in listener.of("run")) for listener in listeners), "the run told to each")
    assert {tick["idle"] for listener in listeners for tick in listener.of("tick")} >= {True}
    for listener in listeners[:40]:
        listener.close()
    until(lambda: streams(tarn) == LISTENERS - 40, "those that left are forgotten")
    tarn.stop()
    until(lambda: all(listener.ended for listener in listeners), "the end of the program ends the streams")


def test_each_is_told_what_they_may_see(make):
    tarn = make(SMALL)
    tarn.wait_fresh()
    tarn.post("/api/v1/users", {"name": "eve", "password": "correct horse battery"})
    token = tarn.post("/api/v1/tokens", {"user": "eve", "name": "look"})
    mine, hers = Listener(tarn), Listener(tarn, token["token"])
    until(lambda: mine.of("tick") and hers.of("tick"), "ticks")
    tarn.post("/api/v1/runs", {"target": "shop.sales"})
    until(lambda: any(run["state"] in ("succeeded", "unchanged") for run in mine.of("run")), "the run")
    ticks = len(hers.of("tick"))
    until(lambda: len(hers.of("tick")) > ticks, "her next tick")
    assert hers.of("run") == []
    # A token that no longer holds ends its stream.
    assert tarn.http("DELETE", "/api/v1/tokens/look", token=token["token"]).status == 200
    until(lambda: hers.ended, "the stream of a revoked token ends")
    assert not mine.ended
    mine.close()
