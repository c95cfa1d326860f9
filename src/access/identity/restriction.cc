#include "access/identity/restriction.h"

#include <algorithm>
#include <mutex>
#include <set>

#include "base/text.h"
#include "workspace/sql_text.h"

namespace tarn::identity {
namespace {

constexpr size_t kTablesKnownMax = 10000;  // names that people ask for; then it is worked out anew

bool Contains(const std::vector<std::string>& list, std::string_view item) {
    return std::find(list.begin(), list.end(), item) != list.end();
}

void BindSubject(ConfigBinder& binder, RestrictedSubject& subject) {
    binder.Key("role", subject.role, "Whom it is about: a role; \"*\" is everybody. Or `user`.");
    binder.Key("user", subject.user, "Whom it is about: a user. Or `role`.");
    binder.Key("except", subject.except, "Who is spared: role:NAME, user:NAME or group:NAME.");
    if (binder.describing()) return;
    if (subject.role.empty() == subject.user.empty()) {
        binder.Report("role", "say whom it is about: either `role: NAME` (\"*\" is everybody) or `user: NAME`");
    }
    for (const std::string& one : subject.except) {
        std::string kind = one.substr(0, one.find(':'));
        bool is_known = kind == "role" || kind == "user" || kind == "group";
        if (is_known && one.size() > kind.size() + 1) continue;
        binder.Report("except", fmt::format("\"{}\" is nobody: write role:NAME, user:NAME or group:NAME", one));
    }
}

// "schema.table", "schema.*", "*.table", "*": what resources of tables look like.
bool IsTablePattern(std::string_view pattern) {
    return pattern == "*" || std::count(pattern.begin(), pattern.end(), '.') == 1;
}

void Join(std::string& text, std::string_view separator, std::string_view part) {
    if (!text.empty()) text += separator;
    text += part;
}

std::string Place(const std::string& file, int line) { return fmt::format("{}:{}", file, line); }

}  // namespace

void Bind(ConfigBinder& binder, RowFilterDefinition& filter) {
    filter.line = binder.LineOf("");
    BindSubject(binder, filter.subject);
    binder.Key("table", filter.table, "The table, as schema.table; * and ? are wildcards. Or `tag`.");
    binder.Key("tag", filter.tag, "Tables with this tag. Or `table`.");
    binder.Key("where", filter.where,
               "Rows for which this holds are seen, the others are not there. An expression over "
               "the table's columns; current_user is the person's name.",
               ConfigBinder::Need::kRequired);
    if (binder.describing()) return;
    if (filter.table.empty() == filter.tag.empty()) {
        binder.Report("table", "say what it is about: either `table: schema.table` or `tag: TAG`");
    }
    if (!filter.table.empty() && !IsTablePattern(filter.table)) {
        binder.Report("table", fmt::format("\"{}\" is not a table: write schema.table", filter.table));
    }
}

void Bind(ConfigBinder& binder, MaskDefinition& mask) {
    mask.line = binder.LineOf("");
    BindSubject(binder, mask.subject);
    binder.Key("column", mask.column,
               "The column, as schema.table.column; * and ? are wildcards in schema and table. "
               "Or `tag`.");
    binder.Key("tag", mask.tag,
               "Columns with this tag, declared or inherited from what they were computed from. Or "
               "`column`.");
    binder.Key("with", mask.with, "What is seen instead: an expression over the row; `value` is the column itself.",
               ConfigBinder::Need::kRequired);
    if (binder.describing()) return;
    if (mask.column.empty() == mask.tag.empty()) {
        binder.Report("column", "say what is masked: either `column: schema.table.column` or `tag: TAG`");
    }
    if (mask.column.empty()) return;
    size_t dot = mask.column.rfind('.');
    bool is_column = dot != std::string::npos && dot + 1 < mask.column.size() &&
                     IsTablePattern(std::string_view(mask.column).substr(0, dot)) &&
                     mask.column.find_first_of("*?", dot) == std::string::npos;
    if (is_column) return;
    binder.Report("column", fmt::format("\"{}\" is not a column: write schema.table.column; for many columns give them "
                                        "a tag and write `tag:`",
                                        mask.column));
}

std::string FillExpression(std::string_view expression, std::string_view column, std::string_view user) {
    std::string filled;
    size_t done = 0;
    char before = ' ';
    for (const workspace::SqlToken& token : workspace::SqlTokens(expression)) {
        std::string_view text = expression.substr(token.begin, token.end - token.begin);
        bool is_word = token.kind == workspace::SqlToken::Kind::kWord && before != '.';
        bool is_value = is_word && !column.empty() && EqualsIgnoreCase(text, "value");
        bool is_user = is_word && EqualsIgnoreCase(text, "current_user");
        before = text.empty() ? ' ' : text.back();
        if (!is_value && !is_user) continue;
        filled += expression.substr(done, token.begin - done);
        filled += is_value ? QuoteIdentifier(column) : QuoteLiteral(user);
        done = token.end;
    }
    filled += expression.substr(done);
    return filled;
}

Restrictions::Restrictions(RestrictedPerson person, const security::TableFacts* facts)
    : person_(std::move(person)), facts_(facts) {}

bool Restrictions::Holds(const RestrictedSubject& subject) const {
    bool is_meant = subject.user.empty() ? subject.role == "*" || Contains(person_.roles, subject.role)
                                         : subject.user == person_.user;
    if (!is_meant) return false;
    return std::none_of(subject.except.begin(), subject.except.end(), [&](const std::string& one) {
        size_t colon = one.find(':');
        std::string_view kind = std::string_view(one).substr(0, colon);
        std::string_view name = std::string_view(one).substr(colon + 1);
        if (kind == "user") return name == person_.user;
        return Contains(kind == "role" ? person_.roles : person_.groups, name);
    });
}

void Restrictions::Add(const std::string& file, const RowFilterDefinition& filter) {
    if (Holds(filter.subject)) filters_.push_back({Place(file, filter.line), filter});
}

void Restrictions::Add(const std::string& file, const MaskDefinition& mask) {
    if (Holds(mask.subject)) masks_.push_back({Place(file, mask.line), mask});
}

std::shared_ptr<const Restrictions::OfTable> Restrictions::Of(const std::string& table) const {
    // Read before the facts themselves: an answer may then be newer than it is kept for, never older.
    uint64_t epoch = facts_ ? facts_->facts_epoch() : 0;
    {
        std::shared_lock lock(mutex_);
        auto found = known_.find(table);
        if (known_at_ == epoch && found != known_.end()) return found->second;
    }
    auto worked_out = std::make_shared<const OfTable>(WorkOut(table));
    std::unique_lock lock(mutex_);
    if (known_at_ != epoch || known_.size() >= kTablesKnownMax) known_.clear();
    known_at_ = epoch;
    known_[table] = worked_out;
    return worked_out;
}

std::map<std::string, Restrictions::MaskedColumn> Restrictions::MaskedColumns(const std::string& table,
                                                                              const security::TableTags& tags) const {
    std::map<std::string, MaskedColumn> columns;
    for (const Mask& mask : masks_) {
        const MaskDefinition& definition = mask.definition;
        if (!definition.tag.empty()) {
            for (const auto& [column, of_column] : tags.columns) {
                if (Contains(of_column, definition.tag)) columns[column].tagged.push_back(&mask);
            }
            continue;
        }
        size_t dot = definition.column.rfind('.');
        std::string pattern = ToLower(definition.column.substr(0, dot));
        if (!MatchesWildcard(pattern, ToLower(table))) continue;
        columns[ToLower(definition.column.substr(dot + 1))].named.push_back(&mask);
    }
    return columns;
}

Restrictions::OfTable Restrictions::WorkOut(const std::string& table) const {
    OfTable result;
    security::TableTags tags;
    if (facts_) tags = facts_->TagsOf(table);
    for (const Filter& filter : filters_) {
        bool is_meant = filter.definition.tag.empty()
                            ? MatchesWildcard(ToLower(filter.definition.table), ToLower(table))
                            : Contains(tags.tags, filter.definition.tag);
        if (!is_meant) continue;
        std::string where = FillExpression(filter.definition.where, "", person_.user);
        Join(result.obligations.row_filter, " AND ", fmt::format("({})", where));
        Join(result.reason, ", ", filter.place);
    }
    for (const auto& [column, masks] : MaskedColumns(table, tags)) {
        const std::vector<const Mask*>& strongest = masks.named.empty() ? masks.tagged : masks.named;
        std::set<std::string> expressions;
        for (const Mask* mask : strongest) {
            expressions.insert(FillExpression(mask->definition.with, column, person_.user));
            Join(result.reason, ", ", mask->place);
        }
        std::string expression = expressions.size() == 1 ? *expressions.begin() : "NULL";
        result.obligations.masks.push_back({column, std::move(expression)});
    }
    return result;
}

}  // namespace tarn::identity
