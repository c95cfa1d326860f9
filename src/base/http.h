// HTTP/1.1: server and client behind our own types; Boost.Beast stays in base/http_server.cc.
//
// Server: connections and parsing are coroutines on an IO thread or two; each request then runs on the executor's
// thread, where reading its body and writing its answer may block. Keep-alive, chunked, Expect: 100-continue,
// TLS 1.2/1.3, limits and deadlines as HttpServerConfig says. A request whose Host is not allowed never reaches Serve.
// Content-Length together with Transfer-Encoding, bare CR or LF, and over-long heads are refused with 400/431.
//
//   auto server = TRY(HttpServer::Create({.listen = address}, log, executor, [](HttpRequest& request,
//       HttpResponder& responder) { return responder.Send({.status = 200, .body = "hello"}); }));
//
// Serve may return an Error before it has started an answer: the client gets HttpStatusOf(code) and the JSON
// {"error": {"code", "message", "hint"}}. After the start the connection is reset, so that no client takes a part for
// the whole. A slow client does not hold the executor's thread for an answer given with Send, and bodies up to 64 KiB
// are here before Serve starts; streaming (Start, and reading larger bodies) waits for the client on that thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/executor.h"
#include "base/log.h"
#include "base/net.h"
#include "base/result.h"

namespace tarn {

// Headers in order; names compare without case.
class HttpHeaders {
  public:
    HttpHeaders() = default;
    HttpHeaders(std::initializer_list<std::pair<std::string, std::string>> fields) : fields_(fields) {}
    // The first of that name; empty when there is none.
    std::string_view Get(std::string_view name) const;
    bool Has(std::string_view name) const;
    void Add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
    void Set(std::string name, std::string value);
    const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }

  private:
    std::vector<std::pair<std::string, std::string>> fields_;
};

struct HttpRequest {
    std::string method;
    std::string target;     // as sent: path and query, still encoded (signatures need it)
    std::string path;       // the encoded path part of target
    std::vector<std::pair<std::string, std::string>> query;  // decoded, in order
    HttpHeaders headers;
    std::optional<uint64_t> content_length;
    ByteReader* body = nullptr;  // never null; blocks; ends at the body's end
    Address remote;
    bool encrypted = false;
    CancelToken cancelled;  // cancelled when the client goes away; OnCancel's actions run on an IO thread: be quick

    std::optional<std::string> Query(std::string_view name) const;
    // Reads the whole body; kResourceExhausted beyond the limit (413, if Serve returns that error).
    Result<std::string> ReadBody(size_t bytes_max = 1 << 20);
};

struct HttpResponse {
    int status = 200;
    HttpHeaders headers;
    std::string body;
};

class HttpResponder {
  public:
    virtual ~HttpResponder() = default;
    // The whole answer at once (Content-Length is added; for HEAD the body is left out, its length stated).
    virtual Status Send(HttpResponse response) = 0;
    // Starts a streamed answer: chunked, or of exactly `content_length` bytes. The writer lives until Serve returns.
    // Each write leaves at once and is a chunk: gather small pieces (64 KiB and more move fastest). For HEAD nothing
    // need be written. Content-Length, Transfer-Encoding and Date are ours; "Connection: close" is heeded.
    virtual Result<ByteWriter*> Start(int status, HttpHeaders headers, std::optional<uint64_t> content_length) = 0;
    virtual bool started() const = 0;
};

struct HttpServerConfig {
    Address listen;
    std::shared_ptr<TlsContext> tls;
    int io_threads = 1;
    int connections_max = 4096;
    size_t head_bytes_max = 64 << 10;
    uint64_t body_bytes_max = 6ull << 30;
    Duration head_timeout = std::chrono::seconds(10);
    Duration idle_timeout = std::chrono::seconds(60);
    Duration write_timeout = std::chrono::seconds(60);
    std::vector<std::string> hosts;  // allowed Host names besides the listener's own and localhost; "*" allows all
};

using HttpServe = std::function<Status(HttpRequest&, HttpResponder&)>;

class HttpServer {
  public:
    static Result<std::unique_ptr<HttpServer>> Create(HttpServerConfig config, Log& log, Executor& executor,
                                                      HttpServe serve);
    virtual ~HttpServer() = default;  // stops accepting, lets running requests finish for 5 s, then cuts
    virtual Address address() const = 0;
};

std::string_view HttpReason(int status);
// The status that an error maps to (kNotFound 404, kConflict 409, kPermissionDenied 403 ...).
int HttpStatusOf(ErrorCode code);

// ---- client

struct HttpClientRequest {
    std::string method = "GET";
    std::string url;  // http:// or https://
    HttpHeaders headers;
    std::string body;
    // A body too large for memory, instead of `body`: read once, so neither redirects nor retries send it again.
    ByteReader* content = nullptr;
    uint64_t content_bytes = 0;
    Duration timeout = std::chrono::seconds(60);  // whole request, and silence while streaming
    int redirects_max = 5;
    DialPolicy policy;
    std::shared_ptr<TlsContext> tls;  // for https; null: the system's roots
};

struct HttpClientResponse {
    int status = 0;
    HttpHeaders headers;
    std::string body;
};

class HttpClient {
  public:
    static std::unique_ptr<HttpClient> Create(Dialer& dialer);
    virtual ~HttpClient() = default;
    // Whole answer in memory; kResourceExhausted past `body_bytes_max`. A cut body is kUnavailable, never short data.
    virtual Result<HttpClientResponse> Send(const HttpClientRequest& request, size_t body_bytes_max = 64 << 20) = 0;
    // Streams the body of a 2xx answer into `sink`. Of any other answer the first 64 KiB are in the response's body.
    virtual Result<HttpClientResponse> Stream(const HttpClientRequest& request, ByteWriter& sink) = 0;
};

struct Url {
    std::string scheme;
    Address address;
    std::string target;  // path and query, at least "/"
};
Result<Url> ParseUrl(std::string_view text);

}  // namespace tarn
