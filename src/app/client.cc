#include "app/client.h"

#include "app/config.h"
#include "app/terminal.h"
#include "base/text.h"

namespace tarn::app {
namespace {

constexpr Duration kRequestTime = std::chrono::minutes(60);
constexpr size_t kAnswerBytesMax = 256 << 20;

ErrorCode CodeOf(const std::string& name, int status) {
    for (int i = 0; i <= static_cast<int>(ErrorCode::kInternal); ++i) {
        auto code = static_cast<ErrorCode>(i);
        if (ErrorCodeName(code) == name) return code;
    }
    if (status == 507) return ErrorCode::kResourceExhausted;
    for (int i = 0; i <= static_cast<int>(ErrorCode::kInternal); ++i) {
        auto code = static_cast<ErrorCode>(i);
        if (HttpStatusOf(code) == status) return code;
    }
    return ErrorCode::kInternal;
}

Error ErrorOf(const HttpClientResponse& response) {
    auto parsed = ParseJson(response.body);
    // The schema registry's errors have Confluent's form.
    if (parsed.ok() && parsed->is_object() && parsed->contains("error_code")) {
        return Error(CodeOf("", response.status), parsed->value("message", ""));
    }
    if (!parsed.ok() || !parsed->is_object() || !parsed->contains("error")) {
        return Error(CodeOf("", response.status), "the server answered {} {}", response.status,
                     HttpReason(response.status));
    }
    const Json& error = (*parsed)["error"];
    Error result(CodeOf(error.value("code", ""), response.status), error.value("message", ""));
    std::string hint = error.contains("hint") && error["hint"].is_string() ? error["hint"].get<std::string>() : "";
    if (result.code() == ErrorCode::kUnauthenticated && hint.empty()) {
        hint = "set TARN_TOKEN to a token of yours (`tarn token create` makes one)";
    }
    Error hinted = std::move(result).WithHint(hint);
    bool placed = error.contains("position") && error["position"].is_number();
    if (!placed) return hinted;
    return std::move(hinted).WithPosition(error["position"].get<int64_t>());
}

Error NotRunning(const std::string& workspace) {
    return Error(ErrorCode::kUnavailable, "no Tarn runs in {}", workspace)
        .WithHint("start it with `tarn up " + workspace +
                  "`, name another workspace by --dir, or set TARN_URL and TARN_TOKEN");
}

}  // namespace

std::string WorkspaceDirectory(const Invocation& call) {
    if (auto given = call.Find("--dir")) return AbsolutePath(*given);
    std::string current = AbsolutePath(".");
    for (std::string at = current; at.size() > 1; at = at.substr(0, at.rfind('/'))) {
        Files& files = call.env().files();
        if (files.Exists(at + "/tarn.yaml") || files.Exists(at + "/.tarn/tarn-state.json")) return at;
    }
    return current;
}

Result<std::string> StateDirectoryOf(Env& env, const std::string& workspace) {
    TarnConfig config = TRY(ReadTarnConfig(env, workspace));
    const std::string& path = config.state.directory;
    return path.starts_with("/") ? path : workspace + "/" + path;
}

Result<Client> Client::Find(const Invocation& call) {
    Client client;
    client.dialer_ = Dialer::Create();
    client.http_ = HttpClient::Create(*client.dialer_);
    if (auto url = EnvironmentVariable("TARN_URL"); url && !call.Has("--dir")) {
        client.url_ = *url;
        while (client.url_.ends_with("/")) client.url_.pop_back();
        client.token_ = EnvironmentVariable("TARN_TOKEN").value_or("");
        return client;
    }
    Env& env = call.env();
    std::string workspace = WorkspaceDirectory(call);
    std::string state = TRY(StateDirectoryOf(env, workspace));
    auto text = ReadFile(env, state + "/running.json", 1 << 16);
    if (!text.ok()) return NotRunning(workspace);
    Json running = TRY(ParseJson(*text));
    client.url_ = running.value("url", "");
    if (running.contains("certificate")) {
        std::string certificate = TRY(ReadFile(env, running["certificate"].get<std::string>(), 1 << 20));
        client.tls_ = TRY(TlsContext::Client(certificate));
    }
    if (auto token = EnvironmentVariable("TARN_TOKEN")) {
        client.token_ = *token;
    } else {
        client.token_ = std::string(Trim(TRY(ReadFile(env, running.value("admin_token_file", ""), 1 << 12))));
    }
    return client;
}

HttpClientRequest Client::Request(const std::string& method, const std::string& path) const {
    HttpClientRequest request;
    request.method = method;
    request.url = url_ + path;
    request.timeout = kRequestTime;
    request.redirects_max = 0;
    request.tls = tls_;
    if (!token_.empty()) request.headers.Set("Authorization", "Bearer " + token_);
    return request;
}

Result<Json> Client::Call(const std::string& method, const std::string& path, const std::optional<Json>& body) {
    HttpClientRequest request = Request(method, path);
    if (body) {
        request.headers.Set("Content-Type", "application/json");
        request.body = DumpJson(*body);
    }
    auto response = http_->Send(request, kAnswerBytesMax);
    if (!response.ok()) return std::move(response).error().Context("Tarn at " + url_);
    if (response->status >= 300) return ErrorOf(*response);
    return ParseJson(response->body.empty() ? "{}" : response->body);
}

Status Client::Download(const std::string& path, ByteWriter& sink) {
    HttpClientResponse response = TRY(http_->Stream(Request("GET", path), sink));
    return response.status >= 300 ? Status(ErrorOf(response)) : Ok();
}

Result<Json> Client::Upload(const std::string& path, ByteReader& content, uint64_t bytes) {
    HttpClientRequest request = Request("PUT", path);
    request.headers.Set("Content-Type", "application/octet-stream");
    request.content = &content;
    request.content_bytes = bytes;
    HttpClientResponse response = TRY(http_->Send(request, kAnswerBytesMax));
    if (response.status >= 300) return ErrorOf(response);
    return ParseJson(response.body.empty() ? "{}" : response.body);
}

}  // namespace tarn::app
