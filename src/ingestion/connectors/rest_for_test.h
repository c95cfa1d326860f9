// An API for tests that behaves well or badly as each test says, and time that passes at once where somebody waits.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "base/crypto.h"
#include "base/number.h"
#include "ingestion/connectors/connectors_for_test.h"

namespace tarn::connectors {

using Texts = std::vector<std::string>;

// Real files, and time that passes at once where somebody waits.
class HastyEnv {
  public:
    class HastyClock : public Clock {
      public:
        Timestamp Now() override { return SystemEnv().clock().Now() + slept; }
        Duration Monotonic() override { return SystemEnv().clock().Monotonic() + slept; }
        void Sleep(Duration duration) override { slept += duration; }
        Duration slept{0};
    };
    HastyClock clock;
    Env env{clock, SystemEnv().files(), SystemEnv().random()};
};

class RestFixture : public testing::Test {
  protected:
    using Answer = std::function<HttpResponse(HttpRequest&)>;

    RestFixture() {
        executor_ = Executor::Create({.name = "api", .threads = 2});
        auto server = HttpServer::Create(
            {.listen = {"127.0.0.1", 0}}, NullLog(), *executor_,
            [this](HttpRequest& request, HttpResponder& responder) { return Serve(request, responder); });
        EXPECT_TRUE(server.ok()) << server.error().ToString();
        server_ = std::move(*server);
        sources_.secrets.values = {{"token", "s3cr3t-canary"}};
    }
    ~RestFixture() override { server_.reset(); }

    Status Serve(HttpRequest& request, HttpResponder& responder) {
        Answer answer;
        {
            std::lock_guard lock(mutex_);
            asked_.push_back(request.target);
            answer = answer_;
        }
        HttpResponse response = answer(request);
        if (response.status != 0) return responder.Send(std::move(response));
        // Cut in the middle of the body.
        ByteWriter* writer = TRY(responder.Start(200, {}, 1000));
        TRY(writer->Write(AsBytes(response.body)));
        return Error(ErrorCode::kInternal, "the test cuts the answer");
    }
    void Answers(Answer answer) {
        std::lock_guard lock(mutex_);
        answer_ = std::move(answer);
        asked_.clear();
    }
    static HttpResponse Text(std::string body, int status = 200) {
        return {.status = status, .headers = {{"Content-Type", "application/json"}}, .body = std::move(body)};
    }
    // {"items": [{"id": from}, ...]} and what else the object has.
    static HttpResponse Items(int from, int to, const std::string& more = "") {
        Texts items;
        for (int id = from; id < to; ++id) items.push_back(fmt::format("{{\"id\": {}}}", id));
        return Text("{\"items\": [" + Join(items, ", ") + "]" + more + "}");
    }
    static int Number(HttpRequest& request, const std::string& name, int otherwise) {
        auto value = request.Query(name);
        return value ? static_cast<int>(IntegerOrZero(*value)) : otherwise;
    }
    void Source(const std::string& stream, const std::string& source = "") {
        std::string yaml = fmt::format("kind: rest\nbase_url: {}\n{}streams: {{rows: {}}}\n", Url(), source, stream);
        ASSERT_EQ(sources_.Apply({{"api", yaml}}), "");
    }
    std::string Url() { return "http://" + server_->address().ToString() + "/v1"; }
    std::string Load() { return sources_.Loaded("api", "rows"); }
    Texts Ids() { return sources_.Query("SELECT id FROM raw_api.rows ORDER BY 1"); }
    Texts asked() {
        std::lock_guard lock(mutex_);
        return asked_;
    }
    // Nothing of what was stored, and no error so far, has the secret.
    void ExpectNoSecret(const std::string& text) {
        EXPECT_EQ(text.find("s3cr3t"), std::string::npos) << text;
        for (const std::string& key : sources_.Keys("api/")) {
            EXPECT_EQ(sources_.Text(key).find("s3cr3t"), std::string::npos) << key;
        }
    }

    HastyEnv hasty_;
    TestSources sources_{hasty_.env};
    std::mutex mutex_;  // guards the two below
    Answer answer_;
    Texts asked_;
    std::unique_ptr<Executor> executor_;
    std::unique_ptr<HttpServer> server_;
};

}  // namespace tarn::connectors
