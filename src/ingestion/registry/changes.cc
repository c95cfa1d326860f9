// What changes the registry: one change at a time, each one transaction.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "ingestion/registry/service.h"

namespace tarn::registry {
namespace {

constexpr std::string_view kAlter = "schema:Alter";
constexpr std::string_view kDelete = "schema:Delete";

Error NotPermitted(const std::string& what) { return RegistryError(kNotPermitted, what); }

Error ReferencedError(const Version& version) {
    return RegistryError(kReferenceExists, fmt::format("One or more references exist to the schema {{subject={}, "
                                                       "version={}}}",
                                                       version.subject.Text(), version.version));
}

bool IsReadOnly(const std::string& mode) { return mode.starts_with("READONLY"); }

}  // namespace

Status Service::CheckWritable(const Subject& subject) const {
    if (!IsReadOnly(TRY(ModeInScope(subject)))) return Ok();
    return NotPermitted(fmt::format("Subject {} in context {} is in read-only mode", subject.Text(), subject.context));
}

Status Service::CheckRegisterMode(const Subject& subject, const SchemaRequest& request, const std::string& mode) const {
    TRY(CheckWritable(subject));
    bool with_id = request.schema.id > 0;
    if (with_id && mode != "IMPORT") {
        return NotPermitted(
            fmt::format("Subject {} in context {} is not in import mode", subject.Text(), subject.context));
    }
    if (!with_id && mode != "READWRITE") {
        return NotPermitted(
            fmt::format("Subject {} in context {} is not in read-write mode", subject.Text(), subject.context));
    }
    return Ok();
}

// A schema without metadata or rules of its own gets those of the latest version.
Status Service::TakeOver(const Subject& subject, SchemaRequest& request) const {
    SchemaRecord& schema = request.schema;
    if (!schema.metadata.is_null() && !schema.rules.is_null()) return Ok();
    auto latest = TRY(FindVersion(subject, "latest", false));
    if (!latest) return Ok();
    Found found = TRY(WithSchema(*latest));
    if (schema.metadata.is_null()) schema.metadata = found.schema.metadata;
    if (schema.rules.is_null()) schema.rules = found.schema.rules;
    return Ok();
}

// An id that is asked for is free, or that of the same schema.
Status Service::CheckId(const Parsed& parsed, int64_t id) const {
    if (id > INT32_MAX) return RegistryError(kInvalidSchema, "an id has 31 bits");
    auto there = TRY(store_.Find(parsed.record.context, id));
    if (!there || there->hash == parsed.record.hash) return Ok();
    return NotPermitted(
        fmt::format("Overwrite new schema with id {} in context {} is not permitted.", id, parsed.record.context));
}

Result<Found> Service::Register(const Principal& principal, const Subject& subject, const SchemaRequest& sent) {
    TRY(May(principal, "schema:Write", subject));
    if (subject.IsContext()) return RegistryError(kInvalidSubject, "a schema needs a subject, not only a context");
    std::lock_guard lock(changes_);
    std::string mode = TRY(ModeInScope(subject));
    TRY(CheckRegisterMode(subject, sent, mode));
    SchemaRequest request = sent;
    bool imports = mode == "IMPORT";
    if (!imports) TRY(TakeOver(subject, request));
    Json config = TRY(ConfigInScope(subject));
    Parsed parsed = TRY(Prepare(principal, subject, request, config, !imports));
    auto known = TRY(store_.FindId(subject.context, parsed.record.hash));
    std::vector<Version> all = TRY(store_.Versions(subject, true));
    std::vector<Version> live;
    for (const Version& one : all) {
        if (!one.is_deleted) live.push_back(one);
    }
    bool same_id = known && (request.schema.id <= 0 || request.schema.id == *known);
    for (const Version& one : live) {
        if (same_id && one.id == *known && request.version <= 0) return WithSchema(one);
    }
    if (!imports) {
        Check check = TRY(CheckAgainst(parsed, live, config));
        if (!check.compatible) {
            refused_.Add();
            return RegistryError(kIncompatible,
                                 fmt::format("Schema being registered is incompatible with an earlier schema for "
                                             "subject \"{}\", details: [{}]",
                                             subject.Text(), Join(check.messages, ", ")));
        }
    }
    int next = all.empty() ? 1 : all.back().version + 1;
    Version added{subject, request.version > 0 ? request.version : next, 0, false};
    if (!imports && added.version != next) {
        return RegistryError(kInvalidSchema, "Version is not one more than previous version");
    }
    if (all.size() >= kVersionsMax || TRY(store_.Count()) >= kAllVersionsMax) {
        return NotPermitted(
            fmt::format("a subject has at most {} versions, and the registry {}", kVersionsMax, kAllVersionsMax));
    }
    parsed.record.id = same_id ? *known : std::max<int64_t>(request.schema.id, 0);
    if (parsed.record.id > 0) TRY(CheckId(parsed, parsed.record.id));
    if (parsed.record.id > 0 && known && *known != parsed.record.id) {
        return NotPermitted(
            fmt::format("the same schema has the id {} in context {} already", *known, subject.context));
    }
    // A version of this schema that was soft-deleted makes way, unless something refers to it.
    std::vector<int> replaced;
    for (const Version& one : all) {
        bool same = one.is_deleted && same_id && one.id == *known && one.version < added.version;
        if (same && !TRY(IsReferenced(one, true, nullptr))) replaced.push_back(one.version);
    }
    added.id = TRY(store_.Add(parsed.record, parsed.links, added, replaced, dependencies_.env.clock().Now()));
    registered_.Add();
    return WithSchema(added);
}

// Whether a schema refers to this version; `but`: other than one of this subject.
Result<bool> Service::IsReferenced(const Version& version, bool by_deleted, const Subject* but) const {
    for (const auto& [context, id] : TRY(store_.ReferencedBy(version.subject, version.version))) {
        for (const Version& user : TRY(store_.VersionsOfId(context, id))) {
            if (user.is_deleted && !by_deleted) continue;
            if (!but || user.subject != *but) return true;
        }
    }
    return false;
}

Result<std::vector<int>> Service::DeleteSubject(const Principal& principal, const Subject& subject, bool permanent) {
    TRY(May(principal, kDelete, subject));
    std::lock_guard lock(changes_);
    auto all = TRY(store_.Versions(subject, true));
    auto live = TRY(store_.Versions(subject, false));
    if (all.empty()) return NotThere(subject, "", true);
    if (!permanent && live.empty()) {
        return RegistryError(kSubjectSoftDeleted, fmt::format("Subject '{}' was soft deleted. Set permanent=true to "
                                                              "delete permanently",
                                                              subject.Text()));
    }
    TRY(CheckWritable(subject));
    const std::vector<Version>& doomed = permanent ? all : live;
    std::vector<int> numbers;
    for (const Version& one : doomed) {
        if (TRY(IsReferenced(one, permanent, &subject))) return ReferencedError(one);
        numbers.push_back(one.version);
    }
    if (permanent && !live.empty()) {
        return RegistryError(
            kSubjectNotSoftDeleted,
            fmt::format("Subject '{}' was not deleted first before being permanently deleted", subject.Text()));
    }
    TRY(permanent ? store_.Remove(doomed) : store_.SoftDelete(subject, numbers));
    return numbers;
}

Result<int> Service::DeleteVersion(const Principal& principal, const Subject& subject, const std::string& version,
                                   bool permanent) {
    TRY(May(principal, kDelete, subject));
    std::lock_guard lock(changes_);
    auto found = TRY(FindVersion(subject, version, true));
    if (!found) return NotThere(subject, version, true);
    auto says = [&](std::string_view what) {
        return fmt::format("Subject '{}' Version {} {}", subject.Text(), found->version, what);
    };
    if (!permanent && found->is_deleted) {
        return RegistryError(kVersionSoftDeleted, says("was soft deleted. Set permanent=true to delete permanently"));
    }
    TRY(CheckWritable(subject));
    if (TRY(IsReferenced(*found, permanent, nullptr))) return ReferencedError(*found);
    if (permanent && !found->is_deleted) {
        return RegistryError(kVersionNotSoftDeleted, says("was not deleted first before being permanently deleted"));
    }
    TRY(permanent ? store_.Remove({*found}) : store_.SoftDelete(subject, {found->version}));
    return found->version;
}

Result<Json> Service::ChangeConfig(const Principal& principal, const Subject& subject, const Json& change) {
    TRY(May(principal, kAlter, subject));
    Json wanted = Json::object();
    for (const auto& [key, value] : change.items()) {
        if (value.is_null()) continue;
        bool is_level = key == "compatibility" || key == "compatibilityLevel";
        if (is_level) {
            const Compatibility* level = value.is_string() ? FindCompatibility(value.get<std::string>()) : nullptr;
            if (!level) {
                return RegistryError(kInvalidCompatibility,
                                     "Invalid compatibility level. Valid values are NONE, BACKWARD, FORWARD, FULL, "
                                     "BACKWARD_TRANSITIVE, FORWARD_TRANSITIVE, and FULL_TRANSITIVE");
            }
            wanted["compatibilityLevel"] = level->name;
        } else if (key == "normalize" && value.is_boolean()) {
            wanted[key] = value;
        } else if (key == "compatibilityGroup" && value.is_string()) {
            wanted[key] = value;
        } else if (key == "validateFields" && value == false) {
            continue;
        } else {
            return RegistryError(kInvalidCompatibility,
                                 fmt::format("{} is not supported, or not of this value: compatibility, normalize and "
                                             "compatibilityGroup can be set",
                                             key));
        }
    }
    std::lock_guard lock(changes_);
    TRY(CheckWritable(subject));
    Settings settings = TRY(store_.SettingsOf(subject));
    Json config = settings.config.value_or(Json::object());
    config.update(wanted);
    TRY(store_.SetConfig(subject, config));
    return config;
}

Result<Json> Service::DeleteConfig(const Principal& principal, const Subject& subject) {
    TRY(May(principal, kAlter, subject));
    std::lock_guard lock(changes_);
    Settings settings = TRY(store_.SettingsOf(subject));
    if (!settings.config && !subject.IsGlobal()) {
        return RegistryError(kSubjectNotFound, fmt::format("Subject '{}' not found.", subject.Text()));
    }
    TRY(CheckWritable(subject));
    TRY(store_.SetConfig(subject, std::nullopt));
    Json config = settings.config.value_or(Json::object());
    if (!config.contains("compatibilityLevel")) config["compatibilityLevel"] = "BACKWARD";
    return config;
}

// All versions of the subject, or of a context's subjects.
Result<std::vector<Version>> Service::AllInScope(const Subject& subject) const {
    if (!subject.IsContext()) return store_.Versions(subject, true);
    std::vector<Version> all;
    for (const auto& [one, type] : TRY(store_.AllVersions())) {
        bool in = one.subject.context == subject.context || subject.context == kGlobalContext;
        if (in) all.push_back(one);
    }
    return all;
}

Status Service::SetMode(const Principal& principal, const Subject& subject, const std::string& mode, bool force) {
    TRY(May(principal, kAlter, subject));
    static constexpr std::array<std::string_view, 4> kModes = {"READWRITE", "READONLY", "READONLY_OVERRIDE", "IMPORT"};
    if (std::find(kModes.begin(), kModes.end(), mode) == kModes.end()) {
        return RegistryError(kInvalidMode,
                             "Invalid mode. Valid values are READWRITE, READONLY, READONLY_OVERRIDE, IMPORT");
    }
    std::lock_guard lock(changes_);
    std::vector<Version> removed;
    // To import, nothing is there that could be in the way; what is soft-deleted goes for good.
    if (mode == "IMPORT" && !force && TRY(ModeInScope(subject)) != "IMPORT") {
        for (const Version& one : TRY(AllInScope(subject))) {
            if (!one.is_deleted) return NotPermitted("Cannot import since found existing subjects");
            if (!Can(principal, kDelete, one.subject)) {
                return NotPermitted(fmt::format("Cannot import since {} has deleted versions, which you may not remove",
                                                one.subject.Text()));
            }
            if (TRY(IsReferenced(one, true, nullptr))) return ReferencedError(one);
            removed.push_back(one);
        }
    }
    return store_.SetMode(subject, mode, removed);
}

Result<std::string> Service::DeleteMode(const Principal& principal, const Subject& subject, bool recursive) {
    TRY(May(principal, kAlter, subject));
    std::lock_guard lock(changes_);
    std::string mode = TRY(store_.SettingsOf(subject)).mode;
    if (mode.empty() && !recursive && !subject.IsGlobal()) {
        return RegistryError(kSubjectNotFound, fmt::format("Subject '{}' not found.", subject.Text()));
    }
    std::vector<Subject> cleared = {subject};
    if (recursive && subject.IsContext()) cleared = TRY(store_.WithMode(subject.context));
    for (const Subject& one : cleared) TRY(May(principal, kAlter, one));
    TRY(store_.ClearModes(cleared));
    return mode.empty() ? std::string("READWRITE") : mode;
}

}  // namespace tarn::registry
