// status: how the platform is, on one screen.
#include <iostream>

#include "app/client.h"
#include "app/command.h"
#include "app/output.h"
#include "app/terminal.h"
#include "base/text.h"

namespace tarn::app {
namespace {

constexpr Duration kLookEvery = std::chrono::seconds(2);

void Line(const char* title, const std::string& text) { std::cout << fmt::format("{:<12}{}\n", title, text); }

std::string Bytes(const Json& section, const char* key) { return FormatSize(section.value(key, int64_t{0})); }

std::string UpFor(const Json& status) {
    return FormatDuration(std::chrono::seconds(static_cast<int64_t>(status.value("uptime_seconds", 0.0))));
}

// The first line, for an error may be long: the run's page has it all.
std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

void ShowComponents(const Json& components) {
    size_t well = 0;
    for (const Json& component : components) well += component.value("level", "") == "ok" ? 1 : 0;
    Line("components", fmt::format("{} of {} ok", well, components.size()));
    for (const Json& component : components) {
        std::string level = component.value("level", "");
        if (level == "ok") continue;
        std::cout << "  " << level << "  " << component.value("component", "") << ": " << component.value("message", "")
                  << "\n";
        std::string hint = component.value("hint", "");
        if (!hint.empty()) std::cout << "           " << hint << "\n";
    }
}

void ShowMachine(const Json& status) {
    if (status.contains("memory")) {
        const Json& memory = status["memory"];
        std::string budget = memory["budget_bytes"].is_null() ? "" : " of " + Bytes(memory, "budget_bytes");
        Line("memory", Bytes(memory, "used_bytes") + budget + ", queries may use " + Bytes(memory, "queries_bytes"));
    }
    if (status.contains("disk")) {
        const Json& disk = status["disk"];
        Line("disk", fmt::format("{} used, {} left; warns below {}, stops below {}", Bytes(disk, "used_bytes"),
                                 Bytes(disk, "left_bytes"), Bytes(disk, "warn_bytes"), Bytes(disk, "stop_bytes")));
    }
    if (!status.contains("backup")) return;
    const Json& backup = status["backup"];
    std::string last = backup["last_success"].is_null() ? "none yet" : "last at " + CellText(backup["last_success"]);
    std::string schedule = backup["schedule"].is_null() ? "no schedule (backup in tarn.yaml)"
                                                        : "every " + CellText(backup["schedule"]["every"]);
    Line("backup", last + ", " + schedule);
}

void ShowWork(const Json& status) {
    if (!status.contains("work")) return;
    const Json& work = status["work"];
    std::vector<std::string> counts;
    for (const auto& [state, name] : {std::pair("running", "running"),
                                      {"queued", "queued"},
                                      {"waiting_retry", "wait to be tried again"},
                                      {"waiting_approval", "wait for approval"},
                                      {"waiting_items", "wait for their items"}}) {
        int64_t count = work["counts"].value(state, int64_t{0});
        if (count > 0) counts.push_back(fmt::format("{} {}", GroupDigits(count), name));
    }
    bool complete = work.value("complete", true);
    Line("runs", (complete ? "" : "at least ") + (counts.empty() ? "none under way" : Join(counts, ", ")));
}

// `what` of each entry, at most ten.
template <typename What>
void ShowList(const Json& status, const char* section, What what) {
    if (!status.contains(section)) return;
    constexpr size_t kShownMax = 10;
    const Json& list = status[section]["list"];
    size_t count = status[section].value("count", size_t{0});
    Line(section, count == 0 ? "none" : std::to_string(count));
    for (size_t index = 0; index < std::min(list.size(), kShownMax); ++index) {
        std::cout << "  " << what(list[index]) << "\n";
    }
    if (count > kShownMax) std::cout << "  and " << count - kShownMax << " more\n";
}

void Show(const Json& status) {
    std::cout << fmt::format("{}: {}, tarn {}, up for {}\n", status.value("name", ""), status.value("level", ""),
                             status.value("version", ""), UpFor(status));
    if (status.contains("components")) ShowComponents(status["components"]);
    ShowMachine(status);
    ShowWork(status);
    ShowList(status, "failing", [](const Json& entry) {
        return fmt::format("{}: run {}: {}", entry.value("name", ""), entry.value("run", ""),
                           FirstLine(entry.value("error", "")));
    });
    ShowList(status, "late", [](const Json& entry) {
        return fmt::format("{} since {}: {}", entry.value("name", ""), entry.value("since", ""),
                           entry.value("why", ""));
    });
    ShowList(status, "alerts", [](const Json& entry) {
        size_t count = entry.value("count", size_t{0});
        return fmt::format("{} ({}): {}{}", entry.value("name", ""), entry.value("severity", ""),
                           FirstLine(entry.value("text", "")), count > 1 ? fmt::format(" and {} more", count - 1) : "");
    });
    for (const Json& section : status["unreadable"]) {
        Line(section.value("section", "").c_str(), "cannot be read: " + section.value("message", ""));
        std::string hint = section.value("hint", "");
        if (!hint.empty()) std::cout << "  " << hint << "\n";
    }
}

// Until Ctrl-C. A platform that does not answer is no end: it is what one watches for.
Status Watch(const Invocation& call) {
    BlockStopSignals();
    const char* clear = IsTerminal(1) ? "\033[H\033[2J" : "\n";
    do {
        Result<Client> client = Client::Find(call);
        Result<Json> status = client.ok() ? client->Get("/api/v1/status") : Result<Json>(client.error());
        std::cout << clear;
        if (status.ok()) {
            Show(*status);
        } else {
            std::cout << "no answer: " << status.error().message() << "\n";
        }
        std::cout << std::flush;
    } while (!WaitForStopSignal(kLookEvery));
    return Ok();
}

Status ShowStatus(const Invocation& call) {
    if (call.Has("--watch")) {
        if (call.json()) return Error(ErrorCode::kInvalidArgument, "--watch is for people: take it or --json");
        return Watch(call);
    }
    Client client = TRY(Client::Find(call));
    Json status = TRY(client.Get("/api/v1/status"));
    if (call.json()) {
        std::cout << DumpJson(status, 2) << "\n";
    } else {
        Show(status);
    }
    return status.value("level", "") == "failing" ? AlreadyTold(ErrorCode::kFailedPrecondition) : Ok();
}

}  // namespace

std::vector<Command> StatusCommands() {
    return {{.name = "status",
             .summary = "Says how the platform is: its parts, budgets, runs, what is late, alerts.",
             .details =
                 "Of what you may see. ok: all is well; warning: it works, and people should look (a failed run, "
                 "something late,\nan alert); failing: a part does not work or cannot be read. Exit code 0, or 1 when "
                 "failing.",
             .example = "tarn status --watch",
             .options = {{"--watch", nullptr, "Shows it anew every two seconds, until Ctrl-C."}},
             .run = ShowStatus}};
}

}  // namespace tarn::app
