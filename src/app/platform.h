// Platform: every component of the program, constructed in dependency order and stopped in reverse.
//
// This is the only place that knows everyone. Create opens the state directory and builds the components, Start opens
// the listeners and begins to schedule. State: the state directory's lock for its whole life. Threads: one.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "app/config.h"
#include "base/env.h"
#include "base/json.h"
#include "base/net.h"
#include "base/result.h"
#include "ingestion/orchestrator/orchestrator.h"

namespace tarn::buffer {
class Topics;
}

namespace tarn::app {

inline constexpr const char* kVersion = "0.1.0";

struct PlatformOptions {
    std::string directory;                   // the workspace
    std::optional<std::string> web_address;  // override the workspace's listeners
    std::optional<std::string> s3_address;
    std::optional<std::string> sql_address;
    std::optional<std::string> kafka_address;
    bool terminal_log = true;
    bool watch = false;  // ApplyChanges will be called
};

struct PlatformAddresses {
    Address web;
    Address s3;
    Address sql;
    Address kafka;
};

class Platform {
  public:
    static Result<std::unique_ptr<Platform>> Create(Env& env, PlatformOptions options);
    virtual ~Platform() = default;  // stops what was started
    virtual Status Start() = 0;
    virtual PlatformAddresses addresses() const = 0;
    virtual const std::string& state_directory() const = 0;
    // A file (0600) with a token of the first admin, for the command line and scripts on this machine.
    virtual const std::string& admin_token_file() const = 0;
    // PEM of the listeners' certificate; empty without TLS.
    virtual std::string certificate_file() const = 0;
    // Where a browser logs in without a password, once; empty when an admin has a credential already.
    virtual Result<std::string> LoginLink() = 0;
    // Issues of the folder that kept it from being applied; empty when it was.
    virtual const std::string& workspace_issues() const = 0;
    // Everything is loaded and fresh, and archives have all of their topics.
    virtual bool Idle() const = 0;
    // Not a sentence but the thing itself: what runs, what failed.
    virtual Result<std::vector<orchestrator::TaskStatus>> Tasks() const = 0;
    // For the demo's progress: "12 of 15 fresh, running: raw_weather.weather (page 12)".
    virtual std::string Progress() const = 0;
    // Memory that queries may use together.
    virtual int64_t EngineMemoryBytes() const = 0;
    virtual Status SetSecret(const std::string& name, const std::string& value) = 0;
    virtual int64_t RowsOf(const std::string& schema, const std::string& name) const = 0;  // -1: unknown
    virtual Status Apply() = 0;
    // Takes what changed in tarn.yaml: reload.h.
    virtual Status Reload() = 0;
    // What is wrong with its components: doctor.h. Also before Start.
    virtual Result<Json> Examine() = 0;
    // Applies the folder if a file in it changed since the last call and nothing is being written any more; what came
    // of it, for people, or empty.
    virtual Result<std::string> ApplyChanges() = 0;
    // {"checked": [...], "issues": [...]}: offline.h. Also before Start.
    virtual Result<Json> Verify(bool audit_only) = 0;
    virtual Result<int64_t> Export(const std::string& directory,
                                   const std::function<void(const std::string&)>& progress) = 0;
    virtual int64_t MemoryBytes() = 0;
    // Of the buffer: for the demo, which produces. Between Start and the end.
    virtual buffer::Topics& topics() = 0;
    // Every kind of file with its keys, as the code reads them. Also before Start.
    virtual Json Reference() = 0;
};

}  // namespace tarn::app
