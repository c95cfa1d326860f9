// The demo's REST API: pages of observations behind a bearer token, and now and then "too many requests".
#include <algorithm>
#include <atomic>

#include "app/demo_sources.h"
#include "base/http.h"
#include "base/json.h"
#include "base/number.h"
#include "base/text.h"

namespace tarn::app {
namespace {

constexpr int kThreads = 2;
constexpr int64_t kPageDefault = 1000;
constexpr int64_t kPageMax = 5000;
constexpr int64_t kRefusedEvery = 12;  // each twelfth request is one too many

struct Observation {
    std::string time_hour;
    std::string json;
};

// Numbers as numbers, NA as null, the rest as text.
std::string JsonCell(std::string_view column, std::string_view cell) {
    if (cell == "NA" || cell.empty()) return "null";
    bool text = column == "origin" || column == "time_hour";
    return text ? DumpJson(std::string(cell)) : std::string(cell);
}

Result<std::vector<Observation>> ReadObservations(Env& env, const std::string& path) {
    auto reader = TRY(LineReader::Open(env, path));
    std::string_view line;
    if (!TRY(reader.Next(line))) return Error(ErrorCode::kCorruption, "{} is empty", path);
    std::vector<std::string> columns = Split(line, ',');
    std::vector<Observation> observations;
    while (TRY(reader.Next(line))) {
        std::vector<std::string> cells = Split(line, ',');
        if (cells.size() != columns.size()) return Error(ErrorCode::kCorruption, "a broken row in {}", path);
        Observation observation{cells.back(), "{"};
        for (size_t i = 0; i < cells.size(); ++i) {
            observation.json += (i ? ",\"" : "\"") + columns[i] + "\":" + JsonCell(columns[i], cells[i]);
        }
        observation.json += "}";
        observations.push_back(std::move(observation));
    }
    std::stable_sort(observations.begin(), observations.end(),
                     [](const auto& left, const auto& right) { return left.time_hour < right.time_hour; });
    return observations;
}

HttpResponse Answer(int status, std::string body, HttpHeaders headers = {}) {
    headers.Set("Content-Type", "application/json");
    return {status, std::move(headers), std::move(body)};
}

class LoopbackWeatherApi : public WeatherApi {
  public:
    LoopbackWeatherApi(std::vector<Observation> observations, std::string token)
        : observations_(std::move(observations)),
          token_(std::move(token)),
          executor_(Executor::Create({.name = "weather", .threads = kThreads})) {}

    Status Listen(const Address& listen) {
        HttpServerConfig config;
        config.listen = listen;
        server_ = TRY(HttpServer::Create(
            config, NullLog(), *executor_,
            [this](HttpRequest& request, HttpResponder& responder) { return responder.Send(Serve(request)); }));
        return Ok();
    }
    int port() const override { return server_->address().port; }

  private:
    HttpResponse Serve(const HttpRequest& request) {
        if (request.path != "/v1/observations") return Answer(404, R"({"message": "try /v1/observations"})");
        if (!ConstantTimeEquals(request.headers.Get("Authorization"), "Bearer " + token_)) {
            return Answer(401, R"({"message": "a bearer token is needed"})", {{"WWW-Authenticate", "Bearer"}});
        }
        if (++requests_ % kRefusedEvery == 0) {
            return Answer(429, R"({"message": "too many requests"})", {{"Retry-After", "1"}});
        }
        int64_t limit = ParseInteger(request.Query("limit").value_or("")).value_or(kPageDefault);
        limit = std::clamp<int64_t>(limit, 1, kPageMax);
        auto count = static_cast<int64_t>(observations_.size());
        int64_t begin = Newer(request.Query("since").value_or(""));
        begin = std::max(begin, ParseInteger(request.Query("after").value_or("")).value_or(0));
        int64_t end = std::min(begin + limit, count);
        std::string body = "{\"items\":[";
        for (int64_t i = begin; i < end; ++i) {
            body += (i == begin ? "\n" : ",\n") + observations_[static_cast<size_t>(i)].json;
        }
        body += end < count ? fmt::format("],\"next\":\"{}\"}}", end) : "],\"next\":null}";
        return Answer(200, std::move(body));
    }
    // The first observation after `time`.
    int64_t Newer(const std::string& time) const {
        auto found =
            std::upper_bound(observations_.begin(), observations_.end(), time,
                             [](const std::string& value, const auto& entry) { return value < entry.time_hour; });
        return time.empty() ? 0 : found - observations_.begin();
    }

    const std::vector<Observation> observations_;
    const std::string token_;
    std::atomic<int64_t> requests_{0};
    std::unique_ptr<Executor> executor_;
    std::unique_ptr<HttpServer> server_;
};

}  // namespace

Result<std::unique_ptr<WeatherApi>> WeatherApi::Start(Env& env, const std::string& csv_path, const Address& listen,
                                                      const std::string& token) {
    auto api = std::make_unique<LoopbackWeatherApi>(TRY(ReadObservations(env, csv_path)), token);
    Status listening = api->Listen(listen);
    if (!listening.ok()) TRY(api->Listen({listen.host, 0}));
    return std::unique_ptr<WeatherApi>(std::move(api));
}

Result<int> FreePort(int wanted) {
    auto executor = Executor::Create({.name = "port", .threads = 1});
    for (int port : {wanted, 0}) {
        HttpServerConfig config;
        config.listen = {"127.0.0.1", port};
        auto server = HttpServer::Create(config, NullLog(), *executor, [](HttpRequest&, HttpResponder& responder) {
            return responder.Send({503, {}, ""});
        });
        if (server.ok()) return (*server)->address().port;
    }
    return Error(ErrorCode::kUnavailable, "no port of 127.0.0.1 is free");
}

}  // namespace tarn::app
