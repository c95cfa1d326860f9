#include "workspace/rename_store.h"

namespace tarn::workspace {

Result<StoredRenames> LoadRenames(metadata::Database& database) {
    StoredRenames stored;
    for (const metadata::Row& row : TRY(database.Query("SELECT name, home FROM workspace_homes"))) {
        stored.homes[row[0].text()] = row[1].text();
    }
    auto rows = TRY(database.Query("SELECT kind, old_name, new_name FROM workspace_renames ORDER BY number"));
    for (const metadata::Row& row : rows) {
        stored.renamed[{row[0].text(), row[1].text()}] = row[2].text();
        stored.done.insert({{row[0].text(), row[2].text()}, row[1].text()});
    }
    return stored;
}

std::map<std::string, std::string> HomesAfter(const Homes& homes, const Renames& renames) {
    std::map<std::string, std::string> after = homes.Moved();
    std::map<std::string, std::string> moving;  // new name -> home
    for (const Rename& rename : renames) {
        std::string from = KeptName(rename.kind, rename.from);
        if (from.empty()) continue;
        moving[KeptName(rename.kind, rename.to)] = homes.HomeOf(from);
        after.erase(from);
    }
    for (const auto& [name, home] : moving) {
        after.erase(name);
        if (name != home) after[name] = home;
    }
    return after;
}

Status StoreRenames(metadata::Transaction& transaction, const Renames& renames,
                    const std::map<std::string, std::string>& homes, const std::string& by, const std::string& at) {
    TRY(transaction.Execute("DELETE FROM workspace_homes"));
    for (const auto& [name, home] : homes) {
        TRY(transaction.Execute("INSERT INTO workspace_homes (name, home) VALUES ($1, $2)", {name, home}));
    }
    auto last = TRY(transaction.Query("SELECT COALESCE(MAX(number), 0) FROM workspace_renames"));
    int64_t number = last[0][0].integer();
    for (const Rename& rename : renames) {
        // Under the new name there is something again.
        TRY(transaction.Execute("DELETE FROM workspace_renames WHERE kind = $1 AND old_name = $2",
                                {rename.kind, rename.to}));
        TRY(transaction.Execute(
            "INSERT INTO workspace_renames (number, kind, old_name, new_name, renamed_at, principal) "
            "VALUES ($1, $2, $3, $4, $5, $6)",
            {++number, rename.kind, rename.from, rename.to, at, by}));
    }
    return Ok();
}

}  // namespace tarn::workspace
