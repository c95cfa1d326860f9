// The kind rest, against a server that behaves well or badly as each test says.
#include "ingestion/connectors/rest_for_test.h"

namespace tarn::connectors {
namespace {

class RestTest : public RestFixture {};

TEST_F(RestTest, PagesByNumberUntilAShortOne) {
    Source("{path: /rows, records: $.items, pagination: {page: p, size_param: n, size: 3}, params: {kind: 'a&b'}}");
    Answers([](HttpRequest& request) {
        int page = Number(request, "p", 0);
        return Items(page * 3, std::min(page * 3 + 3, 10));
    });
    EXPECT_EQ(Load(), "load 1: 7 rows");
    EXPECT_EQ(Ids(), (Texts{"3", "4", "5", "6", "7", "8", "9"}));
    EXPECT_EQ(asked()[0], "/v1/rows?kind=a%26b&n=3&p=1");
    EXPECT_EQ(asked().size(), 3U);
    EXPECT_EQ(sources_.Query("SELECT DISTINCT _origin FROM raw_api.rows WHERE id = 3"),
              Texts{Url() + "/rows?kind=a%26b&n=3&p=1"});
}

TEST_F(RestTest, PagesByOffsetUntilAnEmptyOne) {
    Source("{path: rows, records: $.items, pagination: {offset: o}}");
    Answers([](HttpRequest& request) {
        int offset = Number(request, "o", -1);
        return Items(offset, std::min(offset + 4, 8));
    });
    EXPECT_EQ(Load(), "load 1: 8 rows");
    EXPECT_EQ(asked(), (Texts{"/v1/rows?o=0", "/v1/rows?o=4", "/v1/rows?o=8"}));
}

TEST_F(RestTest, PagesByCursor) {
    Source("{path: /rows, records: $.items, pagination: {cursor: $.page.next, param: after}}");
    Answers([](HttpRequest& request) {
        std::string after = request.Query("after").value_or("");
        if (after.empty()) return Items(0, 2, R"(, "page": {"next": "a/b="})");
        if (after == "a/b=") return Items(2, 4, R"(, "page": {"next": 17})");
        return after == "17" ? Items(4, 5, R"(, "page": {"next": null})") : Text("{}", 404);
    });
    EXPECT_EQ(Load(), "load 1: 5 rows");
    EXPECT_EQ(Ids().size(), 5U);
}

TEST_F(RestTest, PagesByLinks) {
    Source("{path: /rows, pagination: {link: header}}");
    Answers([this](HttpRequest& request) {
        int page = Number(request, "page", 1);
        HttpResponse response = Text(fmt::format("[{{\"id\": {}}}]", page));
        std::string link = fmt::format("<{}/rows?page=1>; rel=\"first\", <{}/rows?page={}&of=1,2>; rel=\"next\"", Url(),
                                       page == 2 ? "/v1" : Url(), page + 1);
        if (page < 4) response.headers.Set("Link", link);
        return response;
    });
    EXPECT_EQ(Load(), "load 1: 4 rows");
    Source("{path: /more, records: $.items, pagination: {link: $.next}}");
    Answers([](HttpRequest& request) {
        int page = Number(request, "page", 1);
        return Items(page, page + 1, page < 3 ? fmt::format(", \"next\": \"?page={}\"", page + 1) : "");
    });
    EXPECT_EQ(Load(), "load 2: 3 rows");
    EXPECT_EQ(Ids(), (Texts{"1", "2", "3"}));
}

TEST_F(RestTest, BearerBasicAndKeyAreSentAndKeptNowhere) {
    auto expect = [&](const std::string& auth, const std::string& header, const std::string& value) {
        Source("{path: /rows, records: $.items, pagination: {link: $.next}}", "auth: " + auth + "\n");
        Answers([&](HttpRequest& request) {
            std::string seen =
                header.empty() ? request.Query("key").value_or("") : std::string(request.headers.Get(header));
            if (seen != value) return Text("{\"you sent\": \"" + seen + "\"}", 401);
            bool first = request.target.find("page=") == std::string::npos;
            return Items(0, 1, first ? ", \"next\": \"" + Url() + "/rows?page=2\"" : ", \"x\": 1");
        });
        std::string loaded = Load();
        EXPECT_NE(loaded.find("2 rows"), std::string::npos) << loaded;
        ExpectNoSecret(loaded);
    };
    expect("{bearer: secret:token}", "Authorization", "Bearer s3cr3t-canary");
    expect("{basic: {user: me, password: secret:token}}", "Authorization", "Basic bWU6czNjcjN0LWNhbmFyeQ==");
    expect("{key: {header: X-Key, value: secret:token}}", "X-Key", "s3cr3t-canary");
    expect("{key: {query: key, value: secret:token}}", "", "s3cr3t-canary");
}

TEST_F(RestTest, ServersThatRepeatTheSecretDoNotGetItStored) {
    Source("{path: /rows, records: $.items, pagination: {link: $.next}}",
           "auth: {key: {query: key, value: secret:token}}\n");
    Answers([](HttpRequest& request) {
        bool first = request.target.find("page=") == std::string::npos;
        HttpResponse response = first ? Items(0, 1) : Items(1, 2);
        // In the next URL, and in headers.
        if (first)
            response = Items(0, 1, ", \"next\": \"/v1/rows?key=" + request.Query("key").value_or("") + "&page=2\"");
        response.headers.Set("X-Asked", request.target);
        return response;
    });
    std::string loaded = Load();
    EXPECT_EQ(loaded, "load 1: 2 rows");
    EXPECT_EQ(asked()[1], "/v1/rows?page=2&key=s3cr3t-canary");
    EXPECT_EQ(sources_.Text("api/rows/_loads/00000000000000000001.json").find("s3cr3t"), std::string::npos);
    Answers([](HttpRequest& request) { return Text("bad key " + request.Query("key").value_or("") + "!", 400); });
    std::string refused = Load();
    EXPECT_NE(refused.find("bad key"), std::string::npos) << refused;
    EXPECT_EQ(refused.find("s3cr3t"), std::string::npos) << refused;
}

TEST_F(RestTest, AWrongOrMissingSecretSaysWhatToDo) {
    Source("{path: /rows}", "auth: {bearer: secret:token}\n");
    Answers([](HttpRequest&) { return Text("{}", 401); });
    std::string refused = Load();
    EXPECT_NE(refused.find("refuses the credential"), std::string::npos) << refused;
    EXPECT_NE(refused.find("tarn secret set"), std::string::npos) << refused;
    sources_.secrets.values.clear();
    refused = Load();
    EXPECT_NE(refused.find("there is no secret token"), std::string::npos) << refused;
}

TEST_F(RestTest, OtherHostsGetNoCredential) {
    Source("{path: /rows, records: $.items, pagination: {link: $.next}}", "auth: {bearer: secret:token}\n");
    std::string elsewhere = fmt::format("http://localhost:{}/v1/rows?page=2", server_->address().port);
    std::string seen = "nothing";
    Answers([&](HttpRequest& request) {
        if (request.target.find("page=2") == std::string::npos) return Items(0, 1, ", \"next\": \"" + elsewhere + "\"");
        seen = request.headers.Get("Authorization");
        return Items(1, 2);
    });
    EXPECT_EQ(Load(), "load 1: 2 rows");
    EXPECT_EQ(seen, "");
}

TEST_F(RestTest, WaitsAsLongAsItIsTold) {
    Source("{path: /rows, records: $.items}");
    int calls = 0;
    Answers([&](HttpRequest&) {
        if (++calls > 2) return Items(0, 1);
        HttpResponse response = Text("{}", 429);
        response.headers.Set("Retry-After", "90");
        return response;
    });
    EXPECT_EQ(Load(), "load 1: 1 rows");
    EXPECT_EQ(calls, 3);
    EXPECT_GE(hasty_.clock.slept, std::chrono::seconds(180));
    EXPECT_LT(hasty_.clock.slept, std::chrono::seconds(182));
    Answers([&](HttpRequest&) {
        HttpResponse response = Text("{}", 429);
        response.headers.Set("Retry-After", "86400");
        return response;
    });
    EXPECT_NE(Load().find("asks to come back"), std::string::npos);
}

TEST_F(RestTest, ComesBackLaterAndLaterAfterFailures) {
    Source("{path: /rows, records: $.items}");
    int calls = 0;
    Answers([&](HttpRequest&) { return ++calls < 4 ? Text("oops", 503) : Items(0, 2); });
    EXPECT_EQ(Load(), "load 1: 2 rows");
    // 250, 500 and 1000 ms, of each at least the half.
    EXPECT_GE(hasty_.clock.slept, std::chrono::milliseconds(875));
    EXPECT_LE(hasty_.clock.slept, std::chrono::milliseconds(1750));
    Answers([&](HttpRequest&) { return Text("oops", 500); });
    std::string refused = Load();
    EXPECT_NE(refused.find("failed 6 times: status 500"), std::string::npos) << refused;
    EXPECT_EQ(sources_.Query("SELECT count(*) FROM raw_api.rows"), Texts{"2"});
}

TEST_F(RestTest, ACutAnswerIsNeverTakenForAWholeOne) {
    Source("{path: /rows, records: $.items}");
    int calls = 0;
    Answers([&](HttpRequest&) {
        if (++calls > 1) return Items(0, 3);
        return HttpResponse{.status = 0, .body = R"({"items": [{"id": 1}]})"};
    });
    EXPECT_EQ(Load(), "load 1: 3 rows");
    EXPECT_EQ(calls, 2);
}

TEST_F(RestTest, WhatIsNoJsonIsShown) {
    Source("{path: /rows}");
    Answers([](HttpRequest&) {
        return HttpResponse{.headers = {{"Content-Type", "text/html"}}, .body = "<html>Log in, please</html>"};
    });
    std::string refused = Load();
    EXPECT_NE(refused.find("answers no JSON (Content-Type text/html): <html>Log in"), std::string::npos) << refused;
    Answers([](HttpRequest&) { return Text(R"([{"id": 1}, {"id")"); });
    EXPECT_NE(Load().find("answers no JSON"), std::string::npos);
    Answers([](HttpRequest&) { return Text("no such thing", 404); });
    EXPECT_NE(Load().find("answers status 404: no such thing"), std::string::npos);
    Answers([](HttpRequest&) { return Text(R"({"items": {}})"); });
    EXPECT_NE(Load().find("has no list at $: there is object"), std::string::npos) << Load();
    EXPECT_TRUE(sources_.Keys("api/rows/_loads/").empty());
}

TEST_F(RestTest, PagesThatRepeatOrGoInACircleEnd) {
    Source("{path: /rows, records: $.items, pagination: {page: p}}");
    Answers([](HttpRequest&) { return Items(0, 3); });
    EXPECT_NE(Load().find("answers the same as the page before"), std::string::npos);
    Source("{path: /rows, records: $.items, pagination: {link: $.next}}");
    Answers([](HttpRequest& request) {
        int page = Number(request, "page", 0);
        return Items(page, page + 1, fmt::format(", \"next\": \"/v1/rows?page={}\"", (page + 1) % 3));
    });
    std::string refused = Load();
    EXPECT_NE(refused.find("go in a circle"), std::string::npos) << refused;
    Source("{path: /rows, records: $.items, pagination: {cursor: $.next, param: c}}");
    Answers([](HttpRequest& request) {
        int page = Number(request, "c", 0);
        return Items(page, page + 1, fmt::format(", \"next\": {}", page % 3 + 1));
    });
    EXPECT_NE(Load().find("go in a circle"), std::string::npos);
    EXPECT_TRUE(sources_.Keys("api/rows/_loads/").empty());
}

TEST_F(RestTest, IncrementsHaveEachRowOnce) {
    Source("{path: /rows, cursor: at, since_param: since}");
    std::vector<std::pair<int, std::string>> rows = {
        {1, "2013-01-01T00:00:00Z"}, {2, "2013-01-01T01:00:00Z"}, {3, "2013-01-01T01:00:00Z"}};
    // `since` includes its own moment, as most do.
    Answers([&](HttpRequest& request) {
        std::string since = request.Query("since").value_or("");
        Json list = Json::array();
        for (const auto& [id, at] : rows) {
            if (at >= since) list.push_back({{"id", id}, {"at", at}});
        }
        return Text(list.dump());
    });
    EXPECT_EQ(Load(), "load 1: 3 rows");
    rows.push_back({4, "2013-01-01T02:00:00Z"});
    EXPECT_EQ(Load(), "load 2: 3 rows");
    EXPECT_EQ(asked()[1], "/v1/rows?since=2013-01-01T01%3A00%3A00Z");
    EXPECT_EQ(Ids(), (Texts{"1", "2", "3", "4"}));
    EXPECT_EQ(sources_.Query("SELECT id FROM raw_api.rows AT (VERSION => 1) ORDER BY 1"), (Texts{"1", "2", "3"}));
    // With a key, the newest row of it.
    Source("{path: /rows, cursor: at, key: [id], since_param: since}");
    rows.push_back({1, "2013-01-01T03:00:00Z"});
    EXPECT_EQ(Load(), "load 3: 2 rows");
    EXPECT_EQ(sources_.Query("SELECT id, \"at\" FROM raw_api.rows ORDER BY id")[0], "1|2013-01-01 03:00:00");
    EXPECT_EQ(Ids(), (Texts{"1", "2", "3", "4"}));
}

TEST_F(RestTest, RecordsThatComeLaterWithTheCursorOfTheLastOnesAreRead) {
    Source("{path: /rows, cursor: day, since_param: since}");
    Json rows = {{{"id", 1}, {"day", "2024-01-01"}}, {{"id", 2}, {"day", "2024-01-02"}}, {{"id", 3}}};
    bool inclusive = true;
    Answers([&](HttpRequest& request) {
        std::string since = request.Query("since").value_or("");
        Json list = Json::array();
        for (const Json& row : rows) {
            std::string day = row.value("day", "");
            if (inclusive ? day >= since : day > since || since.empty()) list.push_back(row);
        }
        return Text(list.dump());
    });
    EXPECT_EQ(Load(), "load 1: 3 rows");
    EXPECT_EQ(Load(), "nothing");
    rows.push_back({{"id", 4}, {"day", "2024-01-02"}});
    EXPECT_EQ(Load(), "load 2: 2 rows");
    EXPECT_EQ(Ids(), (Texts{"1", "2", "3", "4"}));
    EXPECT_EQ(Load(), "nothing");
    rows.push_back({{"id", 5}, {"day", "2024-01-02"}});
    rows.push_back({{"id", 6}, {"day", "2024-01-03"}});
    EXPECT_EQ(Load(), "load 3: 4 rows");
    EXPECT_EQ(Ids(), (Texts{"1", "2", "3", "4", "5", "6"}));
    // A server that leaves out its `since` takes nothing away.
    inclusive = false;
    EXPECT_EQ(Load(), "nothing");
    rows.push_back({{"id", 7}, {"day", "2024-01-04"}});
    EXPECT_EQ(Load(), "load 4: 1 rows");
    EXPECT_EQ(Ids(), (Texts{"1", "2", "3", "4", "5", "6", "7"}));
    // Neither does one that shows only some of the last moment.
    inclusive = true;
    rows.push_back({{"id", 8}, {"day", "2024-01-04"}});
    EXPECT_EQ(Load(), "load 5: 2 rows");
    rows = {{{"id", 8}, {"day", "2024-01-04"}}, {{"id", 9}, {"day", "2024-01-05"}}};
    EXPECT_EQ(Load(), "load 6: 2 rows");
    EXPECT_EQ(Ids(), (Texts{"1", "2", "3", "4", "5", "6", "7", "8", "9"}));
    EXPECT_EQ(sources_.Query("SELECT count(*) FROM raw_api.rows AT (VERSION => 1)"), Texts{"3"});
}

TEST_F(RestTest, OneMomentIsWrittenInManyWays) {
    Source("{path: /rows, cursor: t, since_param: since}");
    Answers([](HttpRequest&) {
        return Text(R"([{"id": 1, "t": "2024-01-01T00:00:00.5Z"}, {"id": 2, "t": "2024-01-01T00:00:00Z"},
                        {"id": 3, "t": "2024-01-01T02:00:00+02:00"}])");
    });
    EXPECT_EQ(Load(), "load 1: 3 rows");
    EXPECT_EQ(Load(), "nothing");
    EXPECT_EQ(asked()[1], "/v1/rows?since=2024-01-01T00%3A00%3A00.5Z");
}

TEST_F(RestTest, AnAnswerMayComePacked) {
    Source("{path: /rows}");
    auto bytes = Base64Decode("H4sIAAAAAAACA4uuVspMUbJSMKyNBQDR4s6JCwAAAA==");
    std::string packed(AsText(*bytes));
    Answers([&](HttpRequest&) {
        HttpResponse response = Text(packed);
        response.headers.Set("Content-Encoding", "gzip");
        return response;
    });
    EXPECT_EQ(Load(), "load 1: 1 rows");
    EXPECT_EQ(Ids(), Texts{"1"});
    EXPECT_EQ(sources_.Text(sources_.Keys("api/rows/0")[0]), packed) << "it is stored as it came";
    packed.resize(20);
    EXPECT_NE(Load().find("gzip is broken or cut short"), std::string::npos);
    Answers([](HttpRequest&) {
        HttpResponse response = Text("x");
        response.headers.Set("Content-Encoding", "br");
        return response;
    });
    EXPECT_NE(Load().find("Content-Encoding br"), std::string::npos);
}

TEST_F(RestTest, AServerThatNeverAnswersIsLeftWhenTheLoadIsCancelled) {
    Source("{path: /rows}");
    std::atomic<bool> done{false};
    Answers([&](HttpRequest&) {
        while (!done) SystemEnv().clock().Sleep(std::chrono::milliseconds(5));
        return Text("[]");
    });
    CancelToken cancel;
    std::thread impatient([&] {
        while (asked().empty()) SystemEnv().clock().Sleep(std::chrono::milliseconds(5));
        cancel.Cancel();
    });
    Duration began = SystemEnv().clock().Monotonic();
    auto outcome = sources_.Load("api", "rows", cancel);
    EXPECT_LT(SystemEnv().clock().Monotonic() - began, std::chrono::seconds(10));
    impatient.join();
    done = true;
    server_.reset();  // the answer looks at `done` until it ends
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().code(), ErrorCode::kCancelled) << outcome.error().ToString();
}

