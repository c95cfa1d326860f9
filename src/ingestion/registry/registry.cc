#include "ingestion/registry/registry.h"

#include "ingestion/registry/operations.h"

namespace tarn::registry {
namespace {

// "orders-value" is what the values of topic "orders" are written by, unless the client names it otherwise.
std::string TopicOf(const Subject& subject) {
    for (std::string_view end : {"-value", "-key"}) {
        if (subject.name.ends_with(end)) return subject.name.substr(0, subject.name.size() - end.size());
    }
    return "";
}

class RegistryOfTables : public Registry {
  public:
    RegistryOfTables(RegistryDependencies dependencies, Store store)
        : service_(dependencies, store),
          versions_(dependencies.metrics.GetGauge("tarn_registry_versions",
                                                  "Versions of subjects in the schema registry, also deleted ones.")) {}

    Status Health() override {
        versions_.Set(static_cast<double>(TRY(service_.Count())));
        return Ok();
    }
    std::vector<security::Route> Routes() override { return RegistryRoutes(service_); }

    Result<std::vector<SchemaFact>> Latest(const Principal& principal) override {
        std::vector<SchemaFact> facts;
        for (const auto& [version, type] : TRY(service_.All(principal, "", false, true))) {
            facts.push_back({version.subject.Text(), TopicOf(version.subject), std::string(SchemaTypeName(type)),
                             version.version, version.id});
        }
        return facts;
    }

    Result<std::vector<std::vector<std::optional<std::string>>>> SystemRows(const Principal& principal) override {
        std::vector<std::vector<std::optional<std::string>>> rows;
        for (const Found& found : TRY(service_.WithSchemas(TRY(service_.All(principal, "", true, false))))) {
            const Subject& subject = found.version.subject;
            std::string of = TopicOf(subject);
            auto topic = of.empty() ? std::nullopt : std::optional<std::string>(of);
            rows.push_back({subject.context, subject.name, topic, std::to_string(found.version.version),
                            std::to_string(found.version.id), std::string(SchemaTypeName(found.schema.type)),
                            found.version.is_deleted ? "true" : "false", found.schema.text});
        }
        return rows;
    }

  private:
    Service service_;
    Gauge& versions_;
};

}  // namespace

const std::vector<std::pair<std::string, std::string>>& Registry::SystemColumns() {
    static const std::vector<std::pair<std::string, std::string>> kColumns = {
        {"context", "VARCHAR"}, {"subject", "VARCHAR"}, {"topic", "VARCHAR"},   {"version", "INTEGER"},
        {"id", "INTEGER"},      {"type", "VARCHAR"},    {"deleted", "BOOLEAN"}, {"definition", "VARCHAR"}};
    return kColumns;
}

Result<std::unique_ptr<Registry>> Registry::Create(RegistryDependencies dependencies) {
    Store store = TRY(Store::Create(dependencies.metadata));
    return std::unique_ptr<Registry>(std::make_unique<RegistryOfTables>(dependencies, store));
}

}  // namespace tarn::registry
