// The HTTP API of identity through the router, as a browser and a script see it.
#include <gtest/gtest.h>

#include "access/identity/identity.h"
#include "access/identity/identity_for_test.h"
#include "base/text.h"
#include "security/router.h"

namespace tarn::identity {
namespace {

class Answered : public HttpResponder {
  public:
    Status Send(HttpResponse response) override {
        answer = std::move(response);
        sent_ = true;
        return Ok();
    }
    Result<ByteWriter*> Start(int, HttpHeaders, std::optional<uint64_t>) override {
        return Error(ErrorCode::kNotSupported, "nothing streams here");
    }
    bool started() const override { return sent_; }
    HttpResponse answer;

  private:
    bool sent_ = false;
};

class OperationsTest : public IdentityTest {
  protected:
    OperationsTest() {
        dispatcher_ = std::make_unique<security::Dispatcher>(fake_.env, *identity_, audit_, metrics_);
        router_ = std::make_unique<security::Router>(*identity_, *dispatcher_, rows_);
        router_->Add(identity_->Routes());
        admin_ = "Bearer " + identity_->MintToken("admin", "test").value();
        Check(identity_->CreateUser("alice"));
        alice_ = "Bearer " + identity_->MintToken("alice", "test").value();
    }
    ~OperationsTest() override {
        router_.reset();
        dispatcher_.reset();
    }

    // `who` is an Authorization header, or "cookie:..." of a page of our own, or empty.
    Json Ask(const std::string& name, const std::string& who, const Json& body = {}) {
        std::vector<std::string> parts = Split(name, ' ');
        std::vector<std::string> target = Split(parts[1], '?');
        HttpRequest request;
        request.method = parts[0];
        request.target = parts[1];
        request.path = target[0];
        if (target.size() > 1) {
            std::vector<std::string> pair = Split(target[1], '=');
            request.query.emplace_back(pair[0], pair[1]);
        }
        request.headers.Add("Host", "localhost:8080");
        if (who.starts_with("cookie:")) {
            request.headers.Add("Cookie", "tarn_session=" + who.substr(7));
            request.headers.Add("Origin", "http://localhost:8080");
        } else if (!who.empty()) {
            request.headers.Add("Authorization", who);
        }
        std::string text = body.is_null() ? "" : DumpJson(body);
        SpanReader reader(AsBytes(text));
        request.body = &reader;
        request.content_length = text.size();
        request.remote = {"127.0.0.1", 4000};
        Answered answered;
        EXPECT_TRUE(router_->Serve(request, answered).ok());
        status_ = answered.answer.status;
        cookie_ = answered.answer.headers.Get("Set-Cookie");
        everything_ += answered.answer.body;
        auto parsed = ParseJson(answered.answer.body);
        return parsed.ok() ? *parsed : Json();
    }
    static std::string CookieValue(const std::string& header) {
        size_t begin = header.find('=') + 1;
        return header.substr(begin, header.find(';') - begin);
    }

