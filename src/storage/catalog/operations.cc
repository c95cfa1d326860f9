// The catalog over HTTP. Each handler goes through the catalog's own door, which asks the gate about the dataset.
#include <algorithm>
#include <charconv>
#include <utility>

#include "base/csv.h"
#include "base/text.h"
#include "security/hidden.h"
#include "storage/catalog/catalog.h"

namespace tarn::catalog {
namespace {

using security::AuditClass;
using security::HttpCall;
using security::JsonResponse;
using security::Route;

constexpr int kListMax = 10'000;
constexpr int kVersionsDefault = 50;
constexpr int kVersionsMax = 1000;
constexpr int kDepthDefault = 3;
constexpr int kPreviewDefault = 50;
constexpr int kPreviewMax = 1000;
constexpr size_t kCellBytesMax = 4096;
constexpr size_t kPieceBytes = 256 << 10;

Json OrNull(int64_t number) { return number < 0 ? Json() : Json(number); }

Json DatasetJson(const Dataset& dataset) {
    return {{"schema", dataset.schema},
            {"name", dataset.name},
            {"kind", dataset.kind},
            {"description", dataset.description},
            {"owner", dataset.owner},
            {"tags", dataset.tags},
            {"version", dataset.version},
            {"rows", OrNull(dataset.rows)},
            {"bytes", OrNull(dataset.bytes)},
            {"updated_at", dataset.updated_at ? Json(FormatTime(*dataset.updated_at)) : Json()},
            {"defined_in", dataset.defined_in},
            {"sql", dataset.sql}};
}

Json CacheJson(const CacheInfo& cache) {
    return {{"state", cache.state},
            {"reason", cache.reason},
            {"version", cache.version},
            {"rows", OrNull(cache.rows)},
            {"bytes", OrNull(cache.bytes)},
            {"built_at", cache.built_at ? Json(FormatTime(*cache.built_at)) : Json()},
            {"build_seconds", cache.build_seconds},
            {"hits", cache.hits},
            {"misses", cache.misses}};
}

Json VersionJson(const DatasetVersion& version) {
    return {{"version", version.version},
            {"committed_at", FormatTime(version.committed_at)},
            {"operation", version.operation},
            {"principal", version.principal},
            {"run_id", version.run_id},
            {"rows", OrNull(version.rows)},
            {"rows_added", OrNull(version.rows_added)},
            {"bytes", OrNull(version.bytes)},
            {"details", version.details}};
}

Json GraphJson(const LineageGraph& graph) {
    Json nodes = Json::array();
    for (const auto& node : graph.nodes)
        nodes.push_back({{"id", node.id}, {"kind", node.kind}, {"version", node.version}});
    Json edges = Json::array();
    for (const auto& edge : graph.edges) {
        Json columns = Json::array();
        for (const LineageColumn& column : edge.columns) {
            columns.push_back({{"column", column.column}, {"input_column", column.input_column}});
        }
        edges.push_back({{"from", edge.from}, {"to", edge.to}, {"columns", std::move(columns)}});
    }
    return {{"nodes", std::move(nodes)}, {"edges", std::move(edges)}};
}

Result<int> NumberOr(const HttpCall& call, std::string_view name, int fallback, int max) {
    auto text = call.request.Query(name);
    if (!text) return fallback;
    int number = 0;
    auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
    if (error != std::errc() || end != text->data() + text->size() || number < 0) {
        return Error(ErrorCode::kInvalidArgument, "\"{}\" must be a whole number, got \"{}\"", name, *text);
    }
    return std::min(number, max);
}

// Long cells are cut: a preview is for looking.
Json ShortCell(Json value) {
    if (value.is_string() && value.get_ref<const std::string&>().size() > kCellBytesMax) {
        std::string text = value.get<std::string>().substr(0, kCellBytesMax);
        while (!text.empty() && !IsUtf8(text)) text.pop_back();
        return text + "…";
    }
    if (value.is_structured() && DumpJson(value).size() > kCellBytesMax) return "…";
    return value;
}

class CatalogOperations {
  public:
    CatalogOperations(Catalog& catalog, engine::Engine& engine) : catalog_(catalog), engine_(engine) {}

    Result<HttpResponse> List(HttpCall& call) const {
        auto question = call.request.Query("q");
        int limit = TRY(NumberOr(call, "limit", kListMax, kListMax));
        bool searches = question && !Trim(*question).empty();
        auto datasets =
            TRY(searches ? catalog_.Search(call.principal, *question, limit) : catalog_.List(call.principal));
        Json list = Json::array();
        for (const Dataset& dataset : datasets) {
            if (static_cast<int>(list.size()) < limit) list.push_back(DatasetJson(dataset));
        }
        call.call.rows = static_cast<int64_t>(list.size());
        return JsonResponse({{"datasets", std::move(list)}});
    }

