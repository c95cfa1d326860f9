#include "storage/lakehouse/schema_plan.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/text.h"

namespace tarn::lakehouse {
namespace {

struct ResultField {
    DeltaField field;
    std::string engine_type;
};

using ResultFields = std::map<std::string, ResultField>;  // by lower-case name

Result<ResultField> ToField(const engine::ResultColumn& column) {
    TRY(CheckColumnName(column.name));
    ResultField result;
    result.field.name = column.name;
    result.field.type = TRY_CONTEXT(FromEngineType(column.type), fmt::format("column \"{}\"", column.name));
    TRY(CheckNestedNames(column.name, result.field.type));
    result.engine_type = column.type;
    return result;
}

std::string Cast(const std::string& column, const std::string& from, const std::string& to) {
    std::string quoted = QuoteIdentifier(column);
    return from == to ? quoted : fmt::format("CAST({} AS {})", quoted, to);
}

Status AddDocs(std::vector<DeltaField>& schema, const std::vector<engine::Column>& docs, bool& changed) {
    for (const engine::Column& doc : docs) {
        for (DeltaField& field : schema) {
            if (!EqualsIgnoreCase(field.name, doc.name) || doc.description.empty()) continue;
            if (field.Comment() == doc.description) continue;
            field.metadata["comment"] = doc.description;
            changed = true;
        }
    }
    return Ok();
}

Error TypesDiffer(const std::string& name, const DeltaType& stored, const std::string& given) {
    auto spelled = ToEngineType(stored);
    std::string stored_type = spelled.ok() ? *spelled : stored.primitive;
    return Error(ErrorCode::kInvalidArgument, "column \"{}\" is {} in the table, the result has {}", name, stored_type,
                 given)
        .WithHint(fmt::format("write CAST({} AS {}) AS {}", name, stored_type, name));
}

class Planner {
  public:
    Planner(ResultFields results, const std::vector<engine::ResultColumn>& order)
        : results_(std::move(results)), order_(order) {}

    // The table takes the result's schema.
    Result<SchemaPlan> Replace(const std::vector<DeltaField>* existing) {
        for (const engine::ResultColumn& column : order_) {
            const ResultField& result = results_.at(ToLower(column.name));
            TRY(AppendColumn(result.field, &result, nullptr));
        }
        if (existing) KeepDocs(*existing);
        plan_.changed = !existing || SchemaToJson(*existing) != SchemaToJson(plan_.schema);
        return std::move(plan_);
    }

    // The table keeps its columns, gets new ones and wider types.
    Result<SchemaPlan> Extend(const std::vector<DeltaField>& existing) {
        for (const DeltaField& field : existing) {
            auto found = results_.find(ToLower(field.name));
            if (found == results_.end()) {
                if (!field.nullable) {
                    return Error(ErrorCode::kInvalidArgument, "the result lacks column \"{}\", which must not be null",
                                 field.name);
                }
                TRY(AppendColumn(field, nullptr, &field));
                continue;
            }
            auto common = CommonType(field.type, found->second.field.type);
            if (!common) return TypesDiffer(field.name, field.type, found->second.engine_type);
            DeltaField merged = field;
            if (!(*common == field.type)) {
                plan_.rewrites = plan_.changed = true;
                plan_.changes.push_back(fmt::format("widened {} from {} to {}", field.name,
                                                    TRY(ToEngineType(field.type)), TRY(ToEngineType(*common))));
                merged.type = std::move(*common);
            }
            TRY(AppendColumn(merged, &found->second, &field));
            results_.erase(found);
        }
        for (const engine::ResultColumn& column : order_) {
            auto found = results_.find(ToLower(column.name));
            if (found == results_.end()) continue;
            TRY(AppendColumn(found->second.field, &found->second, nullptr));
            plan_.changed = true;
            plan_.changes.push_back(
                fmt::format("added {} {}", column.name, TRY(ToEngineType(found->second.field.type))));
        }
        return std::move(plan_);
    }

  private:
    // `result` is null where the result has no such column, `stored` where the table had none.
    Status AppendColumn(const DeltaField& field, const ResultField* result, const DeltaField* stored) {
        std::string type = TRY_CONTEXT(ToEngineType(field.type), fmt::format("column \"{}\"", field.name));
        std::string nothing = fmt::format("CAST(NULL AS {})", type);
        std::string name = " AS " + QuoteIdentifier(field.name);
        plan_.result_select.push_back((result ? Cast(result->field.name, result->engine_type, type) : nothing) + name);
        std::string from = stored ? TRY(ToEngineType(stored->type)) : "";
        plan_.table_select.push_back((stored ? Cast(stored->name, from, type) : nothing) + name);
        plan_.schema.push_back(field);
        return Ok();
    }

    // A column that stays keeps what is said of it.
    void KeepDocs(const std::vector<DeltaField>& existing) {
        for (DeltaField& field : plan_.schema) {
            for (const DeltaField& old : existing) {
                if (old.name == field.name && !old.Comment().empty()) field.metadata["comment"] = old.Comment();
            }
        }
    }

    ResultFields results_;
    const std::vector<engine::ResultColumn>& order_;
    SchemaPlan plan_;
};

}  // namespace

std::string SchemaPlan::SelectResult(const std::string& from) const {
    return "SELECT " + Join(result_select, ", ") + " FROM " + from;
}

std::string SchemaPlan::SelectTable(const std::string& from) const {
    return "SELECT " + Join(table_select, ", ") + " FROM " + from;
}

Result<SchemaPlan> PlanSchema(WriteMode mode, const std::vector<DeltaField>* existing,
                              const std::vector<engine::ResultColumn>& result,
                              const std::vector<engine::Column>& docs) {
    ResultFields results;
    for (const engine::ResultColumn& column : result) {
        ResultField field = TRY(ToField(column));
        if (!results.emplace(ToLower(column.name), std::move(field)).second) {
            return Error(ErrorCode::kInvalidArgument, "the result has two columns named \"{}\"", column.name)
                .WithHint("rename one with AS");
        }
    }
    if (results.empty()) return Error(ErrorCode::kInvalidArgument, "the result has no columns");
    Planner planner(std::move(results), result);
    bool extends = existing && mode != WriteMode::kOverwrite;
    SchemaPlan plan = TRY(extends ? planner.Extend(*existing) : planner.Replace(existing));
    TRY(AddDocs(plan.schema, docs, plan.described));
    return plan;
}

}  // namespace tarn::lakehouse
