// Connector: what every kind of source implements: check, discover, read with state. Internal to the component.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ingestion/connectors/connectors.h"
#include "ingestion/connectors/database_login.h"
#include "ingestion/connectors/load_store.h"

namespace tarn::connectors {

// What a connector is given: never the lake or the engine, but this load's writer.
struct ReadContext {
    const SourceDefinition& source;
    const StreamDefinition& stream;
    const StreamState& state;   // folded from all committed loads
    LoadWriter& writer;
    const CancelToken& cancel;
    std::function<void(const LoadProgress&)> progress;
    // kCancelled once somebody asked for it; call between steps.
    Status CheckCancelled() const {
        if (cancel.cancelled()) return Error(ErrorCode::kCancelled, "the load was cancelled");
        return Ok();
    }
};

class Connector {
  public:
    virtual ~Connector() = default;
    virtual Status Check(const SourceDefinition& source) = 0;
    virtual Result<std::vector<DiscoveredStream>> Discover(const SourceDefinition& source) = 0;
    // Reads from the state's position into context.writer and sets its new position. Commits nothing.
    virtual Status Read(ReadContext& context) = 0;
    virtual Result<bool> HasNew(const SourceDefinition&, const StreamDefinition&, const StreamState&) { return false; }
};

// The database that a source of kind postgresql or mysql names.
DatabaseServer ServerOf(const SourceDefinition& source, int default_port);
// kInvalidArgument naming the first of the stream's columns (`columns`, `cursor`, `key`) that the table lacks.
Status CheckColumns(const StreamDefinition& stream, const std::string& table, const std::vector<std::string>& columns);
// How files of the stream are to be read, as it says now.
void SetFormatOptions(const StreamDefinition& stream, Manifest& manifest);
// Whether `columns` of the stream lists it, or is not given.
bool IsWanted(const StreamDefinition& stream, const std::string& column);
// Sets the manifest's columns to those of this load; of an increment to those of all so far, wide enough for all.
void RecordColumns(ReadContext& context, const std::vector<engine::Column>& columns);

// Whether there are now more or fewer rows of the position's own cursor value than the last load kept as its edge.
bool EdgeChanged(const StreamState& state, int64_t rows_now);

std::unique_ptr<Connector> MakePostgresConnector(ConnectorsDependencies dependencies);
std::unique_ptr<Connector> MakeMysqlConnector(ConnectorsDependencies dependencies);
std::unique_ptr<Connector> MakeSqliteConnector(ConnectorsDependencies dependencies);
std::unique_ptr<Connector> MakeRestConnector(ConnectorsDependencies dependencies);
std::unique_ptr<Connector> MakeFilesConnector(ConnectorsDependencies dependencies);
std::unique_ptr<Connector> MakeKafkaConnector(ConnectorsDependencies dependencies);
// Up to where the stream has archived its topic, by partition; empty: nothing yet.
std::map<int32_t, int64_t> ArchivedOffsetsOf(const StreamState& state);
// The topic that a stream of kind kafka reads.
std::string TopicOf(const StreamDefinition& stream);
std::unique_ptr<Connector> MakeRemoteFiles(ConnectorsDependencies dependencies);  // s3 and http

}  // namespace tarn::connectors
