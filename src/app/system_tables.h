// The schema `system`: what the program knows of itself, as tables: audit, runs, tasks, assets, lineage, loads,
// metrics. Rows of what a person may not see are left out.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "storage/catalog/catalog.h"

namespace tarn::app {

struct Components;

class SystemTables : public catalog::DatasetProvider {
  public:
    explicit SystemTables(Components& parts);
    Result<std::vector<std::string>> Schemas() override { return std::vector<std::string>{"system"}; }
    Result<std::vector<catalog::Dataset>> Datasets(const std::string& schema) override;
    Result<engine::Relation> Find(const security::Principal& principal, const std::string& schema,
                                  const std::string& name, const engine::AtClause& at) override;
    Result<std::vector<catalog::DatasetVersion>> Versions(const std::string&, const std::string&, int) override {
        return std::vector<catalog::DatasetVersion>();
    }

  private:
    void AddOfIngestion(Components& parts);
    struct Table {
        std::string description;
        std::vector<engine::Column> columns;
        // The rows for one person: what the person may not see is left out.
        std::function<Result<engine::RowSet>(const security::Principal&)> make;
    };
    std::map<std::string, Table> tables_;
};

}  // namespace tarn::app
