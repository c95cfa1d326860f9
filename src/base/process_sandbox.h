// Sandbox: runs programs that nobody vouches for, without root, so that they reach nothing but what they are given.
//
// Each run has user, process, mount, network, IPC and host-name namespaces of its own. It sees /usr and the libraries
// read-only, a private /job in memory (gone with the run), no other file of this machine, no process but its own, no
// network but the forwards that it was granted (host:port inside, carried by the one Dialer outside). On top of that:
// Landlock where the kernel has it, a seccomp filter, no capabilities, no_new_privs, limits of memory, CPU time,
// processes and files. Its end, its timeout and the death of the platform end every process of it (the first process of
// a namespace takes all others along, whatever session they are in).
//
// Runs are started by a keeper, a small process of the same program (SandboxKeeper below) that never held a key; the
// program that starts it hands it nothing but a socket. Where the kernel refuses namespaces, Run refuses: there is no
// weaker sandbox. Never: looks at what a run left behind. Threads: any; Run blocks.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/log.h"
#include "base/net.h"
#include "base/result.h"
#include "base/time.h"

namespace tarn {

// Connections to host:port inside go to `target` outside. A name stands in the run's /etc/hosts; there is no DNS.
struct SandboxForward {
    std::string host;  // a name or an IPv4 address
    int port = 0;
    Address target;
};

struct SandboxOptions {
    std::vector<std::string> command;  // command[0] with its path inside
    std::map<std::string, std::string> environment;  // all that it sees, but for PATH, HOME and LANG
    std::map<std::string, std::string> files;  // name below /job -> content
    std::vector<std::string> read_only;  // further paths of this machine that it sees
    std::map<std::string, std::string> programs;  // file of this machine -> name below /opt/tarn, first in PATH
    std::vector<SandboxForward> network;
    int64_t memory_bytes_max = 512 << 20;  // of all its processes together, and what it keeps in /job
    int64_t scratch_bytes_max = 256 << 20;  // of /job, /tmp and /dev/shm together
    int64_t output_bytes_max = 1 << 20;  // what comes later is dropped, slowly
    Duration cpu_max = std::chrono::hours(1);  // of all its processes together
    int processes_max = 100;  // threads too
};

struct SandboxExit {
    int code = 0;  // 128 + the signal that ended it
    std::string killed_for;  // "memory", "cpu": which limit ended it; empty for none
    std::string tail;  // the last lines of its output, also of what was dropped
    int64_t output_dropped = 0;  // bytes
    int64_t memory_bytes = 0;  // the most that was seen
    Duration cpu{0};
};

// Which fences this kernel gives. Namespaces and seccomp always hold: without them Probe is an error.
struct SandboxFences {
    int landlock = 0;  // its version; 0: the kernel has none
    bool proc = false;  // /proc of its own, and with it the watch over memory and CPU time of all processes together
    bool root = false;  // the platform runs as root, the run as a user number that nobody else has
};

class Sandbox {
  public:
    // `keeper` is the command whose main calls SandboxKeeper; it is started with the first run.
    static std::unique_ptr<Sandbox> Create(std::vector<std::string> keeper, Dialer& dialer, Log& log);
    virtual ~Sandbox() = default;
    // Blocks until all processes of the run are gone. kCancelled by the token; kNotSupported where the kernel or who
    // runs it forbids namespaces; kNotFound when there is no such program inside.
    virtual Result<SandboxExit> Run(const SandboxOptions& options, const CancelToken& cancel,
                                    const std::function<void(std::string_view)>& output) = 0;
    // Runs nothing of anybody; asks at most once a minute.
    virtual Result<SandboxFences> Probe() = 0;
};

// The keeper's main: serves the socket that it was started with until its other end closes.
int SandboxKeeper();
// The word by which the program knows that it shall be the keeper.
inline constexpr std::string_view kSandboxKeeperWord = "sandbox-keeper";

}  // namespace tarn
