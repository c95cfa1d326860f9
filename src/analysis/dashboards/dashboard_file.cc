#include "analysis/dashboards/dashboard_file.h"

#include <algorithm>
#include <array>

#include "analysis/dashboards/report_keys.h"
#include "analysis/dashboards/select_shape.h"
#include "analysis/dashboards/tile_filter.h"
#include "base/text.h"

namespace tarn::dashboards {
namespace {

constexpr size_t kTilesMax = 200;
constexpr size_t kFiltersMax = 50;
constexpr size_t kTextBytesMax = 64 << 10;
constexpr int kColumnsOfGrid = 12;
constexpr int kTileRowsOfGridMax = 30;
constexpr Duration kRefreshMin = std::chrono::seconds(5);
// What the page's own address says besides filters.
constexpr std::array<std::string_view, 7> kReservedNames = {"edit", "full", "mark", "q", "tile", "time_zone", "view"};

bool IsName(std::string_view name) {
    bool letters = std::all_of(name.begin(), name.end(), [](char letter) {
        return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') || letter == '_';
    });
    return letters && !name.empty() && name.size() <= 63 && (name[0] < '0' || name[0] > '9');
}

struct FilterFile {
    std::vector<std::string> column;
    std::string kind;
    std::string label;
    std::string value_default;
    std::vector<std::string> values;
};
void Bind(ConfigBinder& binder, FilterFile& filter) {
    binder.Key("column", filter.column,
               "<use_case>.<table>.<column>, or several: tiles that read the table are filtered by it. None: the "
               "filter is a parameter, $name in the tiles' SQL.");
    binder.Choice("kind", filter.kind, {"choice", "range", "dates", "search", "number", "date", "text"},
                  "Of a column: choice (the default), range, dates, search; else choice, number, date, text.");
    binder.Key("label", filter.label, "What the filter is called on the page.");
    binder.Key("default", filter.value_default,
               "What holds when nobody chose: a value, a range like 5..10, dates like last 7 days.");
    binder.Key("values", filter.values, "What a choice offers, instead of the values that the column has.");
    if (binder.describing()) return;
    for (const std::string& column : filter.column) {
        if (Split(column, '.').size() != 3) binder.Report("column", "write <use_case>.<table>.<column>");
    }
    bool is_parameter = filter.column.empty();
    if (filter.kind.empty()) filter.kind = is_parameter && filter.values.empty() ? "text" : "choice";
    bool of_column = filter.kind == "range" || filter.kind == "dates" || filter.kind == "search";
    bool of_parameter = filter.kind == "number" || filter.kind == "date" || filter.kind == "text";
    if (is_parameter ? of_column : of_parameter) {
        binder.Report("kind", is_parameter ? "a filter without a column is one of choice, number, date, text"
                                           : "a filter of a column is one of choice, range, dates, search");
    }
    if (is_parameter && filter.kind == "choice" && filter.values.empty()) {
        binder.Report("", "a choice without a column needs its values");
    }
    bool checked = filter.kind == "range" || filter.kind == "dates" || filter.kind == "number" || filter.kind == "date";
    if (filter.value_default.empty() || !checked) return;
    auto checks = CheckValue(filter.kind, filter.value_default);
    if (!checks.ok()) binder.Report("default", std::string(checks.error().message()));
}

struct TileFile {
    std::string kind;
    std::string sql;
    std::string text;
    std::string title;
    std::string description;
    std::string stack = "none";
    std::string direction = "auto";
    std::string nulls = "gap";
    std::string shapes;
    std::string shape_key = "name";
    Json format;
    int width = 0;
    int height = 0;
    int at_line = 0;
    int kinds = 0;
};

void BindKinds(ConfigBinder& binder, TileFile& tile) {
    std::array<std::string, 10> sql;
    binder.Key("number", sql[0], "SELECT of one value, shown large; a second one is what it is compared with.");
    binder.Key("line", sql[1], "SELECT of an x column and one or more y columns, drawn as lines.");
    binder.Key("area", sql[2], "As line, with the area below filled.");
    binder.Key("bar", sql[3], "SELECT of a name and one or more values, drawn as bars from zero.");
    binder.Key("scatter", sql[4], "SELECT of two numbers and, perhaps, a name of the group and a size: points.");
    binder.Key("table", sql[5], "SELECT whose rows are shown as they are.");
    binder.Key("pivot", sql[6], "SELECT of rows' names, a column whose values become columns, and a value.");
    binder.Key("heatmap", sql[7], "SELECT of x, y and a value, drawn as colour.");
    binder.Key("funnel", sql[8], "SELECT of a step and its count, in order.");
    binder.Key("map", sql[9],
               "SELECT with columns lon and lat (points), or of a country's code or a shape's name, and a value.");
    binder.Key("text", tile.text, "Markdown, instead of a SELECT.");
    constexpr const char* kNames[] = {"number", "line",  "area",    "bar",    "scatter",
                                      "table",  "pivot", "heatmap", "funnel", "map"};
    for (size_t index = 0; index < sql.size(); ++index) {
        if (sql[index].empty()) continue;
        tile.kind = kNames[index];
        tile.sql = sql[index];
        ++tile.kinds;
    }
    if (tile.text.empty()) return;
    tile.kind = "text";
    ++tile.kinds;
}

void CheckFormat(ConfigBinder& binder, const Json& format) {
    std::vector<Json> formats;
    if (format.is_object()) {
        for (const auto& [column, one] : format.items()) formats.push_back(one);
    } else if (!format.is_null()) {
        formats.push_back(format);
    }
    for (const Json& one : formats) {
        std::string wrong = one.is_string()
                                ? WrongFormat(one.get<std::string>())
                                : "a format is text like \"0,0.0\", or a mapping from columns to such texts";
        if (!wrong.empty()) binder.Report("format", wrong);
    }
}

void Bind(ConfigBinder& binder, TileFile& tile) {
    BindKinds(binder, tile);
    binder.Key("title", tile.title, "What the tile says.");
    binder.Key("description", tile.description, "More about it.");
    binder.Any("format", tile.format, "How numbers are written, as a text like \"0,0.0 %\", or by column.");
    binder.Choice("stack", tile.stack, {"none", "sum", "percent"}, "Bars and areas on top of each other.");
    binder.Choice("direction", tile.direction, {"auto", "up", "right"}, "Where bars grow to; auto asks the names.");
    binder.Choice("nulls", tile.nulls, {"gap", "zero"}, "What a line shows where there is no value.");
    binder.Key("shapes", tile.shapes, "Of a map: <name>.geojson of the use case, instead of the world's countries.");
    binder.Key("shape_key", tile.shape_key, "The property of a shape that the SELECT's first column names.");
    binder.Key("width", tile.width, "Of twelve columns; by default what its neighbours leave.");
    binder.Key("height", tile.height, "In rows of the grid; by default 2 for a number and 5 for the others.");
    if (binder.describing()) return;
    if (tile.kinds != 1) {
        binder.Report("",
                      "a tile has one of number, line, area, bar, scatter, table, pivot, heatmap, funnel, map, text");
    }
    if (tile.width < 0 || tile.width > kColumnsOfGrid) binder.Report("width", "a tile is 1 to 12 columns wide");
    if (tile.height < 0 || tile.height > kTileRowsOfGridMax) binder.Report("height", "a tile is 1 to 30 rows high");
    if (tile.text.size() > kTextBytesMax) binder.Report("text", "a text has at most 64 KiB");
    if (!tile.shapes.empty() && tile.kind != "map") binder.Report("shapes", "only a map has shapes");
    CheckFormat(binder, tile.format);
    tile.at_line = binder.LineOf("");
}

struct DashboardFile {
    std::string title;
    std::string description;
    std::string owner;
    std::string renamed_from;
    std::vector<std::string> tags;
    std::string time_zone;
    Duration refresh{0};
    std::map<std::string, FilterFile> filters;
    std::vector<TileFile> tiles;
    std::vector<ReportFile> reports;
};
void Bind(ConfigBinder& binder, DashboardFile& file) {
    binder.Key("title", file.title, "What the dashboard is called.", ConfigBinder::Need::kRequired);
    binder.Key("description", file.description, "What it shows.");
    binder.Key("owner", file.owner, "Who answers for it.");
    workspace::BindRenamedFrom(binder, file.renamed_from);
    binder.Key("tags", file.tags, "Tags.");
    binder.Key("time_zone", file.time_zone, "In which times are cut into days and shown; by default the viewer's.");
    binder.Key("refresh", file.refresh,
               "How often the tiles are asked again; new versions of their tables are shown at once anyway.");
    binder.Map("filters", file.filters, "Filters by name.");
    binder.List("tiles", file.tiles, "The tiles, in order.");
    binder.List("reports", file.reports, "The dashboard by mail, by a schedule.");
    if (binder.describing()) return;
    if (file.refresh != Duration(0) && file.refresh < kRefreshMin) binder.Report("refresh", "at least 5s");
    if (file.tiles.size() > kTilesMax) binder.Report("tiles", "a dashboard has at most 200 tiles");
    if (file.filters.size() > kFiltersMax) binder.Report("filters", "a dashboard has at most 50 filters");
    for (const auto& [name, filter] : file.filters) {
        bool taken = std::find(kReservedNames.begin(), kReservedNames.end(), name) != kReservedNames.end();
        if (taken) binder.Report("filters", "the name " + name + " is the page's own; call the filter otherwise");
        if (!IsName(name)) binder.Report("filters", "a filter's name is lower-case letters, digits and _: " + name);
    }
}

Json LookOf(const TileFile& file) {
    Json look = Json::object();
    if (!file.text.empty()) look["text"] = file.text;
    if (!file.format.is_null()) look["format"] = file.format;
    if (file.stack != "none") look["stack"] = file.stack;
    if (file.direction != "auto") look["direction"] = file.direction;
    if (file.nulls != "gap") look["nulls"] = file.nulls;
    if (!file.shapes.empty()) look["shapes"] = file.shapes;
    if (!file.shapes.empty()) look["shape_key"] = file.shape_key;
    if (file.width > 0) look["width"] = file.width;
    if (file.height > 0) look["height"] = file.height;
    return look;
}

// What its SQL reads and asks for; what is wrong with it, in words.
std::string AnalyzeTile(engine::Engine& engine, const DashboardDefinition& dashboard, Tile& tile) {
    if (tile.sql.empty()) return "";
    auto analysis = engine.Analyze(tile.sql);
    if (!analysis.ok()) return std::string(analysis.error().message());
    tile.reads = std::move(analysis->tables);
    tile.parameters = ParametersOf(tile.sql);
    for (const std::string& name : tile.parameters) {
        auto known = std::find_if(dashboard.filters.begin(), dashboard.filters.end(),
                                  [&](const Filter& filter) { return filter.name == name; });
        if (known == dashboard.filters.end()) return "there is no filter for $" + name + "; add one without a column";
        if (!known->columns.empty()) {
            return "$" + name + " is a filter of a column, which applies by itself; a parameter has no column";
        }
    }
    tile.dimensions = ShapeOf(tile.sql).dimensions;
    return "";
}

Filter FilterOf(const std::string& name, const FilterFile& file) {
    Filter filter{.name = name,
                  .kind = file.kind,
                  .label = file.label,
                  .columns = {},
                  .values = file.values,
                  .value_default = file.value_default};
    for (const std::string& column : file.column) {
        size_t last = column.rfind('.');
        if (last != std::string::npos) filter.columns.push_back({column.substr(0, last), column.substr(last + 1)});
    }
    return filter;
}

}  // namespace

std::vector<ConfigKeyDoc> DashboardKeys() { return DescribeConfig<DashboardFile>(); }

std::string WrongFormat(std::string_view format) {
    if (format == "bytes" || format == "duration" || format == "plain") return "";
    const std::string wrong = fmt::format(
        "\"{}\" is no format; write 0, 0,0 or 0,0.00 with a text before or after it (\"$0,0.00\", \"0.0 %\", \"0 "
        "min\", "
        "\"0.0a\" for 1.2M), or bytes, duration, plain",
        format);
    size_t at = format.find('0');
    bool prefix = at <= 12 && format.substr(0, at).find_first_of("123456789#") == std::string_view::npos;
    if (!prefix) return wrong;
    ++at;
    if (format.substr(at).starts_with(",0")) at += 2;
    if (format.substr(at).starts_with(".0")) {
        size_t end = std::min(format.find_first_not_of('0', at + 1), format.size());
        if (end - at > 7) return wrong;
        at = end;
    }
    std::string_view rest = format.substr(at);
    bool digits = rest.find_first_of("0123456789#") != std::string_view::npos;
    return digits || rest.size() > 24 ? wrong : "";
}

void ParseDashboardFile(engine::Engine& engine, workspace::Definition& definition, workspace::Issues& issues) {
    DashboardFile file;
    auto found = ReadConfig(definition.text, definition.file, 1, [&](ConfigBinder& binder) { Bind(binder, file); });
    issues.insert(issues.end(), found.begin(), found.end());
    definition.description = file.description;
    definition.owner = file.owner;
    workspace::AskForRename(definition, file.renamed_from);
    definition.tags = file.tags;
    DashboardDefinition dashboard;
    size_t dot = definition.name.find('.');
    dashboard.use_case = definition.name.substr(0, dot);
    dashboard.name = definition.name.substr(dot + 1);
    dashboard.title = file.title;
    dashboard.description = file.description;
    dashboard.time_zone = file.time_zone;
    dashboard.refresh = file.refresh;
    dashboard.file = definition.file;
    dashboard.text = definition.text;
    dashboard.hash = HashOf(definition.text);
    for (const auto& [name, filter] : file.filters) dashboard.filters.push_back(FilterOf(name, filter));
    for (const TileFile& tile_file : file.tiles) {
        Tile tile{.kind = tile_file.kind,
                  .sql = tile_file.sql,
                  .title = tile_file.title,
                  .description = tile_file.description,
                  .line = tile_file.at_line,
                  .look = LookOf(tile_file)};
        std::string wrong = AnalyzeTile(engine, dashboard, tile);
        if (!wrong.empty()) {
            issues.push_back({definition.file, tile.line, 0, "tile \"" + tile.title + "\": " + wrong});
        }
        dashboard.tiles.push_back(std::move(tile));
    }
    dashboard.reports = ReportsOf(file.reports, dashboard, issues);
    definition.value = std::move(dashboard);
}

void ParseShapes(workspace::Definition& definition, workspace::Issues& issues) {
    auto shapes = ParseJson(definition.text);
    bool good = shapes.ok() && shapes->is_object() && shapes->value("type", Json()) == "FeatureCollection" &&
                shapes->value("features", Json()).is_array();
    if (good) return;
    std::string wrong = shapes.ok() ? "is no GeoJSON FeatureCollection" : std::string(shapes.error().message());
    issues.push_back({definition.file, 1, 0, wrong});
}

}  // namespace tarn::dashboards
