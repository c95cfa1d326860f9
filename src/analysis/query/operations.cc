// SQL over HTTP: POST /api/v1/sql, its cancel, and words for completion.
#include <algorithm>
#include <map>
#include <mutex>

#include "analysis/query/query.h"
#include "base/text.h"

namespace tarn::query {
namespace {

using security::AuditClass;
using security::HttpCall;
using security::JsonResponse;
using security::Route;

constexpr int64_t kRowsDefault = 1000;
constexpr int64_t kRowsMax = 100000;
constexpr int64_t kAnswerBytesMax = 64 << 20;
constexpr size_t kCellBytesMax = 64 << 10;

// Statements under way that somebody may cancel, by person and the id that the client chose.
class RunningStatements {
  public:
    class Handle {
      public:
        Handle(RunningStatements& owner, std::string key) : owner_(owner), key_(std::move(key)) {}
        ~Handle() {
            std::lock_guard lock(owner_.mutex_);
            owner_.sessions_.erase(key_);
        }
        Handle(const Handle&) = delete;

      private:
        RunningStatements& owner_;
        std::string key_;
    };
    Result<std::unique_ptr<Handle>> Add(const std::string& key, engine::Session& session) {
        std::lock_guard lock(mutex_);
        if (!sessions_.emplace(key, &session).second) {
            return Error(ErrorCode::kAlreadyExists, "a statement with that id runs already: choose another id");
        }
        return std::make_unique<Handle>(*this, key);
    }
    bool Cancel(const std::string& key) {
        std::lock_guard lock(mutex_);
        auto found = sessions_.find(key);
        if (found == sessions_.end()) return false;
        found->second->Cancel();
        return true;
    }

