#include "analysis/dashboards/all_tiles.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "base/text.h"

namespace tarn::dashboards {
namespace {

constexpr size_t kAtOnce = 4;

// Keeps what a request is answered with.
class Kept : public HttpResponder {
  public:
    Status Send(HttpResponse response) override {
        response_ = std::move(response);
        started_ = true;
        return Ok();
    }
    Result<ByteWriter*> Start(int, HttpHeaders, std::optional<uint64_t>) override {
        return Error(ErrorCode::kNotSupported, "a streamed answer is no part of another");
    }
    bool started() const override { return started_; }
    const HttpResponse& response() const { return response_; }

  private:
    HttpResponse response_;
    bool started_ = false;
};

std::string LineOf(const HttpRequest& outer, const std::string& path, size_t index, const HttpServe& serve) {
    HttpRequest request = outer;
    SpanReader nothing{ByteSpan()};
    request.path = request.target = fmt::format("{}/{}", path, index);
    request.body = &nothing;
    Kept kept;
    Status served = serve(request, kept);
    HttpResponse response = served.ok() ? kept.response() : security::ErrorResponse(served.error());
    return fmt::format("{{\"index\":{},\"status\":{},\"answer\":{}}}\n", index, response.status, response.body);
}

}  // namespace

Result<HttpResponse> AnswerAllTiles(security::HttpCall& call, const DashboardDefinition& dashboard,
                                    const HttpServe& serve) {
    std::string path =
        fmt::format("/api/v1/dashboards/{}/{}/tiles", UrlEncode(dashboard.use_case), UrlEncode(dashboard.name));
    ByteWriter* out = TRY(call.responder.Start(200, {{"Content-Type", "application/x-ndjson"}}, std::nullopt));
    std::atomic<size_t> next = 0;
    std::mutex mutex;  // guards the two below and the writer
    Status written;
    int64_t bytes = 0;
    auto answer = [&] {
        for (size_t index = next++; index < dashboard.tiles.size(); index = next++) {
            if (dashboard.tiles[index].sql.empty()) continue;
            std::string line = LineOf(call.request, path, index, serve);
            std::lock_guard lock(mutex);
            if (written.ok()) written = out->Write(AsBytes(line));
            if (!written.ok()) return;  // who asked is gone
            bytes += static_cast<int64_t>(line.size());
        }
    };
    std::vector<std::thread> others;
    for (size_t i = 1; i < std::min(kAtOnce, dashboard.tiles.size()); ++i) others.emplace_back(answer);
    answer();
    for (std::thread& other : others) other.join();
    TRY(std::move(written));
    call.call.bytes = bytes;
    return HttpResponse{};
}

}  // namespace tarn::dashboards
