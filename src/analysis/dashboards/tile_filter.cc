#include "analysis/dashboards/tile_filter.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "workspace/sql_text.h"

namespace tarn::dashboards {
namespace {

using workspace::SqlToken;

// Words that may follow a table's name and are no alias of it.
const std::set<std::string>& FollowingWords() {
    static const std::set<std::string> kWords = {
        "anti",   "asof",        "cross",     "except",     "fetch",   "for",   "full",    "group",
        "having", "inner",       "intersect", "join",       "left",    "limit", "natural", "offset",
        "on",     "order",       "pivot",     "positional", "qualify", "right", "sample",  "semi",
        "select", "tablesample", "union",     "unpivot",    "using",   "where", "window",  "at"};
    return kWords;
}

class Rewriting {
  public:
    Rewriting(std::string sql, const std::string& table, std::string condition)
        : sql_(std::move(sql)), tokens_(workspace::SqlTokens(sql_)), condition_(std::move(condition)) {
        name_ = table.substr(table.find('.') + 1);
        schema_ = table.substr(0, table.find('.'));
    }
    // The name of the table that begins at this byte becomes a subquery.
    void ReplaceAt(size_t begin) {
        size_t first = TokenAt(begin);
        if (first == tokens_.size()) return;
        size_t end = AfterName(first);
        end = AfterAt(end);
        std::string rows = fmt::format("(SELECT * FROM {} WHERE {})", Text(first, end), condition_);
        // Without an alias of its own it keeps the table's name, which the rest of the text may use.
        if (!HasAlias(end)) {
            rows += " AS " + QuoteIdentifier(name_);
            lost_name_ = true;
        }
        changes_.push_back({tokens_[first].begin, tokens_[end - 1].end, rows});
        replaced_.insert(first);
    }
    std::string Finish() {
        if (lost_name_) ShortenColumns();
        // From the last to the first, so that earlier places stay right.
        std::sort(changes_.begin(), changes_.end(),
                  [](const auto& left, const auto& right) { return left.begin > right.begin; });
        for (const Change& change : changes_) sql_.replace(change.begin, change.end - change.begin, change.text);
        return sql_;
    }

  private:
    struct Change {
        size_t begin;
        size_t end;
        std::string text;
    };
    size_t TokenAt(size_t byte) const {
        auto found =
            std::find_if(tokens_.begin(), tokens_.end(), [&](const auto& token) { return token.begin == byte; });
        return static_cast<size_t>(found - tokens_.begin());
    }
    std::string Text(size_t first, size_t end) const {
        return sql_.substr(tokens_[first].begin, tokens_[end - 1].end - tokens_[first].begin);
    }
    bool Is(size_t token, std::string_view symbol) const {
        return token < tokens_.size() && Text(token, token + 1) == symbol;
    }
    bool IsName(size_t token) const {
        return token < tokens_.size() &&
               (tokens_[token].kind == SqlToken::Kind::kWord || tokens_[token].kind == SqlToken::Kind::kQuotedName);
    }
    // A name as it is meant, for comparison without case.
    std::string NameOf(size_t token) const {
        std::string text = Text(token, token + 1);
        if (tokens_[token].kind != SqlToken::Kind::kQuotedName) return ToLower(text);
        std::string name;
        for (size_t at = 1; at + 1 < text.size(); ++at) {
            if (text[at] == '"') ++at;
            name += text[at];
        }
        return ToLower(name);
    }
    size_t AfterName(size_t first) const {
        size_t end = first + 1;
        while (Is(end, ".") && IsName(end + 1)) end += 2;
        return end;
    }
    // AT (VERSION => 3) belongs to the table.
    size_t AfterAt(size_t at) const {
        bool clause = IsName(at) && NameOf(at) == "at" && Is(at + 1, "(");
        if (!clause) return at;
        int depth = 0;
        for (size_t end = at + 1; end < tokens_.size(); ++end) {
            depth += Is(end, "(") ? 1 : Is(end, ")") ? -1 : 0;
            if (depth == 0) return end + 1;
        }
        return at;
    }
    bool HasAlias(size_t at) const {
        if (at >= tokens_.size() || !IsName(at)) return false;
        return tokens_[at].kind == SqlToken::Kind::kQuotedName || !FollowingWords().contains(NameOf(at));
    }
    // schema.table.column names nothing any more where the table became a subquery: table.column does.
    void ShortenColumns() {
        for (size_t at = 0; at + 4 < tokens_.size(); ++at) {
            bool named = IsName(at) && Is(at + 1, ".") && IsName(at + 2) && Is(at + 3, ".") && !replaced_.contains(at);
            bool begins = at == 0 || !Is(at - 1, ".");
            if (!named || !begins || NameOf(at) != ToLower(schema_) || NameOf(at + 2) != ToLower(name_)) continue;
            changes_.push_back({tokens_[at].begin, tokens_[at + 2].begin, ""});
        }
    }

    std::string sql_;
    std::vector<SqlToken> tokens_;
    std::string condition_;
    std::string schema_;
    std::string name_;
    std::vector<Change> changes_;
    std::set<size_t> replaced_;  // tokens at which a table's name begins
    bool lost_name_ = false;
};

}  // namespace

bool IsTable(const engine::TableRead& read, const std::string& table) {
    return EqualsIgnoreCase(read.schema + "." + read.name, table);
}

Result<std::string> FilteredSql(engine::Engine& engine, const std::string& sql, const std::string& table,
                                const std::string& condition) {
    engine::QueryAnalysis analysis = TRY(engine.Analyze(sql));
    Rewriting rewriting(sql, table, condition);
    for (size_t index = 0; index < analysis.tables.size(); ++index) {
        if (!IsTable(analysis.tables[index], table)) continue;
        rewriting.ReplaceAt(workspace::ByteOfCharacter(sql, analysis.table_positions[index]));
    }
    return rewriting.Finish();
}

}  // namespace tarn::dashboards
