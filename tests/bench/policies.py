"""One row of 3 million by its id, for who sees all and for whom rows are filtered and a column is masked."""

import statistics
import time

import psycopg

from _tarn import report, tarn

ROWS = 3_000_000
ROUNDS = 40
FILES = {
    "tarn.yaml": "name: policies\n",
    "use_cases/air/flights.sql": "SELECT i AS id, 'c' || (i % 16) AS carrier, 'x' || i AS tail, "
                                 f"(i * 7919) % 1000 AS delay FROM range({ROWS}) t(i)\n",
    "policies/analysts.yaml": """roles:
  analyst: {members: [user:ann], allow: [{actions: ["table:Read"], resources: ["*"]}]}
row_filters: [{role: analyst, table: air.flights, where: "carrier <> 'c3'"}]
masks: [{role: analyst, column: air.flights.tail, with: "NULL"}]
""",
}


def seconds(connection, where):
    taken = []
    for number in range(ROUNDS):
        sql = "SELECT count(*), max(delay) FROM air.flights WHERE " + where.format(number * 70_001)
        started = time.monotonic()
        connection.execute(sql).fetchall()
        taken.append(time.monotonic() - started)
    return statistics.median(taken)


with tarn(FILES) as running:
    running.wait_fresh()
    running.api("POST", "/api/v1/users", {"name": "ann"})
    token = running.api("POST", "/api/v1/tokens", {"user": "ann", "name": "bench"})["token"]
    host, port = running.sql.rsplit(":", 1)
    with running.connect() as admin, psycopg.connect(host=host, port=port, user="token:ann", password=token,
                                                     dbname="tarn", autocommit=True) as ann:
        whole = seconds(admin, "id = {}")
        report("one row of 3 million, nothing protected, median of 40", whole * 1000, "ms", "")
        report("the same, filtered and masked", seconds(ann, "id = {}") * 1000, "ms", "a tenth of the next")
        report("the same, by a comparison that stays above", seconds(ann, "id % 5000000 = {}") * 1000, "ms", "")
