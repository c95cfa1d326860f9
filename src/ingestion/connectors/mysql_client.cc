// MariaDB Connector/C (LGPL, linked dynamically) is included only here.
#include "ingestion/connectors/mysql_client.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include <mysql.h>
// After mysql.h, whose types it uses.
#include <errmsg.h>
#include <ma_pvio.h>
#include <mysqld_error.h>
#include "base/text.h"

// Exported by the library, declared by none of its headers.
extern "C" int ma_pvio_register_callback(my_bool add, void (*callback)(int mode, MYSQL* mysql,
                                                                       const unsigned char* bytes, size_t count));

namespace tarn::connectors {
namespace {

constexpr unsigned kConnectSeconds = 10;
constexpr size_t kSmallRowsMax = 100'000;
constexpr const char* kHostKey = "tarn_host";
// What never hands the password over in the clear (sha256 and caching_sha2 do only inside of TLS, or sealed by RSA).
constexpr const char* kLogins = "mysql_native_password,caching_sha2_password,sha256_password,client_ed25519";

struct Closer {
    void operator()(MYSQL* connection) const { mysql_close(connection); }
    void operator()(MYSQL_RES* result) const { mysql_free_result(result); }
};

// We connect to a checked address; the certificate is for a name. The library has one word for both: it takes it from
// the address before the handshake and reads it after. In between it tells us what it writes, and there the name is put
// in its place. Should that moment ever be another, the name does not match and the connection is refused.
void PutNameInPlace(int is_write, MYSQL* mysql, const unsigned char*, size_t) {
    const char* name = nullptr;
    if (is_write == 0 || !mysql->host) return;
    mysql_get_optionv(mysql, MARIADB_OPT_USERDATA, const_cast<char*>(kHostKey), &name);
    if (!name || std::strcmp(name, mysql->host) == 0) return;
    char* copy = strdup(name);
    if (!copy) return;
    std::free(mysql->host);
    mysql->host = copy;
}

void StartLibrary() {
    static std::once_flag once;
    std::call_once(once, [] {
        mysql_library_init(0, nullptr, nullptr);
        ma_pvio_register_callback(1, PutNameInPlace);
    });
}

// Values that a table refuses, beyond the classes 22 and 23: of MySQL, "check violated" and "incorrect value".
constexpr unsigned kCheckViolated = 3819;

// The library's words where the server has no TLS and it was asked for.
constexpr std::string_view kNoTls = "SSL is required, but the server does not support it";

ErrorCode CodeOf(unsigned number, std::string_view state, std::string_view message) {
    switch (number) {
        case ER_ACCESS_DENIED_ERROR:
        case ER_DBACCESS_DENIED_ERROR:
        case ER_TABLEACCESS_DENIED_ERROR:
        case ER_COLUMNACCESS_DENIED_ERROR:
        case ER_SPECIFIC_ACCESS_DENIED_ERROR:
            return ErrorCode::kPermissionDenied;
        case ER_BAD_DB_ERROR:
        case ER_NO_SUCH_TABLE:
        case ER_BAD_FIELD_ERROR:
        case ER_PARSE_ERROR:
        case ER_WRONG_VALUE:
        case ER_TRUNCATED_WRONG_VALUE_FOR_FIELD:
        case ER_NO_DEFAULT_FOR_FIELD:
        case ER_BLOB_KEY_WITHOUT_LENGTH:
        case ER_TOO_LONG_KEY:
        case ER_TOO_BIG_ROWSIZE:
        case ER_NET_PACKET_TOO_LARGE:
        case kCheckViolated:
            return ErrorCode::kInvalidArgument;
        case ER_QUERY_INTERRUPTED:
        case ER_CONNECTION_KILLED:
            return ErrorCode::kCancelled;
        case CR_SSL_CONNECTION_ERROR:
            // A handshake that was cut may be whole the next time; what is wrong with a certificate stays wrong.
            return message.find("ertificate") != std::string_view::npos ||
                           message.find(kNoTls) != std::string_view::npos
                       ? ErrorCode::kFailedPrecondition
                       : ErrorCode::kUnavailable;
        default:
            bool value = state.starts_with("22") || state.starts_with("23");
            return value ? ErrorCode::kInvalidArgument : ErrorCode::kUnavailable;
    }
}

class MariadbConnection : public MysqlConnection {
  public:
    MariadbConnection() : mysql_(mysql_init(nullptr)) {}

