#include "base/process.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <system_error>
#include <thread>

#include "base/env.h"
#include "base/text.h"

namespace tarn {
namespace {

constexpr Duration kTermGrace = std::chrono::seconds(2);
constexpr Duration kKillGrace = std::chrono::seconds(10);
constexpr size_t kOutputBytesMax = 16 << 20;
constexpr size_t kTailBytesMax = 2000;
constexpr size_t kTailLinesMax = 20;
constexpr const char* kPathDefault = "/usr/local/bin:/usr/bin:/bin";

std::string ErrnoText(int error_number) { return std::generic_category().message(error_number); }

class Descriptor {
  public:
    explicit Descriptor(int fd = -1) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Descriptor() { Close(); }
    void Close() {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }
    int get() const { return fd_; }

  private:
    int fd_;
};

// Moves a descriptor above the numbers that the child gives its standard streams and its report.
Descriptor Raise(Descriptor descriptor) { return Descriptor(::fcntl(descriptor.get(), F_DUPFD_CLOEXEC, 10)); }

struct Pipe {
    Descriptor read;
    Descriptor write;
};

Result<Pipe> MakePipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return Error(ErrorCode::kIo, "cannot make a pipe: {}", ErrnoText(errno));
    return Pipe{Raise(Descriptor(ends[0])), Raise(Descriptor(ends[1]))};
}

Result<Descriptor> OpenFile(const std::string& path, int flags) {
    Descriptor descriptor(::open(path.c_str(), flags | O_CLOEXEC, 0600));
    if (descriptor.get() < 0) return Error(ErrorCode::kIo, "cannot open {}: {}", path, ErrnoText(errno));
    return Raise(std::move(descriptor));
}

struct Identity {
    uid_t user = 0;
    gid_t group = 0;
    std::vector<gid_t> groups;
};

// Everything the child needs, made before the fork: between fork and exec it must not allocate or lock.
struct Launch {
    std::string program;
    std::vector<std::string> texts;  // owns what `arguments` and `variables` point into
    std::vector<char*> arguments;
    std::vector<char*> variables;
    std::string directory;
    std::optional<Identity> identity;
    Descriptor input;
    Descriptor output;
    Descriptor errors;
    int inherited = -1;
};

// What went wrong in the child before exec.
struct ChildFailure {
    int stage = 0;
    int error_number = 0;
};
constexpr std::array<const char*, 5> kStages = {"set up its streams", "change to its user", "change to its directory",
                                                "bind its life to ours", "execute it"};

Result<Identity> IdentityOf(const std::string& user) {
    std::vector<char> buffer(16 << 10);
    passwd entry;
    passwd* found = nullptr;
    int error_number = ::getpwnam_r(user.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (!found) {
        std::string reason = error_number == 0 ? "there is no such user" : ErrnoText(error_number);
        return Error(ErrorCode::kNotFound, "cannot run as user {}: {}", user, reason);
    }
    Identity identity{entry.pw_uid, entry.pw_gid, std::vector<gid_t>(64)};
    int count = static_cast<int>(identity.groups.size());
    if (::getgrouplist(user.c_str(), entry.pw_gid, identity.groups.data(), &count) < 0) {
        identity.groups.resize(static_cast<size_t>(count));  // it told how many there are
        ::getgrouplist(user.c_str(), entry.pw_gid, identity.groups.data(), &count);
    }
    identity.groups.resize(static_cast<size_t>(count));
    return identity;
}

// Variables of ours that a child may see besides its own.
std::map<std::string, std::string> EnvironmentOf(const ProcessOptions& options) {
    std::map<std::string, std::string> environment = options.environment;
    for (const char* name : {"PATH", "LANG", "TZ"}) {
        const char* value = std::getenv(name);
        if (value) environment.try_emplace(name, value);
    }
    environment.try_emplace("PATH", kPathDefault);
    return environment;
}

Result<std::string> FindProgram(const std::string& name, const std::string& path) {
    if (name.find('/') != std::string::npos) return name;
    for (const std::string& folder : Split(path, ':')) {
        std::string candidate = folder + "/" + name;
        struct stat info;
        if (folder.empty() || ::stat(candidate.c_str(), &info) != 0) continue;
        if (S_ISREG(info.st_mode) && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    }
    return Error(ErrorCode::kNotFound, "there is no program {} in PATH ({})", name, path);
}

Result<Launch> Prepare(const ProcessOptions& options) {
    if (options.command.empty()) return Error(ErrorCode::kInvalidArgument, "a process needs a command");
    Launch launch;
    auto environment = EnvironmentOf(options);
    launch.program = TRY(FindProgram(options.command[0], environment.at("PATH")));
    launch.directory = options.directory;
    launch.inherited = options.inherited_fd;
    if (!options.user.empty() && ::geteuid() == 0) launch.identity = TRY(IdentityOf(options.user));
    launch.input = TRY(OpenFile("/dev/null", O_RDONLY));
    launch.texts = options.command;
    for (const auto& [name, value] : environment) launch.texts.push_back(fmt::format("{}={}", name, value));
    for (size_t i = 0; i < launch.texts.size(); i++) {
        auto& list = i < options.command.size() ? launch.arguments : launch.variables;
        list.push_back(launch.texts[i].data());
    }
    launch.arguments.push_back(nullptr);
    launch.variables.push_back(nullptr);
    return launch;
}

// From here to Exec: the child, after fork. Only system calls.

constexpr int kReportFd = 3;
constexpr int kInheritedFd = 4;

[[noreturn]] void Fail(int stage) {
    ChildFailure failure{stage, errno};
    (void)!::write(kReportFd, &failure, sizeof(failure));
    ::_exit(127);
}

void ResetSignals() {
    for (int signal = 1; signal < NSIG; signal++) ::signal(signal, SIG_DFL);  // an ignored one would stay ignored
    sigset_t none;
    ::sigemptyset(&none);
    ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

void CloseFrom(unsigned first) {
    if (::syscall(SYS_close_range, first, ~0u, 0u) == 0) return;
    // Before Linux 5.9, or forbidden by a container: one by one.
    long limit = std::min(::sysconf(_SC_OPEN_MAX), 1l << 16);
    for (long fd = first; fd < limit; fd++) ::close(static_cast<int>(fd));
}

bool BecomeUser(const Identity& identity) {
    // The raw calls: the library's wrappers tell other threads, and there are none here.
    return ::syscall(SYS_setgroups, identity.groups.size(), identity.groups.data()) == 0 &&
           ::syscall(SYS_setresgid, identity.group, identity.group, identity.group) == 0 &&
           ::syscall(SYS_setresuid, identity.user, identity.user, identity.user) == 0;
}

[[noreturn]] void Exec(const Launch& launch, int report_fd, pid_t parent) {
    if (::dup3(report_fd, kReportFd, O_CLOEXEC) < 0) ::_exit(127);
    ::setsid();
    ResetSignals();
    bool streams = ::dup2(launch.input.get(), 0) >= 0 && ::dup2(launch.output.get(), 1) >= 0 &&
                   ::dup2(launch.errors.get(), 2) >= 0;
    if (!streams) Fail(0);
    // Without close-on-exec; one that has the number already keeps its flag, so it goes by way of another.
    if (launch.inherited >= 0) {
        int raised = ::fcntl(launch.inherited, F_DUPFD, kInheritedFd + 1);
        if (raised < 0 || ::dup2(raised, kInheritedFd) < 0) Fail(0);
    }
    CloseFrom(launch.inherited >= 0 ? kInheritedFd + 1 : kReportFd + 1);
    if (launch.identity && !BecomeUser(*launch.identity)) Fail(1);
    if (!launch.directory.empty() && ::chdir(launch.directory.c_str()) != 0) Fail(2);
    // After the change of user, which clears the parent-death signal; no_new_privs keeps a set-uid program from
    // clearing it again.
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) Fail(3);
    if (::getppid() != parent) ::_exit(127);  // it died before the signal was asked for
    ::execve(launch.program.c_str(), launch.arguments.data(), launch.variables.data());
    Fail(4);
}

struct Child {
    pid_t pid = -1;
    Descriptor pidfd;  // -1 where the kernel has none; then waiting polls
};

Result<Child> Fork(const Launch& launch) {
    Pipe report = TRY(MakePipe());
    pid_t self = ::getpid();
    pid_t pid = ::fork();
    if (pid < 0) return Error(ErrorCode::kUnavailable, "cannot start {}: {}", launch.program, ErrnoText(errno));
    if (pid == 0) Exec(launch, report.write.get(), self);
    Child child{pid, Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0u)))};
    report.write.Close();
    ChildFailure failure;
    ssize_t count = 0;
    do {
        count = ::read(report.read.get(), &failure, sizeof(failure));  // 0 once exec closes the other end
    } while (count < 0 && errno == EINTR);
    if (count == 0) return child;
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    ErrorCode code = failure.error_number == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
    return Error(code, "cannot start {}: failed to {}: {}", launch.program,
                 kStages.at(static_cast<size_t>(failure.stage)), ErrnoText(failure.error_number));
}

