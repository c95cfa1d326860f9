// Sources over HTTP: what there is, whether it answers, what it has, and what of it waits in quarantine.
#include "ingestion/connectors/sources_operations.h"

#include "base/text.h"
#include "ingestion/connectors/gunzip.h"

namespace tarn::connectors {
namespace {

using security::AuditClass;
using security::HttpCall;
using security::JsonResponse;
using security::Route;

Json StreamJson(const SourceDefinition& source, const StreamDefinition& stream) {
    std::optional<Duration> every = workspace::ResolveTiming(stream.timing, source.timing).every;
    return {{"name", stream.name},
            {"cursor", stream.cursor},
            {"key", stream.key},
            {"dataset", "raw_" + source.name + "." + stream.name},
            {"every_seconds", every ? Json(every->count() / 1000000) : Json()}};
}

Result<HttpResponse> ListSources(Connectors& connectors, HttpCall& call) {
    Json sources = Json::array();
    for (const SourceDefinition& source : connectors.Sources()) {
        Json streams = Json::array();
        for (const auto& [name, stream] : source.streams) streams.push_back(StreamJson(source, stream));
        sources.push_back({{"name", source.name},
                           {"kind", source.kind},
                           {"description", source.description},
                           {"file", "sources/" + source.name + ".yaml"},
                           {"streams", std::move(streams)}});
    }
    call.call.rows = static_cast<int64_t>(sources.size());
    return JsonResponse({{"sources", std::move(sources)}});
}

Result<HttpResponse> CheckSource(Connectors& connectors, HttpCall& call) {
    Json answer = {{"ok", true}, {"message", "it answers"}, {"steps", Json::array()}};
    for (const CheckStep& step : TRY(connectors.CheckSteps(call.principal, call.parameters["name"]))) {
        Json json = {{"name", step.name},
                     {"ok", step.result.ok()},
                     {"ms", static_cast<double>(step.took.count()) / 1000},
                     {"note", step.note}};
        if (!step.result.ok()) {
            const Error& error = step.result.error();
            answer["ok"] = false;
            answer["message"] = json["note"] = error.message();
            if (!error.hint().empty()) answer["hint"] = error.hint();
        }
        answer["steps"].push_back(std::move(json));
    }
    return JsonResponse(answer);
}

Result<HttpResponse> DiscoverSource(Connectors& connectors, HttpCall& call) {
    Json streams = Json::array();
    for (const DiscoveredStream& stream : TRY(connectors.Discover(call.principal, call.parameters["name"]))) {
        Json columns = Json::array();
        for (const engine::Column& column : stream.columns) {
            columns.push_back({{"name", column.name}, {"type", column.type}});
        }
        streams.push_back({{"name", stream.name},
                           {"columns", std::move(columns)},
                           {"key", stream.key},
                           {"rows_estimate", stream.rows_estimate}});
    }
    return JsonResponse({{"streams", std::move(streams)}});
}

constexpr size_t kPushBytesMax = 16 << 20;  // also unpacked

Result<HttpResponse> PushRecords(Connectors& connectors, HttpCall& call) {
    PushRequest request;
    request.body = TRY(call.request.ReadBody(kPushBytesMax));
    request.key = call.request.headers.Get("Idempotency-Key");
    std::string encoding = ToLower(call.request.headers.Get("Content-Encoding"));
    if (encoding == "gzip") {
        request.body = TRY_CONTEXT(Gunzip(request.body, kPushBytesMax), "the body");
    } else if (!encoding.empty() && encoding != "identity") {
        return Error(ErrorCode::kNotSupported, "Content-Encoding is gzip or none, not {}", encoding);
    }
    std::string stream = call.parameters["stream"];
    call.call.bytes = static_cast<int64_t>(request.body.size());
    call.call.details = {{"stream", stream}};
    if (!request.key.empty()) call.call.details["idempotency_key"] = request.key;
    PushOutcome outcome = TRY(connectors.Push(call.principal, call.parameters["source"], stream, std::move(request)));
    call.call.rows = outcome.repeated ? 0 : outcome.records;
    HttpResponse response =
        JsonResponse({{"accepted", outcome.records - outcome.broken}, {"quarantined", outcome.broken}});
    if (outcome.repeated) response.headers.Set("Idempotent-Replayed", "true");
    return response;
}

constexpr size_t kQuarantineRowsMax = 1000;

Result<HttpResponse> ListQuarantine(Connectors& connectors, HttpCall& call) {
    Json entries = Json::array();
    for (const QuarantineEntry& entry :
         TRY(connectors.Quarantine(call.principal, call.parameters["name"], kQuarantineRowsMax))) {
        bool text = IsUtf8(entry.content);
        entries.push_back({{"id", entry.id},
                           {"stream", entry.stream},
                           {"kind", entry.kind},
                           {"origin", entry.origin},
                           {"record", entry.record < 0 ? Json() : Json(entry.record)},
                           {"reason", IsUtf8(entry.reason) ? entry.reason : "it is not UTF-8"},
                           {"content", text ? entry.content : Base64Encode(AsBytes(entry.content))},
                           {"content_is_base64", !text},
                           {"since", entry.since}});
    }
    call.call.rows = static_cast<int64_t>(entries.size());
    return JsonResponse({{"entries", std::move(entries)}});
}

struct QuarantineChoice {
    std::string stream;
    std::vector<std::string> ids;
};
Result<QuarantineChoice> ChoiceOf(HttpCall& call) {
    Json body = TRY(call.JsonBody());
    QuarantineChoice choice;
    choice.stream = TRY(JsonString(body, "stream"));
    for (const Json& id : body.value("ids", Json::array())) {
        if (!id.is_string()) return Error(ErrorCode::kInvalidArgument, "\"ids\" is a list of texts, as [\"7.2\"]");
        choice.ids.push_back(id.get<std::string>());
    }
    call.call.details = {{"stream", choice.stream}, {"ids", choice.ids}};
    return choice;
}

Result<HttpResponse> ReplayQuarantine(Connectors& connectors, HttpCall& call) {
    QuarantineChoice choice = TRY(ChoiceOf(call));
    LoadOutcome outcome = TRY(connectors.Replay(call.principal, call.parameters["name"], choice.stream, choice.ids));
    call.call.rows = outcome.rows;
    return JsonResponse({{"load", outcome.load}, {"rows", outcome.rows}, {"warnings", outcome.warnings}});
}

Result<HttpResponse> DropQuarantine(Connectors& connectors, HttpCall& call) {
    QuarantineChoice choice = TRY(ChoiceOf(call));
    int64_t dropped = TRY(connectors.Drop(call.principal, call.parameters["name"], choice.stream, choice.ids));
    return JsonResponse({{"dropped", dropped}});
}

}  // namespace

std::vector<Route> SourceRoutes(Connectors& connectors) {
    auto bound = [&connectors](auto handler) {
        return [&connectors, handler](HttpCall& call) { return handler(connectors, call); };
    };
    return {
        {{"http", "GET /api/v1/sources", "source:Read", "source", AuditClass::kRead, {}}, "*", bound(ListSources)},
        {{"http", "POST /api/v1/sources/{name}/check", "source:Run", "source", AuditClass::kChange, {}},
         "{name}",
         bound(CheckSource)},
        {{"http", "GET /api/v1/sources/{name}/discover", "source:Read", "source", AuditClass::kRead, {}},
         "{name}",
         bound(DiscoverSource)},
        {{"http", "GET /api/v1/sources/{name}/quarantine", "source:Read", "source", AuditClass::kRead, {}},
         "{name}",
         bound(ListQuarantine)},
        {{"http",
          "POST /api/v1/push/{source}/{stream}",
          "source:Push",
          "source",
          AuditClass::kChange,
          {.body_bytes_max = kPushBytesMax}},
         "{source}",
         bound(PushRecords)},
        {{"http", "POST /api/v1/sources/{name}/quarantine/replay", "source:Run", "source", AuditClass::kChange, {}},
         "{name}",
         bound(ReplayQuarantine)},
        {{"http", "POST /api/v1/sources/{name}/quarantine/drop", "source:Run", "source", AuditClass::kChange, {}},
         "{name}",
         bound(DropQuarantine)},
    };
}

}  // namespace tarn::connectors