TEST_F(RestTest, AServerThatHasNothingNewIsNoLoad) {
    Source("{path: /rows, cursor: id, since_param: since}");
    Answers([](HttpRequest& request) {
        return Number(request, "since", 0) < 10 ? Text("[{\"id\": 9}, {\"id\": 10}, {\"id\": null}]") : Text("[]");
    });
    EXPECT_EQ(Load(), "load 1: 3 rows");
    EXPECT_EQ(Load(), "nothing");
    EXPECT_EQ(asked()[1], "/v1/rows?since=10");
}

TEST_F(RestTest, CursorsInsideOfRecords) {
    Source("{path: /rows, cursor: meta.n, since_param: since}");
    Answers([](HttpRequest& request) {
        int since = Number(request, "since", 0);
        return Text(
            fmt::format("[{{\"id\": {0}, \"meta\": {{\"n\": {0}}}}}, {{\"id\": {1}, \"meta\": {{\"n\": {1}}}}}]", since,
                        since + 1));
    });
    EXPECT_EQ(Load(), "load 1: 2 rows");
    EXPECT_EQ(Load(), "load 2: 2 rows");
    EXPECT_EQ(Ids(), (Texts{"0", "1", "2"}));
}

TEST_F(RestTest, RecordsLieDeepAndChangeTheirShape) {
    Source("{path: /rows, records: '$.data.the rows'}");
    Answers([](HttpRequest&) {
        return Text(R"({"n": 2, "data": {"the rows": [{"id": 1, "v": {"a": [1, 2]}}, {"id": 2, "v": null}]}})");
    });
    EXPECT_EQ(Load(), "load 1: 2 rows");
    EXPECT_EQ(sources_.Query("SELECT id, (v).a FROM raw_api.rows ORDER BY 1"), (Texts{"1|[1, 2]", "2|NULL"}));
    Answers([](HttpRequest&) { return Text(R"({"data": {"the rows": [{"id": "x", "w": true}]}})"); });
    std::string loaded = Load();
    EXPECT_NE(loaded.find("load 2: 1 rows; column id was BIGINT, is VARCHAR; "), std::string::npos) << loaded;
    EXPECT_EQ(sources_.Query("SELECT id, v, w FROM raw_api.rows"), Texts{"x|NULL|t"});
    Answers([](HttpRequest&) { return Text(R"({"data": {"the rows": []}})"); });
    EXPECT_EQ(Load(), "load 3: 0 rows");
    EXPECT_EQ(sources_.Query("SELECT id, w FROM raw_api.rows"), Texts{});
}

