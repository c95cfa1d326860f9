// What the registry keeps: schemas by id, versions of subjects, settings. Internal to the component.
//
// A schema is stored once a context, under an id that is never given twice; versions of subjects point to it. A change
// is one transaction. The caller lets only one change run at a time, having read what it decides by.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "ingestion/registry/schema.h"
#include "ingestion/registry/subject.h"
#include "metadata/metadata.h"

namespace tarn::registry {

struct Reference {
    std::string name;     // as the schema calls it
    std::string subject;  // as the client wrote it
    int version = 0;
};

struct SchemaRecord {
    std::string context{kDefaultContext};
    int64_t id = 0;
    std::string guid;
    std::string hash;
    SchemaType type = SchemaType::kAvro;
    std::string text;
    std::vector<Reference> references;
    Json metadata;  // null, or an object: data contracts, kept as they are
    Json rules;
};

// By what two schemas are one: type, text, references, metadata and rules.
std::string HashOf(const SchemaRecord& schema);
std::string GuidOf(const std::string& hash);

struct Version {
    Subject subject;
    int version = 0;
    int64_t id = 0;
    bool is_deleted = false;
};

struct SubjectState {
    Subject subject;
    bool is_deleted = false;  // all of its versions are
};

struct Settings {
    std::optional<Json> config;
    std::string mode;  // empty: not set
};

class Store {
  public:
    static Result<Store> Create(metadata::Database& metadata);

    // Of one subject, ascending.
    Result<std::vector<Version>> Versions(const Subject& subject, bool with_deleted) const;
    Result<std::vector<Version>> VersionsOfId(const std::string& context, int64_t id) const;
    Result<std::optional<SchemaRecord>> Find(const std::string& context, int64_t id) const;
    Result<std::optional<int64_t>> FindId(const std::string& context, const std::string& hash) const;
    Result<std::vector<std::pair<std::string, int64_t>>> FindGuid(const std::string& guid) const;
    Result<std::vector<SubjectState>> Subjects() const;
    // By context, subject and version; with the types of their schemas.
    Result<std::vector<std::pair<Version, SchemaType>>> AllVersions() const;
    Result<std::vector<std::string>> Contexts() const;  // besides the default one
    // Ids of the schemas, in its context or others, that refer to this version.
    Result<std::vector<std::pair<std::string, int64_t>>> ReferencedBy(const Subject& subject, int version) const;
    Result<Settings> SettingsOf(const Subject& subject) const;
    Result<int64_t> MaxId(const std::string& context) const;
    Result<int64_t> Count() const;  // of versions

    // Adds the version, and its schema if `schema.id` is 0 (then an id is given) or not there yet. Soft-deleted
    // versions `replaced` go. Answers the id.
    Result<int64_t> Add(const SchemaRecord& schema, const std::vector<std::pair<Subject, Reference>>& links,
                        const Version& version, const std::vector<int>& replaced, Timestamp now);
    Status SoftDelete(const Subject& subject, const std::vector<int>& versions);
    // With the schemas that no version points to any more, and a subject's settings once it has no versions.
    Status Remove(const std::vector<Version>& versions);
    Status SetConfig(const Subject& subject, const std::optional<Json>& config);
    Status SetMode(const Subject& subject, const std::string& mode, const std::vector<Version>& removed = {});
    Result<std::vector<Subject>> WithMode(const std::string& context) const;
    Status ClearModes(const std::vector<Subject>& subjects);

  private:
    explicit Store(metadata::Database& metadata) : metadata_(&metadata) {}
    metadata::Database* metadata_;
};

}  // namespace tarn::registry
