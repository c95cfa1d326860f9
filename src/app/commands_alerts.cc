// Alerts: what is wrong, what was, silences, and a message to try the way.
#include <iostream>

#include "app/client.h"
#include "app/command.h"
#include "app/output.h"
#include "base/text.h"

namespace tarn::app {
namespace {

void PrintJson(const Json& json) { std::cout << DumpJson(json, 2) << "\n"; }

Json InstanceRows(const Json& alerts) {
    Json rows = Json::array();
    for (const Json& alert : alerts) {
        for (const Json& instance : alert["instances"]) {
            rows.push_back({{"alert", alert["name"]},
                            {"severity", alert["severity"]},
                            {"state", instance.value("silenced", false) ? instance.value("state", "") + ", silenced"
                                                                        : instance.value("state", "")},
                            {"since", instance["since"]},
                            {"text", instance["text"]}});
        }
    }
    return rows;
}

Status Alerts(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    if (call.Has("--history")) {
        Json answer = TRY(client.Get("/api/v1/alerts/history"));
        if (call.json()) return PrintJson(answer), Ok();
        return PrintObjects(std::cout, answer["events"], {"at", "alert", "severity", "change", "text"}), Ok();
    }
    if (call.Has("--messages")) {
        Json answer = TRY(client.Get("/api/v1/alerts/messages"));
        if (call.json()) return PrintJson(answer), Ok();
        PrintObjects(std::cout, answer["messages"],
                     {"created_at", "alert", "channel", "status", "state", "attempts", "error"});
        return Ok();
    }
    Json answer = TRY(client.Get("/api/v1/alerts"));
    if (call.json()) return PrintJson(answer), Ok();
    PrintObjects(std::cout, answer["alerts"], {"name", "severity", "state", "silenced", "owner", "error"});
    Json rows = InstanceRows(answer["alerts"]);
    if (rows.empty()) return Ok();
    std::cout << "\n";
    PrintObjects(std::cout, rows, {"alert", "severity", "state", "since", "text"});
    return Ok();
}

Status MakeSilence(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    Json body = {{"alert", call.Get("ALERT")}, {"comment", call.Get("--comment")}, {"labels", Json::object()}};
    if (call.Has("--until")) {
        body["until"] = call.Get("--until");
    } else {
        body["for"] = call.Find("--for").value_or("2h");
    }
    if (auto label = call.Find("--label")) {
        size_t at = label->find('=');
        if (at == std::string::npos) return Error(ErrorCode::kInvalidArgument, "--label is NAME=VALUE");
        body["labels"][label->substr(0, at)] = label->substr(at + 1);
    }
    Json answer = TRY(client.Post("/api/v1/alerts/silences", body));
    if (call.json()) return PrintJson(answer), Ok();
    std::cout << "silence " << answer.value("id", "") << " holds until " << answer.value("until", "")
              << "; end it with `tarn alert unsilence " << answer.value("id", "") << "`\n";
    return Ok();
}

Status EndSilence(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    Json answer = TRY(client.Delete("/api/v1/alerts/silences/" + UrlEncode(call.Get("ID"))));
    if (call.json()) return PrintJson(answer), Ok();
    std::cout << "silence " << call.Get("ID") << " has ended\n";
    return Ok();
}

Status ListSilences(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    Json answer = TRY(client.Get("/api/v1/alerts/silences"));
    if (call.json()) return PrintJson(answer), Ok();
    PrintObjects(std::cout, answer["silences"], {"id", "alert", "holds", "until", "creator", "comment"});
    return Ok();
}

Status TestAlert(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    Json answer = TRY(client.Post("/api/v1/alerts/" + UrlEncode(call.Get("NAME")) + "/test", Json::object()));
    std::vector<std::string> failed;
    for (const Json& message : answer["messages"]) {
        bool sent = message.value("sent", false);
        if (!sent) failed.push_back(message.value("channel", "") + ": " + message.value("error", ""));
        if (!call.json() && sent) std::cout << message.value("channel", "") << ": sent\n";
    }
    if (call.json()) {
        PrintJson(answer);
        return failed.empty() ? Ok() : AlreadyTold(ErrorCode::kInternal);
    }
    return failed.empty() ? Ok() : Error(ErrorCode::kInternal, "{}", Join(failed, "\n"));
}

}  // namespace

std::vector<Command> AlertCommands() {
    return {
        {.name = "alerts",
         .summary = "Lists alerts, and what is wrong now.",
         .example = "tarn alerts --history",
         .options = {{"--history", nullptr, "Lists the newest changes instead."},
                     {"--messages", nullptr, "Lists the newest messages, and whether they were sent."}},
         .run = Alerts},
        {.name = "alert silence",
         .summary = "Tells nobody of an alert for a while; it still stands in the history.",
         .example = "tarn alert silence pipeline.late --for 2h --comment 'the source is being moved'",
         .arguments = {{"ALERT", "An alert's name, or a glob, as pipeline.*."}},
         .options = {{"--for", "TIME", "How long, as 2h; two hours if not given."},
                     {"--until", "TIME", "Until when, as 2026-12-01T08:00:00Z."},
                     {"--label", "NAME=VALUE", "Only what has this label; the value may be a glob."},
                     {"--comment", "TEXT", "Why."}},
         .run = MakeSilence},
        {.name = "alert unsilence",
         .summary = "Ends a silence.",
         .example = "tarn alert unsilence 1f0c9ab27d3e4f56",
         .arguments = {{"ID", "The silence's id."}},
         .run = EndSilence},
        {.name = "alert silences", .summary = "Lists silences.", .example = "tarn alert silences", .run = ListSilences},
        {.name = "alert test",
         .summary = "Sends a test message by every channel of an alert, and says what came of it.",
         .example = "tarn alert test pipeline.late",
         .arguments = {{"NAME", "The alert's name."}},
         .run = TestAlert},
    };
}

}  // namespace tarn::app
