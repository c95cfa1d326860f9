// Router: the HTTP API's dispatch. Components hand in their tables of routes; the router authenticates and dispatches.
//
//   const Route kRoutes[] = {
//       {{.protocol = "http", .name = "GET /api/v1/runs/{id}", .action = "run:Read", .resource = "run"},
//        "{id}", [this](HttpCall& call) { return GetRun(call); }},
//   };
//
// Credentials: `Authorization: Bearer tarn_...`, Basic (user and password, or token as password), or the session cookie
// (then a state-changing request needs a same-origin Origin or Sec-Fetch-Site header: no CSRF). A handler that returns
// an HttpResponse has it sent after the audit commit; one that streams uses call.responder and returns an empty one
// (only reads may: everything else is answered after its closing record).
//
// The path is decoded once, and what was decoded is both asked for at the gate and handed to the handler. "." and ".."
// segments, control characters and bad UTF-8 are refused; "{path...}" at the root never takes /api/. The body ends with
// kResourceExhausted at the row's body_bytes_max. Security headers are put on every answer that has none of its own.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/http.h"
#include "base/json.h"
#include "security/authenticator.h"
#include "security/operation.h"

namespace tarn::security {

inline constexpr std::string_view kSessionCookie = "tarn_session";

struct HttpCall {
    HttpRequest& request;
    HttpResponder& responder;
    const Principal& principal;
    Call& call;
    std::map<std::string, std::string> parameters;  // of the pattern, decoded

    // The body as a JSON object, read once; kInvalidArgument says what is wrong with it.
    Result<Json> JsonBody();
    std::optional<Json> body;  // once it was read
};

struct Route {
    Operation operation;  // its name is "METHOD /pattern/{parameter}"; a last "{path...}" takes the rest
    std::string resource;  // the resource's name with {parameters} filled in, "*" for all; kind = action's service
    std::function<Result<HttpResponse>(HttpCall&)> handler;
    // Where set: adds to the call's details what the opening record shall say (a statement), before the handler.
    std::function<Status(HttpCall&)> opening = nullptr;
};

HttpResponse JsonResponse(const Json& body, int status = 200);
// {"error": {"code", "message", "hint", "position"}} with the code's HTTP status.
HttpResponse ErrorResponse(const Error& error);

class Router {
  public:
    Router(Authenticator& authenticator, Dispatcher& dispatcher, OperationRegistry& registry);
    ~Router();
    // Before the first Serve. A row's texts must live as long as the registry (string literals). A route without a row,
    // with an unaudited action, or whose pattern is taken, is a broken invariant and stops the program.
    void Add(std::vector<Route> routes);
    // Answers every request: 404 for no route, 405 for a wrong method, 401/403 by the gate.
    Status Serve(HttpRequest& request, HttpResponder& responder);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace tarn::security
