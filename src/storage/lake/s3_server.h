// S3Server: the lake's S3 API: requests in, authenticated, dispatched, answered as Amazon S3 would.
//
// Does: Signature V4 in header and query, signed and unsigned payloads, aws-chunked with trailers, path style and (on
// *.localhost) virtual-host style; the calls that operations.cc lists. Never: serves anybody without a signature, falls
// through to another call on a parameter that it does not know (501 NotImplemented), lets S3 write to the bucket
// `lakehouse`, whose tables are Tarn's own. Who: constructed by app, which gives Serve to an HttpServer; adds its
// rows to the registry. Threads: any; Serve blocks. State: none. Fails: S3's XML errors; see s3_answer.cc.
//
//   auto s3 = TRY(S3Server::Create({env, lake, authenticator, dispatcher, registry, metrics, log}));
//   auto listener = TRY(HttpServer::Create({.listen = address, .hosts = {"*"}}, log, executor,
//       [&](HttpRequest& request, HttpResponder& responder) { return s3->Serve(request, responder); }));
#pragma once

#include <functional>
#include <memory>

#include "base/env.h"
#include "base/http.h"
#include "base/log.h"
#include "base/metrics.h"
#include "security/authenticator.h"
#include "security/operation.h"
#include "storage/lake/lake.h"

namespace tarn::lake {

// Calls of one person at once; fewer than the listener has threads, so that one who trickles does not keep out others.
inline constexpr int kCallsOfOneMax = 112;

struct S3Dependencies {
    Env& env;
    Lake& lake;
    security::Authenticator& authenticator;
    security::Dispatcher& dispatcher;
    security::OperationRegistry& registry;
    Metrics& metrics;
    Log& log;
    // A place for a call of somebody, held while it runs; its error is the call's. Empty: everybody has one.
    std::function<Result<std::shared_ptr<void>>(const security::Principal&)> begin = nullptr;
};

class S3Server {
  public:
    static Result<std::unique_ptr<S3Server>> Create(S3Dependencies dependencies);
    virtual ~S3Server() = default;
    // Answers every request. An error means that the answer could not be sent whole: cut the connection.
    virtual Status Serve(HttpRequest& request, HttpResponder& responder) = 0;
};

}  // namespace tarn::lake