    Result<HttpResponse> Describe(HttpCall& call) const {
        Dataset dataset = TRY(catalog_.Describe(call.principal, Schema(call), Name(call)));
        Json answer = DatasetJson(dataset);
        answer["columns"] = Json::array();
        // Who may only describe it sees that it is there, not its columns' documentation; a broken table says why.
        auto relation = catalog_.Find(call.principal, dataset.schema, dataset.name, {});
        if (relation.ok()) {
            for (const engine::Column& column : relation->columns) {
                answer["columns"].push_back({{"name", column.name},
                                             {"type", column.type},
                                             {"nullable", column.nullable},
                                             {"description", column.description}});
            }
            if (auto cache = catalog_.CacheOf(call.principal, dataset.schema, dataset.name)) {
                answer["cache"] = CacheJson(*cache);
            }
        } else if (!security::IsHidden(relation.error()) && relation.error().code() != ErrorCode::kNotFound) {
            answer["problem"] = relation.error().message();
        }
        return JsonResponse(answer);
    }

    Result<HttpResponse> Versions(HttpCall& call) const {
        int limit = TRY(NumberOr(call, "limit", kVersionsDefault, kVersionsMax));
        Json list = Json::array();
        for (const DatasetVersion& version : TRY(catalog_.Versions(call.principal, Schema(call), Name(call), limit))) {
            list.push_back(VersionJson(version));
        }
        return JsonResponse({{"versions", std::move(list)}});
    }

    // What one version came from: tables with versions, raw objects.
    Result<HttpResponse> Inputs(HttpCall& call) const {
        auto record = TRY(catalog_.LineageOf(call.principal, Schema(call), Name(call), call.parameters["version"]));
        Json inputs = Json::array();
        Json objects = Json::array();
        if (record) {
            for (const LineageInput& input : record->inputs) {
                inputs.push_back({{"schema", input.schema}, {"name", input.name}, {"version", input.version}});
            }
            objects = record->objects;
        }
        return JsonResponse(
            {{"inputs", std::move(inputs)}, {"objects", std::move(objects)}, {"run_id", record ? record->run_id : ""}});
    }

    Result<HttpResponse> Lineage(HttpCall& call) const {
        int depth = TRY(NumberOr(call, "depth", kDepthDefault, 20));
        return JsonResponse(GraphJson(TRY(catalog_.Lineage(call.principal, Schema(call), Name(call), depth))));
    }

    static Status OpenPreview(HttpCall& call) {
        int limit = TRY(NumberOr(call, "limit", kPreviewDefault, kPreviewMax));
        call.call.details["sql"] = security::StatementText(PreviewSql(call, limit));
        return Ok();
    }
    Result<HttpResponse> Preview(HttpCall& call) const {
        int limit = TRY(NumberOr(call, "limit", kPreviewDefault, kPreviewMax));
        auto session = TRY(engine_.OpenSession({.principal = call.principal}));
        auto result = TRY(session->Query(PreviewSql(call, limit)));
        Json columns = Json::array();
        for (const engine::ResultColumn& column : result->columns()) {
            columns.push_back({{"name", column.name}, {"type", column.type}});
        }
        Json rows = Json::array();
        while (const engine::Chunk* chunk = TRY(result->Next())) {
            for (size_t row = 0; row < chunk->rows(); ++row) {
                Json cells = Json::array();
                for (size_t i = 0; i < columns.size(); ++i) {
                    cells.push_back(chunk->IsNull(row, i) ? Json() : ShortCell(chunk->Value(row, i)));
                }
                rows.push_back(std::move(cells));
            }
        }
        call.call.rows = static_cast<int64_t>(rows.size());
        return JsonResponse({{"columns", std::move(columns)}, {"rows", std::move(rows)}});
    }

