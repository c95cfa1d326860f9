"""What is loaded is found in no file of the state directory and in no log, whatever way it came and went."""

import sqlite3

import psycopg
import pytest

from conftest import s3_client

CANARY = "canaryKJ7QZ31yellow"
FORMS = [CANARY.encode(), CANARY.encode("utf-16-le"), CANARY.encode().hex().encode(), CANARY[::-1].encode()]
FILES = {
    "sources/birds.yaml": "kind: files\npath: ./inbox/*.csv\nstreams: {birds: {format: csv}}\n",
    "sources/cage.yaml": "kind: sqlite\nconnection: {path: ./cage.db}\nstreams: {birds: {}}\n",
    "use_cases/zoo/birds.sql": "/* tarn\nkeep: merge\nkey: [id]\n*/\nSELECT id, name FROM raw_birds.birds\n",
    "use_cases/zoo/both.sql": "SELECT b.id, b.name, c.name AS other FROM birds b JOIN raw_cage.birds c USING (id)\n",
    "inbox/birds.csv": "id,name\n" + "".join(f"{number},{CANARY}\n" for number in range(5000)),
}


@pytest.fixture
def tarn(make, tmp_path):
    (tmp_path / "workspace").mkdir()
    with sqlite3.connect(tmp_path / "workspace/cage.db") as database:
        database.execute("CREATE TABLE birds (id INTEGER, name TEXT)")
        database.executemany("INSERT INTO birds VALUES (?, ?)", [(number, CANARY) for number in range(100)])
    return make(FILES)


def files_with_the_canary(tarn):
    paths = [path for path in (tarn.folder / ".tarn").rglob("*") if path.is_file()]
    assert len(paths) > 5
    contents = {path: path.read_bytes() for path in [*paths, tarn.output]}
    return [str(path) for path, content in contents.items() if any(form in content for form in FORMS)]


def test_no_file_holds_the_canary(tarn):
    tarn.wait_fresh()
    assert tarn.query("SELECT DISTINCT name FROM zoo.birds") == [(CANARY,)]
    assert tarn.query("SELECT DISTINCT other FROM zoo.both") == [(CANARY,)]
    tarn.query("SELECT count(*) FROM zoo.birds WHERE name = %s", [CANARY])
    with pytest.raises(psycopg.Error):
        tarn.query(f"SELECT '{CANARY}'::integer")
    with pytest.raises(psycopg.Error):
        tarn.query("SELECT name::integer FROM zoo.birds")
    tarn.post("/api/v1/sql", {"sql": "SELECT * FROM zoo.birds ORDER BY name LIMIT 5"})
    tarn.get("/api/v1/catalog/zoo/birds/preview")
    tarn.run("secret", "set", "bird", input=CANARY + "\n")
    client = s3_client(tarn, tarn.json("s3-key", "create"))
    client.create_bucket(Bucket="nest")
    client.put_object(Bucket="nest", Key="small", Body=CANARY.encode())
    client.put_object(Bucket="nest", Key="large", Body=CANARY.encode() * 20000, Metadata={"bird": CANARY})
    assert files_with_the_canary(tarn) == []
    tarn.stop()
    assert files_with_the_canary(tarn) == []
    tarn.start()
    assert tarn.query("SELECT DISTINCT name FROM zoo.birds") == [(CANARY,)]
    assert files_with_the_canary(tarn) == []