    security::FakeAudit audit_;
    security::OperationRegistry rows_;
    std::unique_ptr<security::Dispatcher> dispatcher_;
    std::unique_ptr<security::Router> router_;
    std::string admin_;
    std::string alice_;
    int status_ = 0;
    std::string cookie_;
    std::string everything_;
};

// "/users/{name}" as somebody would call it.
std::string Example(std::string_view pattern) {
    std::string path;
    for (const std::string& segment : Split(pattern.substr(1), '/')) {
        path += "/" + (segment.starts_with('{') ? std::string("bob") : segment);
    }
    return path;
}

TEST_F(OperationsTest, EveryRowRefusesStrangersAndUsersWithoutARole) {
    ASSERT_GT(rows_.operations().size(), 20u);
    for (const security::Operation& row : rows_.operations()) {
        std::vector<std::string> parts = Split(row.name, ' ');
        std::string call = parts[0] + " " + Example(parts[1]);
        Ask(call, "");
        EXPECT_EQ(status_, row.action == security::kPublicAction ? 400 : 401) << call;
        Ask(call, "Bearer tarn_wrong");
        EXPECT_EQ(status_, row.action == security::kPublicAction ? 400 : 401) << call;
        if (row.action.find(':') == std::string_view::npos) continue;
        Ask(call, alice_, Json::object());
        EXPECT_EQ(status_, 403) << call;
    }
}

TEST_F(OperationsTest, LoginByPasswordGivesAStrictCookie) {
    Check(identity_->SetPassword("alice", "correct horse"));
    Json answer = Ask("POST /api/v1/login", "", {{"user", "alice"}, {"password", "correct horse"}});
    EXPECT_EQ(status_, 200);
    EXPECT_EQ(answer["user"], "alice");
    EXPECT_NE(cookie_.find("; HttpOnly; SameSite=Strict"), std::string::npos) << cookie_;
    EXPECT_EQ(cookie_.find("Secure"), std::string::npos);
    EXPECT_EQ(audit_.events.back().first.details["user"], "alice");
    std::string cookie = "cookie:" + CookieValue(cookie_);
    EXPECT_EQ(Ask("GET /api/v1/me", cookie)["user"], "alice");
    EXPECT_EQ(Ask("GET /api/v1/sessions", cookie)["sessions"].size(), 1u);
    Ask("POST /api/v1/logout", cookie);
    EXPECT_EQ(status_, 200);
    EXPECT_NE(cookie_.find("Max-Age=0"), std::string::npos);
    Ask("GET /api/v1/me", cookie);
    EXPECT_EQ(status_, 401);
}

TEST_F(OperationsTest, FailedLoginsSayAndRecordNothingTheyShouldNot) {
    Json wrong = Ask("POST /api/v1/login", "", {{"user", "alice"}, {"password", "secret-typed-here"}});
    EXPECT_EQ(status_, 401);
    Json unknown = Ask("POST /api/v1/login", "", {{"user", "secret-typed-here"}, {"password", "x"}});
    EXPECT_EQ(status_, 401);
    EXPECT_EQ(wrong, unknown);
    for (const auto& [event, durability] : audit_.events) {
        EXPECT_EQ(DumpJson(event.details).find("secret-typed-here"), std::string::npos);
    }
    for (const Json& body : {Json::object(), Json{{"user", 1}, {"password", "x"}}, Json{{"user", "alice"}}}) {
        Ask("POST /api/v1/login", "", body);
        EXPECT_EQ(status_, 400) << body;
    }
}

TEST_F(OperationsTest, LoginByLinkWorksOnce) {
    std::string secret = SecretOf(identity_->AdminLink().value());
    Ask("POST /api/v1/login/link", "", {{"token", "wrong"}});
    EXPECT_EQ(status_, 401);
    Json answer = Ask("POST /api/v1/login/link", "", {{"token", secret}});
    EXPECT_EQ(status_, 200);
    EXPECT_EQ(answer["admin"], true);
    std::string cookie = "cookie:" + CookieValue(cookie_);
    Ask("GET /api/v1/users", cookie);
    EXPECT_EQ(status_, 200);
    Ask("POST /api/v1/login/link", "", {{"token", secret}});
    EXPECT_EQ(status_, 401);
}

TEST_F(OperationsTest, UsersAreMadeGivenRolesAndRemoved) {
    Json made = Ask("POST /api/v1/users", admin_, {{"name", "bob"}, {"password", "correct horse"}});
    EXPECT_EQ(status_, 201);
    EXPECT_EQ(made["user"], "bob");
    EXPECT_EQ(made["has_password"], true);
    Ask("POST /api/v1/users", admin_, {{"name", "bob"}});
    EXPECT_EQ(status_, 409);
    Ask("POST /api/v1/users", admin_, {{"name", "dave"}, {"password", "short"}});
    EXPECT_EQ(status_, 400);
    Ask("GET /api/v1/users/dave", admin_);
    EXPECT_EQ(status_, 404);
    EXPECT_EQ(Ask("POST /api/v1/users/bob/roles", admin_, {{"role", "admin"}})["roles"], Json({"admin"}));
    EXPECT_EQ(Ask("DELETE /api/v1/users/bob/roles/admin", admin_)["roles"], Json::array());
    EXPECT_EQ(Ask("GET /api/v1/users", admin_)["users"].size(), 3u);
    Ask("DELETE /api/v1/users/bob", admin_);
    EXPECT_EQ(status_, 200);
    Ask("DELETE /api/v1/users/bob", admin_);
    EXPECT_EQ(status_, 404);
}

TEST_F(OperationsTest, OwnPasswordNeedsTheCurrentOne) {
    Ask("PUT /api/v1/users/alice/password", alice_, {{"password", "correct horse"}});
    EXPECT_EQ(status_, 200) << "the first one has none before it";
    Ask("PUT /api/v1/users/alice/password", alice_, {{"password", "battery staple"}});
    EXPECT_EQ(status_, 403);
    Json change = {{"password", "battery staple"}, {"current_password", "correct horse"}};
    Ask("PUT /api/v1/users/alice/password", alice_, change);
    EXPECT_EQ(status_, 200);
    EXPECT_TRUE(identity_->ByPassword("alice", "battery staple").ok());
    Ask("PUT /api/v1/users/admin/password", alice_, {{"password", "battery staple"}});
    EXPECT_EQ(status_, 403);
}

TEST_F(OperationsTest, TokensAndKeysAreOnesOwn) {
    Json token = Ask("POST /api/v1/tokens", alice_, {{"name", "ci"}, {"ttl", "1h"}});
    EXPECT_EQ(status_, 201);
    std::string secret = token["token"];
    EXPECT_TRUE(identity_->ByToken(secret).ok());
    everything_.clear();
    EXPECT_EQ(Ask("GET /api/v1/tokens", alice_)["tokens"].size(), 2u);
    EXPECT_EQ(everything_.find(secret), std::string::npos);
    Ask("POST /api/v1/tokens", alice_, {{"name", "x"}, {"user", "admin"}});
    EXPECT_EQ(status_, 403);
    Ask("GET /api/v1/tokens?user=admin", alice_);
    EXPECT_EQ(status_, 403);
    EXPECT_EQ(Ask("POST /api/v1/tokens", admin_, {{"name", "x"}, {"user", "alice"}})["user"], "alice");
    Ask("DELETE /api/v1/tokens/ci", alice_);
    EXPECT_EQ(status_, 200);
    EXPECT_FALSE(identity_->ByToken(secret).ok());

    Json key = Ask("POST /api/v1/s3-keys", alice_);
    EXPECT_EQ(status_, 201);
    std::string id = key["access_key_id"];
    EXPECT_EQ(identity_->ByS3KeyId(id).value().secret_access_key.text(), key["secret_access_key"].get<std::string>());
    Json foreign = Ask("POST /api/v1/s3-keys", admin_, {{"description", "admin's"}});
    Ask("DELETE /api/v1/s3-keys/" + foreign["access_key_id"].get<std::string>(), alice_);
    EXPECT_EQ(status_, 403);
    Ask("DELETE /api/v1/s3-keys/" + id, alice_);
    EXPECT_EQ(status_, 200);
    for (const auto& [event, durability] : audit_.events) {
        std::string details = DumpJson(event.details);
        EXPECT_EQ(details.find(secret), std::string::npos);
        EXPECT_EQ(details.find(key["secret_access_key"].get<std::string>()), std::string::npos);
    }
}

TEST_F(OperationsTest, WhoManagesUsersDoesNotBecomeAdminByIt) {
    SetPolicy("roles: {hr: {members: [user:alice], allow: [{actions: ['user:*', 'token:*'], resources: ['*']}]}}\n");
    Ask("POST /api/v1/users", alice_, {{"name", "bob"}});
    EXPECT_EQ(status_, 201);
    Ask("POST /api/v1/tokens", alice_, {{"name", "x"}, {"user", "bob"}});
    EXPECT_EQ(status_, 201);
    Ask("POST /api/v1/tokens", alice_, {{"name", "x"}, {"user", "admin"}});
    EXPECT_EQ(status_, 403);
    Ask("PUT /api/v1/users/admin/password", alice_, {{"password", "battery staple"}});
    EXPECT_EQ(status_, 403);
    Ask("POST /api/v1/users/alice/roles", alice_, {{"role", "admin"}});
    EXPECT_EQ(status_, 403);
    Ask("POST /api/v1/users", alice_, {{"name", "eve"}, {"roles", {"admin"}}});
    EXPECT_EQ(status_, 403);
    Ask("DELETE /api/v1/users/admin", alice_);
    EXPECT_EQ(status_, 403);
}

TEST_F(OperationsTest, RolesAndExplanations) {
    SetPolicy(
        "roles:\n  reader:\n    members: [user:alice]\n"
        "    allow: [{actions: [table:Read], resources: ['delays.*']}]\n");
    Json roles = Ask("GET /api/v1/roles", admin_)["roles"];
    ASSERT_EQ(roles.size(), 2u);
    EXPECT_EQ(roles[1]["file"], "policies/test.yaml:3");
    EXPECT_EQ(roles[1]["users"], Json({"alice"}));
    Json refused = Ask("POST /api/v1/users/alice/roles", admin_, {{"role", "reader"}});
    EXPECT_NE(refused["error"]["message"].get<std::string>().find("policies/test.yaml"), std::string::npos);
    Json body = {{"principal", "user:alice"}, {"action", "table:Read"}, {"resource", "delays.flights"}};
    Json decision = Ask("POST /api/v1/policy/explain", admin_, body);
    EXPECT_EQ(decision["allowed"], true);
    EXPECT_EQ(decision["reason"], "allowed by policies/test.yaml:4 (role reader)");
    EXPECT_EQ(Ask("POST /api/v1/policy/explain", alice_, body)["decision"], "allow");
    body["principal"] = "admin";
    Ask("POST /api/v1/policy/explain", alice_, body);
    EXPECT_EQ(status_, 403);
    EXPECT_EQ(Ask("GET /api/v1/me", alice_)["permissions"][0]["resources"], Json({"delays.*"}));
    Json definition = {{"description", "Pilots"}, {"allow", {{{"actions", {"table:*"}}, {"resources", {"fleet.*"}}}}}};
    Ask("PUT /api/v1/roles/pilot", admin_, definition);
    EXPECT_EQ(status_, 200);
    Ask("POST /api/v1/users/alice/roles", admin_, {{"role", "pilot"}});
    EXPECT_EQ(status_, 200);
    EXPECT_TRUE(May("alice", "table:Read", "fleet.planes"));
    Ask("DELETE /api/v1/roles/pilot", admin_);
    EXPECT_EQ(status_, 200);
}

}  // namespace
}  // namespace tarn::identity