TEST_F(RestTest, NothingAtFirstIsNoLoadYet) {
    Source("{path: /rows, records: $.items}");
    Answers([](HttpRequest&) { return Items(0, 0); });
    EXPECT_EQ(Load(), "nothing");
    Answers([](HttpRequest&) { return Items(0, 1); });
    EXPECT_EQ(Load(), "load 1: 1 rows");
}

TEST_F(RestTest, RecordsThatAreNoObjects) {
    Source("{path: /rows}");
    Answers([](HttpRequest&) { return Text("[1, 2, 3]"); });
    EXPECT_EQ(Load(), "load 1: 3 rows");
    EXPECT_EQ(sources_.Query("SELECT count(*) FROM raw_api.rows"), Texts{"3"});
}

TEST_F(RestTest, CancelEndsAWait) {
    Source("{path: /rows}");
    Answers([](HttpRequest&) { return Text("oops", 500); });
    CancelToken cancel;
    sources_.on_progress = [&](const LoadProgress&) { cancel.Cancel(); };
    auto outcome = sources_.Load("api", "rows", cancel);
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().code(), ErrorCode::kCancelled);
}

TEST_F(RestTest, ASourceThatIsDownIsUnavailable) {
    Source("{path: /rows}");
    server_.reset();
    auto outcome = sources_.Load("api", "rows");
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().code(), ErrorCode::kUnavailable);
    EXPECT_FALSE(sources_.connectors().Check(sources_.alice, "api").ok());
}

