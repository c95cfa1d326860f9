#include "analysis/dashboards/tile_query.h"

#include <algorithm>

#include "analysis/dashboards/select_shape.h"
#include "base/text.h"
#include "workspace/sql_text.h"

namespace tarn::dashboards {
namespace {

constexpr size_t kMarkValuesMax = 32;

// Where a call says something else than what was chosen.
bool IsOwn(const std::string& name) { return name == "time_zone" || name == "mark" || name == "limit"; }

std::optional<std::string> ValueOf(const std::string& text) {
    if (text == "\\N") return std::nullopt;
    return text.starts_with('\\') ? text.substr(1) : text;
}

bool Reads(const Tile& tile, const std::string& table) {
    return std::any_of(tile.reads.begin(), tile.reads.end(),
                       [&](const engine::TableRead& read) { return IsTable(read, table); });
}

// "schema.table.column", where the column may hold dots.
std::optional<FilterColumn> ColumnOf(const std::string& name) {
    size_t first = name.find('.');
    size_t second = first == std::string::npos ? first : name.find('.', first + 1);
    if (second == std::string::npos) return std::nullopt;
    return FilterColumn{name.substr(0, second), name.substr(second + 1)};
}

const char* TypeOf(const std::string& kind) {
    return kind == "number" ? "DOUBLE" : kind == "date" ? "DATE" : "VARCHAR";
}

// What holds for a filter: what was chosen, else its default.
Choice ChoiceOf(const Filter& filter, const Chosen& chosen) {
    auto found = chosen.filters.find(filter.name);
    if (found != chosen.filters.end()) return found->second;
    return filter.value_default.empty() ? Choice{} : Choice{filter.value_default};
}

class Building {
  public:
    Building(engine::Engine& engine, const DashboardDefinition& dashboard, const Tile& tile, const Chosen& chosen,
             const Today& today)
        : engine_(engine), dashboard_(dashboard), tile_(tile), chosen_(chosen), today_(today) {
        query_.time_zone = !dashboard.time_zone.empty() ? dashboard.time_zone
                           : !chosen.time_zone.empty()  ? chosen.time_zone
                                                        : "UTC";
    }
    Bindings& bindings() { return query_.bindings; }

    // The text with its parameters bound and its tables filtered.
    Result<TileQuery> Finish(std::string sql) {
        std::map<std::string, std::string> places;
        for (const Filter& filter : dashboard_.filters) TRY(Apply(filter, places));
        query_.sql = WithPlaces(sql, places);
        for (const auto& [name, choice] : chosen_.columns) {
            auto column = ColumnOf(name);
            if (!column || choice.empty()) continue;
            bool fits = Reads(tile_, column->table);
            if (fits) {
                Filter clicked{
                    .name = name, .kind = "choice", .label = "", .columns = {}, .values = {}, .value_default = ""};
                conditions_[column->table].push_back(
                    TRY(ConditionOf(clicked, column->column, choice, Date(), query_.bindings)));
            }
            (fits ? query_.applied : query_.ignored).push_back(name);
        }
        for (const auto& [table, conditions] : conditions_) {
            query_.sql = TRY(FilteredSql(engine_, query_.sql, table, Join(conditions, " AND ")));
        }
        return std::move(query_);
    }

  private:
    Status Apply(const Filter& filter, std::map<std::string, std::string>& places) {
        Choice choice = ChoiceOf(filter, chosen_);
        if (filter.columns.empty()) return BindParameter(filter, choice, places);
        if (choice.empty()) return Ok();
        bool fits = false;
        for (const FilterColumn& column : filter.columns) {
            if (!Reads(tile_, column.table)) continue;
            fits = true;
            Date today = filter.kind == "dates" ? TRY(today_()) : Date();
            conditions_[column.table].push_back(
                TRY(ConditionOf(filter, column.column, choice, today, query_.bindings)));
        }
        (fits ? query_.applied : query_.ignored).push_back(filter.name);
        return Ok();
    }
    Status BindParameter(const Filter& filter, const Choice& choice, std::map<std::string, std::string>& places) {
        bool used = std::find(tile_.parameters.begin(), tile_.parameters.end(), filter.name) != tile_.parameters.end();
        if (!used) return Ok();
        std::optional<std::string> value = choice.empty() ? std::nullopt : choice[0];
        if (value) TRY_CONTEXT(CheckValue(filter.kind, *value), "filter " + filter.name);
        bool offered = !value || filter.values.empty() ||
                       std::find(filter.values.begin(), filter.values.end(), *value) != filter.values.end();
        if (!offered) {
            return Error(ErrorCode::kInvalidArgument, "filter {}: \"{}\" is none of {}", filter.name, *value,
                         Join(filter.values, ", "));
        }
        places[filter.name] = query_.bindings.Add(value, TypeOf(filter.kind));
        if (value) query_.applied.push_back(filter.name);
        return Ok();
    }

