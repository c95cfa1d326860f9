"""kill -9 at random instants of everything that runs: loads, tables of each way to keep, parts and backfills, lists,
conditions, jobs of each kind, approvals, pools, retries, pushes, deliveries, caches.

./dev soak runs --seed 7 --rounds 20, or --minutes 10. In the end nothing that was acknowledged is lost, no run hangs,
no row and no delivery is there twice, no child of a killed program lives, and every table is what it is in a workspace
that was never killed. The seed gives the instants and the data.
"""

import argparse
import contextlib
import http.client
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "functional"))

import psycopg  # noqa: E402

from postgres_server import postgres  # noqa: E402
from receivers import Hook  # noqa: E402
from tarn_program import Tarn, request, until, write_files  # noqa: E402

SECONDS_MAX = 2.5  # between two kills
SETTLED_SECONDS_MAX = 120
ENDED = ("succeeded", "unchanged", "failed", "cancelled", "skipped")
DAYS = ("2024-01-01", "2024-01-12")
NEVER_FRESH = ("job:shop.call", "job:shop.never", "table:shop.daily")
TABLES = {  # and by what their rows are sorted
    "things": "id", "added": "id", "newest": "slot", "joined": "batch", "clicks": "key", "daily": "day", "gated": "n",
}


def workspace(database_port, hook_port):
    """joined is reached from the source by ways of different length; daily runs by a backfill only."""
    job = "use_cases/shop/{}.job.yaml".format
    table = "use_cases/shop/{}.sql".format
    return {
        "tarn.yaml": "name: kills\nruns: {parallel: 4, pools: {narrow: 1}}\n",
        "sources/things.yaml": "kind: files\npath: ./inbox/*.csv\nstreams: {things: {format: csv}}\n",
        "sources/events.yaml": "kind: push\nstreams: {clicks: {}}\n",
        table("things"): "SELECT id, batch, slot, day::DATE AS day FROM raw_things.things\n",
        table("added"): "/* tarn\nkeep: append\nsince: id\n*/\nSELECT id, batch FROM things\n",
        table("newest"): "/* tarn\nkeep: merge\nkey: [slot]\n*/\n"
                         "SELECT slot, max(id) AS id FROM things GROUP BY slot\n",
        table("joined"): "/* tarn\ncache: yes\n*/\nSELECT batch, count(*) AS n, count(newest.id) AS newest\n"
                         "FROM things LEFT JOIN newest USING (id) GROUP BY batch\n",
        table("clicks"): "SELECT key FROM raw_events.clicks\n",
        table("daily"): "/* tarn\npaused: yes\npool: narrow\n"
                        "partitions: {by: day, start: 2024-01-01, column: day}\n*/\n"
                        "SELECT day, count(*) AS n FROM (SELECT DISTINCT slot, $partition_start::DATE AS day\n"
                        "FROM things WHERE batch = 0) GROUP BY day\n",
        table("gated"): "/* tarn\napproval: yes\n*/\nSELECT count(*) AS n FROM things\n",
        job("each"): "owner: admin\nafter: [joined]\npool: narrow\nfor_each: {items: [a, b, c], parallel: 2}\n"
                     "shell: echo $TARN_PARAM_ITEM; sleep 0.05\n",
        job("never"): "owner: admin\nafter: [things]\nwhen: SELECT count(*) < 0 FROM things\nshell: exit 1\n",
        job("flaky"): "owner: admin\nreads: [shop.things]\nretries: 100\nretry_delay: 1s\npool: narrow\n"
                      "shell: test $(od -An -N1 -tu1 /dev/urandom) -gt 128\n",
        job("script"): "owner: admin\nreads: [shop.newest]\nretries: 100\nretry_delay: 1s\npython: |\n  import tarn\n"
                       "  tarn.put('results/newest.txt', str(tarn.query('SELECT sum(id) FROM shop.newest').value()))\n",
        job("call"): "owner: admin\nparameters: {n: {type: integer, default: 0}}\nretries: 100\nretry_delay: 1s\n"
                     f"http: {{method: POST, url: 'http://127.0.0.1:{hook_port}/', body: {{n: '{{n}}'}}}}\n",
        job("waits"): "owner: admin\nafter: [things]\nwait_for: {dataset: shop.joined, poll: 1s}\n",
        job("follows"): "owner: admin\nafter: [waits]\nshell: sleep 0.1\n",
        "use_cases/shop/shop.dashboard.yaml":
            "title: Shop\ntiles:\n  - {bar: 'SELECT batch, n FROM shop.joined ORDER BY 1', title: Batches}\n",
        "destinations/out.yaml": "kind: files\nowner: admin\npath: ./out\nretry_delay: 1s\n"
                                 "tables: {joined: {from: shop.joined}}\n",
        "destinations/db.yaml": "kind: postgresql\nowner: admin\nretry_delay: 1s\n"
                                f"connection: {{port: {database_port}, database: postgres, user: postgres, "
                                "tls: disable}\n"
                                "tables:\n  newest: {from: shop.newest, key: [slot]}\n  joined: {from: shop.joined}\n",
    }


