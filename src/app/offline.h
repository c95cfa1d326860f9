// What can be asked of a platform's state as a whole, running or not: is it sound, and everything out of it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"

namespace tarn::app {

struct Components;

struct VerifyReport {
    std::vector<std::string> checked;  // "audit: 1,234 records in 2 segments"
    std::vector<std::string> issues;   // each names what is damaged and where
};
// Reads everything back: objects of the lake, the audit chain, the metadata, the tables' logs, the loads' manifests,
// the log of topics.
Result<VerifyReport> VerifyAll(Components& parts, bool audit_only);

// A key as a path below a folder: parts that mean something to a file system are written with '%'.
std::string ExportPath(const std::string& key);

// Copies every object of every bucket to <directory>/<bucket>/<key>, decrypted: tables are then plain Delta. Returns
// the number of objects. Existing files of the same size are left, so that a second export goes on.
Result<int64_t> ExportAll(Components& parts, Env& env, const std::string& directory,
                          const std::function<void(const std::string&)>& progress);

}  // namespace tarn::app
