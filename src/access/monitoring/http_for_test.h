// For tests: calls a component's routes as the router would, with a principal that may everything.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "security/fakes_for_test.h"
#include "security/router.h"

namespace tarn::access {

class TestHttp {
  public:
    explicit TestHttp(std::vector<security::Route> routes) : dispatcher_(env_.env, gate_, audit_, metrics_) {
        router_.Add(std::move(routes));
    }

    // `user` is "admin", who may everything, "bob", who may nothing, or empty: nobody.
    HttpResponse Call(const std::string& method, const std::string& path, const std::string& body = "",
                      const std::string& user = "admin") {
        HttpRequest request;
        request.method = method;
        request.target = path;
        request.path = path.substr(0, path.find('?'));
        size_t query = path.find('?');
        while (query != std::string::npos && query + 1 < path.size()) {
            size_t equals = path.find('=', query);
            size_t end = path.find('&', equals);
            request.query.emplace_back(path.substr(query + 1, equals - query - 1),
                                       path.substr(equals + 1, end == std::string::npos ? end : end - equals - 1));
            query = end;
        }
        if (!user.empty()) request.headers.Add("Authorization", "Bearer tarn_" + user);
        if (!body.empty()) request.headers.Add("Content-Type", "application/json");
        SpanReader reader(AsBytes(body));
        request.body = &reader;
        request.content_length = body.size();
        Responder responder;
        Status status = router_.Serve(request, responder);
        EXPECT_TRUE(status.ok());
        return responder.answer;
    }

    Json CallJson(const std::string& method, const std::string& path, const std::string& body = "") {
        HttpResponse response = Call(method, path, body);
        EXPECT_EQ(response.status, 200) << method << " " << path << ": " << response.body;
        auto json = ParseJson(response.body);
        return json.ok() ? std::move(json).value() : Json();
    }

    security::FakeAudit& audit() { return audit_; }

  private:
    class Responder : public HttpResponder {
      public:
        Status Send(HttpResponse response) override { return answer = std::move(response), Ok(); }
        Result<ByteWriter*> Start(int, HttpHeaders, std::optional<uint64_t>) override {
            return Error(ErrorCode::kNotSupported, "streams are not for this test");
        }
        bool started() const override { return false; }
        HttpResponse answer;
    };

    security::FakeEnv env_;
    security::FakeGate gate_;
    security::FakeAudit audit_;
    security::FakeAuthenticator authenticator_{{{"admin", {"admin"}}, {"bob", {}}}};
    Metrics metrics_;
    security::OperationRegistry registry_;
    security::Dispatcher dispatcher_;
    security::Router router_{authenticator_, dispatcher_, registry_};
};

}  // namespace tarn::access
