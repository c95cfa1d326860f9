// What the platform, the keeper and a sandbox's first process say to each other. Internal to base/process_sandbox*.
//
// Messages are JSON in single packets of a Unix socket, with descriptors; large requests lie in a sealed memory file.
//   platform -> keeper   {} + request file, output pipe, report socket; the keeper hands the same to a first process
//   keeper -> platform   on the report socket: {"started"} + pidfd, at the very end {"reaped": status}
//   first process -> platform, on the same socket: {"ready"} + listeners; {"failed": text, "code": errno};
//                        {"exit": status, "killed": limit, "cpu": microseconds, "memory": bytes}
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/net_channel.h"
#include "base/process_sandbox.h"

namespace tarn::sandbox {

inline constexpr int kSocketFd = 4;  // of the keeper
inline constexpr size_t kMessageBytesMax = 32 << 10;
inline constexpr size_t kFdsMax = 64;
inline constexpr size_t kForwardsMax = 32;
inline constexpr int kUserInside = 1000;

struct Message {
    Json json;
    std::vector<Fd> fds;
};

// Two ends of a socket of packets.
Result<std::pair<Fd, Fd>> MakeSocketPair();
Status SendMessage(int socket, const Json& json, const std::vector<int>& fds);
// Blocks. Nothing at the end: the other side is gone.
Result<std::optional<Message>> ReceiveMessage(int socket);

Json RequestToJson(const SandboxOptions& options);
Result<SandboxOptions> RequestFromJson(const Json& json);
Result<Fd> WriteMemoryFile(const std::string& content);
Result<std::string> ReadMemoryFile(int fd);

// The seccomp filter as the kernel wants it, made once.
Result<std::string> MakeFilter();

// What the first process of a sandbox is given by the keeper. It is made before anybody asks for it, with all that runs
// have in common; then the request comes, as a message with the three descriptors that the keeper got.
struct Child {
    SandboxOptions common;  // read_only and programs
    const std::string* filter;
    Fd keeper;  // a socket; its end is the keeper's
    Fd go;  // one byte comes once the users are mapped
    bool privileged;  // the keeper is root
};
// The first process of the namespaces: builds them up, waits, runs the command, watches it. Never returns.
[[noreturn]] void RunChild(Child child);

int LandlockVersion();

}  // namespace tarn::sandbox
