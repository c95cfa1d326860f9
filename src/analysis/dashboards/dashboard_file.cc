#include "analysis/dashboards/dashboard_file.h"

#include "base/text.h"

namespace tarn::dashboards {
namespace {

struct FilterFile {
    std::string column;
};
void Bind(ConfigBinder& binder, FilterFile& filter) {
    binder.Key("column", filter.column, "<use_case>.<table>.<column>: tiles that read the table are filtered by it.",
               ConfigBinder::Need::kRequired);
    if (binder.describing()) return;
    if (Split(filter.column, '.').size() != 3) binder.Report("column", "write <use_case>.<table>.<column>");
}

struct TileFile {
    std::string number;
    std::string line;
    std::string bar;
    std::string table;
    std::string title;
    std::string description;
    int at_line = 0;
};
void Bind(ConfigBinder& binder, TileFile& tile) {
    binder.Key("number", tile.number, "SELECT of one value, shown large.");
    binder.Key("line", tile.line, "SELECT of an x column and one or more y columns, drawn as lines.");
    binder.Key("bar", tile.bar, "SELECT of a name and a value, drawn as bars.");
    binder.Key("table", tile.table, "SELECT whose rows are shown as they are.");
    binder.Key("title", tile.title, "What the tile says.");
    binder.Key("description", tile.description, "More about it.");
    for (const char* later : {"map", "pivot", "heatmap", "funnel", "text"}) {
        binder.NotYet(later, "this kind of tile comes with a later version of Tarn");
    }
    if (binder.describing()) return;
    int kinds = !tile.number.empty() + !tile.line.empty() + !tile.bar.empty() + !tile.table.empty();
    if (kinds != 1) binder.Report("", "a tile has one of number, line, bar, table");
    tile.at_line = binder.LineOf("");
}

struct DashboardFile {
    std::string title;
    std::string description;
    std::string owner;
    std::vector<std::string> tags;
    std::map<std::string, FilterFile> filters;
    std::vector<TileFile> tiles;
};
void Bind(ConfigBinder& binder, DashboardFile& file) {
    binder.Key("title", file.title, "What the dashboard is called.", ConfigBinder::Need::kRequired);
    binder.Key("description", file.description, "What it shows.");
    binder.Key("owner", file.owner, "Who answers for it.");
    binder.Key("tags", file.tags, "Tags.");
    binder.Map("filters", file.filters, "Filters by name.");
    binder.List("tiles", file.tiles, "The tiles, in order.");
}

Tile TileOf(const TileFile& file) {
    Tile tile;
    tile.title = file.title;
    tile.description = file.description;
    tile.line = file.at_line;
    const std::pair<const char*, const std::string*> kinds[] = {
        {"number", &file.number}, {"line", &file.line}, {"bar", &file.bar}, {"table", &file.table}};
    for (const auto& [kind, sql] : kinds) {
        if (!sql->empty()) tile.kind = kind, tile.sql = *sql;
    }
    return tile;
}

}  // namespace

std::vector<ConfigKeyDoc> DashboardKeys() { return DescribeConfig<DashboardFile>(); }

void ParseDashboardFile(engine::Engine& engine, workspace::Definition& definition, workspace::Issues& issues) {
    DashboardFile file;
    auto found = ReadConfig(definition.text, definition.file, 1, [&](ConfigBinder& binder) { Bind(binder, file); });
    issues.insert(issues.end(), found.begin(), found.end());
    definition.description = file.description;
    definition.owner = file.owner;
    definition.tags = file.tags;
    DashboardDefinition dashboard;
    size_t dot = definition.name.find('.');
    dashboard.use_case = definition.name.substr(0, dot);
    dashboard.name = definition.name.substr(dot + 1);
    dashboard.title = file.title;
    dashboard.description = file.description;
    dashboard.file = definition.file;
    for (const auto& [name, filter] : file.filters) {
        size_t last = filter.column.rfind('.');
        if (last == std::string::npos) continue;
        dashboard.filters.push_back({name, filter.column.substr(0, last), filter.column.substr(last + 1)});
    }
    for (const TileFile& tile_file : file.tiles) {
        Tile tile = TileOf(tile_file);
        auto analysis = engine.Analyze(tile.sql);
        if (analysis.ok()) {
            tile.reads = std::move(analysis->tables);
        } else if (!tile.sql.empty()) {
            issues.push_back(
                {definition.file, tile.line, 0, "tile \"" + tile.title + "\": " + analysis.error().message()});
        }
        dashboard.tiles.push_back(std::move(tile));
    }
    definition.value = std::move(dashboard);
}

}  // namespace tarn::dashboards
