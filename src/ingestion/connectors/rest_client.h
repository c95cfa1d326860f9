// Requests to an API or an object store: who asks (OAuth 2.0 included), how often, and for how long they are tried
 // again. Internal.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "ingestion/connectors/connector.h"

namespace tarn::connectors {

using Parameters = std::vector<std::pair<std::string, std::string>>;
std::string WithParameters(std::string url, const Parameters& parameters);

// What the requests of all loads of a source share: its access token and its pace. Threads: any.
class ApiAccess {
  public:
    explicit ApiAccess(ConnectorsDependencies dependencies) : dependencies_(dependencies) {}
    // The cached token, or a new one when there is none, it ends within a minute, or the server refused it.
    Result<std::string> Token(const SourceDefinition& source, HttpClient& http, const std::string& refused);
    // How long to wait for the next place in the source's pace.
    Duration Place(const std::string& source, Duration apart);

  private:
    struct Access {
        std::mutex mutex;  // guards the three below: one asks for a token, the others wait for it
        std::string asked_with;
        std::string token;
        Timestamp until;
        Duration next_place{};  // guarded by the map's mutex
    };
    Access& AccessOf(const std::string& source);
    Status Renew(const SourceDefinition& source, HttpClient& http, Access& access);

    ConnectorsDependencies dependencies_;
    std::mutex mutex_;  // guards the map
    std::map<std::string, std::unique_ptr<Access>> accesses_;
};

struct ApiRequest {
    std::string url;
    HttpHeaders headers;
    // Takes the body of a 2xx answer; asked for anew each time that it is tried. None: it is in the answer.
    std::function<Result<ByteWriter*>()> sink = nullptr;
};

class ApiClient {
  public:
    ApiClient(ConnectorsDependencies& dependencies, ApiAccess& access, const SourceDefinition& source,
              const CancelToken& cancel, std::function<void(const std::string&)> waits);
    ~ApiClient();
    // Tries again what may pass, within the budget; any other answer is the caller's.
    Result<HttpClientResponse> Send(const ApiRequest& request);
    Result<HttpClientResponse> Get(const std::string& url);  // JSON
    // Once, whatever comes.
    Result<HttpClientResponse> SendOnce(const ApiRequest& request);
    Result<HttpClientResponse> GetOnce(const std::string& url);
    // A server's text that gets into errors or manifests: without our credentials.
    std::string Shown(std::string text) const;

  private:
    Status AddAuth(HttpClientRequest& request, Parameters& secret_parameters);
    Status Sign(HttpClientRequest& request);
    Result<HttpClientResponse> Exchange(const HttpClientRequest& request, const ApiRequest& asked);
    Duration DelayFor(const HttpClientResponse* response, int attempt);
    Status Sleep(Duration delay);
    Status CheckCancelled() const;
    Status GiveUp(const std::string& url, int attempts, const std::string& last, const std::string& why) const;

    ConnectorsDependencies& dependencies_;
    ApiAccess& access_;
    const SourceDefinition& source_;
    const CancelToken& cancel_;
    std::function<void(const std::string&)> waits_;
    std::unique_ptr<Dialer> dialer_;
    std::unique_ptr<HttpClient> http_;
    Duration apart_{};   // between two requests
    Duration budget_{};  // left of what all waiting together may take
    int64_t attempts_max_ = 0;
    std::string token_;    // the last access token that was sent
    std::string refused_;  // and the last that was refused
    std::vector<std::string> secrets_;  // as they may come back in an answer
};

}  // namespace tarn::connectors
