// Who asks an API, how often, and for how long: OAuth 2.0, the pace, the budget, and streams nested in others.
#include "ingestion/connectors/rest_for_test.h"

namespace tarn::connectors {
namespace {

class RestClientTest : public RestFixture {
  protected:
    RestClientTest() { sources_.secrets.values = {{"app", "s3cr3t-app/+"}, {"refresh", "s3cr3t-refresh-1"}}; }
    // The server gives tokens at /v1/token and rows for the newest of them.
    void GivesTokens(int seconds, bool rotates = false) {
        Answers([this, seconds, rotates](HttpRequest& request) {
            if (request.path != "/v1/token") {
                bool known = request.headers.Get("Authorization") == "Bearer s3cr3t-token-" + std::to_string(given_);
                return known ? Items(0, 2) : Text("{}", 401);
            }
            forms_.push_back(request.ReadBody().value());
            logins_.emplace_back(request.headers.Get("Authorization"));
            ++given_;
            std::string more = rotates ? fmt::format(R"(, "refresh_token": "s3cr3t-refresh-{}")", given_ + 1) : "";
            return Text(
                fmt::format(R"({{"access_token": "s3cr3t-token-{}", "expires_in": {}{}}})", given_, seconds, more));
        });
    }
    void OAuth(const std::string& more, const std::string& stream = "{path: /rows, records: $.items}") {
        Source(stream, fmt::format("auth: {{oauth2: {{token_url: {}/token, client_id: me, {}}}}}\n", Url(), more));
    }
    int given_ = 0;
    Texts forms_, logins_;
};

TEST_F(RestClientTest, OneTokenServesUntilItEnds) {
    OAuth("client_secret: secret:app, scopes: [read, all], params: {audience: 'https://a b'}");
    GivesTokens(3600);
    EXPECT_EQ(Load(), "load 1: 2 rows");
    EXPECT_EQ(Load(), "load 2: 2 rows");
    EXPECT_EQ(forms_,
              Texts{"grant_type=client_credentials&client_id=me&client_secret=s3cr3t-app%2F%2B&scope=read%20all&"
                    "audience=https%3A%2F%2Fa%20b"});
    hasty_.clock.slept += std::chrono::seconds(3541);  // it ends within a minute
    EXPECT_EQ(Load(), "load 3: 2 rows");
    EXPECT_EQ(forms_.size(), 2U);
    ExpectNoSecret("");
}

TEST_F(RestClientTest, TheClientMayStandInBasic) {
    OAuth("client_secret: secret:app, client_auth: basic");
    GivesTokens(3600);
    EXPECT_EQ(Load(), "load 1: 2 rows");
    EXPECT_EQ(forms_, Texts{"grant_type=client_credentials"});
    EXPECT_EQ(logins_, Texts{"Basic " + Base64Encode(AsBytes(std::string("me:s3cr3t-app%2F%2B")))});
}

TEST_F(RestClientTest, ATokenTakenBackIsRenewedOnce) {
    OAuth("client_secret: secret:app");
    GivesTokens(3600);
    EXPECT_EQ(Load(), "load 1: 2 rows");
    ++given_;  // the server forgets what it gave
    EXPECT_EQ(Load(), "load 2: 2 rows");
    EXPECT_EQ(forms_.size(), 2U);
    Answers([this](HttpRequest& request) {
        if (request.path != "/v1/token") return Text("{}", 401);
        return Text(fmt::format(R"({{"access_token": "s3cr3t-other-{}"}})", ++given_));
    });
    std::string refused = Load();
    EXPECT_NE(refused.find("refuses the credential (status 401)"), std::string::npos) << refused;
    EXPECT_EQ(asked(), (Texts{"/v1/rows", "/v1/token", "/v1/rows"}));
}

TEST_F(RestClientTest, ARefreshTokenForOneUseIsReplaced) {
    OAuth("client_secret: secret:app, refresh_token: secret:refresh");
    GivesTokens(3600, true);
    EXPECT_EQ(Load(), "load 1: 2 rows");
    EXPECT_EQ(sources_.secrets.values["refresh"], "s3cr3t-refresh-2");
    hasty_.clock.slept += std::chrono::hours(1);
    EXPECT_EQ(Load(), "load 2: 2 rows");
    EXPECT_EQ(forms_[1],
              "grant_type=refresh_token&refresh_token=s3cr3t-refresh-2&client_id=me&client_secret=s3cr3t-app%2F%2B");
    EXPECT_EQ(sources_.secrets.values["refresh"], "s3cr3t-refresh-3");
}

TEST_F(RestClientTest, WhatTheTokenEndpointSaysIsToldWithoutSecrets) {
    OAuth("client_secret: secret:app");
    Answers([](HttpRequest&) {
        return Text(R"({"error": "invalid_client", "error_description": "s3cr3t-app/+ is wrong", "x": "s3cr3t-2"})",
                    401);
    });
    std::string refused = Load();
    EXPECT_NE(refused.find("gives none: status 401, invalid_client, *** is wrong"), std::string::npos) << refused;
    ExpectNoSecret(refused);
    Answers([](HttpRequest&) { return Text("<html>s3cr3t-app", 200); });
    ExpectNoSecret(Load());
    // It is never sent on to where the endpoint points.
    int followed = 0;
    Answers([&](HttpRequest& request) {
        if (request.path == "/v1/elsewhere") ++followed;
        HttpResponse response = Text("", 302);
        response.headers.Set("Location", "/v1/elsewhere");
        return response;
    });
    EXPECT_NE(Load().find("status 302"), std::string::npos);
    EXPECT_EQ(followed, 0);
    sources_.secrets.values.clear();
    EXPECT_NE(Load().find("there is no secret app"), std::string::npos);
}

TEST_F(RestClientTest, ATokenEndpointThatIsDownIsAskedAgain) {
    OAuth("client_secret: secret:app");
    int down = 0;
    Answers([&](HttpRequest& request) {
        if (request.path != "/v1/token") return Items(0, 1);
        if (++down < 3) return Text("", 503);
        return Text(R"({"access_token": "s3cr3t-token", "expires_in": "3600"})");
    });
    EXPECT_EQ(Load(), "load 1: 1 rows");
}

TEST_F(RestClientTest, TheBudgetIsOfTheWholeLoad) {
    Source("{path: /rows, records: $.items, pagination: {page: p}}", "retry: {budget: 100s, attempts: 50}\n");
    int calls = 0;
    // Each page fails once and asks for 40 s: the third would take more than what is left.
    Answers([&](HttpRequest& request) {
        if (++calls % 2 == 0) return Items(Number(request, "p", 0), Number(request, "p", 0) + 1);
        HttpResponse response = Text("{}", 429);
        response.headers.Set("Retry-After", "40");
        return response;
    });
    std::string refused = Load();
    EXPECT_NE(refused.find("rows?p=3 failed 1 times, and this load has waited as long as it may: status 429"),
              std::string::npos)
        << refused;
    EXPECT_NE(refused.find("retry.budget"), std::string::npos) << refused;
    EXPECT_GE(hasty_.clock.slept, std::chrono::seconds(80));
    EXPECT_LT(hasty_.clock.slept, std::chrono::seconds(100));
    Source("{path: /rows, records: $.items}", "retry: {attempts: 2}\n");
    Answers([](HttpRequest&) { return Text("", 500); });
    EXPECT_NE(Load().find("failed 2 times: status 500"), std::string::npos);
}

TEST_F(RestClientTest, ThePaceIsKept) {
    Source("{path: /rows, records: $.items, pagination: {page: p}}", "rate_limit: 30/m\n");
    Answers([](HttpRequest& request) {
        int page = Number(request, "p", 0);
        return Items(page, page < 5 ? page + 1 : page);
    });
    EXPECT_EQ(Load(), "load 1: 4 rows");
    EXPECT_GE(hasty_.clock.slept, std::chrono::seconds(7));  // 5 requests, 2 s apart
    EXPECT_LE(hasty_.clock.slept, std::chrono::seconds(9));
}

class NestedTest : public RestFixture {
  protected:
    void Sources(const std::string& path = "/orders/{id}/items") {
        std::string yaml = fmt::format(
            "kind: rest\nbase_url: {}\nstreams:\n  orders: {{path: /orders, records: $.items}}\n"
            "  rows: {{for_each_of: orders, path: '{}', records: $.items, pagination: {{page: p}}}}\n",
            Url(), path);
        ASSERT_EQ(sources_.Apply({{"api", yaml}}), "");
    }
    bool HasNew() { return sources_.connectors().HasNew("api", "rows").value(); }
};

TEST_F(NestedTest, AStreamIsAskedForOnceForEachRecordOfAnother) {
    Sources();
    Answers([](HttpRequest& request) {
        if (request.path == "/v1/orders")
            return Text(R"({"items": [{"id": "a/b"}, {"id": "c"}, {"id": null}, {"id": "x"}]})");
        if (request.path == "/v1/orders/x/items") return Text("{}", 404);
        int page = Number(request, "p", 1);
        int first = request.path == "/v1/orders/c/items" ? 10 : 0;
        return Items(first + page, page < 3 ? first + page + 1 : first + page);
    });
    EXPECT_FALSE(HasNew());
    EXPECT_EQ(Load(), "nothing; orders has no load yet");
    EXPECT_EQ(sources_.Loaded("api", "orders"), "load 1: 4 rows");
    EXPECT_TRUE(HasNew());
    EXPECT_EQ(Load(),
              "load 1: 4 rows; 1 records of orders were left out: a field that the path names is null; 1 of 3 records "
              "of orders are not known to the API (status 404)");
    EXPECT_FALSE(HasNew());
    EXPECT_EQ(sources_.Query("SELECT id, _for_each FROM raw_api.rows ORDER BY 1"),
              (Texts{R"(1|{"id":"a/b"})", R"(2|{"id":"a/b"})", R"(11|{"id":"c"})", R"(12|{"id":"c"})"}));
    EXPECT_EQ(sources_.Query("SELECT DISTINCT _for_each->>'id' FROM raw_api.rows ORDER BY 1"), (Texts{"a/b", "c"}));
    EXPECT_EQ(asked()[1], "/v1/orders/a%2Fb/items?p=1");
    EXPECT_EQ(sources_.ColumnsOf("raw_api", "orders"), "id VARCHAR");
}

TEST_F(NestedTest, WithoutRecordsItIsEmptyAndOneThatFailsCommitsNothing) {
    Sources();
    std::string orders = R"({"items": [{"id": 1}, {"id": 2}]})";
    bool down = false;
    Answers([&](HttpRequest& request) {
        if (request.path == "/v1/orders") return Text(orders);
        return down && request.path == "/v1/orders/2/items" ? Text("", 500)
                                                            : Items(0, Number(request, "p", 1) == 1 ? 1 : 0);
    });
    sources_.Loaded("api", "orders");
    EXPECT_EQ(Load(), "load 1: 2 rows");
    down = true;
    EXPECT_NE(Load().find("failed 6 times"), std::string::npos);
    EXPECT_EQ(sources_.Query("SELECT count(*) FROM raw_api.rows"), Texts{"2"});
    orders = R"({"items": []})";
    sources_.Loaded("api", "orders");
    EXPECT_TRUE(HasNew());
    EXPECT_EQ(Load(), "load 2: 0 rows");
    EXPECT_EQ(sources_.Query("SELECT count(*) FROM raw_api.rows"), Texts{"0"});
}

TEST_F(NestedTest, WhatIsWrongIsSaid) {
    auto apply = [&](const std::string& streams) {
        return sources_.Apply({{"api", "kind: rest\nbase_url: http://a\nstreams:\n" + streams}});
    };
    EXPECT_NE(apply("  rows: {for_each_of: none, path: '/{id}'}\n").find("names none, which is no stream"),
              std::string::npos);
    EXPECT_NE(apply("  rows: {for_each_of: rows, path: '/{id}'}\n").find("goes in a circle"), std::string::npos);
    EXPECT_NE(apply("  a: {path: /a}\n  rows: {for_each_of: a, path: /b}\n").find("names a field"), std::string::npos);
    EXPECT_NE(apply("  a: {path: /a}\n  rows: {for_each_of: a, path: '/{id}', cursor: at}\n").find("takes no cursor"),
              std::string::npos);
    EXPECT_NE(sources_.Apply({{"api", "kind: rest\nbase_url: http://a\nrate_limit: fast\nstreams: {a: {path: /a}}\n"}}),
              "");
}

}  // namespace
}  // namespace tarn::connectors
