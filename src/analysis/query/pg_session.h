// One PostgreSQL session after login: simple and extended protocol over an engine session.
// Source: PostgreSQL documentation, "Message Flow".
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "analysis/query/cursor_commands.h"
#include "analysis/query/deadlines.h"
#include "analysis/query/pg_copy.h"
#include "analysis/query/pg_login.h"
#include "analysis/query/query.h"
#include "analysis/query/sql_commands.h"
#include "wire/pgwire/frames.h"

namespace tarn::query {

class PgSession {
  public:
    PgSession(Stream& stream, wire::PgFrameReader& reader, const QueryDependencies& dependencies, Deadlines& deadlines,
              Login login, CancelKey key);
    // Until the client leaves or the connection breaks.
    Status Run();
    // Any thread: ends the statement that runs now.
    void Cancel();

  private:
    struct Prepared {
        std::string sql;
        int64_t position = 1;                           // of the statement in what the client sent
        std::shared_ptr<engine::Statement> statement;   // shared with portals; null for commands and empty ones
        std::vector<int32_t> parameter_oids;
        std::optional<CopyCommand> copy;      // COPY: `statement` is its query
        std::optional<CursorCommand> cursor;  // DECLARE: `statement` is its query. FETCH, MOVE: without one
    };
    struct Portal {
        std::shared_ptr<Prepared> prepared;  // outlives its name, as PostgreSQL's portals do
        std::vector<engine::SqlValue> parameters;
        std::vector<bool> formats;  // binary or not, as Bind told: for all columns, or for each
        std::unique_ptr<engine::ResultStream> result;
        const engine::Chunk* chunk = nullptr;
        size_t row = 0;
        int64_t rows = 0;       // given so far
        bool finished = false;  // the result's end was seen
        bool cursor = false;    // by DECLARE
        bool hold = false;      // survives its transaction
    };

    Status Handle(const wire::PgFrame& frame, bool& leave);
    Status HandleExtended(const wire::PgFrame& frame);
    Status SimpleQuery(const std::string& script);
    Status SimplePart(const std::string& sql, int64_t position);
    Status Parse(const std::string& body);
    Status BindPortal(const std::string& body);
    Result<std::vector<engine::SqlValue>> ReadParameters(wire::PgFieldReader& fields, const Prepared& prepared);
    Status Describe(const std::string& body);
    Status Execute(const std::string& body);
    Status Close(const std::string& body);
    void Sync();

    Result<std::shared_ptr<Prepared>> Prepare(const std::string& sql, std::vector<int32_t> parameter_oids,
                                              const std::vector<std::string>& types = {});
    Status WidenDecimals(Portal& portal);
    Status RunStatement(Portal& portal, int64_t rows_max, bool describe_rows);
    Status RunCommand(const CommandOutcome& outcome, const SessionSettings& before, bool describe_rows);
    Status RunDeclare(Portal& portal);
    Status RunFetch(Portal& portal, bool describe_rows);
    Status RunCopy(Portal& portal);
    Result<int64_t> Seek(Portal& source, const CursorCommand& command);
    Result<int64_t> SkipRows(Portal& portal, int64_t rows_max);
    Status CloseCursors(const std::string& name);
    void CloseTransactionPortals();
    Status CheckRoomFor(const std::string& portal) const;
    // Whether portal.chunk and portal.row point to a row now; moves on where needed.
    static Result<bool> HasRow(Portal& portal);
    static std::vector<bool> Spread(const std::vector<bool>& formats, size_t columns);
    static Json TablesOf(const Prepared& prepared);
    Status SendRows(Portal& portal, const std::vector<bool>& binary, int64_t rows_max, security::Call& call,
                    bool& suspended);
    Status TellEngine(const std::vector<std::string>& statements);
    Status CheckTransaction() const;  // of a failed one nothing but its end is taken
    Status FlushIfLarge();
    Status Flush();
    Status SendGreeting();
    Status CheckStillWelcome();
    Status Dispatch(const security::Operation& operation, const std::string& sql, const Json& tables,
                    const std::function<Status(security::Call&)>& handler);
    void SendError(const Error& error, const char* severity = "ERROR", int64_t position_offset = 0);
    void SendReady();
    void SendComplete(std::string_view tag);
    void DescribeRows(const Prepared& prepared, const std::vector<bool>& formats);
    void DescribeColumns(const std::vector<engine::ResultColumn>& columns, const std::vector<bool>& binary);
    void ReportSetting(const std::string& name);
    std::string TagOf(const Prepared& prepared, int64_t rows) const;

    Stream& stream_;
    wire::PgFrameReader& reader_;
    const QueryDependencies& dependencies_;
    Deadlines& deadlines_;
    Login login_;
    CancelKey key_;
    SessionSettings settings_;
    wire::PgFrameWriter out_;
    std::mutex session_mutex_;  // guards the pointer for Cancel
    std::unique_ptr<engine::Session> session_;
    std::map<std::string, std::shared_ptr<Prepared>> prepared_;
    // Shared with the one that runs now: it may close itself.
    std::map<std::string, std::shared_ptr<Portal>> portals_;
    char transaction_ = 'I';     // 'I' idle, 'T' in one, 'E' in a failed one
    bool skip_to_sync_ = false;  // after an error in the extended protocol
};

inline constexpr size_t kSqlFrameBytesMax = 16 << 20;  // a query's text with its parameters
inline constexpr security::Operation kExecute = {
    "sql", "Execute", "sql:Query", "platform", security::AuditClass::kRead, {kSqlFrameBytesMax, 200}};

// The rows of the SQL wire, for the registry.
std::vector<security::Operation> SqlOperations();

}  // namespace tarn::query
