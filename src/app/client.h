// Client: how a command talks to a running Tarn: over its HTTP API, as the person whose token it has.
//
// Which one: TARN_URL with TARN_TOKEN, else <state>/running.json and admin.token of the workspace in --dir, in this
// folder or in one above it. Fails: kUnavailable when none runs, with what to do.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "app/command.h"
#include "base/bytes.h"
#include "base/http.h"
#include "base/json.h"

namespace tarn::app {

// The workspace of a command: --dir, or the nearest folder upwards that holds tarn.yaml or a state directory.
std::string WorkspaceDirectory(const Invocation& call);
// Its state directory, as tarn.yaml says.
Result<std::string> StateDirectoryOf(Env& env, const std::string& workspace);

class Client {
  public:
    static Result<Client> Find(const Invocation& call);

    // The answer's JSON; an error that the server answered becomes an Error of the same code.
    Result<Json> Get(const std::string& path) { return Call("GET", path, std::nullopt); }
    Result<Json> Post(const std::string& path, const Json& body) { return Call("POST", path, body); }
    Result<Json> Put(const std::string& path, const Json& body) { return Call("PUT", path, body); }
    Result<Json> Delete(const std::string& path) { return Call("DELETE", path, std::nullopt); }
    // A body that is no JSON.
    Status Download(const std::string& path, ByteWriter& sink);
    Result<Json> Upload(const std::string& path, ByteReader& content, uint64_t bytes);
    const std::string& url() const { return url_; }

  private:
    Client() = default;
    Result<Json> Call(const std::string& method, const std::string& path, const std::optional<Json>& body);
    HttpClientRequest Request(const std::string& method, const std::string& path) const;

    std::string url_;
    std::string token_;
    std::shared_ptr<TlsContext> tls_;  // shared with each request
    std::unique_ptr<Dialer> dialer_;
    std::unique_ptr<HttpClient> http_;
};

}  // namespace tarn::app