// The parent-death signal is sent when the thread that forked ends, not when the process does. So all children are
// forked by this one thread, which lives as long as the program.
class Spawner {
  public:
    static Spawner& Instance() {
        static Spawner spawner;
        return spawner;
    }
    ~Spawner() {
        {
            std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        wake_.notify_all();
        thread_.join();
    }
    Result<Child> Spawn(const Launch& launch) {
        std::packaged_task<Result<Child>()> task([&] { return Fork(launch); });
        std::future<Result<Child>> child = task.get_future();
        {
            std::lock_guard lock(mutex_);
            tasks_.push_back(std::move(task));
        }
        wake_.notify_all();
        return child.get();
    }

  private:
    Spawner() : thread_([this] { Run(); }) {}
    void Run() {
        std::unique_lock lock(mutex_);
        while (true) {
            wake_.wait(lock, [&] { return stopping_ || !tasks_.empty(); });
            if (tasks_.empty()) return;
            auto task = std::move(tasks_.front());
            tasks_.pop_front();
            lock.unlock();
            task();
            lock.lock();
        }
    }

    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::packaged_task<Result<Child>()>> tasks_;
    bool stopping_ = false;
    std::thread thread_;  // last: it uses the others
};

Duration Now() { return SystemEnv().clock().Monotonic(); }

class PosixProcess : public Process {
  public:
    explicit PosixProcess(Child child) : child_(std::move(child)) {}

