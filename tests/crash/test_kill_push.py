"""kill -9 while clients push: what was answered is there, and what is sent again under its key is there once."""

import http.client
import json
import random
import threading
import time

import pytest

from tarn_program import Tarn, request, until, write_files

FILES = {"sources/events.yaml": "kind: push\nstreams: {clicks: {}}\n"}
CLIENTS, KILLS = 6, 4


class Client(threading.Thread):
    """Pushes one batch after the other, each until it is answered."""

    def __init__(self, number, address, stop):
        super().__init__(daemon=True)
        self.number, self.address, self.stop = number, address, stop
        self.answered, self.sent, self.wrong, self.replayed = 0, 0, [], 0

    def run(self):
        while not self.stop.is_set():
            records = [{"id": f"{self.number}-{self.sent}-{i}"} for i in range(3)]
            while not self.push(records):
                time.sleep(0.05)
            self.sent += 1

    def push(self, records):
        url, token = self.address
        try:
            answer = request("POST", f"{url()}/api/v1/push/events/clicks", json.dumps(records).encode(),
                             {"Authorization": f"Bearer {token()}", "Idempotency-Key": f"{self.number}-{self.sent}"},
                             timeout=20)
        except (OSError, http.client.HTTPException):
            return False  # killed: nobody knows whether it is kept
        if answer.status != 200:
            if answer.status not in (429, 503):
                self.wrong.append((answer.status, answer.body))
            return answer.status not in (429, 503)
        self.replayed += answer.headers.get("Idempotent-Replayed") == "true"
        return True


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_no_push_is_lost_or_doubled_by_kills(tmp_path, seed):
    chance = random.Random(seed)
    write_files(tmp_path / "w", FILES)
    with Tarn(tmp_path / "w") as tarn:
        tarn.start()
        stop = threading.Event()
        address = (lambda: tarn.web, lambda: tarn.token)
        clients = [Client(number, address, stop) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.3, 4))
            tarn.kill()
            tarn.start()
        time.sleep(1)
        stop.set()
        for client in clients:
            client.join(60)
            assert not client.is_alive() and not client.wrong, (seed, client.wrong)
        expected = sum(client.sent for client in clients) * 3
        until(lambda: tarn.query("SELECT count(*)::int, count(DISTINCT id)::int FROM raw_events.clicks")
              == [(expected, expected)], f"seed {seed}: {expected} records", 60)
        print(f"seed {seed}: {expected} records, {sum(client.replayed for client in clients)} answered again")
