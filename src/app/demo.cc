#include "app/demo.h"

#include <thread>

#include "app/demo_sources.h"
#include "app/terminal.h"
#include "base/json.h"
#include "base/text.h"

namespace tarn::app {
namespace {

// What stands before a port in the files of the workspace.
constexpr const char* kWeatherAddress = "http://127.0.0.1:";
constexpr const char* kDatabaseAddress = "host: 127.0.0.1, port: ";
constexpr int kWeatherPort = 7700;
constexpr int kDatabasePort = 7701;
constexpr size_t kFileBytesMax = 1 << 20;
constexpr size_t kPasswordBytes = 16;

void Replace(std::string& text, const std::string& from, const std::string& to) {
    for (size_t at = 0; from != to && (at = text.find(from, at)) != std::string::npos; at += to.size()) {
        text.replace(at, from.size(), to);
    }
}

// Whatever port stands there: a start that was cut off may have moved the file and not have noted it in the settings.
void SetPort(std::string& text, std::string_view address, int port) {
    size_t at = text.find(address);
    if (at == std::string::npos) return;
    at += address.size();
    size_t end = std::min(text.find_first_not_of("0123456789", at), text.size());
    text.replace(at, end - at, std::to_string(port));
}

class FlightsDemo : public Demo {
  public:
    FlightsDemo(Env& env, std::string directory, std::function<void(const std::string&)> say)
        : env_(env),
          directory_(std::move(directory)),
          hidden_(directory_ + "/.demo"),
          say_(std::move(say)),
          data_(ProgramDirectory() + "/nycflights13"),
          template_(ProgramDirectory() + "/examples/flights") {}

    Status Open();
    Status StartSources() override;
    std::map<std::string, std::string> secrets() const override {
        return {{"registry", settings_.value("reader_password", "")},
                {"weather", settings_.value("weather_token", "")}};
    }

    void StartReplay(buffer::Topics& topics, int64_t events_a_second) override {
        replay_ = EventReplay::Start(env_, topics, data_ + "/flights.csv", events_a_second);
    }
    Result<bool> Replayed() const override {
        if (!replay_) return true;
        TRY_CONTEXT(replay_->outcome(), "the replay of events");
        return replay_->over();
    }
    void StopReplay() override { replay_.reset(); }

  private:
    Status WriteWorkspace(const std::string& folder);
    Status WriteOne(const std::string& file);
    Status MovePort(const std::string& file, std::string_view address, int port);
    Status StartDatabase();
    std::string SettingsPath() const { return hidden_ + "/settings.json"; }

