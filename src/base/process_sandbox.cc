#include "base/process_sandbox.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <optional>
#include <system_error>

#include "base/env.h"
#include "base/net_sandbox.h"
#include "base/process.h"
#include "base/process_sandbox_wire.h"

namespace tarn {
namespace {

using sandbox::Message;

constexpr size_t kTailBytesMax = 4000;
constexpr size_t kPieceBytes = 64 << 10;
constexpr Duration kProbeEvery = std::chrono::minutes(1);
constexpr Duration kProbeTimeMax = std::chrono::seconds(10);
constexpr int kDroppingPauseMillis = 20;  // between pieces that are dropped: endless output is held up, not chased

Error Failed(std::string_view doing) {
    return Error(ErrorCode::kIo, "cannot {}: {}", doing, std::generic_category().message(errno));
}

// One run as the platform sees it: its output, what is reported of it, and the forwards that it was granted.
class RunningSandbox {
  public:
    RunningSandbox(const SandboxOptions& options, Dialer& dialer, Log& log, Fd output, Fd report, Fd wake)
        : options_(options),
          dialer_(dialer),
          log_(log),
          output_(std::move(output)),
          report_(std::move(report)),
          wake_(std::move(wake)) {}

    Result<SandboxExit> Follow(const CancelToken& cancel, const std::function<void(std::string_view)>& output) {
        auto handle = cancel.OnCancel([this] {
            uint64_t one = 1;
            (void)!::write(wake_.get(), &one, sizeof(one));
        });
        // After an exit all of its processes are gone; of one that was killed the keeper tells the end.
        while (!exit_ && !reaped_) {
            pollfd waits[3] = {{output_.get(), POLLIN, 0}, {report_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
            if (::poll(waits, 3, -1) < 0 && errno != EINTR) return Failed("wait for a sandbox");
            if (waits[2].revents != 0) Kill();
            if (waits[1].revents != 0) TRY(Receive());
            if (waits[0].revents != 0) ReadOutput(output);
        }
        while (ReadOutput(output)) {
        }
        if (failure_) return *failure_;
        if (cancel.cancelled()) return Error(ErrorCode::kCancelled, "it was stopped");
        if (!exit_) return Error(ErrorCode::kUnavailable, "its sandbox was killed from outside");
        exit_->tail = std::move(tail_);
        exit_->output_dropped = dropped_;
        return *exit_;
    }

  private:
    void Kill() {
        uint64_t count;
        (void)!::read(wake_.get(), &count, sizeof(count));
        killed_ = true;
        if (process_.valid()) ::syscall(SYS_pidfd_send_signal, process_.get(), SIGKILL, nullptr, 0);
    }

    Status Receive() {
        std::optional<Message> message = TRY(sandbox::ReceiveMessage(report_.get()));
        if (!message) return Error(ErrorCode::kUnavailable, "the keeper of sandboxes died");
        const Json& json = message->json;
        if (json.contains("started") && !message->fds.empty()) {
            process_ = std::move(message->fds[0]);
            if (killed_) ::syscall(SYS_pidfd_send_signal, process_.get(), SIGKILL, nullptr, 0);
        } else if (json.contains("ready")) {
            TRY(OpenForwards(std::move(message->fds)));
        } else if (json.contains("failed")) {
            Fail(json);
        } else if (json.contains("exit")) {
            exit_ = SandboxExit{};
            exit_->code = json["exit"].get<int>();
            exit_->killed_for = json["killed"].get<std::string>();
            exit_->cpu = Duration(json["cpu"].get<int64_t>());
            exit_->memory_bytes = json["memory"].get<int64_t>();
        } else if (json.contains("reaped")) {
            reaped_ = true;
        }
        return Ok();
    }

    void Fail(const Json& json) {
        std::string text = json["failed"].get<std::string>();
        if (json.value("unsupported", false)) {
            failure_ = Error(ErrorCode::kNotSupported, "this machine gives no sandbox: {}", text)
                           .WithHint(
                               "untrusted code runs in user namespaces: allow them to the user that runs Tarn "
                               "(sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone; in a "
                               "container its seccomp profile)");
        } else {
            bool missing = text.starts_with("cannot execute ");
            failure_ = Error(missing ? ErrorCode::kFailedPrecondition : ErrorCode::kIo, "{}", text);
        }
    }

    Status OpenForwards(std::vector<Fd> listeners) {
        if (listeners.size() != options_.network.size()) {
            return Error(ErrorCode::kInternal, "a sandbox listens {} times for {} forwards", listeners.size(),
                         options_.network.size());
        }
        for (size_t index = 0; index < listeners.size(); index++) {
            ::fcntl(listeners[index].get(), F_SETFL, O_NONBLOCK);
            forwards_.push_back(
                TRY(sandbox::ServeForward(std::move(listeners[index]), options_.network[index].target, dialer_, log_)));
        }
        return Ok();
    }

    // False when there is nothing to read now or ever.
    bool ReadOutput(const std::function<void(std::string_view)>& output) {
        std::array<char, kPieceBytes> piece;
        ssize_t count = output_.valid() ? ::read(output_.get(), piece.data(), piece.size()) : 0;
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) return false;
        if (count <= 0) {
            output_.Close();
            return false;
        }
        std::string_view text(piece.data(), static_cast<size_t>(count));
        tail_.append(text.substr(text.size() - std::min(text.size(), kTailBytesMax)));
        if (tail_.size() > 2 * kTailBytesMax) tail_.erase(0, tail_.size() - kTailBytesMax);
        int64_t room = std::max<int64_t>(options_.output_bytes_max - taken_, 0);
        std::string_view kept = text.substr(0, static_cast<size_t>(std::min<int64_t>(room, count)));
        taken_ += static_cast<int64_t>(kept.size());
        if (!kept.empty()) output(kept);
        if (kept.size() == text.size()) return true;
        dropped_ += count - static_cast<int64_t>(kept.size());
        if (!exit_ && !reaped_) ::poll(nullptr, 0, kDroppingPauseMillis);
        return true;
    }

    const SandboxOptions& options_;
    Dialer& dialer_;
    Log& log_;
    Fd output_;
    Fd report_;
    Fd wake_;
    Fd process_;
    std::vector<std::unique_ptr<StreamServer>> forwards_;
    std::optional<Error> failure_;
    std::optional<SandboxExit> exit_;
    std::string tail_;
    int64_t taken_ = 0;
    int64_t dropped_ = 0;
    bool killed_ = false;
    bool reaped_ = false;
};

class KeptSandbox : public Sandbox {
  public:
    KeptSandbox(std::vector<std::string> keeper, Dialer& dialer, Log& log)
        : command_(std::move(keeper)), dialer_(dialer), log_(log) {}

