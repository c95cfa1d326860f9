// Sources and destinations include libpq only here.
#include "ingestion/connectors/postgres_client.h"

#include <libpq-fe.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/number.h"
#include "base/text.h"

namespace tarn::connectors {
namespace {

constexpr const char* kSystemRoots = "/etc/ssl/certs/ca-certificates.crt";
constexpr const char* kConnectSeconds = "10";

struct Closer {
    void operator()(PGconn* connection) const { PQfinish(connection); }
    void operator()(PGresult* result) const { PQclear(result); }
    void operator()(PGcancel* cancel) const { PQfreeCancel(cancel); }
};
using QueryResult = std::unique_ptr<PGresult, Closer>;

std::string Line(const char* message) {
    std::string text(Trim(message ? message : ""));
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

// The server's way to end a statement; unlike the connection it may be used from any thread.
class Canceller {
  public:
    explicit Canceller(PGconn* connection) : cancel_(PQgetCancel(connection)) {}
    void Cancel() {
        char why[256];
        if (cancel_) PQcancel(cancel_.get(), why, sizeof(why));
    }

  private:
    std::unique_ptr<PGcancel, Closer> cancel_;
};

class LibpqAnswer : public PostgresAnswer {
  public:
    explicit LibpqAnswer(QueryResult result) : result_(std::move(result)) {}
    int rows() const override { return PQntuples(result_.get()); }
    std::string Cell(int row, int column) const override { return PQgetvalue(result_.get(), row, column); }
    bool IsNull(int row, int column) const override { return PQgetisnull(result_.get(), row, column) == 1; }
    int64_t changed() const override { return IntegerOrZero(PQcmdTuples(result_.get())); }

  private:
    QueryResult result_;
};

class LibpqConnection : public PostgresConnection {
  public:
    explicit LibpqConnection(Explain explain) : explain_(explain) {}

    Status Connect(const DatabaseLogin& login) {
        std::string password(login.password.text());
        std::string port = std::to_string(login.address.port);
        std::string ca = login.ca_path;
        // The library's own default is a file in somebody's home.
        if (ca.empty() && login.tls == "verify-full") ca = kSystemRoots;
        const std::pair<const char*, const char*> options[] = {
            {"host", login.address.host.c_str()}, {"hostaddr", login.numeric.c_str()}, {"port", port.c_str()},
            {"dbname", login.database.c_str()},   {"user", login.user.c_str()},        {"password", password.c_str()},
            {"sslmode", login.tls.c_str()},       {"sslrootcert", ca.c_str()},         {"application_name", "tarn"},
            {"connect_timeout", kConnectSeconds}, {"client_encoding", "UTF8"},         {nullptr, nullptr}};
        std::vector<const char*> names;
        std::vector<const char*> values;
        for (const auto& [name, value] : options) names.push_back(name), values.push_back(value);
        connection_.reset(PQconnectdbParams(names.data(), values.data(), 0));
        explicit_bzero(password.data(), password.size());
        if (PQstatus(connection_.get()) == CONNECTION_OK) return Ok();
        std::string message = Line(PQerrorMessage(connection_.get()));
        bool login_failed =
            message.find("authentication") != std::string::npos || message.find("role \"") != std::string::npos;
        return Error(login_failed ? ErrorCode::kPermissionDenied : ErrorCode::kUnavailable, "{}", message);
    }

    Result<Answer> Run(const std::string& sql) override {
        QueryResult result(PQexec(connection_.get(), sql.c_str()));
        switch (PQresultStatus(result.get())) {
            case PGRES_COMMAND_OK:
            case PGRES_TUPLES_OK:
            case PGRES_COPY_IN:
            case PGRES_COPY_OUT:
                return Answer(std::make_unique<LibpqAnswer>(std::move(result)));
            default:
                return Failure(result.get());
        }
    }
    std::shared_ptr<void> CancelOn(const CancelToken& cancel) override {
        // Shared as CancelToken gives it: the canceller lives as long as the action that uses it.
        auto canceller = std::make_shared<Canceller>(connection_.get());
        return cancel.OnCancel([canceller] { canceller->Cancel(); });
    }
    int version() const override { return PQserverVersion(connection_.get()); }

    Status PutCopy(std::string_view bytes) override {
        if (PQputCopyData(connection_.get(), bytes.data(), static_cast<int>(bytes.size())) == 1) return Ok();
        return Failure(nullptr);
    }
    Status EndPutCopy() override {
        if (PQputCopyEnd(connection_.get(), nullptr) != 1) return Failure(nullptr);
        return EndOfCopy();
    }
    Status GetCopy(const std::function<Status(std::string_view)>& on_bytes) override {
        char* raw = nullptr;
        int bytes = 0;
        while ((bytes = PQgetCopyData(connection_.get(), &raw, 0)) > 0) {
            std::unique_ptr<char, decltype(&PQfreemem)> message(raw, PQfreemem);
            TRY(on_bytes({raw, static_cast<size_t>(bytes)}));
        }
        if (bytes == -2) return Failure(nullptr);
        return EndOfCopy();
    }
    Status StopCopy() override {
        if (PQtransactionStatus(connection_.get()) != PQTRANS_ACTIVE) return Ok();
        Canceller(connection_.get()).Cancel();
        char* raw = nullptr;
        while (PQgetCopyData(connection_.get(), &raw, 0) > 0) PQfreemem(raw);
        while (PGresult* left = PQgetResult(connection_.get())) PQclear(left);
        return PQstatus(connection_.get()) == CONNECTION_OK ? Ok() : Failure(nullptr);
    }

  private:
    Error Failure(const PGresult* result) {
        auto field = [&](int code) { return result ? Line(PQresultErrorField(result, code)) : std::string(); };
        PostgresFailure failure{field(PG_DIAG_SQLSTATE), Line(PQerrorMessage(connection_.get())),
                                field(PG_DIAG_MESSAGE_PRIMARY), field(PG_DIAG_CONTEXT)};
        if (failure.primary.empty()) failure.primary = failure.message;
        return explain_(failure);
    }
    // The first failure of what the server says after a copy's data.
    Status EndOfCopy() {
        std::optional<Error> failed;
        while (PGresult* next = PQgetResult(connection_.get())) {
            QueryResult result(next);
            if (PQresultStatus(next) != PGRES_COMMAND_OK && !failed) failed = Failure(next);
        }
        if (failed) return std::move(*failed);
        return Ok();
    }

    const Explain explain_;
    std::unique_ptr<PGconn, Closer> connection_;
};

}  // namespace

Result<std::unique_ptr<PostgresConnection>> PostgresConnection::Open(const DatabaseLogin& login, Explain explain) {
    auto connection = std::make_unique<LibpqConnection>(explain);
    TRY(connection->Connect(login));
    return std::unique_ptr<PostgresConnection>(std::move(connection));
}

}  // namespace tarn::connectors
