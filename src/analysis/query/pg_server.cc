#include <atomic>
#include <map>
#include <mutex>

#include "analysis/query/pg_login.h"
#include "analysis/query/pg_session.h"
#include "analysis/query/query.h"
#include "wire/pgwire/frames.h"

namespace tarn::query {
namespace {

class PgServer : public SqlServer {
  public:
    PgServer(SqlServerConfig config, QueryDependencies dependencies)
        : config_(std::move(config)),
          dependencies_(dependencies),
          deadlines_(dependencies.env.clock()),
          connections_(dependencies.metrics.GetGauge("tarn_query_connections", "Open SQL sessions.")) {}

    Status Listen() {
        StreamServerConfig listen{config_.listen, config_.connections_max, config_.tls != nullptr};
        server_ = TRY(StreamServer::Create(
            listen, dependencies_.log, [this](Stream& stream) { Serve(stream); },
            [](Stream& stream) { Refuse(stream, "53300", "too many connections: try again later"); }));
        return Ok();
    }
    Address address() const override { return server_->address(); }

  private:
    static void Refuse(Stream& stream, const char* sqlstate, const std::string& message) {
        wire::PgFrameWriter writer;
        wire::WritePgError(writer, {"FATAL", sqlstate, message, "", std::nullopt});
        (void)stream.Write(AsBytes(writer.buffer()));
    }
    void Serve(Stream& stream);
    void RunSession(Stream& stream, wire::PgFrameReader& reader, Login login);
    // Nothing is answered to a cancel request, whether the key fits or not (protocol documentation).
    // Who cancels shows only in the key; a wrong one is a stranger's to the audit log, so a flood cannot fill it.
    Status CancelOther(const CancelKey& key, security::Call& call) {
        std::lock_guard lock(mutex_);
        call.details["cancel"] = true;
        auto session = sessions_.find(key.process);
        if (session == sessions_.end() || session->second.secret != key.secret) {
            return Error(ErrorCode::kUnauthenticated, "the key to cancel a statement is wrong");
        }
        call.details["user"] = session->second.user;
        session->second.session->Cancel();
        return Ok();
    }

    // Of a failed login only a name that has a password: people type passwords into the wrong field.
    void NameUser(const std::string& user, security::Call& call) {
        bool exists = !user.empty() && dependencies_.authenticator.ScramOf(user).known;
        if (exists) call.details["user"] = "user:" + user;
    }

    struct Entry {
        PgSession* session = nullptr;  // alive while the entry is here
        int32_t secret = 0;
        std::string user;
    };
    SqlServerConfig config_;
    QueryDependencies dependencies_;
    Deadlines deadlines_;
    Gauge& connections_;
    std::mutex mutex_;
    std::map<int32_t, Entry> sessions_;
    std::atomic<int32_t> next_process_{1};
    std::unique_ptr<StreamServer> server_;  // last: its threads use all the above
};

void PgServer::Serve(Stream& stream) {
    stream.SetTimeouts(kUntrustedTime, kUntrustedTime);
    wire::PgFrameReader reader(stream);
    Result<Start> start = Error(ErrorCode::kInternal, "the login was not run");
    Status recorded = dependencies_.dispatcher.Run(kLogin, security::Principal::Anonymous(), {"session", "sql"},
                                                   stream.remote().ToString(), [&](security::Call& call) -> Status {
                                                       LoginExchange exchange(stream, reader, config_, dependencies_);
                                                       start = exchange.Run();
                                                       if (!start.ok())
                                                           return NameUser(exchange.user(), call), start.error();
                                                       if (start->cancel) return CancelOther(*start->cancel, call);
                                                       call.details["user"] = start->login->principal.Id();
                                                       call.details["credential"] = start->login->principal.credential;
                                                       return Ok();
                                                   });
    if (start.ok() && start->cancel) return;
    // No audit record, no session.
    if (start.ok() && !recorded.ok()) start = recorded.error();
    if (!start.ok()) {
        dependencies_.log.Info("SQL login failed",
                               {{"remote", stream.remote().ToString()}, {"error", start.error().message()}});
        if (start.error().code() != ErrorCode::kUnavailable) {
            Refuse(stream, wire::PgSqlState(start.error()).c_str(),
                   start.error().message() + (start.error().hint().empty() ? "" : "; " + start.error().hint()));
        }
        return;
    }
    RunSession(stream, reader, std::move(*start->login));
}

void PgServer::RunSession(Stream& stream, wire::PgFrameReader& reader, Login login) {
    CancelKey key{next_process_.fetch_add(1), static_cast<int32_t>(dependencies_.env.random().Next())};
    std::string user = login.principal.Id();
    PgSession session(stream, reader, dependencies_, deadlines_, std::move(login), key);
    {
        std::lock_guard lock(mutex_);
        sessions_[key.process] = {&session, key.secret, std::move(user)};
    }
    connections_.Add(1);
    (void)session.Run();  // what went wrong was told to the client
    connections_.Add(-1);
    std::lock_guard lock(mutex_);
    sessions_.erase(key.process);
}

}  // namespace

Result<std::unique_ptr<SqlServer>> SqlServer::Create(SqlServerConfig config, QueryDependencies dependencies) {
    for (const security::Operation& operation : SqlOperations()) dependencies.registry.Add(operation);
    auto server = std::make_unique<PgServer>(std::move(config), dependencies);
    TRY(server->Listen());
    return std::unique_ptr<SqlServer>(std::move(server));
}

}  // namespace tarn::query