  private:
    std::mutex mutex_;
    std::map<std::string, engine::Session*> sessions_;
};

struct SqlRequest {
    std::string sql;
    int64_t limit = kRowsDefault;
    std::string id;
    std::vector<engine::SqlValue> parameters;
};

Result<SqlRequest> ReadRequest(HttpCall& call) {
    Json body = TRY(call.JsonBody());
    SqlRequest request;
    request.sql = TRY(JsonString(body, "sql"));
    request.limit = std::clamp<int64_t>(TRY(JsonIntegerOr(body, "limit", kRowsDefault)), 0, kRowsMax);
    request.id = TRY(JsonStringOr(body, "id", ""));
    Json parameters = body.value("parameters", Json::array());
    if (!parameters.is_array()) return Error(ErrorCode::kInvalidArgument, "\"parameters\" must be a list");
    for (const Json& parameter : parameters) {
        engine::SqlValue value;
        if (parameter.is_string())
            value.text = parameter.get<std::string>();
        else if (!parameter.is_null())
            value.text = parameter.dump();
        request.parameters.push_back(std::move(value));
    }
    return request;
}

// The statement stands in the opening record, so before anything of it runs.
Status OpenSql(HttpCall& call) {
    Json body = TRY(call.JsonBody());
    call.call.details["sql"] = security::StatementText(TRY(JsonString(body, "sql")));
    return Ok();
}

Json ShortCell(Json value) {
    if (value.is_string() && value.get_ref<const std::string&>().size() > kCellBytesMax) {
        return value.get<std::string>().substr(0, kCellBytesMax) + "…";
    }
    return value;
}

struct Answer {
    Json columns = Json::array();
    Json rows = Json::array();
    Json reads = Json::array();
    int64_t row_count = 0;
    bool truncated = false;
};

Status ReadRows(engine::ResultStream& stream, int64_t limit, Answer& answer) {
    answer.columns = Json::array();
    answer.rows = Json::array();
    answer.row_count = 0;
    int64_t bytes = 0;
    for (const auto& column : stream.columns()) {
        answer.columns.push_back({{"name", column.name}, {"type", column.type}});
    }
    while (const engine::Chunk* chunk = TRY(stream.Next())) {
        for (size_t row = 0; row < chunk->rows(); ++row) {
            if (answer.row_count == limit || bytes > kAnswerBytesMax) return answer.truncated = true, Ok();
            Json cells = Json::array();
            for (size_t column = 0; column < stream.columns().size(); ++column) {
                cells.push_back(chunk->IsNull(row, column) ? Json() : ShortCell(chunk->Value(row, column)));
                const Json& cell = cells.back();
                bytes += cell.is_string() ? static_cast<int64_t>(cell.get_ref<const std::string&>().size()) : 8;
            }
            answer.rows.push_back(std::move(cells));
            ++answer.row_count;
        }
    }
    return Ok();
}

Result<HttpResponse> RunSql(const QueryDependencies& dependencies, RunningStatements& running, HttpCall& call) {
    SqlRequest request = TRY(ReadRequest(call));
    auto session = TRY(dependencies.engine.OpenSession({.principal = call.principal}));
    auto cancel_on_leave = call.request.cancelled.OnCancel([&session] { session->Cancel(); });
    std::unique_ptr<RunningStatements::Handle> handle;
    if (!request.id.empty()) handle = TRY(running.Add(call.principal.Id() + "/" + request.id, *session));
    Duration started = dependencies.env.clock().Monotonic();
    auto parts = TRY(session->Split(request.sql));
    if (parts.empty()) return Error(ErrorCode::kInvalidArgument, "there is no statement in \"sql\"");
    Answer answer;
    for (const engine::Session::Part& part : parts) {
        auto run = [&]() -> Status {
            auto statement = TRY(session->Prepare(part.sql));
            for (const engine::TableRead& read : statement->info().reads) {
                answer.reads.push_back({{"schema", read.schema}, {"name", read.name}, {"version", read.version}});
            }
            auto stream = TRY(statement->Execute(request.parameters));
            return ReadRows(*stream, request.limit, answer);
        };
        Status done = run();
        if (done.ok()) continue;
        Error error = std::move(done).error();
        if (!error.position()) return error;
        int64_t position = *error.position() + part.position - 1;
        return std::move(error).WithPosition(position);
    }
    double seconds = std::chrono::duration<double>(dependencies.env.clock().Monotonic() - started).count();
    call.call.rows = answer.row_count;
    call.call.details["tables"] = answer.reads;
    return JsonResponse({{"columns", std::move(answer.columns)},
                         {"rows", std::move(answer.rows)},
                         {"row_count", answer.row_count},
                         {"truncated", answer.truncated},
                         {"seconds", seconds},
                         {"reads", std::move(answer.reads)},
                         {"statements", parts.size()}});
}

Result<HttpResponse> Words(const QueryDependencies& dependencies, HttpCall& call) {
    constexpr size_t kRelationsMax = 2000;
    Json relations = Json::array();
    engine::RelationSource& source = dependencies.relations;
    for (const std::string& schema : TRY(source.Schemas(call.principal))) {
        for (const auto& summary : TRY(source.Relations(call.principal, schema))) {
            if (relations.size() >= kRelationsMax) break;
            Json columns = Json::array();
            auto relation = source.Find(call.principal, schema, summary.name, {});
            if (relation.ok()) {
                for (const engine::Column& column : relation->columns) columns.push_back(column.name);
            }
            relations.push_back({{"schema", schema}, {"name", summary.name}, {"columns", std::move(columns)}});
        }
    }
    return JsonResponse({{"words", dependencies.engine.Words()}, {"relations", std::move(relations)}});
}

}  // namespace

std::vector<Route> QueryRoutes(QueryDependencies dependencies) {
    // Shared by the handlers of the three routes, which the router keeps.
    auto running = std::make_shared<RunningStatements>();
    return {
        {{"http", "POST /api/v1/sql", "sql:Query", "platform", AuditClass::kRead, {16 << 20, 64}},
         "*",
         [dependencies, running](HttpCall& call) { return RunSql(dependencies, *running, call); },
         OpenSql},
        {{"http", "POST /api/v1/sql/{id}/cancel", "sql:Query", "platform", AuditClass::kRead, {}},
         "*",
         [running](HttpCall& call) -> Result<HttpResponse> {
             if (!running->Cancel(call.principal.Id() + "/" + call.parameters["id"])) {
                 return Error(ErrorCode::kNotFound, "no statement {} of yours is running", call.parameters["id"]);
             }
             return JsonResponse(Json::object());
         }},
        {{"http", "GET /api/v1/sql/words", "sql:Query", "platform", AuditClass::kRead, {}},
         "*",
         [dependencies](HttpCall& call) { return Words(dependencies, call); }},
    };
}

}  // namespace tarn::query
