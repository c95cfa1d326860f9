// The first process of a sandbox, from its namespaces to its end: builds the file system, takes its own privileges
// away, starts the command and watches it. When this process ends, the kernel ends every other one of the namespace.
// Forked by the keeper, which has one thread: ordinary code may run here. It knows nothing but what the run was given.
#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>

#include "base/net_sandbox.h"
#include "base/number.h"
#include "base/process_sandbox_wire.h"
#include "base/text.h"

namespace tarn::sandbox {
namespace {

constexpr const char* kHome = "/job";
constexpr const char* kProgramFolder = "/opt/tarn";
constexpr const char* kPath = "/opt/tarn:/usr/local/bin:/usr/bin:/bin";
constexpr int kOpenFilesMax = 1024;
constexpr int kNice = 10;  // below the platform, and still served while it is busy
constexpr int64_t kWatchNanos = 50'000'000;
constexpr std::array kDevices = {"null", "zero", "full", "random", "urandom"};
constexpr std::array kSystem = {"usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"};
// What programs of the system want to know of it; nothing here differs from machine to machine in a way that matters.
constexpr std::array kSettings = {"alternatives", "ssl",   "ca-certificates", "ld.so.cache", "localtime", "R",
                                  "mime.types",   "fonts", "python3",         "perl",        "protocols", "services"};
constexpr std::array<std::pair<const char*, const char*>, 4> kWritten = {{
    {"/etc/passwd", "job:x:1000:1000:job:/job:/bin/sh\n"},
    {"/etc/group", "job:x:1000:\n"},
    {"/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n"},
    {"/etc/resolv.conf", ""},
}};

Error Failed(std::string_view doing) {
    return Error(ErrorCode::kIo, "cannot {}: {}", doing, std::generic_category().message(errno));
}
Status Check(bool good, std::string_view doing) { return good ? Ok() : Status(Failed(doing)); }

// A file or folder of the machine, taken before users change, put into the new root after it.
struct Piece {
    Fd tree;
    std::string target;
    bool folder = false;
};

class FirstProcess {
  public:
    explicit FirstProcess(Child child) : child_(std::move(child)), options_(child_.common) {}
    [[noreturn]] void Run() {
        Status built = Prepare();
        Status asked = Receive();
        if (!asked.ok()) ::_exit(1);  // the keeper is gone, or what it says can't be read
        if (built.ok()) built = Build();
        if (!built.ok()) {
            (void)SendMessage(report_.get(), {{"failed", built.error().message()}}, {});
            ::_exit(1);
        }
        Watch();
        ::_exit(0);
    }

  private:
    Status Prepare();
    Status Receive();
    Status Build();
    Status TakePieces();
    Status Take(const std::string& source, const std::string& target, bool follow = false);
    Status BecomeNobody();
    Status BuildNetwork();
    Status BuildRoot();
    Status BuildScratch();
    Status PlacePieces();
    Status FillFolders();
    Status GiveUpPrivileges();
    Status Restrict();
    Status Execute();
    void Watch();
    bool ReapAll();
    void Measure();
    void Tell();

