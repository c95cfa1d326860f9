// Operation: one row for everything that can be asked on any protocol, and the dispatch that all of them go through.
//
// A handler without a row cannot be reached: protocols look a call up in their table, and Dispatcher::Run is the only
// code that invokes handlers: decide, audit-begin, handler, audit-commit. The protocol sends the answer only when Run
// returned Ok: no audit record, no answer. (Streamed reads send inside of the handler, after audit-begin was written.)
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/json.h"
#include "base/metrics.h"
#include "base/result.h"
#include "security/audit.h"
#include "security/gate.h"

namespace tarn::security {

struct OperationLimits {
    uint64_t body_bytes_max = 1 << 20;
    int concurrent_max = 64;
};

struct Operation {
    std::string_view protocol;  // "http", "s3", "sql", "internal"
    std::string_view name;      // "GetObject", "GET /api/v1/runs", "SELECT"
    std::string_view action;    // "lake:GetObject"; "public" needs no credential, "self" only a login
    std::string_view resource;  // what is acted on, for people: "bucket/key", "schema.table", "platform"
    AuditClass audit_class = AuditClass::kRead;
    OperationLimits limits;
};

inline constexpr std::string_view kPublicAction = "public";
inline constexpr std::string_view kSelfAction = "self";

// One call under way. The handler adds what the closing audit record shall say.
struct Call {
    const Principal& principal;
    const Resource& resource;
    Decision decision;
    std::string id;
    int64_t rows = 0;
    int64_t bytes = 0;
    Json details = Json::object();
};

// What the opening record says besides the row, before the handler runs and so before the first byte of an answer: what
// the protocol knows by then (the statement, the tables), and what `tell` adds to the call's details once the gate has
// said yes (of a body that nobody should read for a stranger). Its error is the call's.
struct Opening {
    Json details = Json::object();
    std::function<Status(Call&)> tell;
};

// All rows of the program: documentation, the permission list and the test matrix are generated from it.
class OperationRegistry {
  public:
    void Add(const Operation& operation);
    const std::vector<Operation>& operations() const { return operations_; }

  private:
    std::vector<Operation> operations_;
};

class Dispatcher {
  public:
    Dispatcher(Env& env, Gate& gate, AuditLog& audit, Metrics& metrics);
    ~Dispatcher();
    // kUnauthenticated (anonymous, where the action needs somebody), kPermissionDenied, kResourceExhausted (too many
    // at once), the handler's error, or the audit's. The outcome is in the audit log when this returns; a handler that
    // was refused below (kPermissionDenied) makes a denial of it. Protocol "internal" has no answer to hold back: its
    // opening record is on disk before the handler runs.
    Status Run(const Operation& operation, const Principal& principal, const Resource& resource,
               std::string_view remote, const std::function<Status(Call&)>& handler, Opening opening = {});
    Gate& gate() const { return gate_; }

  private:
    struct State;
    Env& env_;
    Gate& gate_;
    AuditLog& audit_;
    std::unique_ptr<State> state_;
};

}  // namespace tarn::security
