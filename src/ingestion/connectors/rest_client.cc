#include "ingestion/connectors/rest_client.h"

#include <algorithm>

#include "base/crypto.h"
#include "base/number.h"
#include "base/text.h"
#include "ingestion/connectors/cancellable_dialer.h"
#include "wire/s3/client.h"

namespace tarn::connectors {
namespace {

constexpr size_t kPageBytesMax = 128 << 20;
constexpr size_t kTokenBytesMax = 64 << 10;
constexpr Duration kDelayFirst = std::chrono::milliseconds(250);
constexpr Duration kDelayMax = std::chrono::seconds(30);
constexpr Duration kBudget = std::chrono::minutes(10);       // of waiting, of all requests of one load
constexpr int64_t kAttemptsMax = 6;                          // of one request
constexpr Duration kRetryAfterMax = std::chrono::minutes(10);  // a server that wants more is asked by the next run
constexpr Duration kRenewBefore = std::chrono::minutes(1);
constexpr Duration kTokenTime = std::chrono::minutes(10);      // of a token whose end the server does not tell
constexpr size_t kErrorMax = 200;

// A secret hides itself, and as it stands in a URL.
void Hide(std::string& text, const std::string& secret) {
    if (secret.empty()) return;
    for (size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at)) {
        text.replace(at, secret.size(), "***");
        at += 3;
    }
}

std::string FormOf(const Parameters& parameters) {
    std::vector<std::string> parts;
    for (const auto& [name, value] : parameters) parts.push_back(UrlEncode(name) + "=" + UrlEncode(value));
    return Join(parts, "&");
}

// What the token endpoint says of itself is shown; whatever else is in its answer is not.
std::string Complaint(const std::string& body, const std::vector<std::string>& secrets) {
    Result<Json> answer = ParseJson(body);
    if (!answer.ok() || !answer->is_object()) return "";
    std::string text;
    for (const char* name : {"error", "error_description"}) {
        auto found = answer->find(name);
        if (found != answer->end() && found->is_string())
            text += (text.empty() ? "" : ", ") + found->get<std::string>();
    }
    for (const std::string& secret : secrets) Hide(text, secret);
    return text.substr(0, kErrorMax);
}

}  // namespace

std::string WithParameters(std::string url, const Parameters& parameters) {
    for (const auto& [name, value] : parameters) {
        url += url.find('?') == std::string::npos ? "?" : "&";
        url += UrlEncode(name) + "=" + UrlEncode(value);
    }
    return url;
}

// ---- ApiAccess

ApiAccess::Access& ApiAccess::AccessOf(const std::string& source) {
    std::lock_guard lock(mutex_);
    std::unique_ptr<Access>& access = accesses_[source];
    if (!access) access = std::make_unique<Access>();
    return *access;
}

Duration ApiAccess::Place(const std::string& source, Duration apart) {
    Access& access = AccessOf(source);
    std::lock_guard lock(mutex_);
    Duration now = dependencies_.env.clock().Monotonic();
    Duration place = std::max(now, access.next_place);
    access.next_place = place + apart;
    return place - now;
}

Result<std::string> ApiAccess::Token(const SourceDefinition& source, HttpClient& http, const std::string& refused) {
    Access& access = AccessOf(source.name);
    std::lock_guard lock(access.mutex);
    std::string asked_with = DumpJson(source.settings["oauth2"]);
    bool ends = dependencies_.env.clock().Now() + kRenewBefore > access.until;
    bool usable = !access.token.empty() && access.asked_with == asked_with && access.token != refused && !ends;
    if (!usable) {
        access.token.clear();
        access.asked_with = asked_with;
        TRY_CONTEXT(Renew(source, http, access), "the access token");
    }
    return access.token;
}

