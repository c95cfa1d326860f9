// Manifest: what one backup is: every file of the state directory with the chunks that hold it. Its being there is the
// backup's commit point. Format: docs/formats/backup.md.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "access/backup/store.h"
#include "base/result.h"
#include "base/time.h"

namespace tarn::access {

struct BackedFile {
    std::string path;  // below the state directory
    uint64_t bytes = 0;
    uint64_t chunk_bytes = 0;  // of each chunk but the last
    std::vector<std::string> chunks;  // SHA-256 of each, in hex
};

struct BackupSummary {
    std::string name;
    std::string platform_id;
    std::string version;  // of the program that made it
    int state_format = 0;
    Timestamp at;  // the instant whose state it is
    Duration took{0};
    bool running = false;  // made of a running platform
    uint64_t files = 0;
    uint64_t bytes = 0;  // of the state
    uint64_t bytes_new = 0;  // that were copied for it
    uint64_t missing = 0;  // stored files that the lake's index names and that were not there
};

struct Manifest {
    BackupSummary summary;
    std::vector<BackedFile> files;
};

std::string RenderManifest(const Manifest& manifest);
// kCorruption when it is not what was rendered.
Result<Manifest> ParseManifest(const std::string& name, std::string_view text);

std::string ChunkName(const std::string& hash);

Result<Manifest> ReadManifest(BackupStore& store, const std::string& name);
// Names, the oldest first.
Result<std::vector<std::string>> ManifestNames(BackupStore& store);
std::string ManifestNameOf(Timestamp at, std::string_view suffix);
std::string ManifestPath(const std::string& name);

}  // namespace tarn::access