    ~PosixProcess() override {
        Signal(SIGTERM);
        if (Wait(kTermGrace).ok()) return;
        Signal(SIGKILL);
        (void)Wait(kKillGrace);  // longer only for one stuck in the kernel; better a zombie than to hang with it
    }

    int pid() const override { return child_.pid; }

    std::optional<int> exit_code() override {
        std::lock_guard lock(mutex_);
        if (exit_code_) return exit_code_;
        siginfo_t info{};
        // It stays a zombie for now, so that its number, which is also its group's, cannot be given to another.
        if (::waitid(P_PID, static_cast<id_t>(child_.pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
            if (errno == ECHILD) exit_code_ = 127;  // somebody set SIGCHLD to be ignored: the code is lost
            return exit_code_;
        }
        if (info.si_pid == 0) return std::nullopt;
        ::kill(-child_.pid, SIGKILL);
        int status = 0;
        while (::waitpid(child_.pid, &status, 0) < 0 && errno == EINTR) {
        }
        exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        return exit_code_;
    }

    Result<int> Wait(Duration timeout) override {
        Duration deadline = Now() + timeout;
        while (true) {
            if (std::optional<int> code = exit_code()) return *code;
            Duration left = deadline - Now();
            if (left <= Duration(0)) {
                return Error(ErrorCode::kTimeout, "process {} still runs after {}", pid(), FormatDuration(timeout));
            }
            int64_t millis_max = child_.pidfd.get() >= 0 ? 1000 : 5;
            int64_t millis = std::min<int64_t>(left.count() / 1000 + 1, millis_max);
            pollfd wait{child_.pidfd.get(), POLLIN, 0};  // poll ignores a descriptor of -1
            ::poll(&wait, 1, static_cast<int>(millis));
        }
    }

    void Signal(int signal) override {
        std::lock_guard lock(mutex_);
        if (!exit_code_) ::kill(-child_.pid, signal);
    }

  private:
    Child child_;
    std::mutex mutex_;
    std::optional<int> exit_code_;
};

// The last lines of a text, for people.
std::string TailOf(std::string_view text) {
    text = Trim(text);
    if (text.size() > kTailBytesMax) text.remove_prefix(text.size() - kTailBytesMax);
    std::vector<std::string> lines = Split(text, '\n');
    if (lines.size() > kTailLinesMax) lines.erase(lines.begin(), lines.end() - kTailLinesMax);
    return Join(lines, "\n");
}

// One end of a pipe being read to the end.
struct Stream {
    Descriptor end;
    std::string text = {};

    // Takes what is there; closes at the end.
    void Drain() {
        std::array<char, 16 << 10> buffer;
        while (end.get() >= 0 && text.size() <= kOutputBytesMax) {
            ssize_t count = ::read(end.get(), buffer.data(), buffer.size());
            if (count < 0 && errno == EINTR) continue;
            if (count < 0 && errno == EAGAIN) return;
            if (count <= 0) return end.Close();
            text.append(buffer.data(), static_cast<size_t>(count));
        }
    }
};

// Reads both streams until the process has exited; a descendant that keeps them open is not waited for.
Result<int> Collect(Process& process, Stream& output, Stream& errors, Duration timeout) {
    Duration deadline = Now() + timeout;
    while (true) {
        std::optional<int> code = process.exit_code();  // first, so that nothing written before it is missed
        output.Drain();
        errors.Drain();
        if (output.text.size() > kOutputBytesMax || errors.text.size() > kOutputBytesMax) {
            return Error(ErrorCode::kResourceExhausted, "it wrote more than {}", FormatSize(kOutputBytesMax));
        }
        if (code) return *code;
        if (Now() >= deadline) {
            return Error(ErrorCode::kTimeout, "it was killed after {}: {}", FormatDuration(timeout),
                         TailOf(errors.text.empty() ? output.text : errors.text));
        }
        // Woken by output at once; the end of the process is seen within the interval.
        if (output.end.get() < 0 && errors.end.get() < 0) {
            (void)process.Wait(std::chrono::milliseconds(50));
            continue;
        }
        pollfd waits[2] = {{output.end.get(), POLLIN, 0}, {errors.end.get(), POLLIN, 0}};
        ::poll(waits, 2, 20);
    }
}

Result<std::unique_ptr<Process>> StartLaunch(const Launch& launch) {
    return std::make_unique<PosixProcess>(TRY(Spawner::Instance().Spawn(launch)));
}

}  // namespace

Result<std::unique_ptr<Process>> Process::Start(const ProcessOptions& options) {
    Launch launch = TRY(Prepare(options));
    bool discard = options.output_path.empty();
    std::string path = discard ? "/dev/null" : options.output_path;
    launch.output = TRY(OpenFile(path, discard ? O_WRONLY : O_WRONLY | O_CREAT | O_APPEND));
    launch.errors = TRY(OpenFile(path, discard ? O_WRONLY : O_WRONLY | O_APPEND));
    return StartLaunch(launch);
}

Result<std::string> RunCommand(const ProcessOptions& options, Duration timeout) {
    Launch launch = TRY(Prepare(options));
    Pipe output = TRY(MakePipe());
    Pipe errors = TRY(MakePipe());
    launch.output = std::move(output.write);
    launch.errors = std::move(errors.write);
    Stream output_stream{std::move(output.read)};
    Stream errors_stream{std::move(errors.read)};
    for (const Stream* stream : {&output_stream, &errors_stream}) ::fcntl(stream->end.get(), F_SETFL, O_NONBLOCK);
    auto process = TRY(StartLaunch(launch));
    launch.output.Close();  // or the pipes would never end
    launch.errors.Close();
    auto code = Collect(*process, output_stream, errors_stream, timeout);
    if (!code.ok()) {
        process->Signal(SIGKILL);
        return std::move(code).error().Context(options.command[0]);
    }
    if (*code == 0) return std::move(output_stream.text);
    std::string tail = TailOf(errors_stream.text.empty() ? output_stream.text : errors_stream.text);
    return Error(ErrorCode::kFailedPrecondition, "{} exited with {}: {}", options.command[0], *code, tail);
}

}  // namespace tarn