Status ApiAccess::Renew(const SourceDefinition& source, HttpClient& http, Access& access) {
    const Json& oauth = source.settings["oauth2"];
    bool refreshes = oauth.contains("refresh_token");
    Parameters form = {{"grant_type", refreshes ? "refresh_token" : "client_credentials"}};
    std::vector<std::string> secrets;
    auto secret = [&](const char* name) -> Result<std::string> {
        Secret value = TRY(dependencies_.secrets.Get(oauth[name]["secret"].get<std::string>()));
        secrets.emplace_back(value.text());
        return std::string(value.text());
    };
    if (refreshes) form.emplace_back("refresh_token", TRY(secret("refresh_token")));
    std::string client = oauth.value("client_id", "");
    std::string client_secret = oauth.contains("client_secret") ? TRY(secret("client_secret")) : std::string();
    HttpClientRequest request;
    request.method = "POST";
    request.url = oauth.value("token_url", "");
    request.redirects_max = 0;  // the secret goes there and nowhere else
    if (oauth.value("client_auth", "body") == "basic") {
        std::string pair = UrlEncode(client) + ":" + UrlEncode(client_secret);
        request.headers.Set("Authorization", "Basic " + Base64Encode(AsBytes(pair)));
    } else {
        form.emplace_back("client_id", client);
        if (!client_secret.empty()) form.emplace_back("client_secret", client_secret);
    }
    std::vector<std::string> scopes = oauth.value("scopes", std::vector<std::string>());
    if (!scopes.empty()) form.emplace_back("scope", Join(scopes, " "));
    const Json more = oauth.value("params", Json::object());
    for (const auto& [name, value] : more.items()) {
        form.emplace_back(name, value.is_string() ? value.get<std::string>() : value.dump());
    }
    request.headers.Set("Content-Type", "application/x-www-form-urlencoded");
    request.headers.Set("Accept", "application/json");
    request.body = FormOf(form);
    HttpClientResponse response = TRY_CONTEXT(http.Send(request, kTokenBytesMax), request.url);
    if (response.status == 429 || response.status >= 500) {
        return Error(ErrorCode::kUnavailable, "{} answers status {}", request.url, response.status);
    }
    Result<Json> answer = ParseJson(response.body);
    bool right = response.status == 200 && answer.ok() && answer->is_object() && answer->contains("access_token");
    if (!right || !(*answer)["access_token"].is_string()) {
        std::string complaint = Complaint(response.body, secrets);
        return Error(ErrorCode::kPermissionDenied, "{} gives none: status {}{}", request.url, response.status,
                     complaint.empty() ? "" : ", " + complaint)
            .WithHint("are `client_id` and the secrets of `auth.oauth2` right? `tarn secret set NAME` sets one again");
    }
    // A server that gives a refresh token for one use has made the old one void: the new one is kept before it is
// needed.
    std::string rotated = TRY(JsonStringOr(*answer, "refresh_token", ""));
    if (refreshes && !rotated.empty() && rotated != secrets[0]) {
        TRY(dependencies_.secrets.Set(oauth["refresh_token"]["secret"].get<std::string>(),
                                      Secret(std::string_view(rotated))));
    }
    auto lasts = answer->find("expires_in");  // some write the number as text
    std::optional<int64_t> seconds;
    if (lasts != answer->end()) seconds = ParseInteger(lasts->is_string() ? lasts->get<std::string>() : lasts->dump());
    Duration time =
        seconds && *seconds > 0 && *seconds < 100000000 ? Duration(std::chrono::seconds(*seconds)) : kTokenTime;
    // Of a token that lives for less than two minutes, half its life.
    time = std::max<Duration>(time, std::min<Duration>(kRenewBefore + time / 2, kRenewBefore * 2));
    access.token = (*answer)["access_token"].get<std::string>();
    access.until = dependencies_.env.clock().Now() + time;
    return Ok();
}

// ---- ApiClient

ApiClient::ApiClient(ConnectorsDependencies& dependencies, ApiAccess& access, const SourceDefinition& source,
                     const CancelToken& cancel, std::function<void(const std::string&)> waits)
    : dependencies_(dependencies),
      access_(access),
      source_(source),
      cancel_(cancel),
      waits_(std::move(waits)),
      dialer_(MakeCancellableDialer(dependencies.dialer, cancel)),
      http_(HttpClient::Create(*dialer_)),
      apart_(source.settings.value("apart_us", int64_t{0})),
      budget_(source.settings.value("retry_budget_us", kBudget.count())),
      attempts_max_(source.settings.value("retry_attempts", kAttemptsMax)) {}

ApiClient::~ApiClient() = default;

std::string ApiClient::Shown(std::string text) const {
    for (const std::string& secret : secrets_) Hide(text, secret);
    return text;
}

Status ApiClient::AddAuth(HttpClientRequest& request, Parameters& secret_parameters) {
    const Json& source = source_.settings;
    auto hide = [&](const std::string& secret) { secrets_ = {secret, UrlEncode(secret)}; };
    auto secret = [&](const Json& reference) -> Result<std::string> {
        Secret value = TRY(dependencies_.secrets.Get(reference["secret"].get<std::string>()));
        hide(std::string(value.text()));
        return std::string(value.text());
    };
    if (source.contains("oauth2")) {
        token_ = TRY(access_.Token(source_, *http_, refused_));
        hide(token_);
        request.headers.Set("Authorization", "Bearer " + token_);
    }
    if (source.contains("bearer")) request.headers.Set("Authorization", "Bearer " + TRY(secret(source["bearer"])));
    if (source.contains("basic")) {
        std::string pair = source["basic"].value("user", "") + ":" + TRY(secret(source["basic"]["password"]));
        request.headers.Set("Authorization", "Basic " + Base64Encode(AsBytes(pair)));
    }
    if (source.contains("key")) {
        std::string value = TRY(secret(source["key"]["value"]));
        std::string header = source["key"].value("header", "");
        if (!header.empty())
            request.headers.Set(header, value);
        else
            secret_parameters.emplace_back(source["key"].value("query", "key"), value);
    }
    return Ok();
}

Status ApiClient::Sign(HttpClientRequest& request) {
    const Json& s3 = source_.settings["s3"];
    if (!s3.contains("secret_key")) return Ok();  // a bucket that anybody may read
    Secret secret = TRY(dependencies_.secrets.Get(s3["secret_key"]["secret"].get<std::string>()));
    secrets_ = {std::string(secret.text())};
    s3::AccessKey key{s3.value("access_key", ""), std::move(secret), s3.value("region", "us-east-1")};
    return s3::SignRequest(request, key, dependencies_.env.clock().Now());
}

