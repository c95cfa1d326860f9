// Reading what is sent and what is stored, with what it refers to; whether a schema may follow others.
#include <algorithm>

#include "base/text.h"
#include "ingestion/registry/service.h"

namespace tarn::registry {
namespace {

Error Invalid(const std::string& what) { return RegistryError(kInvalidSchema, what); }

// As Confluent's tools print it: they show the text, people search for the kind.
std::string MessageOf(const Difference& difference) {
    return fmt::format("{{errorType:'{}', description:'{}'}}", difference.kind, Excerpt(difference.text, 2000));
}

Json GroupOf(const SchemaRecord& schema, const std::string& group) {
    if (!schema.metadata.is_object()) return nullptr;
    Json properties = schema.metadata.value("properties", Json::object());
    return properties.value(group, Json());
}

}  // namespace

// The references of one schema, those of others before them.
struct Service::Resolution {
    SchemaType type = SchemaType::kAvro;
    std::vector<ReferencedSchema> texts;
    std::set<std::string> seen;
    size_t bytes = 0;
    int depth = 0;
};

Status Service::Resolve(const Principal* principal, const std::vector<Reference>& references,
                        const std::string& context, Resolution& resolution) const {
    if (++resolution.depth > kReferenceDepthMax) {
        return Invalid(fmt::format("references go deeper than {}", kReferenceDepthMax));
    }
    for (const Reference& reference : references) {
        Subject subject = TRY(ParseSubjectIn(reference.subject, context));
        // Avro knows types by their names; the others read a text by the name that the reference gives it.
        std::string key = fmt::format("{} {} {}", subject.Text(), reference.version,
                                      resolution.type == SchemaType::kAvro ? "" : reference.name);
        if (!resolution.seen.insert(key).second) continue;
        if (principal) TRY(May(*principal, "schema:Read", subject));
        auto found = TRY(FindVersion(subject, std::to_string(reference.version), principal == nullptr));
        if (!found) {
            return Invalid(fmt::format("No schema reference found for subject \"{}\" and version {}", subject.Text(),
                                       reference.version));
        }
        Found target = TRY(WithSchema(*found));
        if (target.schema.type != resolution.type) {
            return Invalid(fmt::format("the reference {} is of type {}, not {}", reference.name,
                                       SchemaTypeName(target.schema.type), SchemaTypeName(resolution.type)));
        }
        TRY(Resolve(principal, target.schema.references, subject.context, resolution));
        resolution.bytes += target.schema.text.size();
        resolution.texts.push_back({reference.name, std::move(target.schema.text)});
        if (resolution.texts.size() > kReferencesMax || resolution.bytes > kReferencedBytesMax) {
            return Invalid(fmt::format("there are more than {} references, or more than {} MiB of them", kReferencesMax,
                                       kReferencedBytesMax >> 20));
        }
    }
    --resolution.depth;
    return Ok();
}

Result<std::unique_ptr<Schema>> Service::ParseStored(const SchemaRecord& schema) const {
    Resolution resolution;
    resolution.type = schema.type;
    TRY(Resolve(nullptr, schema.references, schema.context, resolution));
    return ParseSchema(schema.type, schema.text, resolution.texts);
}

Result<std::string> Service::TextAs(const SchemaRecord& schema, const std::string& format) const {
    if (format.empty()) return schema.text;
    return TRY(ParseStored(schema))->Formatted(format);
}

Result<Parsed> Service::Prepare(const Principal& principal, const Subject& subject, const SchemaRequest& request,
                                const Json& config, bool is_new) const {
    const SchemaRecord& asked = request.schema;
    if (Trim(asked.text).empty()) return Invalid("Empty schema");
    if (asked.text.size() > kSchemaBytesMax) {
        return RegistryError(kSchemaTooLarge, fmt::format("a schema has at most {} bytes", kSchemaBytesMax));
    }
    Parsed parsed;
    parsed.record = asked;
    parsed.record.context = subject.context;
    for (Reference& reference : parsed.record.references) {
        Subject target = TRY(ParseSubjectIn(reference.subject, subject.context));
        if (reference.version == -1) {
            auto latest = TRY(FindVersion(target, "latest", false));
            if (!latest) return Invalid(fmt::format("No schema reference found for subject \"{}\"", target.Text()));
            reference.version = latest->version;
        }
        parsed.links.emplace_back(target, reference);
    }
    Resolution resolution;
    resolution.type = asked.type;
    TRY(Resolve(&principal, parsed.record.references, subject.context, resolution));
    auto schema = ParseSchema(asked.type, asked.text, resolution.texts, {.check_defaults = is_new});
    if (!schema.ok()) {
        return Invalid(fmt::format("Invalid schema of type {}, details: {}", SchemaTypeName(asked.type),
                                   schema.error().message()));
    }
    parsed.schema = std::move(schema).value();
    bool normalize = request.normalize || config.value("normalize", false);
    parsed.record.text = normalize ? parsed.schema->Normal() : parsed.schema->Canonical();
    parsed.record.hash = HashOf(parsed.record);
    parsed.record.guid = GuidOf(parsed.record.hash);
    return parsed;
}

// `versions` ascending. The latest is looked at first: what it says is what people can mend.
Result<Check> Service::CheckAgainst(const Parsed& parsed, const std::vector<Version>& versions,
                                    const Json& config) const {
    const Compatibility& level = LevelOf(config);
    std::string group = config.value("compatibilityGroup", "");
    Check check;
    for (auto one = versions.rbegin(); one != versions.rend(); ++one) {
        if (!level.backward && !level.forward) break;
        Found old = TRY(WithSchema(*one));
        if (!group.empty() && GroupOf(old.schema, group) != GroupOf(parsed.record, group)) continue;
        std::vector<Difference> found;
        if (old.schema.type != parsed.record.type) {
            found.push_back(
                {"TYPE_CHANGED", fmt::format("the schema's type was {} and is {}", SchemaTypeName(old.schema.type),
                                             SchemaTypeName(parsed.record.type))});
        } else {
            auto before = TRY(ParseStored(old.schema));
            if (level.backward) found = parsed.schema->Differences(*before, {"new schema", "old schema"});
            if (level.forward) {
                auto more = before->Differences(*parsed.schema, {"old schema", "new schema"});
                found.insert(found.end(), more.begin(), more.end());
            }
        }
        for (const Difference& difference : found) {
            std::string message = MessageOf(difference);
            bool said = std::find(check.messages.begin(), check.messages.end(), message) != check.messages.end();
            if (!said && check.messages.size() < 100) check.messages.push_back(std::move(message));
        }
        if (!found.empty()) {
            check.compatible = false;
            check.messages.push_back(fmt::format("{{oldSchemaVersion: {}}}", one->version));
            check.messages.push_back(fmt::format("{{oldSchema: '{}'}}", Excerpt(old.schema.text, 16 << 10)));
            check.messages.push_back(fmt::format("{{compatibility: '{}'}}", level.name));
        }
        if (!check.compatible || !level.transitive) break;
    }
    return check;
}

Result<Check> Service::Compatible(const Principal& principal, const Subject& subject, const SchemaRequest& request,
                                  const std::optional<std::string>& version) {
    TRY(May(principal, "schema:Read", subject));
    std::vector<Version> versions = TRY(store_.Versions(subject, false));
    if (version) {
        auto one = TRY(FindVersion(subject, *version, false));
        bool latest = *version == "latest" || *version == "-1";
        if (!one && !latest) return RegistryError(kVersionNotFound, fmt::format("Version {} not found.", *version));
        versions.clear();
        if (one) versions.push_back(*one);
    }
    Json config = TRY(ConfigInScope(subject));
    Parsed parsed = TRY(Prepare(principal, subject, request, config, true));
    return CheckAgainst(parsed, versions, config);
}

}  // namespace tarn::registry
