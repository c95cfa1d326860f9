// Child processes that die with the program (parent-death signal), without its file descriptors or environment.
//
// A child leads a session of its own, has /dev/null as standard input and can gain no privileges (no_new_privs: sudo
// and set-uid programs do not work in it). What it leaves running in its process group is killed when it exits.
// A descendant that starts a session of its own escapes that: sandboxes need more than this.
// Every method may be called from any thread.
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
    std::string user;         // run as this user (and its groups) when we are root; otherwise ignored
    std::string output_path;  // stdout and stderr are appended here; empty: /dev/null
    int inherited_fd = -1;    // becomes descriptor 4 of the child; stays open here
};

class Process {
  public:
    static Result<std::unique_ptr<Process>> Start(const ProcessOptions& options);
    virtual ~Process() = default;  // SIGTERM, then SIGKILL after two seconds
    virtual int pid() const = 0;
    virtual std::optional<int> exit_code() = 0;  // empty while it runs; 128 + the signal that ended it
    virtual Result<int> Wait(Duration timeout) = 0;  // kTimeout if it still runs then
    virtual void Signal(int signal) = 0;  // to its whole process group; nothing once it has exited
};

// Runs a command to its end and returns its standard output (16 MiB at most). kFailedPrecondition when it exits with
// another code than 0 (the last lines of its standard error, or else output, are in the message), kTimeout when it had
// to be killed. `output_path` is not used.
Result<std::string> RunCommand(const ProcessOptions& options, Duration timeout);

}  // namespace tarn
