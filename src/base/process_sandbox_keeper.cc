// The keeper: starts sandboxes for the platform, and tells it of their ends. It has no key, no thread, no file of the
// platform, and does nothing but fork: small, so that a fork costs little.
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <map>
#include <system_error>

#include "base/process_sandbox_wire.h"
#include "base/text.h"

namespace tarn::sandbox {
namespace {

// Numbers that no file and no account has: systemd's documentation of user numbers leaves them to nobody.
constexpr uint32_t kUserFirst = 0x70000000;
constexpr uint32_t kUsers = 1 << 16;
constexpr int kNextAfterMillis = 4;  // when the run that was just asked for has got to its command
constexpr uint64_t kNamespaces =
    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;

Error Failed(std::string_view doing) {
    ErrorCode code = errno == EPERM || errno == ENOSYS || errno == EINVAL || errno == ENOSPC || errno == EUSERS
                         ? ErrorCode::kNotSupported
                         : ErrorCode::kIo;
    return Error(code, "cannot {}: {}", doing, std::generic_category().message(errno));
}

Status WriteOnce(const std::string& path, const std::string& text) {
    Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd.valid() || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
        return Failed("write " + path);
    }
    return Ok();
}

class Keeper {
  public:
    Keeper(Fd control, Fd signals, std::string filter)
        : control_(std::move(control)), signals_(std::move(signals)), filter_(std::move(filter)) {}

    // Ends when the platform does.
    void Serve() {
        while (true) {
            pollfd waits[2] = {{control_.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}};
            int count = ::poll(waits, 2, next_wanted_ ? kNextAfterMillis : -1);
            if (count < 0 && errno != EINTR) return;
            if (count == 0) PrepareNext();
            if (count <= 0) continue;
            if (waits[1].revents != 0) Reap();
            if (waits[0].revents == 0) continue;
            Result<std::optional<Message>> message = ReceiveMessage(control_.get());
            if (!message.ok() || !*message) return;
            if ((*message)->fds.size() != 3) continue;
            Fd report = std::move((*message)->fds[2]);
            Status started = Start((*message)->fds, report);
            message->reset();  // its descriptors are not for the next one
            next_wanted_ = !common_name_.empty();
            if (started.ok()) continue;
            Tell(report, {{"failed", started.error().message()},
                          {"unsupported", started.error().code() == ErrorCode::kNotSupported}});
            Tell(report, {{"reaped", 0}});
        }
    }

  private:
    static void Tell(const Fd& report, const Json& json, const std::vector<int>& fds = {}) {
        // Who is not there any more need not be told.
        (void)SendMessage(report.get(), json, fds);
    }

    // A first process that waits for its request.
    struct Prepared {
        pid_t pid = -1;
        std::string common;  // what it was prepared with
        Fd handle;
        Fd socket;
    };

    Status Start(const std::vector<Fd>& given, Fd& report) {
        SandboxOptions options = TRY(RequestFromJson(TRY(ParseJson(TRY(ReadMemoryFile(given[0].get()))))));
        SandboxOptions common;
        common.read_only = options.read_only;
        common.programs = options.programs;
        std::string name = DumpJson(RequestToJson(common));
        Prepared first = std::move(prepared_);
        prepared_ = Prepared();
        if (first.pid > 0 && first.common != name) Discard(first);
        if (first.pid < 0) first = TRY(Prepare(common, name));
        std::vector<int> fds = {given[0].get(), given[1].get(), report.get()};
        Tell(report, {{"started", first.pid}}, {first.handle.get()});
        Status handed = SendMessage(first.socket.get(), Json::object(), fds);
        if (!handed.ok()) return Discard(first), handed;
        children_[first.pid] = {std::move(report), std::move(first.socket)};
        common_ = std::move(common);
        common_name_ = std::move(name);
        return Ok();
    }

    // While a run is under way, the first process of the next one. Where that fails the next one tries, and says why.
    void PrepareNext() {
        next_wanted_ = false;
        if (prepared_.pid > 0) return;
        auto next = Prepare(common_, common_name_);
        if (next.ok()) prepared_ = std::move(*next);
    }

