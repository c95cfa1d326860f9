// Sources: what of them waits in quarantine, and how it comes out.
#include <iostream>

#include "app/client.h"
#include "app/command.h"
#include "app/output.h"
#include "base/text.h"

namespace tarn::app {
namespace {

void PrintJson(const Json& json) { std::cout << DumpJson(json, 2) << "\n"; }

// "orders.lines" or "raw_orders.lines" -> {"orders", "lines"}.
Result<std::pair<std::string, std::string>> NamesOf(std::string stream) {
    if (stream.starts_with("raw_")) stream = stream.substr(4);
    size_t dot = stream.find('.');
    if (dot == std::string::npos || dot + 1 == stream.size()) {
        return Error(ErrorCode::kInvalidArgument, "\"{}\" is no stream: say SOURCE.STREAM", stream);
    }
    return std::pair(stream.substr(0, dot), stream.substr(dot + 1));
}

Status ListQuarantine(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    std::vector<std::string> names;
    if (auto source = call.Find("SOURCE")) names.push_back(*source);
    Json sources = names.empty() ? TRY(client.Get("/api/v1/sources"))["sources"] : Json::array();
    for (const Json& source : sources) names.push_back(source["name"].get<std::string>());
    Json rows = Json::array();
    for (const std::string& name : names) {
        Json answer = TRY(client.Get("/api/v1/sources/" + UrlEncode(name) + "/quarantine"));
        for (Json& entry : answer["entries"]) {
            entry["stream"] = name + "." + entry.value("stream", "");
            rows.push_back(std::move(entry));
        }
    }
    if (call.json()) return PrintJson({{"entries", rows}}), Ok();
    PrintObjects(std::cout, rows, {"stream", "id", "kind", "origin", "record", "reason", "content"});
    return Ok();
}

Result<Json> Resolve(const Invocation& call, const std::string& how) {
    auto [source, stream] = TRY(NamesOf(call.Get("STREAM")));
    Json body = {{"stream", stream}, {"ids", Json::array()}};
    if (auto id = call.Find("--id")) body["ids"].push_back(*id);
    Client client = TRY(Client::Find(call));
    return client.Post("/api/v1/sources/" + UrlEncode(source) + "/quarantine/" + how, body);
}

Status Replay(const Invocation& call) {
    Json answer = TRY(Resolve(call, "replay"));
    if (call.json()) return PrintJson(answer), Ok();
    std::cout << "load " << answer.value("load", int64_t{0}) << ": " << answer.value("rows", int64_t{0}) << " rows\n";
    for (const Json& warning : answer["warnings"]) std::cout << "warning: " << warning.get<std::string>() << "\n";
    return Ok();
}

Status Drop(const Invocation& call) {
    Json answer = TRY(Resolve(call, "drop"));
    if (call.json()) return PrintJson(answer), Ok();
    std::cout << answer.value("dropped", int64_t{0}) << " dropped; their bytes stay in the bucket raw\n";
    return Ok();
}

Status TestSource(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    Json answer = TRY(client.Post("/api/v1/sources/" + UrlEncode(call.Get("NAME")) + "/check", Json::object()));
    bool ok = answer.value("ok", false);
    if (call.json()) {
        PrintJson(answer);
        return ok ? Ok() : AlreadyTold(ErrorCode::kFailedPrecondition);
    }
    for (const Json& step : answer["steps"]) {
        std::cout << fmt::format("{:6} {:8} {:8.1f} ms  {}\n", step.value("ok", false) ? "ok" : "failed",
                                 step.value("name", ""), step.value("ms", 0.0), step.value("note", ""));
    }
    if (ok) return Ok();
    return Error(ErrorCode::kFailedPrecondition, "{} does not answer", call.Get("NAME"))
        .WithHint(answer.value("hint", ""));
}

}  // namespace

std::vector<Command> SourceCommands() {
    CommandArgument stream = {"STREAM", "The stream, as SOURCE.STREAM."};
    CommandOption id = {"--id", "ID", "Only this one of `tarn quarantine ls`; else all of the stream."};
    return {
        {.name = "source test",
         .summary = "Tries the way to a source: resolve, connect, log in, list; each step with its time.",
         .example = "tarn source test registry",
         .arguments = {{"NAME", "The source."}},
         .run = TestSource},
        {.name = "quarantine ls",
         .summary = "Lists what loads kept apart: broken records, and what came with other columns.",
         .example = "tarn quarantine ls flights",
         .arguments = {{"SOURCE", "Only of this source.", false}},
         .run = ListQuarantine},
        {.name = "quarantine replay",
         .summary = "Reads it again, as the stream is declared now; what is still broken stays.",
         .example = "tarn quarantine replay flights.flights --id 7.2",
         .arguments = {stream},
         .options = {id},
         .run = Replay},
        {.name = "quarantine drop",
         .summary = "Takes it out without loading it.",
         .example = "tarn quarantine drop flights.flights --id 7.2",
         .arguments = {stream},
         .options = {id},
         .run = Drop},
    };
}

}  // namespace tarn::app
