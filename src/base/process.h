// Child processes that die with the program (parent-death signal), without its file descriptors or environment.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace tarn {

struct ProcessOptions {
    std::vector<std::string> command;  // command[0] is looked up in PATH
    std::map<std::string, std::string> environment;  // all that the child sees, but for PATH, LANG and TZ
    std::string directory;
    std::string user;         // run as this user when we are root
    std::string output_path;  // stdout and stderr are appended here; empty: /dev/null
};

class Process {
  public:
    static Result<std::unique_ptr<Process>> Start(const ProcessOptions& options);
    virtual ~Process() = default;  // SIGTERM, then SIGKILL after two seconds
    virtual int pid() const = 0;
    virtual std::optional<int> exit_code() = 0;  // empty while it runs
    virtual Result<int> Wait(Duration timeout) = 0;
    virtual void Signal(int signal) = 0;
};

// Runs a command to its end and returns its output; an error carries the last lines of it.
Result<std::string> RunCommand(const ProcessOptions& options, Duration timeout);

}  // namespace tarn