    static void Discard(Prepared& first) {
        ::kill(first.pid, SIGKILL);
        while (::waitpid(first.pid, nullptr, 0) < 0 && errno == EINTR) {
        }
        first = Prepared();
    }

    Result<Prepared> Prepare(const SandboxOptions& common, const std::string& name) {
        Child child;
        child.common = common;
        child.filter = &filter_;
        child.privileged = ::geteuid() == 0;
        auto [near, far] = TRY(MakeSocketPair());
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return Failed("make a pipe");
        child.go = Fd(ends[0]);
        Fd go(ends[1]);
        int pidfd = -1;
        clone_args arguments{};
        arguments.flags = kNamespaces | CLONE_PIDFD;
        arguments.pidfd = reinterpret_cast<uint64_t>(&pidfd);
        arguments.exit_signal = SIGCHLD;
        long pid = ::syscall(SYS_clone3, &arguments, sizeof(arguments));
        if (pid < 0) return Failed("make namespaces for a sandbox");
        if (pid == 0) {
            go.Close();
            near.Close();
            control_.Close();
            signals_.Close();
            children_.clear();
            child.keeper = std::move(far);
            RunChild(std::move(child));
        }
        Prepared first{static_cast<pid_t>(pid), name, Fd(pidfd), std::move(near)};
        Status mapped = MapUsers(first.pid, child.privileged);
        if (!mapped.ok()) return Discard(first), std::move(mapped).error();
        (void)!::write(go.get(), "g", 1);
        return first;
    }

    // Root gives every run a number of its own that owns nothing; anybody else has only their own to give.
    Status MapUsers(pid_t pid, bool privileged) {
        std::string folder = fmt::format("/proc/{}/", pid);
        uint32_t user = privileged ? kUserFirst + next_user_++ % kUsers : ::geteuid();
        uint32_t group = privileged ? user : ::getegid();
        if (!privileged) TRY(WriteOnce(folder + "setgroups", "deny"));
        TRY(WriteOnce(folder + "gid_map", fmt::format("{} {} 1", kUserInside, group)));
        return WriteOnce(folder + "uid_map", fmt::format("{} {} 1", kUserInside, user));
    }

    void Reap() {
        signalfd_siginfo info;
        while (::read(signals_.get(), &info, sizeof(info)) > 0) {
        }
        int status = 0;
        for (pid_t pid; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
            if (pid == prepared_.pid) prepared_ = Prepared();
            auto found = children_.find(pid);
            if (found == children_.end()) continue;
            Tell(found->second.report, {{"reaped", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)}});
            children_.erase(found);
        }
    }

    Fd control_;
    Fd signals_;
    const std::string filter_;
    struct Running {
        Fd report;  // who waits for its end
        Fd socket;  // while it is open the first process knows that we are there
    };
    std::map<pid_t, Running> children_;  // by the first process of a sandbox
    Prepared prepared_;
    bool next_wanted_ = false;
    SandboxOptions common_;  // what the last run was prepared with
    std::string common_name_;
    uint32_t next_user_ = 0;
};

}  // namespace
}  // namespace tarn::sandbox

namespace tarn {

int SandboxKeeper() {
    Fd control(sandbox::kSocketFd);
    ::fcntl(control.get(), F_SETFD, FD_CLOEXEC);
    ::prctl(PR_SET_NAME, "tarn-sandboxes");
    sigset_t mask;
    ::sigemptyset(&mask);
    ::sigaddset(&mask, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &mask, nullptr);
    Fd signals(::signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
    Result<std::string> filter = sandbox::MakeFilter();
    Json hello = {{"landlock", sandbox::LandlockVersion()}, {"root", ::geteuid() == 0}};
    if (!filter.ok()) hello["failed"] = filter.error().message();
    bool told = sandbox::SendMessage(control.get(), hello, {}).ok();
    if (!told || !filter.ok() || !signals.valid()) return 1;
    sandbox::Keeper(std::move(control), std::move(signals), std::move(*filter)).Serve();
    return 0;  // and the parent-death signal ends what is still there
}

}  // namespace tarn