    Child child_;
    SandboxOptions options_;  // those in common, then the run's
    Fd output_;
    Fd report_;
    std::vector<Piece> pieces_;
    std::vector<std::pair<std::string, std::string>> links_;  // below / -> what it points to
    std::vector<Fd> listeners_;
    std::string hosts_ = "127.0.0.1 localhost\n";
    pid_t command_ = -1;
    std::optional<int> status_;
    std::string killed_for_;
    int64_t memory_ = 0;
    int64_t cpu_micros_ = 0;
    Fd proc_;
};

Status WriteFile(const std::string& path, std::string_view content, mode_t mode = 0644) {
    Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (!fd.valid()) return Failed("write " + path);
    while (!content.empty()) {
        ssize_t count = ::write(fd.get(), content.data(), content.size());
        if (count <= 0) return Failed("write " + path);
        content.remove_prefix(static_cast<size_t>(count));
    }
    return Ok();
}

Status MakeFolders(const std::string& path) {
    for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
        if (::mkdir(path.substr(0, slash).c_str(), 0755) != 0 && errno != EEXIST) return Failed("make " + path);
        if (slash == std::string::npos) return Ok();
    }
}

Status FirstProcess::Take(const std::string& source, const std::string& target, bool follow) {
    struct stat info;
    // What is not there is not there inside either.
    if ((follow ? ::stat : ::lstat)(source.c_str(), &info) != 0) return Ok();
    if (S_ISLNK(info.st_mode)) {
        std::array<char, 4096> text;
        ssize_t count = ::readlink(source.c_str(), text.data(), text.size());
        if (count <= 0) return Failed("read the link " + source);
        links_.emplace_back(target, std::string(text.data(), static_cast<size_t>(count)));
        return Ok();
    }
    Fd tree(::open_tree(AT_FDCWD, source.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
    if (!tree.valid()) return Failed("take " + source);
    pieces_.push_back({std::move(tree), target, S_ISDIR(info.st_mode)});
    return Ok();
}

Status FirstProcess::TakePieces() {
    for (const char* name : kSystem) TRY(Take(fmt::format("/{}", name), fmt::format("/{}", name)));
    for (const char* name : kSettings) TRY(Take(fmt::format("/etc/{}", name), fmt::format("/etc/{}", name)));
    for (const char* name : kDevices) TRY(Take(fmt::format("/dev/{}", name), fmt::format("/dev/{}", name)));
    for (const std::string& path : options_.read_only) TRY(Take(path, path));
    for (const auto& [file, name] : options_.programs) {
        TRY(Take(file, fmt::format("{}/{}", kProgramFolder, name), true));
    }
    return Ok();
}

Status FirstProcess::BecomeNobody() {
    if (child_.privileged) TRY(Check(::syscall(SYS_setgroups, 0, nullptr) == 0, "drop the groups"));
    TRY(Check(::syscall(SYS_setresgid, kUserInside, kUserInside, kUserInside) == 0, "change the group"));
    TRY(Check(::syscall(SYS_setresuid, kUserInside, kUserInside, kUserInside) == 0, "change the user"));
    TRY(Check(::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0, "bind the sandbox's life to the platform's"));
    // The keeper may have died before that: then nobody holds the other end.
    pollfd gone{child_.keeper.get(), 0, 0};
    if (::poll(&gone, 1, 0) > 0 && (gone.revents & POLLHUP) != 0) ::_exit(1);
    return Check(::prctl(PR_SET_DUMPABLE, 0) == 0, "hide the first process");
}

Status FirstProcess::BuildNetwork() {
    std::vector<std::string> addresses;
    std::vector<Address> listen;
    int named = 0;
    for (const SandboxForward& forward : options_.network) {
        in_addr numeric;
        std::string host = forward.host == "localhost" ? "127.0.0.1" : forward.host;
        if (::inet_pton(AF_INET, host.c_str(), &numeric) != 1) {
            host = fmt::format("127.0.1.{}", ++named);
            hosts_ += fmt::format("{} {}\n", host, forward.host);
        } else if (!host.starts_with("127.") &&
                   std::find(addresses.begin(), addresses.end(), host) == addresses.end()) {
            addresses.push_back(host);
        }
        listen.push_back({host, forward.port});
    }
    TRY(NameLoopback(addresses));
    for (const Address& address : listen) listeners_.push_back(TRY(Listen(address)));
    return Ok();
}

Status FirstProcess::BuildRoot() {
    TRY(Check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "make mounts private"));
    TRY(Check(::mount("tarn", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m,nr_inodes=4096") == 0,
              "make a root"));
    TRY(Check(::chdir("/tmp") == 0 && ::mkdir("old", 0755) == 0, "enter the root"));
    TRY(Check(::syscall(SYS_pivot_root, ".", "old") == 0 && ::chdir("/") == 0, "change the root"));
    TRY(PlacePieces());
    // /proc first asks for the old one to be seen in full; what of the system it would show is left out.
    TRY(MakeFolders("/proc"));
    bool proc = ::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "subset=pid") == 0;
    TRY(Check(::umount2("/old", MNT_DETACH) == 0 && ::rmdir("/old") == 0, "leave the old root"));
    TRY(FillFolders());
    if (proc) proc_ = Fd(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return MakeFolders(kHome);
}

Status FirstProcess::BuildScratch() {
    TRY(WriteFile("/etc/hosts", hosts_));
    std::string scratch = fmt::format("mode=0700,size={},nr_inodes=20000", options_.scratch_bytes_max);
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID;
    TRY(Check(::mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attributes, sizeof(attributes)) == 0,
              "make the root read-only"));
    TRY(Check(::mount("tarn", kHome, "tmpfs", MS_NOSUID | MS_NODEV, scratch.c_str()) == 0, "make /job"));
    for (const char* name : {"/job/.tmp", "/job/.shm"}) TRY(MakeFolders(name));
    for (const auto& [name, content] : options_.files) {
        std::string path = fmt::format("{}/{}", kHome, name);
        TRY(MakeFolders(path.substr(0, path.rfind('/'))));
        TRY(WriteFile(path, content, 0600));
    }
    return Check(::chdir(kHome) == 0, "enter /job");
}

Status FirstProcess::PlacePieces() {
    for (const auto& [link, target] : links_) {
        TRY(MakeFolders(link.substr(0, std::max<size_t>(link.rfind('/'), 1))));
        TRY(Check(::symlink(target.c_str(), link.c_str()) == 0, "link " + link));
    }
    for (const Piece& piece : pieces_) {
        if (piece.folder) {
            TRY(MakeFolders(piece.target));
        } else {
            TRY(MakeFolders(piece.target.substr(0, piece.target.rfind('/'))));
            TRY(WriteFile(piece.target, ""));
        }
        TRY(Check(::move_mount(piece.tree.get(), "", AT_FDCWD, piece.target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) == 0,
                  "show " + piece.target));
    }
    pieces_.clear();
    return Ok();
}

Status FirstProcess::FillFolders() {
    for (const char* folder : {"/etc", "/dev", kProgramFolder}) TRY(MakeFolders(folder));
    for (const auto& [path, content] : kWritten) TRY(WriteFile(path, content));
    constexpr std::array<std::pair<const char*, const char*>, 6> kLinks = {{{"/proc/self/fd", "/dev/fd"},
                                                                            {"/proc/self/fd/0", "/dev/stdin"},
                                                                            {"/proc/self/fd/1", "/dev/stdout"},
                                                                            {"/proc/self/fd/2", "/dev/stderr"},
                                                                            {"/job/.shm", "/dev/shm"},
                                                                            {"/job/.tmp", "/tmp"}}};
    for (const auto& [target, link] : kLinks) TRY(Check(::symlink(target, link) == 0, "make a link"));
    return Ok();
}

Status Limit(__rlimit_resource resource, uint64_t value) {
    rlimit limit{value, value};
    return Check(::setrlimit(resource, &limit) == 0, "set a limit");
}

Status FirstProcess::GiveUpPrivileges() {
    uint64_t cpu_seconds = static_cast<uint64_t>(options_.cpu_max.count() / 1'000'000 + 2);
    TRY(Limit(RLIMIT_CPU, cpu_seconds));
    TRY(Limit(RLIMIT_DATA, static_cast<uint64_t>(options_.memory_bytes_max)));
    TRY(Limit(RLIMIT_FSIZE, static_cast<uint64_t>(options_.scratch_bytes_max)));
    TRY(Limit(RLIMIT_NOFILE, kOpenFilesMax));
    TRY(Limit(RLIMIT_NPROC, static_cast<uint64_t>(options_.processes_max) + 1));
    TRY(Limit(RLIMIT_CORE, 0));
    TRY(Limit(RLIMIT_MEMLOCK, 0));
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> none{};
    TRY(Check(::syscall(SYS_capset, &header, none.data()) == 0, "drop all capabilities"));
    return Check(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "forbid new privileges");
}

constexpr uint64_t kLandlockRead =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t kLandlockAll = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

Status AllowBeneath(const Fd& ruleset, const char* path, uint64_t access) {
    Fd place(::open(path, O_PATH | O_CLOEXEC));
    if (!place.valid()) return Failed(fmt::format("look at {}", path));
    landlock_path_beneath_attr rule{access, place.get()};
    return Check(::syscall(SYS_landlock_add_rule, ruleset.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0,
                 fmt::format("allow {}", path));
}

Status FirstProcess::Restrict() {
    int version = LandlockVersion();
    if (version > 0) {
        uint64_t refer = version >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0;
        landlock_ruleset_attr attributes{kLandlockAll | refer};
        Fd ruleset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0)));
        TRY(Check(ruleset.valid(), "make Landlock rules"));
        TRY(AllowBeneath(ruleset, "/", kLandlockRead));
        TRY(AllowBeneath(ruleset, "/dev", kLandlockRead | LANDLOCK_ACCESS_FS_WRITE_FILE));
        TRY(AllowBeneath(ruleset, kHome, kLandlockAll | refer));
        TRY(Check(::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) == 0, "hold to the Landlock rules"));
    }
    sock_fprog program{static_cast<unsigned short>(child_.filter->size() / sizeof(sock_filter)),
                       reinterpret_cast<sock_filter*>(const_cast<char*>(child_.filter->data()))};
    return Check(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0, "install the seccomp filter");
}

