"""Dashboards: what a viewer is answered, from the engine or from before, and every kind of tile in a real browser.

The scenarios are tests/browser/dashboards.mjs; the screenshots go to build/test_results/web, for people to look at.
"""

import json
import re
import subprocess

import pytest
from dashboards_workspace import CHANNELS, SENT, write_shop
from tarn_program import ROOT, Tarn, until, write_files

BROWSER = ROOT / "tests/browser"
SCREENSHOTS = ROOT / "build/test_results/web"
LISTED = (BROWSER / "dashboards.mjs").read_text().split("const scenarios = {")[1].split("}")[0]
SCENARIOS = re.findall(r"\w+", LISTED)
GALLERY = "/api/v1/dashboards/shop/gallery"
DRAFT = "title: Draft\ntiles:\n  - {number: SELECT count(*) FROM shop.orders, title: N}\n"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dashboards") / "shop"
    write_shop(folder)
    write_files(folder, {"use_cases/shop/sent.dashboard.yaml": SENT, "alerts/channels.yaml": CHANNELS})
    with Tarn(folder) as tarn:
        tarn.start()
        until(lambda: all(task["fresh"] for task in tarn.tasks().values() if task["kind"] != "report"), "loading")
        tarn.post("/api/v1/users", {"name": "heidi", "password": "a long password", "roles": []})
        yield tarn


@pytest.fixture(scope="module")
def heidi(shop):
    answer = shop.http("POST", "/api/v1/login", {"user": "heidi", "password": "a long password"})
    cookie = answer.headers["Set-Cookie"].split(";")[0]

    def get(path):
        return shop.http("GET", path, token="", headers={"Cookie": cookie})
    return get


def test_a_tile_is_answered_from_before_while_nothing_changed(shop):
    first = shop.get(f"{GALLERY}/tiles/0?country=CH")
    again = shop.get(f"{GALLERY}/tiles/0?country=CH")
    assert (again["rows"], again["from_cache"]) == (first["rows"], True)
    assert shop.get(f"{GALLERY}/tiles/0?country=DE")["from_cache"] is False
    last = shop.value("SELECT details FROM system.audit WHERE operation LIKE '%/tiles/{index}' AND phase = 'end' "
                      "ORDER BY sequence DESC LIMIT 1")
    assert '"orders"' in last, "the tables that were read are in the record"


def test_what_is_kept_is_of_the_viewers_rights(shop, heidi):
    everything = shop.get(f"{GALLERY}/tiles/0")["rows"]
    assert everything == [[2000]]
    assert heidi(f"{GALLERY}/tiles/0").json["rows"] == [[500]]
    assert shop.get(f"{GALLERY}/tiles/0")["rows"] == everything
    assert heidi(f"{GALLERY}/tiles/0").json["from_cache"] is True
    behind = heidi(f"{GALLERY}/tiles/5/rows?mark=" + '[[0,"DE"]]').json
    assert behind["rows"] == []
    assert heidi(f"{GALLERY}/filters/country").json["values"] == ["CH"]


def test_all_tiles_in_one_answer_are_each_an_operation_of_its_own(shop, heidi):
    def tiles(answer):
        lines = [json.loads(line) for line in answer.body.splitlines()]
        return {line["index"]: (line["status"], line["answer"]) for line in lines}

    def recorded():
        return int(shop.value("SELECT count(*) FROM system.audit WHERE operation LIKE '%/tiles/{index}' "
                              "AND phase = 'end' AND principal LIKE '%heidi%'"))

    wanted = [tile["index"] for tile in shop.get(GALLERY)["tiles"] if tile["kind"] != "text"]
    before = recorded()
    seen = tiles(heidi(f"{GALLERY}/tiles?least=100000"))
    assert sorted(seen) == wanted
    until(lambda: recorded() == before + len(wanted), "a record of each tile")
    assert (seen[0][0], seen[0][1]["rows"]) == (200, [[500]]), "as heidi alone would see it"
    assert seen[14][1]["rows"] == []
    for index in (0, 5, 14):
        alone = heidi(f"{GALLERY}/tiles/{index}?least=100000").json
        assert {**alone, "from_cache": True} == {**seen[index][1], "from_cache": True}
    wrong = tiles(heidi(f"{GALLERY}/tiles?contry=CH"))
    assert {status for status, _ in wrong.values()} == {400}
    assert "no filter contry" in wrong[0][1]["error"]["message"]
    assert heidi("/api/v1/dashboards/shop/none/tiles").status == 404
    assert shop.http("GET", f"{GALLERY}/tiles", token="").status == 401


