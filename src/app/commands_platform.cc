// The commands that are a platform: up and demo.
#include <iostream>

#include "app/command.h"
#include "app/demo.h"
#include "app/output.h"
#include "app/platform.h"
#include "app/terminal.h"
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
    options.terminal_log = call.Has("--log");
    return options;
}

Status ShowAddresses(Platform& platform, Duration took) {
    PlatformAddresses addresses = platform.addresses();
    std::cout << fmt::format("tarn is up: {:.2f} s, {} MB\n", std::chrono::duration<double>(took).count(),
                             platform.MemoryBytes() >> 20)
              << "  web  " << WebUrl(platform) << "\n"
              << "  s3   " << addresses.s3.ToString() << "\n"
              << "  sql  " << addresses.sql.ToString() << "  (PostgreSQL protocol, database tarn)\n"
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
    platform.reset();
    return env.files().Remove(running);
}

Status Up(const Invocation& call) {
    BlockStopSignals();
    std::string directory = AbsolutePath(call.Find("DIR").value_or("."));
    if (!call.env().files().Exists(directory)) {
        return Error(ErrorCode::kInvalidArgument, "there is no folder {}", directory)
            .WithHint("make it (an empty one will do), or try `tarn demo`");
    }
    auto platform = TRY(StartPlatform(call, directory));
    TRY(WriteReadyFile(call.env(), call, *platform));
    while (!WaitForStopSignal(kWakeEvery)) {
    }
    std::cout << "stopping\n" << std::flush;
    return StopPlatform(call.env(), std::move(platform));
}

std::vector<CommandOption> UpOptions() {
    return {{"--ready-file", "F", "Written when ready: JSON with web, s3, sql, admin_user, admin_token_file, pid."},
            {"--web", "ADDR", "Where the web UI and HTTP API listen; port 0 picks a free one."},
            {"--s3", "ADDR", "Where the S3 API listens."},
            {"--sql", "ADDR", "Where the PostgreSQL protocol listens."},
            {"--log", nullptr, "Show the program's log here too, not only in the state directory."}};
}

}  // namespace

std::vector<Command> PlatformCommands() {
    return {{.name = "up",
             .summary = "Starts the platform in a workspace and stays until Ctrl-C.",
             .details = "A workspace is a folder of text files; an empty one will do. All state is kept in DIR/.tarn, the\n"
                        "root key in ~/.config/tarn (or TARN_ROOT_KEY_FILE).",
             .example = "tarn up ./flights --web 127.0.0.1:8080",
             .arguments = {{"DIR", "The workspace; this folder if not given.", false}},
             .options = UpOptions(),
             .remote = false,
             .run = Up}};
}

}  // namespace tarn::app