    static Status OpenRows(HttpCall& call) {
        call.call.details["sql"] = security::StatementText(RowsSql(call));
        return Ok();
    }
    // All rows as csv, as the reader sees them.
    Result<HttpResponse> Rows(HttpCall& call) const {
        auto session = TRY(engine_.OpenSession({.principal = call.principal}));
        auto cancel_on_leave = call.request.cancelled.OnCancel([&session] { session->Cancel(); });
        auto result = TRY(session->Query(RowsSql(call)));
        std::string text;
        for (const engine::ResultColumn& column : result->columns()) {
            if (!text.empty()) text += ',';
            AppendCsvCell(text, column.name);
        }
        text += "\r\n";
        // The first rows before the answer begins: what fails at once is an error and not half a file.
        const engine::Chunk* chunk = TRY(result->Next());
        HttpHeaders headers = {{"Content-Type", "text/csv; charset=utf-8"}, {"Content-Disposition", "attachment"}};
        ByteWriter* out = TRY(call.responder.Start(200, std::move(headers), std::nullopt));
        while (chunk != nullptr) {
            for (size_t row = 0; row < chunk->rows(); ++row) AddRow(*chunk, row, result->columns().size(), text);
            call.call.rows += static_cast<int64_t>(chunk->rows());
            chunk = TRY(result->Next());
            if (chunk != nullptr && text.size() < kPieceBytes) continue;
            TRY(out->Write(AsBytes(text)));
            call.call.bytes += static_cast<int64_t>(text.size());
            text.clear();
        }
        if (!text.empty()) TRY(out->Write(AsBytes(text)));
        call.call.bytes += static_cast<int64_t>(text.size());
        return HttpResponse{};
    }

  private:
    static void AddRow(const engine::Chunk& chunk, size_t row, size_t columns, std::string& text) {
        for (size_t column = 0; column < columns; ++column) {
            if (column > 0) text += ',';
            if (!chunk.IsNull(row, column)) AppendCsvCell(text, chunk.Text(row, column));
        }
        text += "\r\n";
    }
    static std::string RowsSql(const HttpCall& call) {
        return fmt::format("SELECT * FROM {}.{}", QuoteIdentifier(Schema(call)), QuoteIdentifier(Name(call)));
    }
    static std::string PreviewSql(const HttpCall& call, int limit) {
        return fmt::format("{} LIMIT {}", RowsSql(call), limit);
    }
    static const std::string& Schema(const HttpCall& call) { return call.parameters.at("schema"); }
    static const std::string& Name(const HttpCall& call) { return call.parameters.at("name"); }
    Catalog& catalog_;
    engine::Engine& engine_;
};

}  // namespace

std::vector<Route> CatalogRoutes(Catalog& catalog, engine::Engine& engine) {
    CatalogOperations operations(catalog, engine);
    using Answer = Result<HttpResponse> (CatalogOperations::*)(HttpCall&) const;
    auto bind = [operations](Answer answer) {
        return [operations, answer](HttpCall& call) { return (operations.*answer)(call); };
    };
    // The list needs only a login: it holds what its reader may see.
    return {
        {{.protocol = "http", .name = "GET /api/v1/catalog", .action = security::kSelfAction, .resource = "platform"},
         "*",
         bind(&CatalogOperations::List)},
        {{.protocol = "http",
          .name = "GET /api/v1/catalog/{schema}/{name}",
          .action = security::kSelfAction,
          .resource = "schema.table"},
         "{schema}.{name}",
         bind(&CatalogOperations::Describe)},
        {{.protocol = "http",
          .name = "GET /api/v1/catalog/{schema}/{name}/versions",
          .action = security::kSelfAction,
          .resource = "schema.table"},
         "{schema}.{name}",
         bind(&CatalogOperations::Versions)},
        {{.protocol = "http",
          .name = "GET /api/v1/catalog/{schema}/{name}/versions/{version}/inputs",
          .action = security::kSelfAction,
          .resource = "schema.table"},
         "{schema}.{name}",
         bind(&CatalogOperations::Inputs)},
        {{.protocol = "http",
          .name = "GET /api/v1/catalog/{schema}/{name}/lineage",
          .action = security::kSelfAction,
          .resource = "schema.table"},
         "{schema}.{name}",
         bind(&CatalogOperations::Lineage)},
        {{.protocol = "http",
          .name = "GET /api/v1/catalog/{schema}/{name}/preview",
          .action = "table:Read",
          .resource = "schema.table"},
         "{schema}.{name}",
         bind(&CatalogOperations::Preview),
         CatalogOperations::OpenPreview},
        {{.protocol = "http",
          .name = "GET /api/v1/catalog/{schema}/{name}/rows",
          .action = "table:Read",
          .resource = "schema.table",
          .limits = {.concurrent_max = 8}},
         "{schema}.{name}",
         bind(&CatalogOperations::Rows),
         CatalogOperations::OpenRows},
    };
}

}  // namespace tarn::catalog
