#include "security/router.h"

#include <gtest/gtest.h>

#include <optional>

#include "base/text.h"
#include "security/fakes_for_test.h"
#include "security/operation_docs.h"

namespace tarn::security {
namespace {

class FakeResponder : public HttpResponder, public ByteWriter {
  public:
    Status Send(HttpResponse response) override {
        EXPECT_FALSE(started_) << "answered twice";
        started_ = true;
        answer = std::move(response);
        return Ok();
    }
    Result<ByteWriter*> Start(int status, HttpHeaders headers, std::optional<uint64_t>) override {
        started_ = true;
        answer.status = status;
        answer.headers = std::move(headers);
        return this;
    }
    bool started() const override { return started_; }
    Status Write(ByteSpan bytes) override { return answer.body.append(AsText(bytes)), Ok(); }
    HttpResponse answer;

  private:
    bool started_ = false;
};

// "/runs/{id}" as somebody would call it.
std::string FillExample(const std::string& pattern) {
    std::string path;
    bool inside = false;
    for (char c : pattern) {
        if (c == '{') path += "x";
        inside = c == '{' || (inside && c != '}');
        if (!inside && c != '}') path += c;
    }
    return path;
}

struct Asked {
    std::string method = "GET";
    std::string path;
    HttpHeaders headers;
    std::string body;
    bool length_known = true;
};

class RouterTest : public testing::Test {
  protected:
    RouterTest() {
        gate_.allowed = {"user:alice run:Read 7", "user:alice run:Cancel 7", "user:alice lake:GetObject raw/a/b.txt"};
        auto answer = [this](HttpCall& call) -> Result<HttpResponse> {
            ++handled_;
            Json seen = {{"user", call.principal.name}};
            for (const auto& [name, value] : call.parameters) seen[name] = value;
            return JsonResponse(seen);
        };
        auto echo = [](HttpCall& call) -> Result<HttpResponse> { return JsonResponse(TRY(call.JsonBody())); };
        auto stream = [](HttpCall& call) -> Result<HttpResponse> {
            ByteWriter* writer = TRY(call.responder.Start(200, {{"Content-Type", "text/csv"}}, std::nullopt));
            TRY(writer->Write(AsBytes("a,b\n")));
            return HttpResponse{};
        };
        router_.Add({
            {{.protocol = "http", .name = "GET /api/v1/runs/{id}", .action = "run:Read"}, "{id}", answer},
            {{.protocol = "http",
              .name = "DELETE /api/v1/runs/{id}",
              .action = "run:Cancel",
              .audit_class = AuditClass::kChange},
             "{id}",
             answer},
            {{.protocol = "http", .name = "GET /api/v1/lake/{bucket}/{key...}", .action = "lake:GetObject"},
             "{bucket}/{key}",
             answer},
            {{.protocol = "http", .name = "POST /api/v1/echo", .action = kSelfAction, .limits = {.body_bytes_max = 16}},
             "*",
             echo},
            {{.protocol = "http", .name = "GET /api/v1/stream", .action = kSelfAction}, "*", stream},
            {{.protocol = "http",
              .name = "POST /api/v1/stream",
              .action = kSelfAction,
              .audit_class = AuditClass::kChange},
             "*",
             stream},
            {{.protocol = "http",
              .name = "POST /api/v1/login",
              .action = kPublicAction,
              .audit_class = AuditClass::kAdministration},
             "*",
             answer},
            {{.protocol = "http",
              .name = "GET /{path...}",
              .action = kPublicAction,
              .audit_class = AuditClass::kPublic},
             "*",
             answer},
        });
        router_.Add(OperationDocRoutes(registry_));
    }

    HttpResponse Serve(const Asked& asked) {
        HttpRequest request;
        request.method = asked.method;
        request.target = request.path = asked.path;
        request.headers = asked.headers;
        request.headers.Add("Host", "127.0.0.1:8080");
        SpanReader body(AsBytes(asked.body));
        request.body = &body;
        if (asked.length_known) request.content_length = asked.body.size();
        request.remote = {"127.0.0.1", 5000};
        FakeResponder responder;
        served_ = router_.Serve(request, responder);
        EXPECT_TRUE(responder.started());
        return responder.answer;
    }
    HttpResponse Get(std::string path, HttpHeaders headers = {{"Authorization", "Bearer tarn_alice"}}) {
        return Serve({.path = std::move(path), .headers = std::move(headers)});
    }
    static std::string CodeOf(const HttpResponse& response) {
        return ParseJson(response.body).value()["error"]["code"];
    }

