"""kill -9, and cut connections, at random instants of deliveries to PostgreSQL, MariaDB and Delta tables in a bucket:
the target is always one version of the table, whole, each version is delivered once at most, and in the end the newest
is there.

./dev soak destinations --seed 7 --minutes 10: rounds until the time is over, one target after the other. The seed gives
the instants and the data.
"""

import argparse
import contextlib
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import boto3  # noqa: E402
import duckdb  # noqa: E402
import psycopg  # noqa: E402
import pyarrow  # noqa: E402
from deltalake import DeltaTable  # noqa: E402
from deltalake.exceptions import TableNotFoundError  # noqa: E402

from mariadb_server import mariadb  # noqa: E402
from postgres_server import postgres  # noqa: E402
from tarn_program import Tarn, free_port, until, write_files  # noqa: E402

KILLS = 6
ROWS_MAX = 60_000
KILL_SECONDS_MAX = 2.5
DELIVERED_SECONDS_MAX = 90
TABLES = ("merged", "replaced")  # by key, and as a whole


def workspace(target):
    return {
        "tarn.yaml": "name: kills\n",
        "sources/things.yaml": "kind: files\npath: ./inbox/*.csv\nstreams: {things: {format: csv}}\n",
        "use_cases/shop/things.sql": "SELECT * FROM raw_things.things\n",
        "destinations/db.yaml": f"""owner: admin
{target.yaml}retry_delay: 1s
tables:
  merged:   {{from: shop.things, key: [id]}}
  replaced: {{from: shop.things}}
""",
    }


def write_data(folder, batch, count):
    """All rows name their batch, so that a mixture shows; the file is there at once."""
    inbox = folder / "inbox"
    inbox.mkdir(exist_ok=True)
    lines = ["id,batch,text"] + [f"{number},{batch},row {number} of {batch}" for number in range(count)]
    part = inbox / "things.part"
    part.write_text("\n".join(lines) + "\n")
    part.rename(inbox / "things.csv")


class Postgres:
    kind = "postgresql"

    @contextlib.contextmanager
    def started(self):
        with postgres() as port, psycopg.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres",
                                                 autocommit=True) as self.connection:
            self.yaml = (f"kind: postgresql\nconnection: {{port: {port}, database: postgres, user: postgres, "
                         "tls: disable}\n")
            yield self

    def rows(self, sql):
        """Of numbers, or text; none while the table is not there."""
        try:
            return self.connection.execute(sql).fetchall()
        except psycopg.errors.UndefinedTable:
            return []

    def log(self):
        self.connection.execute("""CREATE TABLE deliveries (delivery text, source text, version bigint);
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
                $$BEGIN INSERT INTO deliveries VALUES (NEW.delivery, NEW.source, NEW.version); RETURN NEW; END$$;
            CREATE TRIGGER noted AFTER INSERT OR UPDATE ON _tarn_positions FOR EACH ROW EXECUTE FUNCTION note()""")

    def cut(self):
        self.connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                "WHERE application_name = 'tarn'")


class Mariadb:
    kind = "mysql"

    @contextlib.contextmanager
    def started(self):
        with mariadb() as self.server:
            self.server.execute("CREATE DATABASE target; CREATE USER writer@'%'; GRANT ALL ON target.* TO writer@'%'")
            self.yaml = (f"kind: mysql\nconnection: {{port: {self.server.port}, database: target, user: writer, "
                         "tls: disable}\n")
            yield self

    def rows(self, sql):
        try:
            lines = self.server.execute(sql, "target").splitlines()
        except RuntimeError as failed:
            assert "doesn't exist" in str(failed), failed
            return []
        return [tuple(int(cell) if cell.isdigit() else cell for cell in line.split("\t")) for line in lines]

    def log(self):
        note = "FOR EACH ROW INSERT INTO deliveries VALUES (NEW.delivery, NEW.source, NEW.version)"
        self.server.execute(f"""CREATE TABLE deliveries (delivery text, source text, version bigint);
            CREATE TRIGGER made AFTER INSERT ON _tarn_positions {note};
            CREATE TRIGGER noted AFTER UPDATE ON _tarn_positions {note}""", "target")

    def cut(self):
        for (number,) in self.rows("SELECT id FROM information_schema.processlist WHERE user = 'writer'"):
            with contextlib.suppress(RuntimeError):  # it ended by itself
                self.server.execute(f"KILL {number}")


