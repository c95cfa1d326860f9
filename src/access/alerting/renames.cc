// A file of alerts under a new name: its rules keep what is known of them: what fires, the history, the silences.
#include "access/alerting/service.h"

namespace tarn::alerting {
namespace {

// The rule `file.name` under the file's new name; nothing if it is of another file. A silence's may be a pattern.
std::optional<std::string> NewRule(const workspace::Rename& rename, const std::string& rule) {
    if (rename.kind != "alert" || !rule.starts_with(rename.from + ".")) return std::nullopt;
    return rename.to + rule.substr(rename.from.size());
}

Result<std::vector<std::string>> RulesIn(metadata::Transaction& transaction, const char* table) {
    std::vector<std::string> rules;
    for (const metadata::Row& row : TRY(transaction.Query(fmt::format("SELECT DISTINCT rule FROM {}", table)))) {
        rules.push_back(row[0].text());
    }
    return rules;
}

// An instance is known by its rule's name and its labels.
Status MoveFingerprints(metadata::Transaction& transaction, const std::string& from, const std::string& to) {
    for (const char* table : {"alert_instances", "alert_events"}) {
        auto rows = TRY(transaction.Query(
            fmt::format("SELECT DISTINCT fingerprint, labels FROM {} WHERE rule = $1", table), {from}));
        for (const metadata::Row& row : rows) {
            TRY(transaction.Execute(
                fmt::format("UPDATE {} SET rule = $3, fingerprint = $4 WHERE rule = $1 AND fingerprint = $2", table),
                {from, row[0].text(), to, FingerprintOf(to, LabelsOf(row[1].text()))}));
        }
    }
    return Ok();
}

}  // namespace

Status Store::MoveNames(const workspace::Renames& renames, metadata::Transaction& transaction) {
    for (const workspace::Rename& rename : renames) {
        std::set<std::string> rules;
        for (const char* table : {"alert_instances", "alert_events", "alert_messages", "alert_silences"}) {
            for (std::string& rule : TRY(RulesIn(transaction, table))) rules.insert(std::move(rule));
        }
        for (const std::string& rule : rules) {
            std::optional<std::string> to = NewRule(rename, rule);
            if (!to) continue;
            TRY(transaction.Execute("DELETE FROM alert_instances WHERE rule = $1", {*to}));
            TRY(MoveFingerprints(transaction, rule, *to));
            for (const char* table : {"alert_messages", "alert_silences"}) {
                TRY(transaction.Execute(fmt::format("UPDATE {} SET rule = $2 WHERE rule = $1", table), {rule, *to}));
            }
        }
    }
    return Ok();
}

void Service::NamesMoved(const workspace::Renames& renames) {
    std::lock_guard lock(mutex_);
    auto move = [](const std::string& rule, Instances& instances) {
        Instances moved;
        for (auto& [old, instance] : instances) {
            instance.fingerprint = FingerprintOf(rule, instance.labels);
            moved[instance.fingerprint] = std::move(instance);
        }
        instances = std::move(moved);
    };
    for (const workspace::Rename& rename : renames) {
        std::map<std::string, Watched> rules;
        for (auto& [name, watched] : rules_) {
            std::optional<std::string> to = NewRule(rename, name);
            if (to) move(*to, watched.instances);
            // A look under way is of the old name: what it finds is nobody's, and the next one begins at once.
            if (to) watched.looking = false, watched.due = Duration(0), watched.rule.name = *to;
            rules[to.value_or(name)] = std::move(watched);
        }
        rules_ = std::move(rules);
        std::map<std::string, Instances> stored;
        for (auto& [name, instances] : stored_) {
            std::optional<std::string> to = NewRule(rename, name);
            if (to) move(*to, instances);
            stored[to.value_or(name)] = std::move(instances);
        }
        stored_ = std::move(stored);
        for (Silence& silence : silences_) {
            if (std::optional<std::string> to = NewRule(rename, silence.rule)) silence.rule = *to;
        }
    }
}

workspace::RenameFollower Service::FollowRenames() {
    // A scope guard: no look is taken note of until the names have moved.
    return {.hold = [this](const workspace::Renames&) -> Result<std::shared_ptr<void>> {
                return std::shared_ptr<void>(std::make_shared<std::unique_lock<std::mutex>>(step_mutex_));
            },
            .move = [](const workspace::Renames& renames,
                       metadata::Transaction& transaction) { return Store::MoveNames(renames, transaction); },
            .moved =
                [this](const workspace::Renames& renames) {
                    NamesMoved(renames);
                    return Ok();
                }};
}

}  // namespace tarn::alerting