    Result<SandboxExit> Run(const SandboxOptions& options, const CancelToken& cancel,
                            const std::function<void(std::string_view)>& output) override {
        if (options.command.empty()) return Error(ErrorCode::kInvalidArgument, "a sandbox needs a command");
        if (options.network.size() > sandbox::kForwardsMax) {
            return Error(ErrorCode::kInvalidArgument, "a sandbox has at most {} connections to grant, not {}",
                         sandbox::kForwardsMax, options.network.size());
        }
        if (cancel.cancelled()) return Error(ErrorCode::kCancelled, "it was stopped");
        Fd request = TRY(sandbox::WriteMemoryFile(DumpJson(sandbox::RequestToJson(options))));
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return Failed("make a pipe");
        Fd output_read(ends[0]);
        Fd output_write(ends[1]);
        ::fcntl(output_read.get(), F_SETFL, O_NONBLOCK);
        auto [report, far] = TRY(sandbox::MakeSocketPair());
        Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        if (!wake.valid()) return Failed("make an event");
        TRY(Ask({request.get(), output_write.get(), far.get()}));
        output_write.Close();
        far.Close();
        return RunningSandbox(options, dialer_, log_, std::move(output_read), std::move(report), std::move(wake))
            .Follow(cancel, output);
    }

    Result<SandboxFences> Probe() override {
        {
            std::lock_guard lock(mutex_);
            Duration now = SystemEnv().clock().Monotonic();
            if (probed_at_ && now - *probed_at_ < kProbeEvery) return probed_;
            probed_at_ = now;
        }
        Result<SandboxFences> found = ProbeNow();
        std::lock_guard lock(mutex_);
        probed_ = found;
        return found;
    }

  private:
    Result<SandboxFences> ProbeNow() {
        SandboxOptions options;
        // Its own /proc shows its own first process under the name of the keeper.
        options.command = {"/bin/sh", "-c", "test -r /proc/self/stat && echo proc"};
        options.cpu_max = kProbeTimeMax;
        std::string text;
        SandboxExit end = TRY(Run(options, CancelToken(), [&](std::string_view piece) { text += piece; }));
        (void)end;
        std::lock_guard lock(mutex_);
        SandboxFences fences = hello_;
        fences.proc = text == "proc\n";
        return fences;
    }

    // Sends to the keeper, which is started if there is none or it has died.
    Status Ask(const std::vector<int>& fds) {
        std::lock_guard lock(mutex_);
        if (keeper_ && keeper_->exit_code()) keeper_.reset();
        if (!keeper_) TRY(StartKeeper());
        Status sent = sandbox::SendMessage(control_.get(), Json::object(), fds);
        if (sent.ok()) return sent;
        keeper_.reset();
        TRY(StartKeeper());
        return sandbox::SendMessage(control_.get(), Json::object(), fds);
    }

    Status StartKeeper() {
        auto [control, far] = TRY(sandbox::MakeSocketPair());
        ProcessOptions options{.command = command_, .directory = "/"};
        options.inherited_fd = far.get();
        auto keeper = TRY(Process::Start(options));
        far.Close();
        std::optional<Message> hello = TRY(sandbox::ReceiveMessage(control.get()));
        if (!hello) return Error(ErrorCode::kUnavailable, "the keeper of sandboxes did not start");
        if (hello->json.contains("failed")) {
            return Error(ErrorCode::kNotSupported, "{}", hello->json["failed"].get<std::string>());
        }
        hello_ = {hello->json["landlock"].get<int>(), false, hello->json["root"].get<bool>()};
        control_ = std::move(control);
        keeper_ = std::move(keeper);
        return Ok();
    }

    const std::vector<std::string> command_;
    Dialer& dialer_;
    Log& log_;
    std::mutex mutex_;  // guards all below
    std::unique_ptr<Process> keeper_;
    Fd control_;  // after the keeper, so closed before it: then it ends by itself
    SandboxFences hello_;
    std::optional<Duration> probed_at_;
    Result<SandboxFences> probed_ = SandboxFences();
};

}  // namespace

std::unique_ptr<Sandbox> Sandbox::Create(std::vector<std::string> keeper, Dialer& dialer, Log& log) {
    return std::make_unique<KeptSandbox>(std::move(keeper), dialer, log);
}

}  // namespace tarn