Result<HttpClientResponse> ApiClient::Exchange(const HttpClientRequest& request, const ApiRequest& asked) {
    if (!asked.sink) return http_->Send(request, kPageBytesMax);
    ByteWriter* sink = TRY(asked.sink());
    return http_->Stream(request, *sink);
}

Result<HttpClientResponse> ApiClient::SendOnce(const ApiRequest& asked) {
    HttpClientRequest request;
    request.headers = asked.headers;
    request.headers.Set("User-Agent", "tarn/0.1");
    Parameters secret_parameters;
    // A next link to another host gets no credential of this one.
    Url target = TRY(ParseUrl(asked.url));
    std::string base_url = source_.settings.value("base_url", "");
    bool same = false;
    if (!base_url.empty()) {
        Url base = TRY(ParseUrl(base_url));
        same = target.scheme == base.scheme && target.address.ToString() == base.address.ToString();
    }
    if (same) TRY(AddAuth(request, secret_parameters));
    request.url = WithParameters(asked.url, secret_parameters);
    if (apart_ > Duration(0)) TRY(Sleep(access_.Place(source_.name, apart_)));
    if (same && source_.settings.contains("s3")) TRY(Sign(request));
    HttpClientResponse response = TRY(Exchange(request, asked));
    bool void_token = response.status == 401 && same && source_.settings.contains("oauth2") && refused_ != token_;
    if (!void_token) return response;
    // Taken back before its time: one more is asked for, once for each that is refused.
    refused_ = token_;
    TRY(AddAuth(request, secret_parameters));
    Result<HttpClientResponse> again = Exchange(request, asked);
    if (again.ok() && again->status == 401) refused_ = token_;
    return again;
}

Duration ApiClient::DelayFor(const HttpClientResponse* response, int attempt) {
    if (response) {
        std::string_view after = response->headers.Get("Retry-After");
        std::optional<int64_t> seconds = ParseInteger(after);
        if (seconds && *seconds >= 0 && after.size() < 7) return std::chrono::seconds(*seconds);
    }
    Duration delay = std::min<Duration>(kDelayFirst * (int64_t{1} << std::min(attempt, 20)), kDelayMax);
    return delay / 2 + Duration(static_cast<int64_t>(dependencies_.env.random().Next() %
                                                     (static_cast<uint64_t>(delay.count()) / 2 + 1)));
}

Status ApiClient::CheckCancelled() const {
    if (cancel_.cancelled()) return Error(ErrorCode::kCancelled, "the load was cancelled");
    return Ok();
}

Status ApiClient::Sleep(Duration delay) {
    constexpr Duration kStep = std::chrono::milliseconds(50);
    for (; delay > Duration(0); delay -= kStep) {
        TRY(CheckCancelled());
        dependencies_.env.clock().Sleep(std::min(delay, kStep));
    }
    return Ok();
}

Status ApiClient::GiveUp(const std::string& url, int attempts, const std::string& last, const std::string& why) const {
    return Error(ErrorCode::kUnavailable, "{} failed {} times{}: {}", url, attempts, why, last)
        .WithHint("the next run goes on from here; `retry.budget` and `retry.attempts` say how long one tries");
}

Result<HttpClientResponse> ApiClient::GetOnce(const std::string& url) {
    return SendOnce({.url = url, .headers = {{"Accept", "application/json"}}});
}
Result<HttpClientResponse> ApiClient::Get(const std::string& url) {
    return Send({.url = url, .headers = {{"Accept", "application/json"}}});
}

Result<HttpClientResponse> ApiClient::Send(const ApiRequest& request) {
    const std::string& url = request.url;
    for (int attempt = 0;; ++attempt) {
        TRY(CheckCancelled());
        Result<HttpClientResponse> response = SendOnce(request);
        bool again = response.ok() ? response->status == 429 || response->status >= 500
                                   : response.error().code() == ErrorCode::kUnavailable ||
                                         response.error().code() == ErrorCode::kTimeout;
        if (!again) {
            if (!response.ok()) return std::move(response).error().Context(url);
            return response;
        }
        std::string last = response.ok() ? fmt::format("status {}", response->status) : response.error().message();
        Duration delay = DelayFor(response.ok() ? &*response : nullptr, attempt);
        if (delay > kRetryAfterMax) {
            return Error(ErrorCode::kUnavailable, "{} asks to come back in {}", url, FormatDuration(delay));
        }
        if (attempt + 1 >= attempts_max_) return Error(GiveUp(url, attempt + 1, last, "").error());
        if (delay > budget_) {
            return Error(GiveUp(url, attempt + 1, last, ", and this load has waited as long as it may").error());
        }
        budget_ -= delay;
        waits_(fmt::format("waiting {} after {}", FormatDuration(delay), last));
        TRY(Sleep(delay));
    }
}

}  // namespace tarn::connectors