    engine::Engine& engine_;
    const DashboardDefinition& dashboard_;
    const Tile& tile_;
    const Chosen& chosen_;
    const Today& today_;
    TileQuery query_;
    std::map<std::string, std::vector<std::string>> conditions_;  // by table
};

}  // namespace

Result<Chosen> ChosenBy(const HttpRequest& request, const DashboardDefinition& dashboard) {
    Chosen chosen;
    for (const auto& [name, value] : request.query) {
        if (name == "time_zone") chosen.time_zone = value;
        if (IsOwn(name)) continue;
        bool known = std::any_of(dashboard.filters.begin(), dashboard.filters.end(),
                                 [&](const Filter& filter) { return filter.name == name; });
        if (!known && !ColumnOf(name)) {
            return Error(ErrorCode::kInvalidArgument, "{}.{} has no filter {}", dashboard.use_case, dashboard.name,
                         name)
                .WithHint("a filter by its name, or use_case.table.column");
        }
        Choice& choice = known ? chosen.filters[name] : chosen.columns[name];
        if (!value.empty()) choice.push_back(ValueOf(value));
    }
    return chosen;
}

Result<TileQuery> QueryOf(engine::Engine& engine, const DashboardDefinition& dashboard, const Tile& tile,
                          const Chosen& chosen, const Today& today) {
    return Building(engine, dashboard, tile, chosen, today).Finish(workspace::BareSelect(tile.sql));
}

Result<std::vector<MarkValue>> ParseMark(const std::string& text) {
    std::vector<MarkValue> mark;
    if (text.empty()) return mark;
    Json values = TRY_CONTEXT(ParseJson(text), "mark");
    bool good = values.is_array() && values.size() <= kMarkValuesMax;
    for (const Json& pair : good ? values : Json::array()) {
        good = good && pair.is_array() && pair.size() == 2 && pair[0].is_number_unsigned() &&
               (pair[1].is_string() || pair[1].is_null());
        if (!good) break;
        mark.push_back(
            {pair[0].get<size_t>(), pair[1].is_null() ? std::nullopt : std::optional(pair[1].get<std::string>())});
    }
    if (!good) return Error(ErrorCode::kInvalidArgument, "mark is written [[0, \"value\"], [1, null]]");
    return mark;
}

Result<TileQuery> RowsBehind(engine::Engine& engine, const DashboardDefinition& dashboard, const Tile& tile,
                             const Chosen& chosen, const std::vector<MarkValue>& mark, const Today& today) {
    SelectShape shape = ShapeOf(tile.sql);
    if (!shape.known) {
        return Error(ErrorCode::kNotSupported,
                     "the rows behind can be shown of one SELECT ... FROM ...; this tile's "
                     "SQL is built otherwise")
            .WithHint("open it in SQL and take it apart there");
    }
    Building building(engine, dashboard, tile, chosen, today);
    std::vector<std::string> conditions;
    if (!shape.where.empty()) conditions.push_back("(" + shape.where + ")");
    for (const MarkValue& value : mark) {
        bool grouped =
            std::find(shape.dimensions.begin(), shape.dimensions.end(), value.column) != shape.dimensions.end();
        if (!grouped) {
            return Error(ErrorCode::kInvalidArgument, "column {} of the tile groups no rows", value.column);
        }
        conditions.push_back(fmt::format("({}) IS NOT DISTINCT FROM {}", shape.items[value.column].text,
                                         building.bindings().Add(value.value)));
    }
    std::string where = conditions.empty() ? "" : " WHERE " + Join(conditions, " AND ");
    return building.Finish(shape.before + "SELECT * " + shape.from + where);
}

}  // namespace tarn::dashboards
