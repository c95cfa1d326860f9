#include "analysis/dashboards/definition_json.h"

#include <algorithm>

#include "analysis/dashboards/tile_filter.h"

namespace tarn::dashboards {
namespace {

bool Concerns(const Filter& filter, const Tile& tile) {
    if (filter.columns.empty()) {
        return std::find(tile.parameters.begin(), tile.parameters.end(), filter.name) != tile.parameters.end();
    }
    for (const FilterColumn& column : filter.columns) {
        bool reads = std::any_of(tile.reads.begin(), tile.reads.end(),
                                 [&](const engine::TableRead& read) { return IsTable(read, column.table); });
        if (reads) return true;
    }
    return false;
}

Json FilterJson(const Filter& filter) {
    Json columns = Json::array();
    for (const FilterColumn& column : filter.columns) columns.push_back(column.table + "." + column.column);
    Json json = {{"name", filter.name},
                 {"kind", filter.kind},
                 {"label", filter.label.empty() ? filter.name : filter.label},
                 {"columns", std::move(columns)},
                 {"values", filter.values},
                 {"default", filter.value_default}};
    if (filter.columns.empty()) return json;
    json["table"] = filter.columns[0].table;
    json["column"] = filter.columns[0].column;
    return json;
}

}  // namespace

Json TileJson(const DashboardDefinition& dashboard, size_t index) {
    const Tile& tile = dashboard.tiles[index];
    Json reads = Json::array();
    for (const engine::TableRead& read : tile.reads) reads.push_back(read.schema + "." + read.name);
    Json filters = Json::array();
    for (const Filter& filter : dashboard.filters) {
        if (Concerns(filter, tile)) filters.push_back(filter.name);
    }
    return {{"index", index},
            {"kind", tile.kind},
            {"title", tile.title},
            {"sql", tile.sql},
            {"line", tile.line},
            {"description", tile.description},
            {"look", tile.look},
            {"reads", std::move(reads)},
            {"dimensions", tile.dimensions},
            {"filters", std::move(filters)}};
}

Json DashboardJson(const DashboardDefinition& dashboard) {
    Json filters = Json::array();
    for (const Filter& filter : dashboard.filters) filters.push_back(FilterJson(filter));
    Json tiles = Json::array();
    for (size_t index = 0; index < dashboard.tiles.size(); ++index) tiles.push_back(TileJson(dashboard, index));
    Json reports = Json::array();
    for (const Report& report : dashboard.reports) reports.push_back(report.name);
    return {{"use_case", dashboard.use_case},
            {"name", dashboard.name},
            {"title", dashboard.title},
            {"description", dashboard.description},
            {"time_zone", dashboard.time_zone},
            {"refresh_seconds", std::chrono::duration_cast<std::chrono::seconds>(dashboard.refresh).count()},
            {"owned_by", dashboard.OwnedBy()},
            {"file", dashboard.file},
            {"text", dashboard.text},
            {"hash", dashboard.hash},
            {"filters", std::move(filters)},
            {"tiles", std::move(tiles)},
            {"reports", std::move(reports)}};
}

Json SummaryJson(const DashboardDefinition& dashboard) {
    return {{"use_case", dashboard.use_case},       {"name", dashboard.name},          {"title", dashboard.title},
            {"description", dashboard.description}, {"owned_by", dashboard.OwnedBy()}, {"file", dashboard.file},
            {"tiles", dashboard.tiles.size()}};
}

Json IssuesJson(const workspace::Issues& issues) {
    Json json = Json::array();
    for (const ConfigIssue& issue : issues) {
        json.push_back({{"line", issue.line}, {"column", issue.column}, {"message", issue.message}});
    }
    return json;
}

}  // namespace tarn::dashboards
