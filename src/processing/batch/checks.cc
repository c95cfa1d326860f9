#include "processing/batch/checks.h"

#include "base/text.h"

namespace tarn::batch {
namespace {

constexpr int kExamplesMax = 3;

Result<std::vector<std::vector<std::string>>> Rows(engine::Session& session, const std::string& sql) {
    auto stream = TRY(session.Query(sql));
    std::vector<std::vector<std::string>> rows;
    while (const engine::Chunk* chunk = TRY(stream->Next())) {
        for (size_t row = 0; row < chunk->rows(); ++row) {
            std::vector<std::string> cells;
            for (size_t column = 0; column < stream->columns().size(); ++column) {
                cells.push_back(chunk->IsNull(row, column) ? "NULL" : chunk->Text(row, column));
            }
            rows.push_back(std::move(cells));
        }
    }
    return rows;
}

std::string QuotedList(const std::vector<std::string>& columns, std::string_view separator,
                       std::string_view suffix = "") {
    std::vector<std::string> parts;
    for (const std::string& column : columns) parts.push_back(QuoteIdentifier(column) + std::string(suffix));
    return Join(parts, separator);
}

std::string Examples(const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::string> examples;
    for (const auto& row : rows) examples.push_back("(" + Join(row, ", ") + ")");
    return examples.empty() ? "" : ", as " + Join(examples, ", ");
}

std::string NameOf(const Check& check) {
    if (check.kind == "rows" || check.kind == "expression") return fmt::format("{}: {}", check.kind, check.condition);
    return fmt::format("{}: [{}]", check.kind, Join(check.columns, ", "));
}

// Empty: it holds. Otherwise what is wrong.
Result<std::string> Violation(engine::Session& session, const Check& check, const std::string& relation) {
    if (check.kind == "rows") {
        std::string sql = fmt::format("SELECT count(*), count(*) {} FROM {}", check.condition, relation);
        auto rows = TRY(Rows(session, sql));
        return rows[0][1] == "t" ? "" : fmt::format("there are {} rows", rows[0][0]);
    }
    if (check.kind == "unique") {
        std::string columns = QuotedList(check.columns, ", ");
        auto rows = TRY(Rows(session, fmt::format("SELECT {0} FROM {1} GROUP BY {0} HAVING count(*) > 1 LIMIT {2}",
                                                  columns, relation, kExamplesMax)));
        return rows.empty() ? "" : "rows repeat" + Examples(rows);
    }
    std::string broken = check.kind == "not_null" ? QuotedList(check.columns, " OR ", " IS NULL")
                                                  : fmt::format("NOT coalesce(({}), false)", check.condition);
    auto count = TRY(Rows(session, fmt::format("SELECT count(*) FROM {} WHERE {}", relation, broken)));
    return count[0][0] == "0" ? "" : fmt::format("{} rows break it", count[0][0]);
}

}  // namespace

Status RunChecks(engine::Session& session, const TableDefinition& table, const std::string& rows,
                 std::vector<std::string>& warnings) {
    std::vector<std::string> failed;
    for (const Check& check : table.checks) {
        std::string violation = TRY_CONTEXT(Violation(session, check, rows), "check " + NameOf(check));
        if (violation.empty()) continue;
        std::string text =
            fmt::format("check {} of {}.{} does not hold: {}", NameOf(check), table.schema, table.name, violation);
        (check.severity == "warn" ? warnings : failed).push_back(std::move(text));
    }
    if (failed.empty()) return Ok();
    return Error(ErrorCode::kFailedPrecondition, "{}", Join(failed, "; "))
        .WithHint("nothing was published, the version before stays");
}

}  // namespace tarn::batch
