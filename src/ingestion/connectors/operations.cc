// GET /api/v1/sources, POST /api/v1/sources/{name}/check, GET /api/v1/sources/{name}/discover.
#include "ingestion/connectors/sources_operations.h"

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
    Status checked = connectors.Check(call.principal, call.parameters["name"]);
    Json answer = {{"ok", checked.ok()}};
    answer["message"] = checked.ok() ? "it answers" : checked.error().message();
    if (!checked.ok() && !checked.error().hint().empty()) answer["hint"] = checked.error().hint();
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
    };
}

}  // namespace tarn::connectors