    Status Connect(const MysqlOptions& options, const std::string& tls) {
        if (!mysql_) return Error(ErrorCode::kResourceExhausted, "no memory for a connection");
        const DatabaseLogin& login = options.login;
        name_ = login.address.host;
        TRY(Configure(login, tls));
        std::string password(login.password.text());
        const MYSQL* connected = mysql_real_connect(
            mysql_.get(), login.numeric.c_str(), login.user.c_str(), password.c_str(), login.database.c_str(),
            static_cast<unsigned>(login.address.port), nullptr, CLIENT_FOUND_ROWS);
        explicit_bzero(password.data(), password.size());
        if (!connected) return Failure();
        bool wanted = tls == "require" || tls == "verify-full";
        if (wanted && !mysql_get_ssl_cipher(mysql_.get())) {
            return Error(ErrorCode::kFailedPrecondition, "the server offers no TLS, and tls is {}", tls);
        }
        auto seconds = std::chrono::duration_cast<std::chrono::seconds>(options.read_timeout).count();
        MARIADB_PVIO* io = mysql_->net.pvio;
        io->methods->set_timeout(io, PVIO_READ_TIMEOUT, static_cast<int>(seconds));
        return Ok();
    }
    Result<int64_t> Execute(const std::string& sql) override {
        if (mysql_real_query(mysql_.get(), sql.data(), sql.size()) != 0) return Failure();
        Answer rest(mysql_store_result(mysql_.get()));
        return static_cast<int64_t>(mysql_affected_rows(mysql_.get()));
    }
    Result<std::vector<Row>> Rows(const std::string& sql) override {
        std::vector<Row> rows;
        TRY(Stream(sql,
                   [&](const Cells& cells) -> Status {
                       if (rows.size() == kSmallRowsMax) {
                           return Error(ErrorCode::kResourceExhausted, "the database answers more than {} rows",
                                        kSmallRowsMax);
                       }
                       Row& row = rows.emplace_back();
                       for (const auto& cell : cells)
                           row.push_back(cell ? std::optional(std::string(AsText(*cell))) : std::nullopt);
                       return Ok();
                   },
                   {}));
        return rows;
    }
    Status Stream(const std::string& sql, const std::function<Status(const Cells&)>& on_row,
                  const std::function<void()>& interrupt) override {
        if (mysql_real_query(mysql_.get(), sql.data(), sql.size()) != 0) return Failure();
        Answer answer(mysql_use_result(mysql_.get()));
        if (!answer) return Failure();
        Cells cells(mysql_num_fields(answer.get()));
        while (MYSQL_ROW row = mysql_fetch_row(answer.get())) {
            const unsigned long* lengths = mysql_fetch_lengths(answer.get());
            for (size_t i = 0; i < cells.size(); i++) {
                cells[i].reset();
                if (row[i]) cells[i] = AsBytes(std::string_view(row[i], lengths[i]));
            }
            Status taken = on_row(cells);
            if (taken.ok()) continue;
            if (interrupt) interrupt();
            return taken;  // the library reads what is left of the answer before it lets go
        }
        return mysql_errno(mysql_.get()) == 0 ? Ok() : Status(Failure());
    }
    void Abort() override {
        aborted_ = true;
        mariadb_cancel(mysql_.get());
    }
    uint64_t id() const override { return mysql_thread_id(mysql_.get()); }
    std::string server() const override { return mysql_get_server_info(mysql_.get()); }

  private:
    using Answer = std::unique_ptr<MYSQL_RES, Closer>;

    Status Configure(const DatabaseLogin& login, const std::string& tls) {
        MYSQL* mysql = mysql_.get();
        unsigned seconds = kConnectSeconds;
        unsigned no = 0;
        my_bool yes = 1;
        mysql_optionsv(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
        mysql_optionsv(mysql, MYSQL_OPT_READ_TIMEOUT, &seconds);
        mysql_optionsv(mysql, MYSQL_OPT_WRITE_TIMEOUT, &seconds);
        mysql_optionsv(mysql, MYSQL_OPT_LOCAL_INFILE, &no);
        mysql_optionsv(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
        mysql_optionsv(mysql, MARIADB_OPT_RESTRICTED_AUTH, kLogins);
        mysql_optionsv(mysql, MARIADB_OPT_USERDATA, const_cast<char*>(kHostKey), const_cast<char*>(name_.c_str()));
        mysql_optionsv(mysql, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "tarn");
        unsigned protocol = MYSQL_PROTOCOL_TCP;
        mysql_optionsv(mysql, MYSQL_OPT_PROTOCOL, &protocol);
        if (tls == "disable") return Ok();
        mysql_optionsv(mysql, MYSQL_OPT_SSL_ENFORCE, &yes);
        if (!login.ca_path.empty()) mysql_optionsv(mysql, MYSQL_OPT_SSL_CA, login.ca_path.c_str());
        if (tls == "verify-full") mysql_optionsv(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes);
        return Ok();
    }
    Error Failure() {
        if (aborted_) return Error(ErrorCode::kCancelled, "it was cancelled");
        std::string message(Trim(mysql_error(mysql_.get())));
        for (char& c : message) c = c == '\n' ? ' ' : c;
        return Error(CodeOf(mysql_errno(mysql_.get()), mysql_sqlstate(mysql_.get()), message), "{}", message);
    }

    std::unique_ptr<MYSQL, Closer> mysql_;
    std::string name_;
    std::atomic<bool> aborted_ = false;
};

}  // namespace

Result<std::unique_ptr<MysqlConnection>> MysqlConnection::Open(const MysqlOptions& options) {
    StartLibrary();
    auto connection = std::make_unique<MariadbConnection>();
    Status connected = connection->Connect(options, options.login.tls);
    bool without = options.login.tls == "prefer" && !connected.ok() &&
                   connected.error().message().find(kNoTls) != std::string::npos;
    if (without) {  // the library knows no preference
        connection = std::make_unique<MariadbConnection>();
        connected = connection->Connect(options, "disable");
    }
    TRY(std::move(connected));
    return std::unique_ptr<MysqlConnection>(std::move(connection));
}

}  // namespace tarn::connectors
