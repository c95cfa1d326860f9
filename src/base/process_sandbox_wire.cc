#include "base/process_sandbox_wire.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/text.h"

namespace tarn::sandbox {
namespace {

constexpr size_t kRequestBytesMax = 16 << 20;

Error Failed(std::string_view doing) {
    return Error(ErrorCode::kIo, "cannot {}: {}", doing, std::generic_category().message(errno));
}

}  // namespace

Result<std::pair<Fd, Fd>> MakeSocketPair() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return Failed("make a pair of sockets");
    return std::pair(Fd(ends[0]), Fd(ends[1]));
}

Status SendMessage(int socket, const Json& json, const std::vector<int>& fds) {
    std::string text = DumpJson(json);
    TARN_CHECK(text.size() <= kMessageBytesMax && fds.size() <= kFdsMax);
    iovec piece{text.data(), text.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kFdsMax)> control{};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
        message.msg_control = control.data();
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
        std::memcpy(CMSG_DATA(header), fds.data(), sizeof(int) * fds.size());
    }
    ssize_t sent;
    do {
        sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) return Failed("send to the sandbox");
    return Ok();
}

Result<std::optional<Message>> ReceiveMessage(int socket) {
    std::string text(kMessageBytesMax, '\0');
    iovec piece{text.data(), text.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kFdsMax)> control{};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t count;
    do {
        count = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (count < 0 && errno == EINTR);
    if (count < 0) return Failed("receive from the sandbox");
    Message received;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t fds = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < fds; i++) {
            int fd;
            std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
            received.fds.emplace_back(fd);
        }
    }
    if (count == 0) return std::optional<Message>();
    text.resize(static_cast<size_t>(count));
    received.json = TRY(ParseJson(text));
    return std::optional(std::move(received));
}

Json RequestToJson(const SandboxOptions& options) {
    Json network = Json::array();
    for (const SandboxForward& forward : options.network) network.push_back({forward.host, forward.port});
    Json files = Json::object();
    for (const auto& [name, content] : options.files) files[name] = HexEncode(AsBytes(content));
    Json environment = Json::object();
    for (const auto& [name, value] : options.environment) environment[name] = HexEncode(AsBytes(value));
    return {
        {"command", options.command},         {"environment", environment},           {"files", files},
        {"read_only", options.read_only},     {"programs", options.programs},         {"network", network},
        {"memory", options.memory_bytes_max}, {"scratch", options.scratch_bytes_max}, {"cpu", options.cpu_max.count()},
        {"processes", options.processes_max}};
}

Result<SandboxOptions> RequestFromJson(const Json& json) {
    SandboxOptions options;
    options.command = json.at("command").get<std::vector<std::string>>();
    for (const auto& [name, value] : json.at("environment").items()) {
        options.environment[name] = AsText(TRY(HexDecode(value.get<std::string>())));
    }
    for (const auto& [name, value] : json.at("files").items()) {
        options.files[name] = AsText(TRY(HexDecode(value.get<std::string>())));
    }
    options.read_only = json.at("read_only").get<std::vector<std::string>>();
    options.programs = json.at("programs").get<std::map<std::string, std::string>>();
    for (const Json& forward : json.at("network")) {
        options.network.push_back({forward.at(0).get<std::string>(), forward.at(1).get<int>(), {}});
    }
    options.memory_bytes_max = json.at("memory").get<int64_t>();
    options.scratch_bytes_max = json.at("scratch").get<int64_t>();
    options.cpu_max = Duration(json.at("cpu").get<int64_t>());
    options.processes_max = json.at("processes").get<int>();
    return options;
}

Result<Fd> WriteMemoryFile(const std::string& content) {
    if (content.size() > kRequestBytesMax) {
        return Error(ErrorCode::kResourceExhausted, "what a sandbox is given is larger than {}",
                     FormatSize(static_cast<int64_t>(kRequestBytesMax)));
    }
    Fd fd(::memfd_create("sandbox", MFD_CLOEXEC));
    if (!fd.valid()) return Failed("make a memory file");
    for (size_t done = 0; done < content.size();) {
        ssize_t count = ::write(fd.get(), content.data() + done, content.size() - done);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return Failed("write a memory file");
        done += static_cast<size_t>(count);
    }
    return fd;
}

Result<std::string> ReadMemoryFile(int fd) {
    off_t size = ::lseek(fd, 0, SEEK_END);
    if (size < 0 || static_cast<size_t>(size) > kRequestBytesMax) return Failed("measure the request");
    std::string content(static_cast<size_t>(size), '\0');
    for (size_t done = 0; done < content.size();) {
        ssize_t count = ::pread(fd, content.data() + done, content.size() - done, static_cast<off_t>(done));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return Failed("read the request");
        done += static_cast<size_t>(count);
    }
    return content;
}

}  // namespace tarn::sandbox
