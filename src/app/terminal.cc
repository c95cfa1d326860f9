#include "app/terminal.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>

#include "base/text.h"

namespace tarn::app {
namespace {

sigset_t StopSignals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    return signals;
}

}  // namespace

void BlockStopSignals() {
    sigset_t signals = StopSignals();
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
}

void AllowStopSignals() {
    sigset_t signals = StopSignals();
    ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

bool WaitForStopSignal(Duration timeout) {
    sigset_t signals = StopSignals();
    auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
    auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(timeout - seconds);
    timespec wait{seconds.count(), rest.count()};
    return ::sigtimedwait(&signals, nullptr, &wait) > 0;
}

void BlockReloadSignal() {
    if (IsTerminal(0) || IsTerminal(1)) return;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

bool TakeReloadSignal() {
    sigset_t signals;
    sigset_t pending;
    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    // Only one that is blocked can wait to be taken.
    if (::sigpending(&pending) != 0 || sigismember(&pending, SIGHUP) != 1) return false;
    timespec none{};
    return ::sigtimedwait(&signals, nullptr, &none) > 0;
}

bool IsTerminal(int descriptor) { return ::isatty(descriptor) == 1; }

std::optional<std::string> ReadLine(const std::string& prompt) {
    if (IsTerminal(0)) std::cout << prompt << std::flush;
    std::string line;
    if (!std::getline(std::cin, line)) return std::nullopt;
    return line;
}

std::optional<std::string> ReadHidden(const std::string& prompt) {
    if (!IsTerminal(0)) return ReadLine(prompt);
    termios shown{};
    ::tcgetattr(0, &shown);
    termios hidden = shown;
    hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(0, TCSAFLUSH, &hidden);
    auto line = ReadLine(prompt);
    ::tcsetattr(0, TCSAFLUSH, &shown);
    std::cout << "\n";
    return line;
}

std::string ReadAllInput(size_t bytes_max) {
    std::string text;
    char buffer[64 << 10];
    while (std::cin.read(buffer, sizeof(buffer)), std::cin.gcount() > 0) {
        text.append(buffer, static_cast<size_t>(std::cin.gcount()));
        if (text.size() > bytes_max) break;
    }
    return text;
}

std::string ProgramDirectory() {
    char path[PATH_MAX];
    ssize_t size = ::readlink("/proc/self/exe", path, sizeof(path));
    if (size <= 0) return ".";
    std::string_view text(path, static_cast<size_t>(size));
    return std::string(text.substr(0, text.rfind('/')));
}

std::string AbsolutePath(const std::string& path) {
    char current[PATH_MAX];
    std::string whole = path;
    if (!path.starts_with("/") && ::getcwd(current, sizeof(current))) whole = std::string(current) + "/" + path;
    std::vector<std::string> parts;
    for (const std::string& part : Split(whole, '/')) {
        if (part.empty() || part == ".") continue;
        if (part == ".." && !parts.empty()) parts.pop_back();
        if (part != "..") parts.push_back(part);
    }
    return "/" + Join(parts, "/");
}

int ProcessId() { return ::getpid(); }
bool IsRoot() { return ::geteuid() == 0; }

int64_t OpenFilesMax() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
    return limit.rlim_cur > INT64_MAX ? INT64_MAX : static_cast<int64_t>(limit.rlim_cur);
}

int FileMode(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 ? static_cast<int>(info.st_mode & 07777) : 0;
}

std::string FindProgram(const std::string& name) {
    for (const std::string& folder : Split(EnvironmentVariable("PATH").value_or("/usr/local/bin:/usr/bin:/bin"), ':')) {
        std::string path = folder + "/" + name;
        if (!folder.empty() && ::access(path.c_str(), X_OK) == 0) return path;
    }
    return {};
}

std::optional<std::string> EnvironmentVariable(const char* name) {
    const char* value = std::getenv(name);
    if (!value || !*value) return std::nullopt;
    return std::string(value);
}

}  // namespace tarn::app
