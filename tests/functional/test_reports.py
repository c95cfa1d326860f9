"""Reports of dashboards: as PNG, PDF and csv, of what the person may see, and by mail."""

import json
import subprocess

import pytest
from dashboards_workspace import FORMULA, MARKUP, write_shop
from receivers import MailServer
from tarn_program import Tarn, until, write_files

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
    assert not {"DE", "BR"} & set(text.split())
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


# ---- by mail

MAILED = """title: "Orders — Übersicht"
filters:
  country: {column: shop.orders.country}
tiles:
  - {number: SELECT count(*) FROM shop.orders, title: All orders}
  - {table: SELECT country FROM hidden.countries, title: Hidden, height: 3}
  - {table: "SELECT id, country, item FROM shop.orders ORDER BY id", title: Orders}
  - {table: "SELECT '=1+1' AS formula", title: Formula, height: 3}
reports:
  - {name: often, cron: "* * * * *", time_zone: Europe/Zurich, to: [ops@example.org, boss@example.org], as: heidi}
  - {name: rows, format: csv, to: [ops@example.org], as: heidi, channel: post}
  - {name: brazil, format: csv, to: [ops@example.org], as: admin, filters: {country: [BR]}}
  - {name: picture, format: png, to: [ops@example.org], as: heidi}
  - {name: nobody, to: [ops@example.org], as: nobody, retries: 0}
  - {name: unseen, to: [ops@example.org], as: otto, retries: 0}
"""
CHANNEL = """channels:
  post: {mail: {host: localhost, port: MAIL, from: tarn@example.org, to: [ops@example.org], user: tarn,
                password: secret:mail, ca: certificate.pem}, private_network: yes}
"""
SENDER = """roles:
  sender: {members: [user:heidi], allow: [{actions: ["dashboard:Send"], resources: ["shop.*"]}]}
  otto: {members: [user:otto], allow: [{actions: ["dashboard:Read", "table:Read"], resources: ["shop.*"]}]}
"""


def write_mailing(folder, mail):
    write_shop(folder)
    write_files(folder, {"use_cases/shop/mailed.dashboard.yaml": MAILED,
                         "use_cases/hidden/use_case.yaml": "imports: [shop.orders]\n",
                         "use_cases/hidden/countries.sql": HIDDEN,
                         "policies/sender.yaml": SENDER,
                         "certificate.pem": mail.certificate.read_text(),
                         "alerts/channels.yaml": CHANNEL.replace("MAIL", str(mail.port))})


def make_people(tarn, mail):
    assert tarn.run("secret", "set", "mail", input=mail.PASSWORD).returncode == 0
    for name in ("heidi", "otto"):
        tarn.post("/api/v1/users", {"name": name})
    until(lambda: all(task["fresh"] for task in tarn.tasks().values() if task["kind"] != "report"), "loading")


