// Service: what the routes ask for. Everything takes who asks, and asks the gate about each subject that it shows or
// changes. Internal to the component.
#pragma once

#include <mutex>
#include <set>

#include "ingestion/registry/registry.h"
#include "ingestion/registry/store.h"

namespace tarn::registry {

using security::Principal;

inline constexpr size_t kSchemaBytesMax = 1 << 20;
inline constexpr size_t kDataContractBytesMax = 256 << 10;  // metadata and rules of a schema
inline constexpr int kVersionsMax = 1'000;                  // of a subject
inline constexpr int64_t kAllVersionsMax = 100'000;         // of all subjects
inline constexpr size_t kReferencesMax = 1'000;             // of a schema, with those of its references
inline constexpr size_t kReferencedBytesMax = 8 << 20;      // text of them
inline constexpr int kReferenceDepthMax = 32;
inline constexpr size_t kListedBytesMax = 64 << 20;  // text of the schemas in one answer

// A schema that somebody sends.
struct SchemaRequest {
    SchemaRecord schema;      // type, text, references, metadata, rules; an id only to import
    int version = 0;          // 0: the next
    bool normalize = false;
};

// A version with its schema.
struct Found {
    Version version;
    SchemaRecord schema;
};

enum class Deleted : uint8_t { kHidden, kIncluded, kOnly };

struct Check {
    bool compatible = true;
    std::vector<std::string> messages;
};

struct Parsed {
    std::unique_ptr<Schema> schema;
    SchemaRecord record;  // without an id; its text is canonical
    std::vector<std::pair<Subject, Reference>> links;
};

class Service {
  public:
    Service(RegistryDependencies dependencies, Store store);

    // ---- reading
    Result<std::vector<std::string>> Subjects(const Principal& principal, const std::string& prefix, Deleted deleted);
    Result<std::vector<int>> Versions(const Principal& principal, const Subject& subject, Deleted deleted);
    Result<Found> Get(const Principal& principal, const Subject& subject, const std::string& version,
                      bool with_deleted);
    Result<std::vector<std::pair<Version, SchemaType>>> All(const Principal& principal, const std::string& prefix,
                                                            bool with_deleted, bool latest_only);
    // With their schemas, of which there is a limit.
    Result<std::vector<Found>> WithSchemas(const std::vector<std::pair<Version, SchemaType>>& versions);
    // `hint`: a subject or context in which the id is looked for first.
    Result<SchemaRecord> ById(const Principal& principal, int64_t id, const std::string& hint);
    Result<std::vector<Version>> VersionsOfId(const Principal& principal, int64_t id, const std::string& hint,
                                              bool with_deleted);
    Result<std::vector<SchemaRecord>> ByGuid(const Principal& principal, const std::string& guid);
    Result<std::vector<int64_t>> ReferencedBy(const Principal& principal, const Subject& subject,
                                              const std::string& version, bool with_deleted);
    Result<Found> LookUp(const Principal& principal, const Subject& subject, const SchemaRequest& request,
                         bool with_deleted);
    Result<Found> WithMetadata(const Principal& principal, const Subject& subject,
                               const std::vector<std::pair<std::string, std::string>>& wanted, bool with_deleted);
    Result<Check> Compatible(const Principal& principal, const Subject& subject, const SchemaRequest& request,
                             const std::optional<std::string>& version);
    Result<std::vector<std::string>> Contexts(const Principal& principal);
    Result<int64_t> MaxId(const std::string& context) { return store_.MaxId(context); }
    // Its own, or the one that holds for it; 40408, 40409.
    Result<Json> Config(const Principal& principal, const Subject& subject, bool in_scope);
    Result<std::string> Mode(const Principal& principal, const Subject& subject, bool in_scope);
    std::string ReferenceText(const std::string& text, const Subject& parent) const;
    // The schema's text in a form that a client asks for: "serialized" of Protobuf, "resolved" of Avro.
    Result<std::string> TextAs(const SchemaRecord& schema, const std::string& format) const;
    Result<int64_t> Count() const { return store_.Count(); }

    // ---- changing
    Result<Found> Register(const Principal& principal, const Subject& subject, const SchemaRequest& request);
    Result<std::vector<int>> DeleteSubject(const Principal& principal, const Subject& subject, bool permanent);
    Result<int> DeleteVersion(const Principal& principal, const Subject& subject, const std::string& version,
                              bool permanent);
    // Members that the change doesn't name stay. Answers the whole.
    Result<Json> ChangeConfig(const Principal& principal, const Subject& subject, const Json& change);
    Result<Json> DeleteConfig(const Principal& principal, const Subject& subject);
    Status SetMode(const Principal& principal, const Subject& subject, const std::string& mode, bool force);
    Result<std::string> DeleteMode(const Principal& principal, const Subject& subject, bool recursive);

  private:
    struct Resolution;

    Status May(const Principal& principal, std::string_view action, const Subject& subject) const;
    bool Can(const Principal& principal, std::string_view action, const Subject& subject) const;
    Result<std::vector<Subject>> Candidates(const Subject& subject) const;
    Result<std::optional<Version>> FindVersion(const Subject& subject, const std::string& version,
                                               bool with_deleted) const;
    Error NotThere(const Subject& subject, const std::string& version, bool with_deleted) const;
    Result<Found> WithSchema(Version version) const;
    Result<std::string> ContextOf(int64_t id, const std::string& hint) const;

    Result<Json> ConfigInScope(const Subject& subject) const;
    Result<std::string> ModeInScope(const Subject& subject) const;
    Status CheckWritable(const Subject& subject) const;
    Status CheckRegisterMode(const Subject& subject, const SchemaRequest& request, const std::string& mode) const;

    // `principal` null: of what is stored, which nobody asks for.
    Status Resolve(const Principal* principal, const std::vector<Reference>& references, const std::string& context,
                   Resolution& resolution) const;
    Result<std::unique_ptr<Schema>> ParseStored(const SchemaRecord& schema) const;
    Result<Parsed> Prepare(const Principal& principal, const Subject& subject, const SchemaRequest& request,
                           const Json& config, bool is_new) const;
    Result<Check> CheckAgainst(const Parsed& parsed, const std::vector<Version>& versions, const Json& config) const;
    Result<std::optional<Found>> LookUpIn(const Principal& principal, const Subject& subject,
                                          const SchemaRequest& request, bool with_deleted);
    Status TakeOver(const Subject& subject, SchemaRequest& request) const;
    Status CheckId(const Parsed& parsed, int64_t id) const;
    Result<bool> IsReferenced(const Version& version, bool by_deleted, const Subject* but) const;
    Result<std::vector<Version>> AllInScope(const Subject& subject) const;

    RegistryDependencies dependencies_;
    Store store_;
    std::mutex changes_;  // held from what a change decides by to its commit
    Counter& registered_;
    Counter& refused_;
};

// The level of a configuration.
const Compatibility& LevelOf(const Json& config);
// An object with something in it, or null.
Json ObjectOrNull(const Json& value);

}  // namespace tarn::registry