    FakeEnv fake_;
    FakeGate gate_;
    FakeAudit audit_;
    FakeAuthenticator authenticator_{{{"alice", {}}, {"bob", {}}}};
    Metrics metrics_;
    Dispatcher dispatcher_{fake_.env, gate_, audit_, metrics_};
    OperationRegistry registry_;
    Router router_{authenticator_, dispatcher_, registry_};
    int handled_ = 0;
    Status served_;
};

TEST_F(RouterTest, FillsParametersAndDispatches) {
    HttpResponse response = Get("/api/v1/runs/7");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(ParseJson(response.body).value()["id"], "7");
    EXPECT_EQ(ParseJson(response.body).value()["user"], "alice");
    EXPECT_EQ(audit_.events.back().first.resource, "run:7");
    EXPECT_EQ(audit_.events.back().first.bytes, static_cast<int64_t>(response.body.size()));
}

TEST_F(RouterTest, RestTakesSlashesAndIsWhatTheGateIsAsked) {
    HttpResponse response = Get("/api/v1/lake/raw/a/b.txt");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(ParseJson(response.body).value()["key"], "a/b.txt");
    EXPECT_EQ(Get("/api/v1/lake/raw/a%2Fb.txt").status, 200);
    EXPECT_EQ(Get("/api/v1/lake/raw/other").status, 403);
}

TEST_F(RouterTest, UnknownPathsAndMethods) {
    EXPECT_EQ(Get("/api/v1/nothing").status, 404);
    EXPECT_EQ(Get("/api/v1/runs").status, 404);
    EXPECT_EQ(Get("/api/v1/runs/").status, 404);
    EXPECT_EQ(Get("/api").status, 404);
    EXPECT_EQ(Get("/anything/else").status, 200);
    HttpResponse response = Serve({.method = "PATCH", .path = "/api/v1/runs/7"});
    EXPECT_EQ(response.status, 405);
    EXPECT_EQ(response.headers.Get("Allow"), "DELETE, GET");
    EXPECT_EQ(Serve({.method = "HEAD", .path = "/anything"}).status, 200);
}

TEST_F(RouterTest, OtherProtocolsBelowAPathOfTheirOwn) {
    router_.Add({{{.protocol = "http", .name = "GET /other/{name}/parts", .action = "run:Read", .resource = "run"},
                  "{name}",
                  [](HttpCall& call) -> Result<HttpResponse> {
                      return JsonResponse({{"name", call.parameters["name"]}});
                  }},
                 {{.protocol = "http", .name = "GET /other/all", .action = "run:Read", .resource = "run"},
                  "*",
                  [](HttpCall&) -> Result<HttpResponse> { return HttpResponse{}; }}});
    gate_.allowed.insert("user:alice run:Read a/b");
    EXPECT_EQ(Get("/other/a%2Fb/parts").body, R"({"name":"a/b"})");
    EXPECT_EQ(Get("/other/c/parts").status, 403);
    EXPECT_EQ(Get("/other/c/nothing").status, 404);
    EXPECT_EQ(Get("/other").status, 404);
    EXPECT_EQ(Get("/otherwise").status, 200);
}

TEST_F(RouterTest, PathTricksAreRefused) {
    int before = handled_;
    for (const char* path :
         {"/api/v1/runs/..", "/api/v1/runs/%2e%2e", "/api/v1/runs/%2E", "/api/v1/runs/%00", "/api/v1/runs/%0a7",
          "/api/v1/runs/%ff", "/api/v1/runs/%c0%ae", "/api/v1/runs/%zz", "/static/../api/v1/runs/7", "relative"}) {
        EXPECT_EQ(Get(path).status, 400) << path;
    }
    for (const char* path : {"/api/v1/runs/7%2F8", "/api//v1/runs/7", "/api/v1/runs//7", "/API/../api/v1/runs/7"}) {
        HttpResponse response = Get(path);
        EXPECT_TRUE(response.status == 404 || response.status == 400) << path;
    }
    EXPECT_EQ(handled_, before);
}

TEST_F(RouterTest, Credentials) {
    auto status = [&](HttpHeaders headers) { return Get("/api/v1/runs/7", std::move(headers)).status; };
    auto basic = [](std::string_view pair) { return "Basic " + Base64Encode(AsBytes(pair)); };
    EXPECT_EQ(status({}), 401);
    EXPECT_EQ(status({{"Authorization", "Bearer tarn_nobody"}}), 401);
    EXPECT_EQ(status({{"Authorization", "Bearer tarn_bob"}}), 403);
    EXPECT_EQ(status({{"Authorization", "bearer tarn_alice"}}), 200);
    EXPECT_EQ(status({{"Authorization", "Digest x"}}), 401);
    EXPECT_EQ(status({{"Authorization", "Basic !!"}}), 401);
    EXPECT_EQ(status({{"Authorization", basic("alice:password-alice")}}), 200);
    EXPECT_EQ(status({{"Authorization", basic("alice:wrong")}}), 401);
    EXPECT_EQ(status({{"Authorization", basic("alice:tarn_alice")}}), 200);
    EXPECT_EQ(status({{"Authorization", basic(":tarn_alice")}}), 200);
    EXPECT_EQ(status({{"Authorization", basic("bob:tarn_alice")}}), 401);
    EXPECT_EQ(status({{"Cookie", "other=1; tarn_session=cookie-alice"}}), 200);
    EXPECT_EQ(status({{"Cookie", "xtarn_session=cookie-alice"}}), 401);
    EXPECT_EQ(Get("/api/v1/runs/7", {}).headers.Get("WWW-Authenticate"), "Bearer realm=\"tarn\"");
}

TEST_F(RouterTest, CookieNeedsTheSameOriginToChangeAnything) {
    auto status = [&](HttpHeaders headers) {
        headers.Add("Cookie", "tarn_session=cookie-alice");
        return Serve({.method = "DELETE", .path = "/api/v1/runs/7", .headers = headers}).status;
    };
    EXPECT_EQ(status({}), 403);
    EXPECT_EQ(status({{"Origin", "http://evil.example"}}), 403);
    EXPECT_EQ(status({{"Origin", "null"}}), 403);
    EXPECT_EQ(status({{"Origin", "http://127.0.0.1:8080.evil.example"}}), 403);
    EXPECT_EQ(status({{"Sec-Fetch-Site", "cross-site"}, {"Origin", "http://127.0.0.1:8080"}}), 403);
    EXPECT_EQ(status({{"Sec-Fetch-Site", "same-site"}}), 403);
    EXPECT_EQ(handled_, 0);
    EXPECT_EQ(status({{"Origin", "http://127.0.0.1:8080"}}), 200);
    EXPECT_EQ(status({{"Sec-Fetch-Site", "same-origin"}}), 200);
    Asked by_token{.method = "DELETE", .path = "/api/v1/runs/7", .headers = {{"Authorization", "Bearer tarn_alice"}}};
    EXPECT_EQ(Serve(by_token).status, 200);
}

TEST_F(RouterTest, ForeignPagesCannotLogAnybodyInEither) {
    Asked login{.method = "POST", .path = "/api/v1/login", .headers = {{"Origin", "http://evil.example"}}};
    EXPECT_EQ(Serve(login).status, 403);
    EXPECT_EQ(Serve({.method = "POST", .path = "/api/v1/login"}).status, 200);
}

TEST_F(RouterTest, StaleCookieDoesNotCloseThePublicPages) {
    EXPECT_EQ(Get("/login", {{"Cookie", "tarn_session=old"}}).status, 200);
}

TEST_F(RouterTest, BodyLimitHoldsForDeclaredAndUndeclaredLengths) {
    HttpHeaders headers = {{"Authorization", "Bearer tarn_alice"}};
    Asked asked{.method = "POST", .path = "/api/v1/echo", .headers = headers, .body = R"({"a": "123456"})"};
    ASSERT_LE(asked.body.size(), 16u);
    EXPECT_EQ(Serve(asked).status, 200);
    asked.body = R"({"a": "1234567"})";
    EXPECT_EQ(asked.body.size(), 16u);
    EXPECT_EQ(Serve(asked).status, 200);
    asked.body = R"({"a": "12345678"})";
    EXPECT_EQ(Serve(asked).status, 413);
    asked.length_known = false;
    EXPECT_EQ(Serve(asked).status, 413);
}

TEST_F(RouterTest, MalformedBodies) {
    for (const char* body : {"", "{", "[]", "\"x\"", "{\"a\":}"}) {
        Asked asked{.method = "POST",
                    .path = "/api/v1/echo",
                    .headers = {{"Authorization", "Bearer tarn_alice"}},
                    .body = body};
        EXPECT_EQ(Serve(asked).status, 400) << body;
    }
}

TEST_F(RouterTest, SecurityHeadersAreOnEveryAnswer) {
    for (const char* path : {"/api/v1/runs/7", "/api/v1/none", "/page", "/api/v1/stream", "/api/v1/runs/%00"}) {
        HttpResponse response = Get(path);
        EXPECT_TRUE(response.headers.Get("Content-Security-Policy").starts_with("default-src 'self';")) << path;
        EXPECT_NE(response.headers.Get("Content-Security-Policy").find("frame-ancestors 'none'"), std::string::npos);
        EXPECT_EQ(response.headers.Get("X-Content-Type-Options"), "nosniff") << path;
        EXPECT_EQ(response.headers.Get("Cache-Control"), std::string_view(path).starts_with("/api/") ? "no-store" : "")
            << path;
    }
}

TEST_F(RouterTest, OnlyReadsStreamBeforeTheirClosingRecord) {
    EXPECT_EQ(Get("/api/v1/stream").body, "a,b\n");
    Asked change{.method = "POST", .path = "/api/v1/stream", .headers = {{"Authorization", "Bearer tarn_alice"}}};
    EXPECT_EQ(Serve(change).status, 500);
}

TEST_F(RouterTest, NoClosingRecordNoAnswer) {
    audit_.fails_at = 1;
    EXPECT_EQ(Get("/api/v1/runs/7").status, HttpStatusOf(ErrorCode::kIo));
    EXPECT_EQ(handled_, 1);
}

// The rule of the house: whatever is reachable has a row, and its row is obeyed.
TEST_F(RouterTest, NoRouteIsReachableWithoutARow) {
    std::vector<std::string> methods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"};
    std::vector<std::string> paths = {"/",
                                      "/x",
                                      "/api",
                                      "/api/v1",
                                      "/api/v1/runs",
                                      "/api/v1/runs/7",
                                      "/api/v1/lake",
                                      "/api/v1/lake/raw/a",
                                      "/api/v1/echo",
                                      "/api/v1/stream",
                                      "/api/v1/login",
                                      "/api/v1/operations",
                                      "/api/v1/openapi.json",
                                      "/api/v2/runs/7"};
    auto total_calls = [&] {
        double calls = 0;
        for (const MetricSample& sample : metrics_.Samples()) {
            if (sample.name == "tarn_security_calls_total") calls += sample.value;
        }
        return calls;
    };
    for (const std::string& method : methods) {
        for (const std::string& path : paths) {
            int handled = handled_;
            double calls = total_calls();
            HttpResponse response = Serve({.method = method, .path = path});
            if (handled_ != handled) {
                // It ran without a credential: through the dispatcher, and its row says public.
                EXPECT_EQ(total_calls(), calls + 1) << method << " " << path;
                EXPECT_TRUE(path == "/" || path == "/x" || path == "/api/v1/login") << method << " " << path;
            } else {
                EXPECT_TRUE(response.status == 401 || response.status == 404 || response.status == 405)
                    << method << " " << path << " " << response.status;
            }
        }
    }
}

TEST_F(RouterTest, EveryRouteIsInTheRegistryAndRefusesStrangersUnlessPublic) {
    EXPECT_EQ(registry_.operations().size(), 10u);
    for (const Operation& operation : registry_.operations()) {
        std::vector<std::string> parts = Split(operation.name, ' ');
        HttpResponse response = Serve({.method = parts[0], .path = FillExample(parts[1])});
        if (operation.action == kPublicAction) {
            EXPECT_EQ(response.status, 200) << operation.name;
        } else {
            EXPECT_EQ(response.status, 401) << operation.name;
            EXPECT_EQ(CodeOf(response), "unauthenticated");
        }
    }
}

TEST_F(RouterTest, TheSamePatternTwiceStopsTheProgram) {
    Route again{{.protocol = "http", .name = "GET /api/v1/runs/{other}", .action = "run:Read"},
                "{other}",
                [](HttpCall&) -> Result<HttpResponse> { return HttpResponse{}; }};
    EXPECT_DEATH(router_.Add({again}), "broken invariant");
}

TEST_F(RouterTest, OpenApiIsGeneratedFromTheRows) {
    Json document = ParseJson(Get("/api/v1/openapi.json").body).value();
    EXPECT_EQ(document["openapi"], "3.1.0");
    EXPECT_EQ(document["paths"]["/api/v1/lake/{bucket}/{key}"]["get"]["x-action"], "lake:GetObject");
    EXPECT_EQ(document["paths"]["/api/v1/lake/{bucket}/{key}"]["get"]["parameters"].size(), 2u);
    EXPECT_TRUE(document["paths"]["/api/v1/login"]["post"]["security"].empty());
    Json list = ParseJson(Get("/api/v1/operations").body).value();
    EXPECT_EQ(list["operations"].size(), 10u);
}

TEST(ErrorResponse, CarriesWhatTheErrorSays) {
    HttpResponse response = ErrorResponse(Error(ErrorCode::kSyntax, "no").WithHint("try yes").WithPosition(3));
    Json error = ParseJson(response.body).value()["error"];
    EXPECT_EQ(error["code"], "syntax");
    EXPECT_EQ(error["message"], "no");
    EXPECT_EQ(error["hint"], "try yes");
    EXPECT_EQ(error["position"], 3);
}

}  // namespace
}  // namespace tarn::security