@pytest.fixture(scope="module")
def mailing(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mailing")
    mail = MailServer(folder / "mail")
    write_mailing(folder / "shop", mail)
    with Tarn(folder / "shop") as tarn:
        tarn.mail = mail
        tarn.start()
        make_people(tarn, mail)
        yield tarn
    mail.close()


def report_of(tarn, name):
    reports = tarn.get("/api/v1/dashboards/shop/mailed/reports")["reports"]
    return next(one for one in reports if one["name"] == name)


def send(tarn, name, state="succeeded", seconds=60):
    """Has a report made and sent; its run once it has ended."""
    sent = tarn.run("dashboard", "report", "shop.mailed", "--report", name, "--send", "--json")
    assert sent.returncode == 0, sent.stderr
    (run,) = json.loads(sent.stdout)["runs"]
    until(lambda: tarn.get(f"/api/v1/runs/{run}?log=no")["ended_at"], f"the run of {name}", seconds)
    ended = tarn.get(f"/api/v1/runs/{run}?log=no")
    assert ended["state"] == state, ended
    return ended


def files_of(mail):
    return {part.get_filename(): part.get_content() for part in mail.iter_attachments()}


def mails_with(server, name):
    return [mail for mail in server.mails if any(name in (file or "") for file in files_of(mail))]


def test_csv_is_of_what_its_person_may_see(mailing):
    send(mailing, "rows")
    mail = mails_with(mailing.mail, "3-orders.csv")[-1]
    assert mail["To"] == "ops@example.org" and mail["Subject"].startswith("Orders — Übersicht, 20")
    text = mail.get_body().get_content()
    assert "for heidi, with what they may see" in text and "- Hidden: " in text
    files = files_of(mail)
    assert set(files) == {"1-all_orders.csv", "3-orders.csv", "4-formula.csv"}
    assert files["1-all_orders.csv"].splitlines()[1] == "500"
    assert {row.split(",")[1] for row in files["3-orders.csv"].splitlines()[1:]} == {"CH"}
    assert "'=1+1" in files["4-formula.csv"]
    for word in ("DE", "BR"):
        assert word not in "".join(files.values()), word


def test_filters_of_a_report_hold(mailing):
    send(mailing, "brazil")
    files = files_of(mails_with(mailing.mail, "2-hidden.csv")[-1])
    assert {row.split(",")[1] for row in files["3-orders.csv"].splitlines()[1:]} == {"BR"}


def test_a_picture_is_shown_in_the_mail(mailing):
    send(mailing, "picture")
    mail = mails_with(mailing.mail, "shop.mailed.png")[-1]
    (part,) = mail.iter_attachments()
    assert part.get_content_disposition() == "inline" and part.get_content().startswith(b"\x89PNG")


def test_a_schedule_sends_and_the_log_says_to_whom(mailing):
    found = until(lambda: mails_with(mailing.mail, "shop.mailed.pdf"), "the minute's mail", 100)[0]
    assert found["To"].replace("\n", "").replace(" ", "") == "ops@example.org,boss@example.org"
    (pdf,) = files_of(found).values()
    text = text_of(pdf)
    assert "Orders — Übersicht" in text and "Europe/Zurich for heidi" in text and "This tile failed" in text
    assert "500" in text and "2,000" not in text and not {"DE", "BR"} & set(text.split())
    report = until(lambda: report_of(mailing, "often")["last"] and report_of(mailing, "often"), "its run")
    assert report["last"]["state"] == "succeeded" and report["next_at"] and report["time_zone"] == "Europe/Zurich"
    made, sent = (json.loads(mailing.value(
        f"SELECT details FROM system.audit WHERE operation = '{operation}' AND phase = 'begin' AND details LIKE "
        "'%boss@example.org%' ORDER BY sequence LIMIT 1")) for operation in ("MakeReport", "SendReport"))
    assert sent["as"] == "heidi" and sent["to"] == made["to"] and sent["message"] == made["message"]
    assert f"<{sent['message']}@example.org>" == found["Message-ID"]
    who = mailing.value("SELECT principal FROM system.audit WHERE operation = 'MakeReport' AND details LIKE "
                        "'%boss@example.org%' LIMIT 1")
    assert who == "user:heidi" and "count(*)" in json.dumps(made["statements"])


def test_who_is_not_there_or_may_not_send_fails_visibly(mailing):
    assert "nobody" in send(mailing, "nobody", "failed")["error"]
    assert "dashboard:Send" in send(mailing, "unseen", "failed")["error"]
    assert report_of(mailing, "unseen")["last"]["state"] == "failed"
    why = mailing.run("why", "report:shop.mailed.nobody")
    assert why.returncode == 0, why.stderr


def test_what_is_wrong_with_a_report_is_told_with_its_line(mailing, tmp_path):
    folder = tmp_path / "wrong"
    write_shop(folder)
    wrong = """title: Wrong
tiles: [{number: SELECT 1, title: One}]
reports:
  - {name: a, to: ["not an address"], as: heidi}
  - {name: a, to: [x@example.org], as: heidi, filters: {nix: 1}}
  - {name: Big, to: [x@example.org], format: gif}
"""
    write_files(folder, {"use_cases/shop/wrong.dashboard.yaml": wrong})
    with Tarn(folder) as tarn:
        tarn.start()
        plan = tarn.run("plan")
        said = plan.stdout + plan.stderr
    for part in ("wrong.dashboard.yaml:4", "as ops@example.org", "another one of this name", "no filter nix",
                 "lower-case letters", "exactly one mail channel", "format"):
        assert part in said, (part, said)
    draft = mailing.http("PUT", "/api/v1/dashboards/shop/mine", {"text": MAILED})
    assert draft.status == 400 and "only a dashboard in a file" in draft.error["message"]


def test_no_mail_is_lost_by_kill(tmp_path):
    mail = MailServer(tmp_path / "mail")
    write_mailing(tmp_path / "shop", mail)
    by_hand = MAILED.replace('cron: "* * * * *", time_zone: Europe/Zurich, ', "")
    files = {"use_cases/shop/mailed.dashboard.yaml": by_hand}
    write_files(tmp_path / "shop", files)
    with Tarn(tmp_path / "shop") as tarn:
        tarn.start()
        make_people(tarn, mail)
        mail.close()  # nobody answers: it waits in the outbox
        sent = tarn.run("dashboard", "report", "shop.mailed", "--report", "rows", "--send", "--json")
        (run,) = json.loads(sent.stdout)["runs"]
        (message,) = until(lambda: [one for one in tarn.get("/api/v1/alerts/messages")["messages"]
                                    if one["attempts"] > 0], "an attempt")
        assert (message["status"], message["alert"], message["state"]) == ("report", "shop.mailed.rows", "waiting")
        tarn.kill()
        again = MailServer(tmp_path / "mail", port=mail.port)
        # the server takes it, and the program dies before it can note so
        again.after_mail = tarn.kill
        tarn.start()
        until(lambda: tarn.process.poll() is not None, "the second kill", 60)
        assert len(again.mails) == 1
        again.after_mail = None
        tarn.start()
        until(lambda: tarn.get(f"/api/v1/runs/{run}?log=no")["state"] == "succeeded", "the run", 60)
        assert len(again.mails) == 2 and {one["Message-ID"] for one in again.mails} == {
            f"<{message['id']}@example.org>"}
        assert files_of(again.mails[0]) == files_of(again.mails[1])
        again.close()