TEST_F(RestTest, WhatIsWrongInTheYamlIsSaid) {
    auto wrong = [&](const std::string& stream, const std::string& source = "base_url: http://a\n") {
        return sources_.Apply({{"api", "kind: rest\n" + source + "streams: {rows: " + stream + "}\n"}});
    };
    EXPECT_NE(wrong("{}").find("needs \"path\""), std::string::npos) << wrong("{}");
    EXPECT_NE(wrong("{path: /a, pagination: {page: p, offset: o}}").find("one of page"), std::string::npos);
    EXPECT_NE(wrong("{path: /a, pagination: {cursor: $.n}}").find("needs \"param\""), std::string::npos);
    EXPECT_NE(wrong("{path: /a, table: x}").find("table"), std::string::npos);
    EXPECT_NE(wrong("{path: /a, key: [id]}").find("key goes with cursor"), std::string::npos);
    EXPECT_NE(wrong("{path: /a}", "base_url: ftp://a\n").find("http"), std::string::npos);
    EXPECT_NE(wrong("{path: /a}", "base_url: http://a\nauth: {bearer: s3cr3t-canary}\n").find("secret:"),
              std::string::npos);
    EXPECT_EQ(wrong("{path: /a}", "base_url: http://a\nauth: {bearer: s3cr3t-canary}\n").find("s3cr3t"),
              std::string::npos);
}

}  // namespace
}  // namespace tarn::connectors