def write_batch(folder, batch, first, count):
    """A further file, whole at once: rows first to first + count."""
    inbox = folder / "inbox"
    inbox.mkdir(exist_ok=True)
    lines = ["id,batch,slot,day"]
    lines += [f"{number},{batch},{number % 50},2024-01-{number % 12 + 1:02}" for number in range(first, first + count)]
    part = inbox / "batch.part"
    part.write_text("\n".join(lines) + "\n")
    part.rename(inbox / f"batch{batch:04}.csv")


def stat_of(process):
    """What tells one process from a later one of its number; nothing when it is gone or only waits to be reaped."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def descendants(process):
    found = {}
    for task in Path(f"/proc/{process}/task").glob("*"):
        with contextlib.suppress(OSError):
            for child in (task / "children").read_text().split():
                found |= {child: stat_of(child)} | descendants(child)
    return found


class Round:
    def __init__(self, folder, seed):
        self.chance = random.Random(seed)
        self.folder = folder
        self.rows = self.batches = 0
        self.pushed, self.open = [], []  # keys that were answered, and that must be sent again
        self.asked, self.told = [], {}  # runs that were acknowledged; of call: what each tells
        self.backfilled = False
        self.orphans = 0  # processes that the killed programs left behind

    # ---- what is asked of it; a killed program answers nothing, and nobody knows what it has taken

    def try_post(self, path, body, headers=None):
        try:
            return request("POST", self.tarn.web + path, body,
                           {"Authorization": f"Bearer {self.tarn.token}", **(headers or {})}, timeout=20)
        except (OSError, http.client.HTTPException):
            return None

    def add_batch(self):
        count = self.chance.randint(1, 3000)
        write_batch(self.folder, self.batches, self.rows, count)
        self.rows, self.batches = self.rows + count, self.batches + 1

    def push(self):
        self.open.append(f"key-{len(self.pushed) + len(self.open)}")
        for key in list(self.open):
            answer = self.try_post("/api/v1/push/events/clicks", [{"key": key}], {"Idempotency-Key": key})
            if answer is None or answer.status in (429, 503):
                return
            assert answer.status == 200, (key, answer.status, answer.body)
            self.open.remove(key)
            self.pushed.append(key)

    def ask(self, body):
        answer = self.try_post("/api/v1/runs", body)
        return answer.json if answer is not None and answer.status in (200, 201, 202) else None

    def call(self):
        number = len(self.told) + 1
        answer = self.ask({"target": "shop.call", "parameters": {"n": str(number)}})
        for run in answer["runs"] if answer else []:
            self.asked.append(run)
            self.told[run] = number

    def backfill(self):
        self.backfilled |= self.ask({"target": "shop.daily",
                                     "backfill": {"from": DAYS[0], "to": DAYS[1], "again": False}}) is not None

    def approve(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            for run in self.tarn.get("/api/v1/runs?state=waiting_approval")["runs"]:
                answer = self.try_post(f"/api/v1/runs/{run['id']}/approve", {})
                if answer is not None and answer.status == 200:
                    self.asked.append(run["id"])

    def look(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            self.tarn.http("GET", "/api/v1/dashboards/shop/shop/tiles/0")

    def act(self, seconds):
        actions = [self.push, self.push, self.call, self.approve, self.backfill, self.look, self.add_batch]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.chance.choice(actions)()
            time.sleep(self.chance.uniform(0, 0.2))

    def kill(self):
        found = descendants(self.tarn.process.pid)
        children = {child: begun for child, begun in found.items() if begun}  # not what was ending just then
        self.orphans += len(children)
        self.tarn.kill()
        until(lambda: all(stat_of(child) != begun for child, begun in children.items()),
              "the end of the children of a killed program", 20)

    # ---- what must be

    def settle(self, tarn):
        def unsettled():
            """Fresh is not what was skipped or has not been asked for yet; but it must not be due."""
            return {name: task["why"] for name, task in tarn.tasks().items()
                    if task["current"] or task["why"].startswith("it is due")
                    or not (task["fresh"] or name in NEVER_FRESH)}

        def arrived():
            """Before the source has looked, all is fresh."""
            return (tarn.value("SELECT count(*) FROM raw_things.things") == self.rows
                    and (not self.pushed or tarn.value("SELECT count(*) FROM raw_events.clicks") == len(self.pushed)))

        def settled():
            for run in tarn.get("/api/v1/runs?state=waiting_approval")["runs"]:
                tarn.http("POST", f"/api/v1/runs/{run['id']}/approve", {})
            return not unsettled()
        try:
            until(lambda: quietly(arrived), "all to be loaded", SETTLED_SECONDS_MAX)
            until(settled, "all to be fresh", SETTLED_SECONDS_MAX)
        except AssertionError as late:
            raise AssertionError(f"{late}: {unsettled()}") from late

    def all_runs(self):
        runs, before = [], ""
        while page := self.tarn.get(f"/api/v1/runs?limit=1000{before}")["runs"]:
            runs += page
            before = f"&before={page[-1]['id']}"
        return {run["id"]: run for run in runs}

    def check_runs(self, hook):
        def hanging():
            return {run["id"]: (run["task"], run["state"]) for run in self.all_runs().values()
                    if run["state"] not in ENDED}
        # The list of tasks knows of an end while it is being written; the list of runs once it is.
        with contextlib.suppress(AssertionError):
            until(lambda: not hanging(), "the last end to be written", 5)
        assert not hanging(), f"these have not ended: {hanging()}"
        runs = self.all_runs()
        failed = {run["id"]: (run["task"], run["error"]) for run in runs.values() if run["state"] == "failed"}
        assert not failed, f"these failed: {failed}"
        lost = [run for run in self.asked if runs.get(run, {}).get("state") not in ("succeeded", "unchanged")]
        assert not lost, f"acknowledged, and then: {[runs.get(run) for run in lost]}"
        never = {run["state"] for run in runs.values() if run["task"] == "job:shop.never"}
        assert never == {"skipped"}, never
        lists = [run for run in runs.values() if run["task"] == "job:shop.each" and run["items"] == 3]
        assert lists, "no list was run"
        for run in lists:
            items = [item for item in runs.values() if item["batch"] == run["id"] and item["part"]]
            assert len(items) == 3, f"list {run['id']} has {len(items)} items"
        # At least once, and no more often than the run says that it tried.
        heard = [int(body["n"]) for body in hook.bodies()]
        for run, number in self.told.items():
            assert 1 <= heard.count(number) <= runs[run]["attempt"], (run, number, heard, runs[run])

    def rows_of(self, tarn):
        return {name: [list(map(str, row)) for row in tarn.query(f"SELECT * FROM shop.{name} ORDER BY {by}")]
                for name, by in TABLES.items()}

    def check_tables(self, found, database):
        assert [row[0] for row in found["clicks"]] == sorted(self.pushed), "pushes were lost or doubled"
        assert [row[0] for row in found["added"]] == [str(number) for number in range(self.rows)]
        assert len(found["daily"]) == 12 and found["gated"] == [[str(self.rows)]]
        for name in ("newest", "joined"):
            rows = database.execute(f"SELECT * FROM {name} ORDER BY {TABLES[name]}").fetchall()
            assert [list(map(str, row)) for row in rows] == found[name], f"what was delivered of {name}"
        doubled = database.execute("SELECT delivery, version, count(*) FROM deliveries GROUP BY 1, 2 "
                                   "HAVING count(*) > 1").fetchall()
        assert not doubled, f"delivered twice: {doubled}"
        delivered = (self.folder / "out/joined.csv").read_text().splitlines()[1:]
        assert sorted(delivered, key=lambda line: int(line.split(",")[0])) == [",".join(row) for row in found["joined"]]
        tile = self.tarn.get("/api/v1/dashboards/shop/shop/tiles/0")["rows"]
        assert [list(map(str, row)) for row in tile] == [row[:2] for row in found["joined"]]
        newest = self.tarn.run("get", "results/newest.txt", "-")
        assert newest.stdout == str(sum(int(row[1]) for row in found["newest"])), newest

    def undisturbed(self, files):
        """The rows in a workspace that got the same and was never killed."""
        folder = self.folder.parent / "control"
        write_files(folder, {name: text for name, text in files.items() if not name.startswith("destinations")})
        shutil.copytree(self.folder / "inbox", folder / "inbox")
        with Tarn(folder) as tarn:
            tarn.start()
            make_bucket(tarn)
            records = [{"key": key} for key in self.pushed]
            if records:
                tarn.post("/api/v1/push/events/clicks", records)
            self.settle(tarn)
            tarn.json("run", "shop.daily", "--backfill", "..".join(DAYS), "--wait")
            return self.rows_of(tarn)

    def play(self, kills, say):
        with postgres() as port, contextlib.closing(Hook()) as hook, psycopg.connect(
                host="127.0.0.1", port=port, user="postgres", dbname="postgres", autocommit=True) as database:
            files = workspace(port, hook.port)
            write_files(self.folder, files)
            self.add_batch()
            instants = []
            with Tarn(self.folder) as self.tarn:
                self.tarn.start()
                make_bucket(self.tarn)
                self.settle_first(database)
                for _ in range(kills):
                    instants.append(round(self.chance.uniform(0.05, SECONDS_MAX), 2))
                    self.add_batch()
                    self.act(instants[-1])
                    self.kill()
                    self.tarn.start()
                begun = time.monotonic()
                while self.open or not self.backfilled:
                    self.push() if self.open else self.backfill()
                self.settle(self.tarn)
                settled = time.monotonic() - begun
                self.check_runs(hook)
                found = self.rows_of(self.tarn)
                self.check_tables(found, database)
                verified = self.tarn.run("verify", "--json")
                assert verified.returncode == 0, verified.stdout
                self.tarn.stop()
            wanted = self.undisturbed(files)
            wrong = [name for name in TABLES if found[name] != wanted[name]]
            assert not wrong, f"{wrong} are not what they are without kills"
            say(f"killed after {instants} s; {self.rows} rows, {len(self.pushed)} pushes, {len(self.asked)} runs asked "
                f"for, {self.orphans} children ended, settled in {settled:.1f} s")
            assert self.orphans > 0, "no kill met a sandbox's keeper: they come too early to show anything"

    def settle_first(self, database):
        """The first of everything, so that the target notes each delivery from here on."""
        self.push()
        self.settle(self.tarn)
        database.execute("""CREATE TABLE deliveries (delivery text, version bigint);
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
                $$BEGIN INSERT INTO deliveries VALUES (NEW.delivery, NEW.version); RETURN NEW; END$$;
            CREATE TRIGGER noted AFTER INSERT OR UPDATE ON _tarn_positions FOR EACH ROW EXECUTE FUNCTION note()""")


def quietly(ask):
    """Of a table that is not there yet: no."""
    try:
        return ask()
    except psycopg.Error:
        return False


def make_bucket(tarn):
    (tarn.folder / "empty").write_text("")
    assert tarn.run("put", "empty", "results/empty").returncode == 0


def runs_round(folder, seed, kills, say=print):
    """One round; raises AssertionError with what is wrong."""
    try:
        Round(folder, seed).play(kills, lambda text: say(f"seed {seed}: {text}"))
    except AssertionError as wrong:
        raise AssertionError(f"seed {seed}: {wrong}") from wrong


def main():
    parser = argparse.ArgumentParser(prog="./dev soak runs", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="of the first round; the next have the next numbers")
    parser.add_argument("--rounds", type=int, default=10**9)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--kills", type=int, default=10, help="in each round")
    options = parser.parse_args()
    end, seed = time.monotonic() + options.minutes * 60, options.seed
    while time.monotonic() < end and seed < options.seed + options.rounds:
        folder = Path(tempfile.mkdtemp(prefix="tarn-runs-"))
        try:
            runs_round(folder / "w", seed, options.kills, lambda text: print(text, flush=True))
        except AssertionError as wrong:
            print(f"{wrong}\nthe folder is left for you: {folder}\nagain: ./dev soak runs --seed {seed} --rounds 1 "
                  f"--kills {options.kills}")
            return 1
        shutil.rmtree(folder)
        seed += 1
    print(f"{seed - options.seed} rounds, none wrong; next: --seed {seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
