#include "analysis/dashboards/result_cache.h"

#include "analysis/dashboards/tile_filter.h"
#include "base/json.h"
#include "base/text.h"
#include "workspace/sql_text.h"

namespace tarn::dashboards {
namespace {

constexpr size_t kCacheBytesMax = 64 << 20;
constexpr size_t kCachedAnswerBytesMax = 4 << 20;
constexpr size_t kEntryBytes = 256;  // of the lists and maps, about

size_t SizeOf(const std::string& key, const TileAnswer& answer) {
    return 2 * key.size() + answer.json.size() + kEntryBytes;
}

}  // namespace

ResultCache::ResultCache(security::Gate& gate, Metrics& metrics)
    : gate_(gate),
      hits_(metrics.GetCounter("tarn_dashboard_answers_total", "Answers of tiles", {{"from", "cache"}})),
      misses_(metrics.GetCounter("tarn_dashboard_answers_total", "Answers of tiles", {{"from", "engine"}})) {}

std::string ResultCache::KeyOf(const security::Principal& principal, const std::string& statement,
                               const std::vector<engine::TableRead>& reads) const {
    Json parts = Json::array({statement});
    for (const engine::TableRead& read : reads) {
        std::string name = read.schema + "." + read.name;
        bool versioned = !read.version.empty() && read.schema != "system" && read.schema != "pg_catalog" &&
                         read.schema != "information_schema";
        if (!versioned) return "";
        security::Decision decision = gate_.Decide(principal, "table:Read", {"table", name});
        if (!decision.allowed) return "";
        Json masks = Json::array();
        for (const security::ColumnMask& mask : decision.obligations.masks) {
            masks.push_back({mask.column, mask.expression});
        }
        parts.push_back({name, read.version, decision.obligations.row_filter, std::move(masks)});
    }
    return HashOf(DumpJson(parts));
}

std::shared_ptr<const TileAnswer> ResultCache::Find(const std::string& key) {
    std::lock_guard lock(mutex_);
    auto found = key.empty() ? by_key_.end() : by_key_.find(key);
    if (found == by_key_.end()) {
        misses_.Add();
        return nullptr;
    }
    hits_.Add();
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->answer;
}

void ResultCache::Keep(const std::string& key, std::shared_ptr<const TileAnswer> answer) {
    size_t size = SizeOf(key, *answer);
    if (key.empty() || size > kCachedAnswerBytesMax) return;
    std::lock_guard lock(mutex_);
    if (by_key_.contains(key)) return;
    entries_.push_front({key, std::move(answer)});
    by_key_[key] = entries_.begin();
    bytes_ += size;
    while (bytes_ > kCacheBytesMax) {
        const Entry& last = entries_.back();
        bytes_ -= SizeOf(last.key, *last.answer);
        by_key_.erase(last.key);
        entries_.pop_back();
    }
}

bool IsRepeatable(const std::string& sql, const std::set<std::string>& volatile_functions) {
    for (const workspace::SqlToken& token : workspace::SqlTokens(sql)) {
        if (token.kind == workspace::SqlToken::Kind::kText || token.kind == workspace::SqlToken::Kind::kSymbol)
            continue;
        std::string word = ToLower(sql.substr(token.begin, token.end - token.begin));
        if (word.starts_with('"')) word = word.substr(1, word.size() - 2);
        // Words of their own in SQL, and USING SAMPLE.
        bool own = word.starts_with("current_") || word.starts_with("local") || word == "sample" ||
                   word == "tablesample" || word == "session_user" || word == "user";
        if (own || volatile_functions.contains(word)) return false;
    }
    return true;
}

Result<std::set<std::string>> VolatileFunctions(engine::Engine& engine) {
    auto session = TRY(engine.OpenSession({.principal = security::Principal::System("dashboards"), .trusted = true}));
    auto stream = TRY(session->Query(
        "SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE stability <> 'CONSISTENT' OR "
        "macro_definition ILIKE '%now()%' OR macro_definition ILIKE '%current%'"));
    std::set<std::string> names;
    while (const engine::Chunk* chunk = TRY(stream->Next())) {
        for (size_t row = 0; row < chunk->rows(); ++row) names.insert(chunk->Text(row, 0));
    }
    return names;
}

}  // namespace tarn::dashboards
