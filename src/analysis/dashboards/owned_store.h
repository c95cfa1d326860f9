// Dashboards made in the browser: their YAML in the metadata. Internal to the component.
#pragma once

#include <string>
#include <vector>

#include "metadata/metadata.h"

namespace tarn::dashboards {

struct OwnedText {
    std::string use_case;
    std::string name;
    std::string text;
};

class OwnedStore {
  public:
    explicit OwnedStore(metadata::Database& database) : database_(database) {}
    Status Migrate();
    Result<std::vector<OwnedText>> All();
    // `expected` is the hash of the text that is replaced, empty for a new one. kAlreadyExists for a new one that is
    // there, kConflict for another text than expected, kNotFound for one that went.
    Status Put(const OwnedText& dashboard, const std::string& expected, const std::string& principal, int64_t micros);
    Status Remove(const std::string& use_case, const std::string& name, const std::string& expected);

  private:
    metadata::Database& database_;
};

}  // namespace tarn::dashboards