    Env& env_;
    const std::string directory_;
    const std::string hidden_;
    const std::function<void(const std::string&)> say_;
    const std::string data_;
    const std::string template_;
    Json settings_;
    bool uses_sqlite_ = false;
    std::unique_ptr<DemoDatabase> database_;
    std::unique_ptr<WeatherApi> weather_;
    std::unique_ptr<EventReplay> replay_;
};

Status FlightsDemo::Open() {
    for (const std::string& needed : {data_, template_}) {
        if (env_.files().Exists(needed)) continue;
        return Error(ErrorCode::kFailedPrecondition, "the demo needs {}, which is not there", needed)
            .WithHint("it lies beside the program as it is shipped or built; do not move the program alone");
    }
    TRY(env_.files().CreateDirectories(hidden_));
    if (env_.files().Exists(SettingsPath())) {
        settings_ = TRY(ParseJson(TRY(ReadFile(env_, SettingsPath(), kFileBytesMax))));
    } else {
        for (const char* name : {"admin_password", "reader_password", "weather_token"}) {
            settings_[name] = env_.random().Hex(kPasswordBytes);
        }
        // What the files of the workspace say; the first start moves them to ports that are free.
        settings_["weather_port"] = kWeatherPort;
        settings_["database_port"] = kDatabasePort;
        settings_["sqlite"] = DemoDatabase::FindPrograms(env_).empty();
        TRY(WriteFileDurably(env_, SettingsPath(), DumpJson(settings_, 2) + "\n"));
    }
    uses_sqlite_ = settings_.value("sqlite", false);
    return WriteWorkspace("");
}

Status FlightsDemo::WriteWorkspace(const std::string& folder) {
    TRY(env_.files().CreateDirectories(directory_ + folder));
    for (const FileEntry& entry : TRY(env_.files().List(template_ + folder))) {
        std::string file = folder + "/" + entry.name;
        TRY(entry.is_directory ? WriteWorkspace(file) : WriteOne(file));
    }
    return Ok();
}

Status FlightsDemo::WriteOne(const std::string& file) {
    if (env_.files().Exists(directory_ + file)) return Ok();
    std::string text = TRY(ReadFile(env_, template_ + file, kFileBytesMax));
    if (file == "/sources/registry.yaml" && uses_sqlite_) {
        Replace(text, "kind: postgresql", "kind: sqlite");
        size_t begin = text.find("connection: {");
        text.replace(begin, text.find('\n', begin) - begin, "connection: {path: .demo/registry.sqlite}");
    }
    // As the settings say: the folder may have lost this file only.
    SetPort(text, kWeatherAddress, settings_.value("weather_port", 0));
    SetPort(text, kDatabaseAddress, settings_.value("database_port", 0));
    return WriteFileDurably(env_, directory_ + file, text, 0644);
}

Status FlightsDemo::MovePort(const std::string& file, std::string_view address, int port) {
    std::string path = directory_ + file;
    if (!env_.files().Exists(path)) return Ok();
    std::string text = TRY(ReadFile(env_, path, kFileBytesMax));
    std::string moved = text;
    SetPort(moved, address, port);
    return moved == text ? Ok() : WriteFileDurably(env_, path, moved, 0644);
}

Status FlightsDemo::StartDatabase() {
    if (uses_sqlite_) return WriteDemoSqlite(env_, data_, hidden_ + "/registry.sqlite");
    int before = settings_.value("database_port", kDatabasePort);
    DatabaseOptions options;
    options.data_directory = data_;
    options.directory = hidden_;
    options.port = TRY(FreePort(before));
    options.admin_password = settings_.value("admin_password", "");
    options.reader_password = settings_.value("reader_password", "");
    database_ = TRY(DemoDatabase::Start(env_, options));
    settings_["database_port"] = options.port;
    return MovePort("/sources/registry.yaml", kDatabaseAddress, options.port);
}

Status FlightsDemo::StartSources() {
    say_(uses_sqlite_ ? "a SQLite database with planes, airports and airlines (PostgreSQL is not installed)"
                      : "a PostgreSQL with planes, airports and airlines");
    say_("twelve monthly files of flights in inbox/");
    Status files = Ok();
    // The database's start is another process' work.
    std::thread writer([&] { files = WriteMonthlyFiles(env_, data_ + "/flights.csv", directory_ + "/inbox"); });
    Status database = StartDatabase();
    writer.join();
    TRY(database);
    TRY(files);
    int before = settings_.value("weather_port", kWeatherPort);
    weather_ = TRY(
        WeatherApi::Start(env_, data_ + "/weather.csv", {"127.0.0.1", before}, settings_.value("weather_token", "")));
    say_(fmt::format("a REST API with the weather at http://127.0.0.1:{}/v1", weather_->port()));
    say_("a stream of 664,839 events (departed, arrived, cancelled) into topic flight_events");
    settings_["weather_port"] = weather_->port();
    TRY(MovePort("/sources/weather.yaml", kWeatherAddress, weather_->port()));
    return WriteFileDurably(env_, SettingsPath(), DumpJson(settings_, 2) + "\n");
}

}  // namespace

Result<std::unique_ptr<Demo>> Demo::Create(Env& env, const std::string& name, const std::string& directory,
                                           std::function<void(const std::string&)> say) {
    if (name != "flights") {
        return Error(ErrorCode::kInvalidArgument, "there is no demo {}", name).WithHint("there is: flights");
    }
    auto demo = std::make_unique<FlightsDemo>(env, directory, std::move(say));
    TRY(demo->Open());
    return std::unique_ptr<Demo>(std::move(demo));
}

}  // namespace tarn::app