// What the command's process needs between its start and exec, made before: it has our memory until then.
struct Command {
    explicit Command(const SandboxOptions& options)
        : variables({fmt::format("PATH={}", kPath), fmt::format("HOME={}", kHome), "LANG=C.UTF-8"}),
          words(options.command) {
        for (const auto& [name, value] : options.environment) variables.push_back(name + "=" + value);
        for (std::string& variable : variables) environment.push_back(variable.data());
        for (std::string& word : words) arguments.push_back(word.data());
        environment.push_back(nullptr);
        arguments.push_back(nullptr);
    }
    std::vector<std::string> variables;
    std::vector<std::string> words;
    std::vector<char*> environment;
    std::vector<char*> arguments;
    int input = -1;
    int output = -1;
    volatile int failure = 0;
};

// Only calls of the kernel, and nothing that stays: memory, but no descriptor, is its parent's, which waits for exec.
[[noreturn]] void Become(Command& command) {
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::setsid();
    ::setpriority(PRIO_PROCESS, 0, kNice);
    if (::dup2(command.input, 0) >= 0 && ::dup2(command.output, 1) >= 0 && ::dup2(command.output, 2) >= 0) {
        ::execve(command.arguments[0], command.arguments.data(), command.environment.data());
    }
    command.failure = errno;
    ::_exit(127);
}

