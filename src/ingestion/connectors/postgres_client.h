// A connection to PostgreSQL: statements, COPY both ways, cancelling. Public to other components by DOORS.
//
// What is connected to is the address that the dialer checked, while a certificate is held against the name. One thread
// at a time; the handle of CancelOn may act from any.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/executor.h"
#include "ingestion/connectors/database_login.h"

namespace tarn::connectors {

// What the server, or the library, says of a statement that failed.
struct PostgresFailure {
    std::string state;  // SQLSTATE; empty: the connection failed
    std::string message;  // all of it, in one line
    std::string primary;  // without severity and detail
    std::string context;  // "COPY sales, line 7, column id"
};

// A statement's rows, as text.
class PostgresAnswer {
  public:
    virtual ~PostgresAnswer() = default;
    virtual int rows() const = 0;
    virtual std::string Cell(int row, int column) const = 0;  // empty for NULL
    virtual bool IsNull(int row, int column) const = 0;
    virtual int64_t changed() const = 0;  // rows that it inserted, updated or deleted
};

class PostgresConnection {
  public:
    using Answer = std::unique_ptr<PostgresAnswer>;
    // `explain` makes the error of a statement; the one thing in which who reads and who writes differ.
    using Explain = Error (*)(const PostgresFailure&);
    static Result<std::unique_ptr<PostgresConnection>> Open(const DatabaseLogin& login, Explain explain);
    virtual ~PostgresConnection() = default;

    virtual Result<Answer> Run(const std::string& sql) = 0;
    // Ends the statement that runs at the server when `cancel` is cancelled, as long as the handle lives.
    [[nodiscard]] virtual std::shared_ptr<void> CancelOn(const CancelToken& cancel) = 0;
    virtual int version() const = 0;  // 150013

    // After Run of COPY ... FROM STDIN.
    virtual Status PutCopy(std::string_view bytes) = 0;
    virtual Status EndPutCopy() = 0;
    // After Run of COPY ... TO STDOUT: every message of it. When `on_bytes` refuses one, the copy is still under way.
    virtual Status GetCopy(const std::function<Status(std::string_view)>& on_bytes) = 0;
    // Ends a copy that is still under way; nothing if there is none.
    virtual Status StopCopy() = 0;
};

}  // namespace tarn::connectors
