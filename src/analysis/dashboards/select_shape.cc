#include "analysis/dashboards/select_shape.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/number.h"
#include "base/text.h"
#include "workspace/sql_text.h"

namespace tarn::dashboards {
namespace {

using workspace::SqlToken;

const std::set<std::string>& Aggregates() {
    static const std::set<std::string> kNames = {"any_value",
                                                 "approx_count_distinct",
                                                 "approx_quantile",
                                                 "arg_max",
                                                 "arg_min",
                                                 "avg",
                                                 "bool_and",
                                                 "bool_or",
                                                 "corr",
                                                 "count",
                                                 "count_if",
                                                 "covar_pop",
                                                 "covar_samp",
                                                 "first",
                                                 "histogram",
                                                 "last",
                                                 "list",
                                                 "mad",
                                                 "max",
                                                 "mean",
                                                 "median",
                                                 "min",
                                                 "mode",
                                                 "percentile_cont",
                                                 "percentile_disc",
                                                 "product",
                                                 "quantile",
                                                 "quantile_cont",
                                                 "quantile_disc",
                                                 "regr_slope",
                                                 "stddev",
                                                 "stddev_pop",
                                                 "stddev_samp",
                                                 "string_agg",
                                                 "sum",
                                                 "var_pop",
                                                 "var_samp",
                                                 "variance"};
    return kNames;
}

// The clauses of a SELECT in the order in which they may stand.
constexpr const char* kClauses[] = {"select",  "from",  "where", "group",  "having", "window",
                                    "qualify", "order", "limit", "offset", "using"};
constexpr const char* kSetOperations[] = {"union", "except", "intersect"};

class Reader {
  public:
    explicit Reader(const std::string& sql) : sql_(sql), tokens_(workspace::SqlTokens(sql)) {}

    SelectShape Read() {
        SelectShape shape;
        if (!FindClauses()) return shape;
        shape.known = true;
        shape.before = sql_.substr(0, tokens_[clauses_["select"]].begin);
        shape.from = TextOf("from");
        if (clauses_.contains("where")) shape.where = Between(clauses_["where"] + 1, EndOf("where"));
        size_t begin = clauses_["select"] + 1;
        if (Word(begin) == "distinct") ++begin;
        for (auto [first, end] : Parts(begin, EndOf("select"))) shape.items.push_back(ItemOf(first, end));
        if (clauses_.contains("group")) FindDimensions(shape);
        return shape;
    }