// Not by fork: copying what the platform's program has mapped takes longer than all the rest.
Status FirstProcess::Execute() {
    Command command(options_);
    Fd input(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!input.valid()) return Failed("open /dev/null");
    command.input = input.get();
    command.output = output_.get();
    command_ = ::vfork();
    if (command_ == 0) Become(command);
    if (command_ < 0) return Failed("start a process");
    output_.Close();
    if (command.failure == 0) return Ok();
    errno = command.failure;
    return Failed("execute " + options_.command[0]);
}

Status FirstProcess::Prepare() {
    char go = 0;
    while (::read(child_.go.get(), &go, 1) < 0 && errno == EINTR) {
    }
    if (go != 'g') ::_exit(1);
    // Chosen first by the kernel when memory runs out.
    Fd score(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
    if (score.valid()) (void)!::write(score.get(), "1000", 4);
    TRY(TakePieces());
    TRY(BecomeNobody());
    TRY(RaiseLoopback());
    TRY(BuildRoot());
    // No program that it starts can come by any; its own go once the request is there.
    for (unsigned long capability = 0; ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0; capability++) {
    }
    return Ok();
}

Status FirstProcess::Receive() {
    std::optional<Message> message = TRY(ReceiveMessage(child_.keeper.get()));
    if (!message || message->fds.size() != 3) return Error(ErrorCode::kUnavailable, "the keeper is gone");
    output_ = std::move(message->fds[1]);
    report_ = std::move(message->fds[2]);
    options_ = TRY(RequestFromJson(TRY(ParseJson(TRY(ReadMemoryFile(message->fds[0].get()))))));
    return Ok();
}

Status FirstProcess::Build() {
    TRY(BuildNetwork());
    TRY(BuildScratch());
    TRY(GiveUpPrivileges());
    TRY(Restrict());
    std::vector<int> fds;
    for (const Fd& listener : listeners_) fds.push_back(listener.get());
    TRY(SendMessage(report_.get(), {{"ready", proc_.valid()}}, fds));
    listeners_.clear();
    return Execute();
}

// True once the command itself has ended.
bool FirstProcess::ReapAll() {
    int status = 0;
    for (pid_t pid; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
        if (pid == command_) status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    return status_.has_value();
}

std::string ReadProc(int folder, const std::string& path) {
    Fd fd(::openat(folder, path.c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, 1024> text;
    ssize_t count = fd.valid() ? ::read(fd.get(), text.data(), text.size()) : 0;
    return std::string(text.data(), static_cast<size_t>(std::max<ssize_t>(count, 0)));
}

// Memory that belongs to the processes alone, and what lies in /job; CPU time of the living and the dead.
void FirstProcess::Measure() {
    static const int64_t kPage = ::sysconf(_SC_PAGESIZE);
    static const int64_t kTick = 1'000'000 / ::sysconf(_SC_CLK_TCK);
    int64_t memory = 0;
    int64_t ticks = 0;
    struct statvfs scratch;
    if (::statvfs(kHome, &scratch) == 0) {
        memory += static_cast<int64_t>((scratch.f_blocks - scratch.f_bfree) * scratch.f_frsize);
    }
    std::array<char, 4096> buffer;
    ::lseek(proc_.get(), 0, SEEK_SET);
    for (long count; (count = ::syscall(SYS_getdents64, proc_.get(), buffer.data(), buffer.size())) > 0;) {
        for (long at = 0; at < count;) {
            // struct linux_dirent64, which no header of the library has: its length at 16, its name at 19.
            unsigned short length;
            std::memcpy(&length, &buffer[static_cast<size_t>(at) + 16], sizeof(length));
            std::string name(&buffer[static_cast<size_t>(at) + 19]);
            at += length;
            if (name[0] < '1' || name[0] > '9' || name == "1") continue;
            std::vector<std::string> sizes = Split(ReadProc(proc_.get(), name + "/statm"), ' ');
            if (sizes.size() > 2) memory += (IntegerOrZero(sizes[1]) - IntegerOrZero(sizes[2])) * kPage;
            std::string stat = ReadProc(proc_.get(), name + "/stat");
            std::vector<std::string> fields = Split(stat.substr(std::min(stat.rfind(')'), stat.size())), ' ');
            for (size_t field = 12; field < 16 && field < fields.size(); field++) ticks += IntegerOrZero(fields[field]);
        }
    }
    rusage dead{};
    ::getrusage(RUSAGE_CHILDREN, &dead);
    cpu_micros_ = std::max(cpu_micros_, ticks * kTick + dead.ru_utime.tv_sec * 1'000'000 + dead.ru_utime.tv_usec +
                                            dead.ru_stime.tv_sec * 1'000'000 + dead.ru_stime.tv_usec);
    memory_ = std::max({memory_, memory, static_cast<int64_t>(dead.ru_maxrss) * 1024});
    if (memory > options_.memory_bytes_max) killed_for_ = "memory";
    if (cpu_micros_ > options_.cpu_max.count()) killed_for_ = "cpu";
}

void FirstProcess::Watch() {
    sigset_t child;
    ::sigemptyset(&child);
    ::sigaddset(&child, SIGCHLD);
    timespec pause{0, kWatchNanos};
    while (!ReapAll() && killed_for_.empty()) {
        ::sigtimedwait(&child, nullptr, &pause);
        if (proc_.valid() && !ReapAll()) Measure();  // what has ended is measured below
    }
    if (proc_.valid() && killed_for_.empty()) Measure();
    // All others of the namespace; then they are gone before the end is told.
    ::kill(-1, SIGKILL);
    while (::waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
    }
    int status = status_.value_or(128 + SIGKILL);
    if (killed_for_.empty() && status == 128 + SIGXCPU) killed_for_ = "cpu";
    (void)SendMessage(report_.get(),
                      {{"exit", status}, {"killed", killed_for_}, {"cpu", cpu_micros_}, {"memory", memory_}}, {});
}

}  // namespace

void RunChild(Child child) { FirstProcess(std::move(child)).Run(); }

int LandlockVersion() {
    return std::max(
        0, static_cast<int>(::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION)));
}

}  // namespace tarn::sandbox
