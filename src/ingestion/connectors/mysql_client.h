// A connection to MySQL or MariaDB: statements, and rows as a stream, never a whole result. Public by DOORS.
//
// The library's traps are closed: LOAD DATA LOCAL (a server asking for our files) is off, authentication by the plain
// password is refused, and what is connected to is the address that the dialer checked, while a certificate is held
// against the name that the source gives. One thread at a time; Abort from any.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "ingestion/connectors/database_login.h"

namespace tarn::connectors {

struct MysqlOptions {
    DatabaseLogin login;
    Duration read_timeout = std::chrono::seconds(60);  // of one read, once connected
};

class MysqlConnection {
  public:
    using Cells = std::vector<std::optional<ByteSpan>>;
    using Row = std::vector<std::optional<std::string>>;
    static Result<std::unique_ptr<MysqlConnection>> Open(const MysqlOptions& options);
    virtual ~MysqlConnection() = default;
    // How many rows it inserted, updated (to another value) or deleted.
    virtual Result<int64_t> Execute(const std::string& sql) = 0;
    // Small answers only.
    virtual Result<std::vector<Row>> Rows(const std::string& sql) = 0;
    // Row by row as they arrive. When on_row refuses one, `interrupt` asks the server to stop, and what was sent by
    // then is thrown away: the connection and its transaction stay.
    virtual Status Stream(const std::string& sql, const std::function<Status(const Cells&)>& on_row,
                          const std::function<void()>& interrupt) = 0;
    // Blocked calls return kCancelled soon.
    virtual void Abort() = 0;
    // What KILL takes.
    virtual uint64_t id() const = 0;
    virtual std::string server() const = 0;  // "10.11.19-MariaDB"
};

}  // namespace tarn::connectors
