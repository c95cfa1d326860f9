// What the registry answers: subjects, versions, schemas, settings.
#include "ingestion/registry/service.h"

#include <algorithm>

#include "base/number.h"
#include "base/text.h"
#include "security/hidden.h"

namespace tarn::registry {
namespace {

constexpr std::string_view kLatest = "latest";
constexpr std::string_view kDescribe = "schema:Describe";
constexpr std::string_view kRead = "schema:Read";
constexpr std::string_view kDefaultLevel = "BACKWARD";
constexpr std::string_view kDefaultMode = "READWRITE";

// 0 for the latest; 42202.
Result<int> NumberOf(const std::string& version) {
    if (version == kLatest || version == "-1") return 0;
    auto number = ParseInteger(version);
    if (number && *number >= 1 && *number <= INT32_MAX) return static_cast<int>(*number);
    return RegistryError(kInvalidVersion, fmt::format("The specified version '{}' is not a valid version id. Allowed "
                                                      "values are between [1, 2^31-1] and the string \"latest\"",
                                                      version));
}

bool Passes(bool is_deleted, Deleted deleted) {
    return deleted == Deleted::kIncluded || is_deleted == (deleted == Deleted::kOnly);
}

// A prefix as clients write it: of names in the default context, ":.team:or" of those in another, ":*:or" of all.
struct Prefix {
    explicit Prefix(const std::string& text) {
        std::string_view left = text;
        if (left.starts_with(":*:")) {
            any = true;
            left.remove_prefix(3);
        } else if (left.starts_with(":.")) {
            size_t end = std::min(left.find(':', 1), left.size());
            context = std::string(left.substr(1, end - 1));
            left.remove_prefix(std::min(end + 1, left.size()));
        }
        name = std::string(left);
    }
    bool Takes(const Subject& subject) const {
        return (any || subject.context == context) && subject.name.starts_with(name);
    }
    bool any = false;
    std::string context{kDefaultContext};
    std::string name;
};

Error NoSchema(int64_t id) { return RegistryError(kSchemaNotFound, fmt::format("Schema {} not found", id)); }

}  // namespace

const Compatibility& LevelOf(const Json& config) {
    const Compatibility* level = FindCompatibility(config.value("compatibilityLevel", std::string(kDefaultLevel)));
    return level ? *level : *FindCompatibility(kDefaultLevel);
}

Json ObjectOrNull(const Json& value) {
    if (!value.is_object()) return nullptr;
    Json kept = Json::object();
    for (const auto& [key, member] : value.items()) {
        if (!member.is_null() && !(member.is_structured() && member.empty())) kept[key] = member;
    }
    return kept.empty() ? Json() : kept;
}

Service::Service(RegistryDependencies dependencies, Store store)
    : dependencies_(dependencies),
      store_(store),
      registered_(dependencies.metrics.GetCounter("tarn_registry_versions_registered_total",
                                                  "Versions of subjects that the schema registry took.")),
      refused_(dependencies.metrics.GetCounter("tarn_registry_versions_refused_total",
                                               "Versions that broke their subject's compatibility.")) {}

Status Service::May(const Principal& principal, std::string_view action, const Subject& subject) const {
    std::string name = subject.IsGlobal() ? "*" : subject.Text();
    return security::Require(dependencies_.gate, principal, action, {"schema", name});
}

bool Service::Can(const Principal& principal, std::string_view action, const Subject& subject) const {
    return dependencies_.gate.Decide(principal, action, {"schema", subject.Text()}).allowed;
}

// The subject itself; one without a context is looked for in the others as well.
Result<std::vector<Subject>> Service::Candidates(const Subject& subject) const {
    std::vector<Subject> all = {subject};
    if (subject.context != kDefaultContext || subject.IsContext()) return all;
    for (const std::string& context : TRY(store_.Contexts())) all.push_back({context, subject.name});
    return all;
}

Result<std::optional<Version>> Service::FindVersion(const Subject& subject, const std::string& version,
                                                    bool with_deleted) const {
    int number = TRY(NumberOf(version));
    std::optional<Version> found;
    for (const Version& one : TRY(store_.Versions(subject, with_deleted))) {
        bool wanted = number == 0 ? !one.is_deleted : one.version == number;
        if (wanted) found = one;
    }
    return found;
}

Error Service::NotThere(const Subject& subject, const std::string& version, bool with_deleted) const {
    auto versions = store_.Versions(subject, with_deleted);
    if (!versions.ok()) return std::move(versions).error();
    if (!versions->empty()) return RegistryError(kVersionNotFound, fmt::format("Version {} not found.", version));
    return RegistryError(kSubjectNotFound, fmt::format("Subject '{}' not found.", subject.Text()));
}

Result<Found> Service::WithSchema(Version version) const {
    auto schema = TRY(store_.Find(version.subject.context, version.id));
    if (!schema) return NoSchema(version.id);
    return Found{std::move(version), *std::move(schema)};
}

Result<std::vector<std::string>> Service::Subjects(const Principal& principal, const std::string& prefix,
                                                   Deleted deleted) {
    Prefix wanted(prefix);
    std::vector<std::string> names;
    for (const SubjectState& one : TRY(store_.Subjects())) {
        bool shown =
            wanted.Takes(one.subject) && Passes(one.is_deleted, deleted) && Can(principal, kDescribe, one.subject);
        if (shown) names.push_back(one.subject.Text());
    }
    return names;
}

Result<std::vector<int>> Service::Versions(const Principal& principal, const Subject& subject, Deleted deleted) {
    TRY(May(principal, kDescribe, subject));
    auto versions = TRY(store_.Versions(subject, deleted != Deleted::kHidden));
    if (versions.empty()) return NotThere(subject, "", false);
    std::vector<int> numbers;
    for (const Version& one : versions) {
        if (Passes(one.is_deleted, deleted)) numbers.push_back(one.version);
    }
    return numbers;
}

Result<Found> Service::Get(const Principal& principal, const Subject& subject, const std::string& version,
                           bool with_deleted) {
    TRY(May(principal, kRead, subject));
    for (const Subject& candidate : TRY(Candidates(subject))) {
        auto found = TRY(FindVersion(candidate, version, with_deleted));
        if (!found) continue;
        TRY(May(principal, kRead, candidate));
        return WithSchema(*found);
    }
    return NotThere(subject, TRY(NumberOf(version)) == 0 ? std::string(kLatest) : version, with_deleted);
}

Result<std::vector<std::pair<Version, SchemaType>>> Service::All(const Principal& principal, const std::string& prefix,
                                                                 bool with_deleted, bool latest_only) {
    Prefix wanted(prefix.empty() ? ":*:" : prefix);
    std::vector<std::pair<Version, SchemaType>> all;
    for (auto& one : TRY(store_.AllVersions())) {
        const Version& version = one.first;
        if ((version.is_deleted && !with_deleted) || !wanted.Takes(version.subject)) continue;
        if (!Can(principal, kRead, version.subject)) continue;
        bool same = !all.empty() && all.back().first.subject == version.subject;
        if (latest_only && same) all.pop_back();
        all.push_back(std::move(one));
    }
    return all;
}

Result<std::vector<Found>> Service::WithSchemas(const std::vector<std::pair<Version, SchemaType>>& versions) {
    std::vector<Found> all;
    size_t bytes = 0;
    for (const auto& [version, type] : versions) {
        all.push_back(TRY(WithSchema(version)));
        bytes += all.back().schema.text.size();
        if (bytes <= kListedBytesMax) continue;
        return Error(ErrorCode::kResourceExhausted, "these schemas have more than {} MiB together",
                     kListedBytesMax >> 20)
            .WithHint("ask for fewer, by subjectPrefix, offset and limit");
    }
    return all;
}

// Where an id is meant: ids count in each context by themselves.
Result<std::string> Service::ContextOf(int64_t id, const std::string& hint) const {
    if (hint.empty()) return std::string(kDefaultContext);
    Subject subject = TRY(ParseSubject(hint));
    for (const Subject& candidate : TRY(Candidates(subject))) {
        for (const Version& one : TRY(store_.VersionsOfId(candidate.context, id))) {
            if (one.subject == candidate) return candidate.context;
        }
    }
    return subject.context;
}

Result<SchemaRecord> Service::ById(const Principal& principal, int64_t id, const std::string& hint) {
    std::string context = TRY(ContextOf(id, hint));
    auto schema = TRY(store_.Find(context, id));
    if (!schema) return NoSchema(id);
    for (const Version& one : TRY(store_.VersionsOfId(context, id))) {
        if (Can(principal, kRead, one.subject)) return *std::move(schema);
    }
    return Error(ErrorCode::kPermissionDenied, "Schema {} not found", id)
        .WithDetailCode(std::string(security::kHiddenDetailCode));
}

Result<std::vector<Version>> Service::VersionsOfId(const Principal& principal, int64_t id, const std::string& hint,
                                                   bool with_deleted) {
    std::string context = TRY(ContextOf(id, hint));
    auto all = TRY(store_.VersionsOfId(context, id));
    std::vector<Version> shown;
    bool known = false;
    for (const Version& one : all) {
        if (!Can(principal, kDescribe, one.subject)) continue;
        known = true;
        if (with_deleted || !one.is_deleted) shown.push_back(one);
    }
    if (!known) return RegistryError(kSchemaNotFound, "Schema not found");
    return shown;
}

Result<std::vector<SchemaRecord>> Service::ByGuid(const Principal& principal, const std::string& guid) {
    std::vector<SchemaRecord> shown;
    for (const auto& [context, id] : TRY(store_.FindGuid(ToLower(guid)))) {
        auto schema = ById(principal, id, fmt::format(":{}:", context));
        if (schema.ok()) shown.push_back(std::move(schema).value());
    }
    if (shown.empty()) return RegistryError(kSchemaNotFound, fmt::format("Schema {} not found", guid));
    return shown;
}

Result<std::vector<int64_t>> Service::ReferencedBy(const Principal& principal, const Subject& subject,
                                                   const std::string& version, bool with_deleted) {
    TRY(May(principal, kDescribe, subject));
    auto found = TRY(FindVersion(subject, version, true));
    if (!found) return NotThere(subject, version, true);
    std::vector<int64_t> ids;
    for (const auto& [context, id] : TRY(store_.ReferencedBy(subject, found->version))) {
        auto users = TRY(store_.VersionsOfId(context, id));
        bool counts = std::any_of(users.begin(), users.end(), [&](const Version& user) {
            return (with_deleted || !user.is_deleted) && Can(principal, kDescribe, user.subject);
        });
        if (counts) ids.push_back(id);
    }
    return ids;
}

Result<std::optional<Found>> Service::LookUpIn(const Principal& principal, const Subject& subject,
                                               const SchemaRequest& request, bool with_deleted) {
    std::optional<Found> none;
    auto versions = TRY(store_.Versions(subject, with_deleted));
    if (versions.empty()) return none;
    // As at registering: without metadata and rules of its own it may be the one that took over the latest's.
    SchemaRequest inherited = request;
    TRY(TakeOver(subject, inherited));
    Json config = TRY(ConfigInScope(subject));
    for (const SchemaRequest* wanted : {&request, static_cast<const SchemaRequest*>(&inherited)}) {
        Parsed parsed = TRY(Prepare(principal, subject, *wanted, config, false));
        auto id = TRY(store_.FindId(subject.context, parsed.record.hash));
        for (auto one = versions.rbegin(); id && one != versions.rend(); ++one) {
            if (one->id == *id) return std::optional<Found>(TRY(WithSchema(*one)));
        }
    }
    return none;
}

Result<Found> Service::LookUp(const Principal& principal, const Subject& subject, const SchemaRequest& request,
                              bool with_deleted) {
    TRY(May(principal, kRead, subject));
    for (const Subject& candidate : TRY(Candidates(subject))) {
        if (candidate != subject && !Can(principal, kRead, candidate)) continue;
        auto found = LookUpIn(principal, candidate, request, with_deleted);
        if (!found.ok() && candidate == subject) return std::move(found).error();
        if (found.ok() && *found) return **found;
    }
    if (TRY(store_.Versions(subject, with_deleted)).empty()) return NotThere(subject, "", with_deleted);
    return RegistryError(kSchemaNotFound, "Schema not found");
}

Result<Found> Service::WithMetadata(const Principal& principal, const Subject& subject,
                                    const std::vector<std::pair<std::string, std::string>>& wanted, bool with_deleted) {
    TRY(May(principal, kRead, subject));
    auto versions = TRY(store_.Versions(subject, with_deleted));
    if (versions.empty()) return NotThere(subject, "", with_deleted);
    for (auto one = versions.rbegin(); one != versions.rend(); ++one) {
        Found found = TRY(WithSchema(*one));
        if (!found.schema.metadata.is_object()) continue;
        Json properties = found.schema.metadata.value("properties", Json::object());
        bool all = std::all_of(wanted.begin(), wanted.end(), [&](const auto& pair) {
            auto value = properties.find(pair.first);
            return value != properties.end() && *value == pair.second;
        });
        if (all) return found;
    }
    return RegistryError(kSchemaNotFound, "Schema not found");
}

Result<std::vector<std::string>> Service::Contexts(const Principal& principal) {
    std::set<std::string> seen;
    for (const SubjectState& one : TRY(store_.Subjects())) {
        if (Can(principal, kDescribe, one.subject)) seen.insert(one.subject.context);
    }
    seen.insert(std::string(kDefaultContext));
    return std::vector<std::string>(seen.begin(), seen.end());
}

// ---- settings

// What holds: the subject's, its context's, that of all contexts; each member by itself.
Result<Json> Service::ConfigInScope(const Subject& subject) const {
    Json config = {{"compatibilityLevel", kDefaultLevel}};
    std::vector<Subject> chain = {{std::string(kGlobalContext), ""}, {subject.context, ""}};
    if (!subject.IsContext()) chain.push_back(subject);
    for (const Subject& one : chain) {
        Settings settings = TRY(store_.SettingsOf(one));
        if (settings.config) config.update(*settings.config);
    }
    return config;
}

Result<std::string> Service::ModeInScope(const Subject& subject) const {
    std::string mode(kDefaultMode);
    std::vector<Subject> chain = {{std::string(kGlobalContext), ""}, {subject.context, ""}};
    if (!subject.IsContext()) chain.push_back(subject);
    for (const Subject& one : chain) {
        if (mode == "READONLY_OVERRIDE") break;
        Settings settings = TRY(store_.SettingsOf(one));
        if (!settings.mode.empty()) mode = settings.mode;
    }
    return mode;
}

Result<Json> Service::Config(const Principal& principal, const Subject& subject, bool in_scope) {
    if (!subject.IsGlobal()) TRY(May(principal, kDescribe, subject));
    if (in_scope) return ConfigInScope(subject);
    Settings settings = TRY(store_.SettingsOf(subject));
    bool has_default = subject.IsGlobal() || subject.context == kGlobalContext;
    if (!settings.config && !has_default) {
        return RegistryError(
            kNoSubjectCompatibility,
            fmt::format("Subject '{}' does not have subject-level compatibility configured", subject.Text()));
    }
    Json config = settings.config.value_or(Json::object());
    if (!config.contains("compatibilityLevel")) config["compatibilityLevel"] = kDefaultLevel;
    return config;
}

Result<std::string> Service::Mode(const Principal& principal, const Subject& subject, bool in_scope) {
    if (!subject.IsGlobal()) TRY(May(principal, kDescribe, subject));
    if (in_scope) return ModeInScope(subject);
    std::string mode = TRY(store_.SettingsOf(subject)).mode;
    if (!mode.empty()) return mode;
    if (subject.IsGlobal() || subject.context == kGlobalContext) return std::string(kDefaultMode);
    return RegistryError(kNoSubjectMode,
                         fmt::format("Subject '{}' does not have subject-level mode configured", subject.Text()));
}

// As it reads from outside of its parent's context.
std::string Service::ReferenceText(const std::string& text, const Subject& parent) const {
    auto subject = ParseSubjectIn(text, parent.context);
    return subject.ok() ? subject->Text() : text;
}

}  // namespace tarn::registry
