#include "analysis/dashboards/owned_store.h"

#include "analysis/dashboards/tile_filter.h"

namespace tarn::dashboards {
namespace {

constexpr int64_t kOwnedMax = 10'000;

Error Changed(const std::string& use_case, const std::string& name) {
    return Error(ErrorCode::kConflict, "{}.{} was changed by somebody else meanwhile", use_case, name)
        .WithHint("load it again and repeat the change, or save it under another name");
}

// The text that is stored; nullopt for none.
Result<std::optional<std::string>> Stored(metadata::Transaction& transaction, const std::string& use_case,
                                          const std::string& name) {
    auto rows =
        TRY(transaction.Query("SELECT text FROM dashboards_owned WHERE use_case = $1 AND name = $2", {use_case, name}));
    if (rows.empty()) return std::optional<std::string>();
    return std::optional<std::string>(rows[0][0].text());
}

}  // namespace

Status OwnedStore::Migrate() {
    return database_.Migrate(
        "dashboards", {{1,
                        "CREATE TABLE dashboards_owned (use_case TEXT NOT NULL, name TEXT NOT NULL, text TEXT NOT "
                        "NULL, changed_by TEXT NOT NULL, changed_at INTEGER NOT NULL, PRIMARY KEY (use_case, name))"}});
}

Result<std::vector<OwnedText>> OwnedStore::All() {
    std::vector<OwnedText> all;
    auto rows = TRY(database_.Query("SELECT use_case, name, text FROM dashboards_owned ORDER BY use_case, name"));
    for (const metadata::Row& row : rows) all.push_back({row[0].text(), row[1].text(), row[2].text()});
    return all;
}

Status OwnedStore::Put(const OwnedText& dashboard, const std::string& expected, const std::string& principal,
                       int64_t micros) {
    return database_.Write([&](metadata::Transaction& transaction) -> Status {
        auto stored = TRY(Stored(transaction, dashboard.use_case, dashboard.name));
        if (expected.empty() && stored) {
            return Error(ErrorCode::kAlreadyExists, "there is a dashboard {}.{}", dashboard.use_case, dashboard.name)
                .WithHint("choose another name, or send If-Match with the hash of the one to replace");
        }
        if (!expected.empty() && !stored) {
            return Error(ErrorCode::kNotFound, "{}.{} was deleted meanwhile", dashboard.use_case, dashboard.name);
        }
        if (stored && HashOf(*stored) != expected) return Changed(dashboard.use_case, dashboard.name);
        int64_t count = TRY(transaction.Query("SELECT count(*) FROM dashboards_owned"))[0][0].integer();
        if (!stored && count >= kOwnedMax) {
            return Error(ErrorCode::kResourceExhausted, "at most {} dashboards can be made in the browser", kOwnedMax);
        }
        TRY(
            transaction.Execute("INSERT INTO dashboards_owned (use_case, name, text, changed_by, changed_at) VALUES "
                                "($1, $2, $3, $4, $5) ON CONFLICT (use_case, name) DO UPDATE SET text = $3, "
                                "changed_by = $4, changed_at = $5",
                                {dashboard.use_case, dashboard.name, dashboard.text, principal, micros}));
        return Ok();
    });
}

Status OwnedStore::Remove(const std::string& use_case, const std::string& name, const std::string& expected) {
    return database_.Write([&](metadata::Transaction& transaction) -> Status {
        auto stored = TRY(Stored(transaction, use_case, name));
        if (!stored) return Error(ErrorCode::kNotFound, "there is no dashboard {}.{}", use_case, name);
        if (!expected.empty() && HashOf(*stored) != expected) return Changed(use_case, name);
        TRY(transaction.Execute("DELETE FROM dashboards_owned WHERE use_case = $1 AND name = $2", {use_case, name}));
        return Ok();
    });
}

}  // namespace tarn::dashboards