def test_values_are_bound_and_recorded(shop):
    answer = shop.get(f"{GALLERY}/tiles/14?least=17&item=p%25")
    assert answer["rows"] == []
    assert "contains" in answer["sql"] and "'p%'" in answer["sql"]
    wrong = shop.http("GET", f"{GALLERY}/tiles/14?least=1%20OR%201=1")
    assert (wrong.status, "no number" in wrong.error["message"]) == (400, True)
    unknown = shop.http("GET", f"{GALLERY}/tiles/0?contry=CH")
    assert (unknown.status, "no filter contry" in unknown.error["message"]) == (400, True)
    record = shop.value("SELECT details FROM system.audit WHERE operation LIKE '%/tiles/{index}' AND phase = 'begin' "
                        "AND details LIKE '%p\\%%' ESCAPE '\\' ORDER BY sequence DESC LIMIT 1")
    details = json.loads(record)
    assert "$1" in details["sql"] and "17" in details["values"]


def test_times_are_cut_where_the_dashboard_says(shop):
    days = shop.get(f"{GALLERY}/tiles/3")
    assert days["time_zone"] == "Europe/Zurich"
    assert days["rows"][0][0].startswith("2026-03-01 00:00:00+01")


def test_a_dashboard_made_in_the_browser(shop, heidi):
    path = "/api/v1/dashboards/shop/draft"
    seen = shop.post(f"{path}/preview", {"text": DRAFT})
    assert (seen["issues"], seen["dashboard"]["title"]) == ([], "Draft")
    assert shop.post(f"{path}/preview?tile=0", {"text": DRAFT})["rows"] == [[2000]]
    broken = shop.post(f"{path}/preview", {"text": "titel: x\n"})
    assert any("titel" in issue["message"] for issue in broken["issues"])
    assert shop.http("PUT", path, {"text": "titel: x\n"}).status == 400
    saved = shop.http("PUT", path, {"text": DRAFT}).json
    assert shop.get(path)["owned_by"] == "api"
    assert shop.http("PUT", path, {"text": DRAFT}).status == 409, "it is there"
    changed = DRAFT.replace("Draft", "Changed")
    assert shop.http("PUT", path, {"text": changed}, headers={"If-Match": f'"{saved["hash"]}"'}).status == 200
    late = shop.http("PUT", path, {"text": DRAFT}, headers={"If-Match": f'"{saved["hash"]}"'})
    assert (late.status, "somebody else" in late.error["message"]) == (409, True)
    assert heidi(path).json["title"] == "Changed"
    assert heidi(path).json["may_write"] is False
    assert shop.value("SELECT owned_by FROM system.assets WHERE name = 'draft'") == "api"
    taken = shop.folder / "use_cases/shop/draft.dashboard.yaml"
    taken.write_text(DRAFT)
    refused = shop.post("/api/v1/workspace/plan", {})
    assert any("made in the browser" in issue["message"] for issue in refused["issues"])
    taken.unlink()
    shop.stop()
    shop.start()
    assert shop.get(path)["title"] == "Changed", "kept over a restart"
    assert shop.http("DELETE", path).status == 200
    assert shop.http("GET", path).status == 404


def test_only_apply_changes_what_a_file_defines(shop):
    for method in ("PUT", "DELETE"):
        refused = shop.http(method, GALLERY, {"text": DRAFT})
        assert refused.status == 412
        assert "use_cases/shop/gallery.dashboard.yaml" in refused.error["message"]


@pytest.fixture(scope="module")
def results(shop):
    """Every scenario's result by its name, from one browser."""
    shop.stop()
    shop.start()
    link = until(lambda: re.findall(r"\S+/login#link=\S+", shop.output.read_text()), "the login link")[-1]
    done = subprocess.run(["node", BROWSER / "dashboards.mjs", shop.web, link, SCREENSHOTS], cwd=BROWSER,
                          capture_output=True, text=True, timeout=500)
    return {line["name"]: line for line in map(json.loads, done.stdout.splitlines())} or done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_in_the_browser(results, name):
    assert isinstance(results, dict), f"the browser did not run: {results}"
    assert name in results, "the browser stopped before it"
    assert results[name]["error"] is None
    assert results[name]["complaints"] == []