  private:
    std::string Word(size_t at) const {
        if (at >= tokens_.size() || tokens_[at].kind != SqlToken::Kind::kWord) return "";
        return ToLower(sql_.substr(tokens_[at].begin, tokens_[at].end - tokens_[at].begin));
    }
    char Symbol(size_t at) const {
        bool is_symbol = at < tokens_.size() && tokens_[at].kind == SqlToken::Kind::kSymbol;
        return is_symbol ? sql_[tokens_[at].begin] : '\0';
    }
    // From the token `first` to before `end`, as written.
    std::string Between(size_t first, size_t end) const {
        if (first >= end || first >= tokens_.size()) return "";
        return sql_.substr(tokens_[first].begin, tokens_[end - 1].end - tokens_[first].begin);
    }
    int Depth(size_t at) const {
        char symbol = Symbol(at);
        return symbol == '(' || symbol == '[' || symbol == '{'   ? 1
               : symbol == ')' || symbol == ']' || symbol == '}' ? -1
                                                                 : 0;
    }
    // Where the words of the outermost SELECT stand. False where there is not exactly one.
    bool FindClauses() {
        int depth = 0;
        size_t next = 0;
        for (size_t at = 0; at < tokens_.size(); ++at) {
            depth += Depth(at);
            if (depth != 0) continue;
            std::string word = Word(at);
            if (std::find(std::begin(kSetOperations), std::end(kSetOperations), word) != std::end(kSetOperations)) {
                return false;
            }
            // USING is also a word of joins: only "USING SAMPLE" is a clause.
            if (word.empty() || (word == "using" && Word(at + 1) != "sample")) continue;
            // WITHIN GROUP (...) is part of a column.
            if ((word == "group" || word == "order") && Word(at + 1) != "by") continue;
            for (size_t clause = next; clause < std::size(kClauses); ++clause) {
                bool follows = clauses_.contains("select") || clause == 0;
                if (word != kClauses[clause] || !follows || clauses_.contains(word)) continue;
                if (word == "from" && IsOperand(at)) break;
                clauses_[word] = at;
                next = clause + 1;
                break;
            }
        }
        return clauses_.contains("select") && clauses_.contains("from");
    }
    // IS DISTINCT FROM, without parentheses.
    bool IsOperand(size_t at) const { return at > 0 && Word(at - 1) == "distinct"; }
    size_t EndOf(const std::string& clause) const {
        size_t end = tokens_.size();
        size_t begin = clauses_.at(clause);
        for (const auto& [word, at] : clauses_) {
            if (at > begin) end = std::min(end, at);
        }
        while (end > begin && Symbol(end - 1) == ';') --end;
        return end;
    }
    std::string TextOf(const std::string& clause) const { return Between(clauses_.at(clause), EndOf(clause)); }
    // Split at the commas of the outermost level.
    std::vector<std::pair<size_t, size_t>> Parts(size_t begin, size_t end) const {
        std::vector<std::pair<size_t, size_t>> parts;
        int depth = 0;
        size_t first = begin;
        for (size_t at = begin; at < end; ++at) {
            depth += Depth(at);
            if (depth != 0 || Symbol(at) != ',') continue;
            parts.emplace_back(first, at);
            first = at + 1;
        }
        if (first < end) parts.emplace_back(first, end);
        return parts;
    }
    bool IsName(size_t at) const {
        return at < tokens_.size() &&
               (tokens_[at].kind == SqlToken::Kind::kWord || tokens_[at].kind == SqlToken::Kind::kQuotedName);
    }
    std::string NameAt(size_t at) const {
        std::string text = Between(at, at + 1);
        if (tokens_[at].kind != SqlToken::Kind::kQuotedName) return text;
        std::string name;
        for (size_t i = 1; i + 1 < text.size(); ++i) {
            if (text[i] == '"') ++i;
            name += text[i];
        }
        return name;
    }
    SelectShape::Item ItemOf(size_t first, size_t end) {
        std::string alias;
        // `x AS a`, or `x a`: two names, or a closing parenthesis and a name, beside each other.
        if (end - first >= 3 && Word(end - 2) == "as" && IsName(end - 1)) {
            alias = NameAt(end - 1);
            end -= 2;
        } else if (end - first >= 2 && IsName(end - 1) && Word(end - 1) != "end" &&
                   (IsName(end - 2) || Symbol(end - 2) == ')')) {
            alias = NameAt(end - 1);
            end -= 1;
        }
        SelectShape::Item item{.text = Between(first, end), .column = ""};
        bool plain = (end - first) % 2 == 1;
        for (size_t at = first; at < end && plain; ++at) plain = (at - first) % 2 == 0 ? IsName(at) : Symbol(at) == '.';
        if (plain) item.column = NameAt(end - 1);
        names_.push_back(ToLower(alias.empty() ? item.column : alias));
        bool aggregates = false;
        for (size_t at = first; at + 1 < end; ++at) {
            aggregates = aggregates || (Symbol(at + 1) == '(' && Aggregates().contains(Word(at)));
        }
        aggregates_.push_back(aggregates);
        return item;
    }
    void FindDimensions(SelectShape& shape) {
        size_t begin = clauses_["group"] + 2;
        bool all = Word(begin) == "all";
        std::set<size_t> found;
        for (size_t index = 0; index < shape.items.size() && all; ++index) {
            if (!aggregates_[index]) found.insert(index);
        }
        for (auto [first, end] : all ? decltype(Parts(0, 0)){} : Parts(begin, EndOf("group"))) {
            std::string text = ToLower(Between(first, end));
            auto place = ParseInteger(text);
            for (size_t index = 0; index < shape.items.size(); ++index) {
                bool named = text == names_[index] || text == ToLower(shape.items[index].text);
                if (named || place == static_cast<int64_t>(index + 1)) found.insert(index);
            }
        }
        shape.dimensions.assign(found.begin(), found.end());
    }

    const std::string& sql_;
    std::vector<SqlToken> tokens_;
    std::map<std::string, size_t> clauses_;
    std::vector<std::string> names_;  // of the items, in lower case
    std::vector<bool> aggregates_;
};

}  // namespace

SelectShape ShapeOf(const std::string& sql) { return Reader(sql).Read(); }

}  // namespace tarn::dashboards
