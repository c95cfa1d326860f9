#include "analysis/reports/making.h"

#include <algorithm>
#include <map>

#include "analysis/reports/drawing.h"
#include "base/csv.h"
#include "base/text.h"

namespace tarn::reports {
namespace {

constexpr int64_t kCsvRowsMax = 100'000;
constexpr size_t kFileNameBytesMax = 60;
constexpr size_t kFilesBytesMax = 24 << 20;

std::string ZoneOf(const dashboards::Asking& asking) {
    if (!asking.dashboard.time_zone.empty()) return asking.dashboard.time_zone;
    for (const auto& [name, value] : asking.chosen) {
        if (name == "time_zone" && !value.empty()) return value;
    }
    return "UTC";
}

// Now, as the clock on the wall there says it.
Result<std::string> NowIn(engine::Engine& engine, const dashboards::Asking& asking) {
    std::string zone = ZoneOf(asking);
    auto session = TRY(engine.OpenSession({.principal = asking.principal, .time_zone = zone}));
    auto stream = TRY(session->Query("SELECT strftime(CAST(now() AS TIMESTAMP), '%Y-%m-%d %H:%M')"));
    const engine::Chunk* chunk = TRY(stream->Next());
    TARN_CHECK(chunk != nullptr && chunk->rows() == 1);
    return chunk->Text(0, 0) + " " + zone;
}

// What a JavaScript number can't hold stays as text, so that no digit is lost.
void KeepDigits(Json& rows) {
    constexpr int64_t kSafe = int64_t{1} << 53;
    for (Json& row : rows) {
        for (Json& cell : row) {
            bool large = cell.is_number_unsigned() ? cell.get<uint64_t>() > uint64_t{1} << 53
                                                   : cell.is_number_integer() && std::abs(cell.get<int64_t>()) > kSafe;
            if (large) cell = DumpJson(cell);
        }
    }
}

struct Answers {
    Json tiles = Json::array();  // {"index", "data"} or {"index", "error"}
    std::vector<std::string> failed;
    std::map<std::string, std::string> versions;
    int64_t rows = 0;
};

std::string TitleOf(const dashboards::DashboardDefinition& dashboard, size_t tile) {
    const std::string& title = dashboard.tiles[tile].title;
    return title.empty() ? fmt::format("tile {}", tile + 1) : title;
}

Result<Answers> AskTiles(const ReportsDependencies& dependencies, const dashboards::Asking& asking,
                         security::Call& call) {
    Answers answers;
    for (size_t index = 0; index < asking.dashboard.tiles.size(); ++index) {
        if (asking.dashboard.tiles[index].sql.empty()) continue;
        if (asking.cancel.cancelled()) return Error(ErrorCode::kCancelled, "the report was cancelled");
        auto answer = dependencies.dashboards.Ask(asking, index, call);
        if (!answer.ok()) {
            if (answer.error().code() == ErrorCode::kCancelled) return answer.error();
            answers.failed.push_back(TitleOf(asking.dashboard, index) + ": " + answer.error().message());
            answers.tiles.push_back({{"index", index}, {"error", answer.error().message()}});
            continue;
        }
        for (const Json& read : (*answer)["reads"]) {
            answers.versions[read.value("schema", "") + "." + read.value("name", "")] = read.value("version", "");
        }
        answers.rows += static_cast<int64_t>((*answer)["rows"].size());
        KeepDigits((*answer)["rows"]);
        answers.tiles.push_back({{"index", index}, {"data", std::move(*answer)}});
    }
    return answers;
}

Json ShapesOf(const ReportsDependencies& dependencies, const dashboards::DashboardDefinition& dashboard) {
    Json shapes = Json::object();
    for (const dashboards::Tile& tile : dashboard.tiles) {
        std::string name = tile.look.value("shapes", "");
        if (name.empty() || shapes.contains(name)) continue;
        auto shape = ParseJson(dependencies.dashboards.ShapesOf(dashboard.use_case, name));
        if (shape.ok()) shapes[name] = std::move(*shape);
    }
    return shapes;
}

std::vector<ReportFile> CsvFiles(const dashboards::DashboardDefinition& dashboard, const Json& tiles) {
    std::vector<ReportFile> files;
    for (const Json& tile : tiles) {
        if (!tile.contains("data")) continue;
        size_t index = tile["index"].get<size_t>();
        std::string name = fmt::format("{}-{}.csv", index + 1, FileName(TitleOf(dashboard, index)));
        files.push_back({name, "text/csv; charset=utf-8", CsvOf(tile["data"])});
    }
    return files;
}

// A cell as text, as the web UI's download writes it.
std::string CellText(const Json& cell) { return cell.is_string() ? cell.get<std::string>() : DumpJson(cell); }

bool IsNumber(const std::string& type) {
    for (const char* name : {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
                             "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL"}) {
        if (type.starts_with(name) && !type.ends_with("]")) return true;
    }
    return false;
}

}  // namespace

std::string FileName(const std::string& title) {
    std::string name;
    for (char letter : ToLower(title)) {
        bool plain = (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9');
        if (plain) name += letter;
        if (!plain && !name.empty() && name.back() != '_') name += '_';
        if (name.size() >= kFileNameBytesMax) break;
    }
    while (!name.empty() && name.back() == '_') name.pop_back();
    return name.empty() ? "tile" : name;
}

std::string CsvOf(const Json& answer) {
    std::string text;
    const Json& columns = answer["columns"];
    std::vector<bool> guarded;
    for (const Json& column : columns) {
        if (!guarded.empty()) text += ',';
        AppendCsvCell(text, column.value("name", ""), true);
        guarded.push_back(!IsNumber(column.value("type", "")));
    }
    text += "\r\n";
    for (const Json& row : answer["rows"]) {
        for (size_t column = 0; column < row.size(); ++column) {
            if (column > 0) text += ',';
            if (!row[column].is_null()) AppendCsvCell(text, CellText(row[column]), guarded[column]);
        }
        text += "\r\n";
    }
    return text;
}

Result<MadeReport> Make(const ReportsDependencies& dependencies, const Wanted& wanted, security::Call& call) {
    dashboards::Asking asking = wanted.asking;
    const dashboards::DashboardDefinition& dashboard = asking.dashboard;
    std::string name = dashboard.use_case + "." + dashboard.name;
    bool csv = wanted.format == "csv";
    if (csv) asking.rows_max = kCsvRowsMax;
    MadeReport made;
    made.chosen = TRY(dependencies.dashboards.ChosenBy(asking));
    made.made_at = TRY(NowIn(dependencies.engine, asking));
    Answers answers = TRY(AskTiles(dependencies, asking, call));
    made.rows = answers.rows;
    made.failed = std::move(answers.failed);
    for (const auto& [table, version] : answers.versions) {
        made.data.push_back({{"name", table}, {"version", version}});
    }
    call.rows = made.rows;
    call.details["tables"] = made.data;
    if (!made.failed.empty()) call.details["failed"] = made.failed;
    if (csv) {
        made.files = CsvFiles(dashboard, answers.tiles);
    } else {
        Json report = {{"format", wanted.format},
                       {"dashboard", dashboards::DashboardJson(dashboard)},
                       {"tiles", std::move(answers.tiles)},
                       {"shapes", ShapesOf(dependencies, dashboard)},
                       {"chosen", made.chosen},
                       {"made_at", made.made_at},
                       {"person", asking.principal.name},
                       {"data", made.data}};
        std::string bytes = TRY(Draw(dependencies.draw, report, asking.cancel));
        made.files = {
            {name + "." + wanted.format, wanted.format == "png" ? "image/png" : "application/pdf", std::move(bytes)}};
    }
    size_t bytes = 0;
    for (const ReportFile& file : made.files) bytes += file.bytes.size();
    call.bytes = static_cast<int64_t>(bytes);
    if (bytes <= kFilesBytesMax) return made;
    return Error(ErrorCode::kResourceExhausted, "the report has more than {} MiB", kFilesBytesMax >> 20)
        .WithHint("aggregate in the tiles' SQL, or split the dashboard");
}

}  // namespace tarn::reports