class Bucket:
    """Delta tables in a bucket of another Tarn, which is killed too."""
    kind = "s3"

    @contextlib.contextmanager
    def started(self):
        with tempfile.TemporaryDirectory(prefix="tarn-store-") as folder:
            write_files(Path(folder) / "w", {"tarn.yaml": "name: store\n"})
            ports = ["--web", "127.0.0.1:0", "--s3", f"127.0.0.1:{free_port()}", "--sql", "127.0.0.1:0",
            "--kafka", "127.0.0.1:0"]
            with Tarn(Path(folder) / "w", ports=ports) as self.store:
                self.store.start()
                key = self.store.json("s3-key", "create")
                self.options = {"AWS_ENDPOINT_URL": self.store.s3, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
                                "AWS_ACCESS_KEY_ID": key["access_key_id"],
                                "AWS_SECRET_ACCESS_KEY": key["secret_access_key"]}
                self.client = boto3.client("s3", endpoint_url=self.store.s3, region_name="us-east-1",
                                           aws_access_key_id=key["access_key_id"],
                                           aws_secret_access_key=key["secret_access_key"])
                self.client.create_bucket(Bucket="target")
                self.secret = key["secret_access_key"]
                self.yaml = (f"kind: s3\nendpoint: {self.store.s3}\nbucket: target\nformat: delta\n"
                             "private_network: yes\n"
                             f"access_key: {{id: {key['access_key_id']}, secret: secret:store}}\n")
                yield self

    def rows(self, sql):
        relation = duckdb.connect()
        try:
            for table in TABLES:
                if f"FROM {table}" in sql:
                    relation.register(table, DeltaTable(f"s3://target/{table}",
                                                        storage_options=self.options).to_pyarrow_table())
            if "FROM deliveries" in sql:
                relation.register("deliveries", pyarrow.Table.from_pylist(self.entries()))
            return relation.execute(sql).fetchall()
        except TableNotFoundError:
            return []

    def entries(self):
        """What each entry of the logs says was delivered."""
        found = []
        for table in TABLES:
            listed = self.client.list_objects_v2(Bucket="target", Prefix=f"{table}/_delta_log/")
            for one in listed.get("Contents", []):
                if not one["Key"].endswith(".json"):
                    continue
                body = self.client.get_object(Bucket="target", Key=one["Key"])["Body"].read()
                marks = [json.loads(line)["txn"] for line in body.splitlines() if b'"txn"' in line[:8]]
                assert len(marks) == 1, body
                found.append({"delivery": marks[0]["appId"], "version": marks[0]["version"]})
        return found

    def log(self):
        pass  # the log is Delta's

    def cut(self):
        self.store.kill()
        self.store.start()


TARGETS = {target.kind: target for target in (Postgres, Mariadb, Bucket)}


def check(target, batches):
    for table in TABLES:
        found = target.rows(f"SELECT batch, count(*), count(DISTINCT id) FROM {table} GROUP BY 1")
        assert len(found) <= 1, f"{table} is a mixture: {found}"
        for batch, count, distinct in found:
            assert (count, distinct) == (batches[batch], batches[batch]), f"{table}: {found}, wanted {batches[batch]}"


def destinations_round(folder, seed, kind="postgresql", say=print):
    """One round; raises AssertionError with what is wrong."""
    say(f"{kind}, seed {seed}")
    chance = random.Random(seed)
    with TARGETS[kind]().started() as target:
        write_files(folder, workspace(target))
        batches = {0: 100}
        write_data(folder, 0, 100)
        with Tarn(folder) as tarn:
            tarn.start()
            if hasattr(target, "secret"):
                assert tarn.run("secret", "set", "store", input=target.secret).returncode == 0

            def delivered(batch):
                return all(target.rows(f"SELECT max(batch), count(*) FROM {table}") == [(batch, batches[batch])]
                           for table in TABLES)
            until(lambda: delivered(0), "the first delivery", DELIVERED_SECONDS_MAX)
            target.log()
            for batch in range(1, KILLS + 1):
                batches[batch] = chance.randint(1, ROWS_MAX)
                write_data(folder, batch, batches[batch])
                end = time.monotonic() + chance.uniform(0.05, KILL_SECONDS_MAX)
                cuts = chance.random() < 0.3
                while time.monotonic() < end:
                    check(target, batches)
                    time.sleep(0.02)
                if cuts:
                    target.cut()
                else:
                    tarn.kill()
                    tarn.start()
                check(target, batches)
            until(lambda: delivered(KILLS), "the last delivery", DELIVERED_SECONDS_MAX)
            check(target, batches)
            doubled = target.rows("SELECT delivery, version, count(*) FROM deliveries GROUP BY 1, 2 "
                                  "HAVING count(*) > 1")
            assert not doubled, f"delivered twice: {doubled}"
            count = target.rows("SELECT count(*) FROM deliveries")[0][0]
            assert count >= len(TABLES), "nothing was delivered after the first"
            tarn.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=5)
    options = parser.parse_args()
    end, seed = time.monotonic() + options.minutes * 60, options.seed
    while time.monotonic() < end:
        folder = Path(tempfile.mkdtemp(prefix="tarn-destinations-"))
        destinations_round(folder / "w", seed, list(TARGETS)[seed % len(TARGETS)])
        shutil.rmtree(folder)
        seed += 1
    print(f"{seed - options.seed} rounds held")


if __name__ == "__main__":
    main()
