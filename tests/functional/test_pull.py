"""What the API and the browser made, written as files that take it over: `tarn pull`, then `tarn apply`."""

import pytest

DASHBOARD = """title: Made in the browser
tiles:
  - {table: "SELECT 1 AS a", title: One}   # with a comment that is kept
"""
PILOT = {"description": "Flies: \"far\"", "members": ["user:ann", "group:crew"],
         "allow": [{"actions": ["table:Read"], "resources": ["d.*", "*.t"]}],
         "deny": [{"actions": ["sql:Query"], "resources": ["x"]}]}
FILES = {"use_cases/d/t.sql": "SELECT 1 AS a\n", "policies/crew.yaml": "groups: {crew: [bob]}\n"}


@pytest.fixture
def tarn(make):
    started = make(FILES)
    started.wait_fresh()
    for user in ("ann", "bob", "eve"):
        started.post("/api/v1/users", {"name": user})
    assert started.http("PUT", "/api/v1/roles/pilot", PILOT).status == 200
    assert started.http("POST", "/api/v1/users/eve/roles", {"role": "pilot"}).status in (200, 201)
    assert started.http("PUT", "/api/v1/dashboards/d/made", {"text": DASHBOARD}).status == 200
    return started


def roles(tarn):
    return {role["name"]: role for role in tarn.get("/api/v1/roles")["roles"]}


def may(tarn, user):
    return tarn.json("policy", "explain", user, "table:Read", "d.t")["allowed"]


def owners(tarn):
    return dict(tarn.query("SELECT name, owned_by FROM system.assets WHERE name IN ('pilot', 'made')"))


def test_what_was_made_elsewhere_becomes_the_workspaces(tarn):
    assert owners(tarn) == {"pilot": "api", "made": "api"}
    written = {one["what"]: one["file"] for one in tarn.json("pull")["written"]}
    assert written == {"role pilot": "policies/pilot.yaml", "dashboard d.made": "use_cases/d/made.dashboard.yaml"}
    assert (tarn.folder / "use_cases/d/made.dashboard.yaml").read_text() == DASHBOARD
    assert tarn.json("pull")["written"] == []
    assert owners(tarn) == {"pilot": "api", "made": "api"}
    steps = tarn.json("apply")["steps"]
    assert {step["name"] for step in steps} == {"pilot", "d.made"}
    assert owners(tarn) == {"pilot": "workspace", "made": "workspace"}
    pilot = roles(tarn)["pilot"]
    assert pilot["description"] == PILOT["description"] and pilot["users"] == ["ann", "bob", "eve"]
    assert all(may(tarn, user) for user in ("ann", "bob", "eve"))
    refused = tarn.http("PUT", "/api/v1/roles/pilot", PILOT)
    assert refused.status != 200 and "policies/pilot.yaml" in refused.error["message"]
    refused = tarn.http("PUT", "/api/v1/dashboards/d/made", {"text": DASHBOARD + "# more\n"})
    assert refused.status != 200 and "use_cases/d/made.dashboard.yaml" in refused.error["message"]
    # It is the files' now: they change it, they remove it, a restart changes nothing.
    tarn.stop()
    tarn.start()
    assert owners(tarn) == {"pilot": "workspace", "made": "workspace"} and may(tarn, "eve")
    for name in ("policies/pilot.yaml", "use_cases/d/made.dashboard.yaml"):
        (tarn.folder / name).unlink()
    tarn.json("apply")
    assert owners(tarn) == {} and not may(tarn, "eve")
    assert tarn.run("pull").stdout.startswith("nothing to write")


def test_a_file_that_says_something_else_is_a_conflict_with_its_way_out(tarn):
    tarn.json("pull")
    role, dashboard = (tarn.folder / name for name in ("policies/pilot.yaml", "use_cases/d/made.dashboard.yaml"))
    role.write_text(role.read_text().replace('"d.*",', ""))
    dashboard.write_text(DASHBOARD.replace("One", "Two"))
    done = tarn.run("apply")
    said = done.stdout + done.stderr
    assert done.returncode != 0 and said.count("tarn pull") == 2
    assert "policies/pilot.yaml" in said and "use_cases/d/made.dashboard.yaml" in said
    assert owners(tarn) == {"pilot": "api", "made": "api"} and may(tarn, "eve")
    done = tarn.run("pull")
    assert done.returncode != 0 and "policies/pilot.yaml is there" in done.stderr
    # A member fewer is another role too: nobody loses a right unseen.
    role.unlink()
    dashboard.write_text(DASHBOARD)
    tarn.json("pull")
    role.write_text(role.read_text().replace('"user:eve"', '"user:ann"'))
    assert tarn.run("apply").returncode != 0 and may(tarn, "eve")
