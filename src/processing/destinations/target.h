// Target: what every kind of destination implements: take one version's rows. Internal to the component.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "ingestion/connectors/database_login.h"
#include "processing/destinations/destination_file.h"
#include "processing/destinations/destinations.h"

namespace tarn::destinations {

// Which rows: a version of a source. That is the table by its id, for one that is made anew begins with version 0
// again; the destination's file: with other columns or another target the same version is delivered anew; and the
// filters and masks that hold for the owner.
struct Position {
    std::string source;
    int64_t version = -1;
};

struct Delivery {
    const Destination& destination;
    const TableDelivery& table;
    Position position;
    const lakehouse::Snapshot& snapshot;  // the version
    bool sees_part;                       // filters or masks hold for the owner
    engine::Session& session;  // the owner's, pinned to the version
    orchestrator::TaskRun& run;
    std::string Name() const { return destination.home + "." + table.name; }
    // The SELECT of what is delivered, under the owner's filters and masks.
    std::string Select() const;
    Status CheckCancelled() const;
};

// What a delivery did to the rows of a table.
struct Changes {
    int64_t inserted = 0;
    int64_t updated = 0;
    int64_t deleted = 0;
};

struct Delivered {
    bool skipped = false;  // the target has this version already
    int64_t rows = 0;      // of the version
    int64_t bytes = 0;
    std::optional<Changes> changes;  // of targets with rows
};

// The database that a destination of such a kind names.
connectors::DatabaseServer ServerOf(const Destination& destination);

class Target {
  public:
    virtual ~Target() = default;
    // The whole version, in one step of the target where it can. Blocks; may run again for the same position.
    virtual Result<Delivered> Deliver(Delivery& delivery) = 0;
};

std::unique_ptr<Target> MakePostgresTarget(const DestinationsDependencies& dependencies);
std::unique_ptr<Target> MakeMysqlTarget(const DestinationsDependencies& dependencies);
std::unique_ptr<Target> MakeS3Target(const DestinationsDependencies& dependencies);
std::unique_ptr<Target> MakeHttpTarget(const DestinationsDependencies& dependencies);
std::unique_ptr<Target> MakeFilesTarget(const DestinationsDependencies& dependencies);

}  // namespace tarn::destinations
