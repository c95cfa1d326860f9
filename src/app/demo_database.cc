// The demo's PostgreSQL: a cluster of its own on a free port of loopback, as a child process.
#include <csignal>
#include <map>

#include "app/demo_sources.h"
#include "app/terminal.h"
#include "base/crypto.h"
#include "base/number.h"
#include "base/process.h"
#include "base/text.h"

namespace tarn::app {
namespace {

constexpr Duration kInitTime = std::chrono::seconds(60);
constexpr Duration kStartTime = std::chrono::seconds(30);
constexpr Duration kStartAgainAfter = std::chrono::milliseconds(500);
constexpr Duration kAskEvery = std::chrono::milliseconds(50);
constexpr Duration kStopTime = std::chrono::seconds(3);
constexpr const char* kDebianFolder = "/usr/lib/postgresql";
constexpr const char* kOtherFolders[] = {"/usr/local/bin", "/usr/bin", "/usr/local/pgsql/bin"};

// PostgreSQL refuses to run as root.
std::string UserOfServer() {
    if (!IsRoot()) return "";
    bool has_postgres = RunCommand({.command = {"id", "postgres"}}, kStartTime).ok();
    return has_postgres ? "postgres" : "nobody";
}

const char* kTables = R"(
CREATE TABLE airlines (carrier text PRIMARY KEY, name text NOT NULL);
CREATE TABLE airports (faa text PRIMARY KEY, name text NOT NULL, lat double precision, lon double precision,
    alt integer, tz integer, dst text, tzone text, updated_at timestamptz);
CREATE TABLE planes (tailnum text PRIMARY KEY, year integer, type text, manufacturer text, model text,
    engines integer, seats integer, speed integer, engine text);
)";

class ChildDatabase : public DemoDatabase {
  public:
    ChildDatabase(Env& env, DatabaseOptions options)
        : env_(env), options_(std::move(options)), programs_(FindPrograms(env)), user_(UserOfServer()) {}
    ~ChildDatabase() override {
        if (!server_) return;
        server_->Signal(SIGINT);  // "fast": does not wait for those who are connected
        (void)server_->Wait(kStopTime);
    }

    Status Start() {
        TRY(ChooseFolder());
        if (!RunAsServer({"grep", "-q", Mark(), folder_ + "/ready"}).ok()) TRY(Initialise());
        TRY(StartServer());
        auto tables = TRY(Ask("SELECT count(*) FROM pg_class WHERE relname = 'airlines'", "registry"));
        return Trim(tables) == "1" ? SetReader() : Fill();
    }

  private:
    Result<std::string> RunAsServer(std::vector<std::string> command,
                                    std::map<std::string, std::string> environment = {}) {
        ProcessOptions options;
        options.command = std::move(command);
        options.environment = std::move(environment);
        options.user = user_;
        options.directory = "/";
        return RunCommand(options, kInitTime);
    }
    // Of this demo: a cluster that a deleted one left behind has other passwords.
    std::string Mark() const { return Sha256Hex(AsBytes(options_.admin_password)).substr(0, 16); }
    Status ChooseFolder();
    Status Initialise();
    Status StartServer();
    Result<bool> Answers();
    Result<std::string> Ask(const std::string& sql, const std::string& database) { return Psql({"-c", sql}, database); }
    Result<std::string> Psql(std::vector<std::string> arguments, const std::string& database);
    Status RunScript(const std::string& sql);
    std::string ReaderSql(const char* verb) const {
        return fmt::format("{} ROLE reader LOGIN PASSWORD {};\n", verb, QuoteLiteral(options_.reader_password));
    }
    Status SetReader() { return RunScript(ReaderSql("ALTER")); }
    Status Fill();

