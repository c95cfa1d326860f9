// What a statement resolved and may therefore open.
#include "engine/adapter.h"

#include "base/text.h"
#include "engine/pg_catalog.h"
#include "security/hidden.h"

namespace tarn::engine {
namespace {

std::string ResolveKey(const std::string& schema, const std::string& name, const AtClause& at) {
    std::string key = ToLower(schema) + "\x01" + ToLower(name);
    if (at.version) key += fmt::format("\x01v{}", *at.version);
    if (at.timestamp) key += fmt::format("\x01t{}", ToMicros(*at.timestamp));
    return key;
}

}  // namespace

Relation WithoutCopy(Relation relation) {
    if (!relation.copy) return relation;
    relation.source = relation.copy->original;
    relation.copy = nullptr;
    return relation;
}

std::shared_ptr<const Relation> StatementContext::Resolve(const std::string& schema, const std::string& name,
                                                          const AtClause& at) {
    std::string key = ResolveKey(schema, name, at);
    {
        std::lock_guard lock(mutex);
        auto found = resolved.find(key);
        if (found != resolved.end()) return found->second;
    }
    std::shared_ptr<const Relation> relation;
    if (provided && !provided->empty()) {
        auto given = provided->find(ToLower(schema + "." + name));
        if (given != provided->end()) relation = given->second;
    }
    if (!relation && IsSystemSchema(schema)) {
        auto system = SystemRelation(deps.relations, principal, schema, name);
        if (!system) return nullptr;
        relation = std::make_shared<const Relation>(std::move(*system));
    }
    if (!relation) {
        AtClause wanted = at;
        auto pin = at.version || at.timestamp ? pinned.end() : pinned.find(schema + "." + name);
        if (pin != pinned.end()) wanted.version = pin->second;
        auto answer = deps.relations.Find(principal, schema, name, wanted);
        if (!answer) {
            if (answer.error().code() == ErrorCode::kNotFound || security::IsHidden(answer.error())) return nullptr;
            Throw(std::move(answer).error());
        }
        relation = std::make_shared<const Relation>(std::move(answer).value());
    }
    std::lock_guard lock(mutex);
    auto [place, first] = resolved.emplace(key, relation);
    if (!first) return place->second;
    AllowFiles(*relation);
    return relation;
}

void StatementContext::AllowFiles(const Relation& relation) {
    if (const auto* scan = std::get_if<FileScan>(&relation.source)) {
        for (const ScanFile& file : scan->files) {
            readable.insert(file.path);
            if (relation.copy) copies.insert(file.path);
        }
    } else if (const auto* view = std::get_if<TrustedView>(&relation.source)) {
        readable.insert(view->files.begin(), view->files.end());
    }
}

void StatementContext::ContinueWithoutCopies(StatementContext& failed) {
    std::scoped_lock lock(mutex, failed.mutex);
    for (const auto& [key, relation] : failed.resolved) {
        auto own = relation->copy ? std::make_shared<const Relation>(WithoutCopy(*relation)) : relation;
        AllowFiles(*own);
        resolved[key] = std::move(own);
    }
}

Result<std::shared_ptr<StoredFile>> StatementContext::OpenOnce(const security::Principal& reader,
                                                               const std::string& path) {
    {
        std::lock_guard lock(mutex);
        auto found = open_files.find(path);
        if (found != open_files.end()) {
            if (auto open = found->second.lock()) return open;
        }
    }
    std::shared_ptr<StoredFile> opened = TRY(deps.files.Open(reader, path));
    std::lock_guard lock(mutex);
    open_files[path] = opened;
    return opened;
}

bool StatementContext::MayRead(const std::string& path) {
    if (trusted) return true;
    std::lock_guard lock(mutex);
    return readable.contains(path);
}

bool StatementContext::IsCopy(const std::string& path) {
    std::lock_guard lock(mutex);
    return copies.contains(path);
}

bool StatementContext::MayWrite(const std::string& path) {
    std::lock_guard lock(mutex);
    return !writable_prefix.empty() && path.starts_with(writable_prefix);
}

void StatementContext::Throw(Error error) {
    std::string message = error.message();
    {
        std::lock_guard lock(mutex);
        if (!failure) failure = std::move(error);
    }
    throw duckdb::InvalidInputException(message);
}

StatementContext* FindContext(duckdb::ClientContext& context) {
    // The connection keeps the context alive for as long as anything runs on it.
    return context.registered_state->Get<StatementContext>(kContextKey).get();
}

StatementContext& ContextOf(duckdb::ClientContext& context) {
    StatementContext* found = FindContext(context);
    if (found == nullptr) throw duckdb::PermissionException("no statement of a session runs on this connection");
    return *found;
}

}  // namespace tarn::engine
