// Kind push: clients send records by HTTP; they are kept at once, and a load brings them into the dataset. Internal.
#pragma once

#include "ingestion/connectors/connector.h"

namespace tarn::connectors {

// What a body holds: JSON (an object, or a list of objects) or lines of it.
struct PushedRecords {
    std::string lines;  // one record a line, as it came but for line ends between its tokens
    int64_t records = 0;
    int64_t broken = 0;
};
// kInvalidArgument naming the first record that is no object, when more are than `broken_max` allows.
Result<PushedRecords> ReadPushed(std::string_view body, const std::string& broken_max);

class PushConnector : public Connector {
  public:
    using ReadState = std::function<Result<std::shared_ptr<const StreamState>>()>;  // shared as the load store does
    virtual Result<PushOutcome> Push(const SourceDefinition& source, const StreamDefinition& stream,
                                     const PushRequest& request, const ReadState& read_state) = 0;
};
std::unique_ptr<PushConnector> MakePushConnector(ConnectorsDependencies dependencies);

}  // namespace tarn::connectors