    Env& env_;
    const DatabaseOptions options_;
    const std::string programs_;
    const std::string user_;
    std::string folder_;
    std::unique_ptr<Process> server_;
};

// Below the demo's folder; but the server's user may not reach that (a home of mode 0700), then below /var/tmp.
Status ChildDatabase::ChooseFolder() {
    folder_ = options_.directory + "/postgres";
    if (user_.empty()) return env_.files().CreateDirectories(folder_);
    // Both folders are the demo's own; what is secret in them has a mode of its own.
    std::string parent = FolderOf(options_.directory);
    TRY(RunCommand({.command = {"chmod", "o+x", parent, options_.directory}}, kInitTime));
    if (!RunAsServer({"test", "-x", options_.directory}).ok()) {
        folder_ = "/var/tmp/tarn-demo-" + Sha256Hex(AsBytes(options_.directory)).substr(0, 12);
    }
    TRY(RunCommand({.command = {"install", "-d", "-o", user_, "-m", "0700", folder_}}, kInitTime));
    return Ok();
}

Status ChildDatabase::Initialise() {
    // Half a cluster of a start that was cut off is of no use. The password comes by the environment of a shell:
    // arguments are for everybody to see.
    const std::string script =
        "set -e; rm -rf \"$1/data\" \"$1/password\"; umask 077; printf %s \"$PASSWORD\" > \"$1/password\"; "
        "\"$2/initdb\" -D \"$1/data\" -U postgres -E UTF8 --locale=C --auth=scram-sha-256 --no-sync "
        "--no-instructions --pwfile=\"$1/password\"; rm \"$1/password\"; printf %s \"$3\" > \"$1/ready\"";
    TRY_CONTEXT(
        RunAsServer({"sh", "-c", script, "sh", folder_, programs_, Mark()}, {{"PASSWORD", options_.admin_password}}),
        "the demo's PostgreSQL");
    return Ok();
}

Status ChildDatabase::StartServer() {
    ProcessOptions options;
    options.command = {programs_ + "/postgres", "-D", folder_ + "/data", "-p", std::to_string(options_.port)};
    // fsync: what dies here is a process, not the machine; and everything can be made again.
    for (const char* setting : {"listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off",
                                "max_connections=30", "shared_buffers=16MB", "autovacuum=off"}) {
        options.command.insert(options.command.end(), {"-c", setting});
    }
    options.user = user_;
    options.directory = "/";
    options.output_path = options_.directory + "/postgres.log";
    Duration until = env_.clock().Monotonic() + kStartTime;
    while (env_.clock().Monotonic() < until) {
        if (!server_) server_ = TRY(Process::Start(options));
        if (TRY(Answers())) return Ok();
        if (server_->exit_code()) {
            // After a kill -9 the former server's last processes may still hold its memory.
            server_.reset();
            env_.clock().Sleep(kStartAgainAfter);
        }
        env_.clock().Sleep(kAskEvery);
    }
    return Error(ErrorCode::kUnavailable, "the demo's PostgreSQL does not start; see {}", options.output_path);
}

Result<bool> ChildDatabase::Answers() {
    if (!Ask("SELECT 1", "postgres").ok()) return false;
    auto registry = TRY(Ask("SELECT count(*) FROM pg_database WHERE datname = 'registry'", "postgres"));
    if (Trim(registry) != "1") TRY(Ask("CREATE DATABASE registry", "postgres"));
    return true;
}

Result<std::string> ChildDatabase::Psql(std::vector<std::string> arguments, const std::string& database) {
    ProcessOptions options;
    options.command = {programs_ + "/psql",
                       "-X",
                       "-q",
                       "-A",
                       "-t",
                       "-v",
                       "ON_ERROR_STOP=1",
                       "-h",
                       "127.0.0.1",
                       "-p",
                       std::to_string(options_.port),
                       "-U",
                       "postgres",
                       "-d",
                       database};
    options.command.insert(options.command.end(), arguments.begin(), arguments.end());
    options.environment = {{"PGPASSWORD", options_.admin_password}, {"PGCONNECT_TIMEOUT", "5"}};
    return RunCommand(options, kInitTime);
}

Status ChildDatabase::RunScript(const std::string& sql) {
    std::string path = options_.directory + "/script.sql";
    TRY(WriteFileDurably(env_, path, sql));
    auto done = Psql({"-1", "-f", path}, "registry");
    TRY(env_.files().Remove(path));
    TRY_CONTEXT(std::move(done), "filling the demo's PostgreSQL");
    return Ok();
}

Status ChildDatabase::Fill() {
    std::string sql = ReaderSql("CREATE") + kTables;
    auto copy = [&](const std::string& table, const std::string& columns) {
        std::string path = options_.data_directory + "/" + table + ".csv";
        sql += fmt::format("\\copy {}{} FROM {} WITH (FORMAT csv, HEADER, NULL 'NA')\n", table, columns,
                           QuoteLiteral(path));
    };
    copy("airlines", "");
    copy("airports", "(faa, name, lat, lon, alt, tz, dst, tzone)");
    copy("planes", "");
    sql +=
        "UPDATE airports SET updated_at = timestamptz '2013-01-01 00:00:00+00' + number * interval '1 minute'\n"
        "    FROM (SELECT faa AS id, row_number() OVER (ORDER BY faa) AS number FROM airports) AS numbered\n"
        "    WHERE faa = id;\n"
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;\n";
    return RunScript(sql);
}

}  // namespace

std::string DemoDatabase::FindPrograms(Env& env) {
    std::string newest;
    int64_t newest_version = -1;
    auto versions = env.files().List(kDebianFolder);
    for (const FileEntry& entry : versions.ok() ? *versions : std::vector<FileEntry>()) {
        std::string folder = fmt::format("{}/{}/bin", kDebianFolder, entry.name);
        int64_t version = ParseInteger(entry.name).value_or(-1);
        if (version <= newest_version || !env.files().Exists(folder + "/initdb")) continue;
        newest = folder;
        newest_version = version;
    }
    for (const char* folder : kOtherFolders) {
        bool complete = true;
        for (const char* name : {"/initdb", "/postgres", "/psql"}) {
            complete &= env.files().Exists(std::string(folder) + name);
        }
        if (newest.empty() && complete) newest = folder;
    }
    return newest;
}

Result<std::unique_ptr<DemoDatabase>> DemoDatabase::Start(Env& env, const DatabaseOptions& options) {
    auto database = std::make_unique<ChildDatabase>(env, options);
    TRY(database->Start());
    return std::unique_ptr<DemoDatabase>(std::move(database));
}

}  // namespace tarn::app
