"""kill -9, and cut connections, at random instants of deliveries to PostgreSQL: the target is always one version of the
table, whole, each version is delivered once at most, and in the end the newest is there.

./dev soak destinations --seed 7 --minutes 10: rounds until the time is over. The seed gives the instants and the data.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psycopg  # noqa: E402

from postgres_server import postgres  # noqa: E402
from tarn_program import Tarn, until, write_files  # noqa: E402

KILLS = 6
ROWS_MAX = 60_000
KILL_SECONDS_MAX = 2.5
DELIVERED_SECONDS_MAX = 90
TABLES = ("merged", "replaced")  # by key, and as a whole


def workspace(port):
    return {
        "tarn.yaml": "name: kills\n",
        "sources/things.yaml": "kind: files\npath: ./inbox/*.csv\nstreams: {things: {format: csv}}\n",
        "use_cases/shop/things.sql": "SELECT * FROM raw_things.things\n",
        "destinations/db.yaml": f"""kind: postgresql
owner: admin
connection: {{port: {port}, database: postgres, user: postgres, tls: disable}}
retry_delay: 1s
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


LOG = """CREATE TABLE deliveries (delivery text, source text, version bigint);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO deliveries VALUES (NEW.delivery, NEW.source, NEW.version); RETURN NEW; END$$;
CREATE TRIGGER noted AFTER INSERT OR UPDATE ON _tarn_positions FOR EACH ROW EXECUTE FUNCTION note()"""


def check(connection, batches):
    for table in TABLES:
        found = connection.execute(f"SELECT batch, count(*), count(DISTINCT id) FROM {table} GROUP BY 1").fetchall()
        assert len(found) <= 1, f"{table} is a mixture: {found}"
        for batch, count, distinct in found:
            assert (count, distinct) == (batches[batch], batches[batch]), f"{table}: {found}, wanted {batches[batch]}"


def destinations_round(folder, seed, say=print):
    """One round; raises AssertionError with what is wrong."""
    say(f"seed {seed}")
    chance = random.Random(seed)
    with postgres() as port, psycopg.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres",
                                             autocommit=True) as connection:
        write_files(folder, workspace(port))
        batches = {0: 100}
        write_data(folder, 0, 100)
        with Tarn(folder) as tarn:
            tarn.start()

            def delivered(batch):
                for table in TABLES:
                    there = connection.execute(f"SELECT to_regclass('{table}')").fetchone()[0]
                    if not there or connection.execute(f"SELECT max(batch), count(*) FROM {table}").fetchone() != (
                            batch, batches[batch]):
                        return False
                return True
            until(lambda: delivered(0), "the first delivery", DELIVERED_SECONDS_MAX)
            connection.execute(LOG)
            for batch in range(1, KILLS + 1):
                batches[batch] = chance.randint(1, ROWS_MAX)
                write_data(folder, batch, batches[batch])
                end = time.monotonic() + chance.uniform(0.05, KILL_SECONDS_MAX)
                cuts = chance.random() < 0.3
                while time.monotonic() < end:
                    check(connection, batches)
                    time.sleep(0.02)
                if cuts:
                    connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                       "WHERE application_name = 'tarn'")
                else:
                    tarn.kill()
                    tarn.start()
                check(connection, batches)
            until(lambda: delivered(KILLS), "the last delivery", DELIVERED_SECONDS_MAX)
            check(connection, batches)
            doubled = connection.execute("SELECT delivery, version, count(*) FROM deliveries GROUP BY 1, 2 "
                                         "HAVING count(*) > 1").fetchall()
            assert not doubled, f"delivered twice: {doubled}"
            count = connection.execute("SELECT count(*) FROM deliveries").fetchone()[0]
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
        destinations_round(folder / "w", seed)
        shutil.rmtree(folder)
        seed += 1
    print(f"{seed - options.seed} rounds held")


if __name__ == "__main__":
    main()
