"""Reports of dashboards: as PNG, PDF and csv, of what the person may see, and by mail."""

import json
import subprocess

import pytest
from dashboards_workspace import FORMULA, MARKUP, write_shop
from tarn_program import Tarn, write_files

GALLERY = "/api/v1/dashboards/shop/gallery/download"
# The second tile reads what heidi may not.
PARTS = """title: Parts
tiles:
  - {number: SELECT count(*) FROM shop.orders, title: All orders}
  - {table: SELECT country FROM hidden.countries, title: Hidden, height: 3}
  - {table: "SELECT id, country, item FROM shop.orders ORDER BY id", title: Orders}
"""
HIDDEN = "/* tarn\nkeep: full\n*/\nSELECT DISTINCT country FROM shop.orders\n"


def text_of(pdf):
    done = subprocess.run(["pdftotext", "-layout", "-", "-"], input=pdf, capture_output=True, check=True)
    return done.stdout.decode()


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports") / "shop"
    write_shop(folder)
    write_files(folder, {"use_cases/shop/parts.dashboard.yaml": PARTS,
                         "use_cases/hidden/use_case.yaml": "imports: [shop.orders]\n",
                         "use_cases/hidden/countries.sql": HIDDEN})
    with Tarn(folder) as tarn:
        tarn.start()
        tarn.wait_fresh()
        tarn.post("/api/v1/users", {"name": "heidi"})
        tarn.heidi = tarn.post("/api/v1/tokens", {"user": "heidi", "name": "tests"})["token"]
        yield tarn


def download(tarn, path, **options):
    answer = tarn.http("GET", f"/api/v1/dashboards/shop/{path}", **options)
    assert answer.status == 200, answer.error
    return answer


def test_a_pdf_holds_every_tile_as_text(shop):
    answer = download(shop, "gallery/download/pdf?country=CH")
    assert answer.headers["Content-Type"] == "application/pdf"
    assert "shop.gallery.pdf" in answer.headers["Content-Disposition"]
    text = text_of(answer.body)
    dashboard = shop.get("/api/v1/dashboards/shop/gallery")
    for tile in dashboard["tiles"]:
        assert tile["title"].split("\n")[0][:30] in text, tile["title"]
    assert "for admin" in text and "CH" in text and "shop.orders" in text
    assert "failed:" not in text and "can’t be drawn" not in text


def test_a_png_is_a_picture_of_all(shop):
    body = download(shop, "gallery/download/png").body
    assert body.startswith(b"\x89PNG")
    width, height = (int.from_bytes(body[at:at + 4], "big") for at in (16, 20))
    assert width == 2304 and height > 2000


def test_it_holds_what_the_person_may_see_and_nothing_else(shop):
    everything = text_of(download(shop, "parts/download/pdf").body)
    assert "2,000" in everything and "DE" in everything
    text = text_of(download(shop, "parts/download/pdf", token=shop.heidi).body)
    assert "500" in text and "2,000" not in text and "for heidi" in text
    assert not {"DE", "FR", "US", "JP"} & set(text.split())
    assert "This tile failed" in text and "more rows" in text
    files = download(shop, "parts/download/csv", token=shop.heidi).json
    assert [file["name"] for file in files["files"]] == ["1-all_orders.csv", "3-orders.csv"]
    assert len(files["failed"]) == 1 and files["failed"][0].startswith("Hidden: ")
    rows = files["files"][1]["text"].splitlines()[1:]
    assert len(rows) == 500 and {row.split(",")[1] for row in rows} == {"CH"}
    # who may not see the dashboard gets none of it
    shop.post("/api/v1/users", {"name": "otto"})
    otto = shop.post("/api/v1/tokens", {"user": "otto", "name": "tests"})["token"]
    assert shop.http("GET", f"{GALLERY}/pdf", token=otto).status == 403


def test_hostile_texts_are_texts(shop):
    text = text_of(download(shop, "hostile/download/pdf").body)
    assert MARKUP[:20] in text and "can’t be drawn" not in text
    download(shop, "hostile/download/png")
    files = download(shop, "hostile/download/csv").json["files"]
    texts = "".join(file["text"] for file in files)
    assert "'" + FORMULA in texts
    assert "\n" + FORMULA not in texts and "," + FORMULA not in texts and '"' + FORMULA not in texts


def test_the_audit_log_has_what_was_asked_and_read(shop):
    download(shop, "parts/download/csv?time_zone=Europe/Zurich", token=shop.heidi)
    begin, end = (json.loads(shop.value(
        "SELECT details FROM system.audit WHERE operation LIKE '%/download/{format}' AND principal = 'user:heidi' "
        f"AND phase = '{phase}' ORDER BY sequence DESC LIMIT 1")) for phase in ("begin", "end"))
    assert [one["tile"] for one in begin["statements"]] == [0, 1, 2]
    assert "count(*)" in begin["statements"][0]["sql"] and begin["format"] == "csv"
    assert {"name": "shop.orders", "version": "0"} in end["tables"] and len(end["failed"]) == 1


def test_the_command_line_writes_files(shop, tmp_path):
    made = shop.run("dashboard", "report", "shop.gallery", "--filter", "country=CH", "--out", str(tmp_path / "a.pdf"))
    assert made.returncode == 0, made.stderr
    assert text_of((tmp_path / "a.pdf").read_bytes())
    made = shop.run("dashboard", "report", "shop.parts", "--format", "csv", "--out", str(tmp_path / "csv"))
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "csv/2-hidden.csv").read_bytes().startswith(b"country\r\n")
    wrong = shop.run("dashboard", "report", "shop.gallery", "--format", "gif")
    assert wrong.returncode != 0 and "png, pdf or csv" in wrong.stderr
    assert shop.run("dashboard", "report", "nix").returncode != 0
