// ProtobufSchema: a .proto file, read by libprotobuf. Internal to the component.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ingestion/registry/schema.h"

namespace google::protobuf {
class FileDescriptor;
}

namespace tarn::registry {

// `text` is that of a .proto file, or a FileDescriptorProto in base64, as some clients send it. Imports are the
// references' names; those of google/protobuf are there by themselves.
Result<std::unique_ptr<Schema>> ParseProtobuf(const std::string& text, const std::vector<ReferencedSchema>& references);

// Why a reader of `reader` cannot take what was written by `writer`: the rules of "Updating a message type" in
// Protobuf's documentation.
std::vector<Difference> ProtobufDifferences(const google::protobuf::FileDescriptor& reader,
                                            const google::protobuf::FileDescriptor& writer, const Sides& sides);

}  // namespace tarn::registry
