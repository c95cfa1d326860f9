#include "base/log.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <mutex>

#include "base/log_level.h"
#include "base/text.h"

namespace tarn {
namespace {

constexpr size_t kLineBytesMax = 64 << 10;
constexpr size_t kCutMessageBytes = 4 << 10;

constexpr std::array<std::string_view, 4> kLevelNames = {"debug", "info", "warning", "error"};
constexpr std::array<std::string_view, 4> kLevelColours = {"\x1b[2m", "\x1b[32m", "\x1b[33m", "\x1b[31m"};

std::string_view LevelName(LogLevel level) { return kLevelNames[static_cast<size_t>(level)]; }

// Escapes what could move a terminal's cursor or change its title: C0, DEL, and C1 in UTF-8 (C2 80 to C2 9F).
std::string ForTerminal(std::string_view text) {
    bool valid = IsUtf8(text);
    std::string escaped;
    uint8_t before = 0;
    for (char c : text) {
        uint8_t byte = static_cast<uint8_t>(c);
        bool c1 = before == 0xC2 && byte < 0xA0;
        if (c1) escaped.pop_back(), escaped += "\\xc2";
        if (byte < 0x20 || byte == 0x7F || c1 || (byte >= 0x80 && !valid)) {
            escaped += fmt::format("\\x{:02x}", byte);
        } else {
            escaped += c;
        }
        before = valid ? byte : 0;
    }
    return escaped;
}

OrderedJson Line(Timestamp time, LogLevel level, std::string_view message) {
    OrderedJson line;
    line["time"] = FormatTime(time);
    line["level"] = LevelName(level);
    line["message"] = message;
    return line;
}

std::string Dump(const OrderedJson& line) {
    return line.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

std::string JsonLine(Timestamp time, LogLevel level, std::string_view message, LogFields fields) {
    OrderedJson line = Line(time, level, message);
    for (const auto& [name, value] : fields) {
        std::string key(name);
        if (key == "time" || key == "level" || key == "message") key += '_';
        line[key] = value;
    }
    std::string text = Dump(line);
    if (text.size() <= kLineBytesMax) return text;
    line = Line(time, level, message.substr(0, kCutMessageBytes));
    line["cut_from_bytes"] = text.size();
    return Dump(line);
}

std::string TerminalLine(Timestamp time, LogLevel level, std::string_view message, LogFields fields, bool colour) {
    size_t index = static_cast<size_t>(level);
    std::string text = fmt::format("{} {}{:<7}{} {}", FormatTime(time), colour ? kLevelColours[index] : "",
                                   kLevelNames[index], colour ? "\x1b[0m" : "", ForTerminal(message));
    for (const auto& [name, value] : fields) {
        text += fmt::format(" {}={}", name, ForTerminal(DumpJson(value)));
        if (text.size() > kLineBytesMax) text.resize(kLineBytesMax);
    }
    return text + "\n";
}

// The file and its rotated predecessors: path, path.1 (newest) ... path.<files_max>.
class RotatingFile {
  public:
    RotatingFile(Env& env, const LogConfig& config) : env_(env), config_(config) {}

    Status Open() {
        file_ = TRY(env_.files().Create(config_.path, {}));
        bytes_ = TRY(file_->Size());
        return Ok();
    }

    Status Append(std::string_view line) {
        if (!file_) TRY(Open());
        uint64_t bytes_max = static_cast<uint64_t>(config_.file_bytes_max);
        if (bytes_ > 0 && bytes_ + line.size() > bytes_max) TRY(Rotate());
        Status written = file_->Append(AsBytes(line));
        if (!written.ok()) {
            file_.reset();  // the next line tries with a file opened anew
            return written;
        }
        bytes_ += line.size();
        return Ok();
    }

  private:
    std::string Rotated(int index) const { return fmt::format("{}.{}", config_.path, index); }

    Status Rotate() {
        file_.reset();
        if (config_.files_max <= 0) TRY(env_.files().Remove(config_.path));
        for (int index = config_.files_max; index > 0; index--) {
            std::string from = index == 1 ? config_.path : Rotated(index - 1);
            if (env_.files().Exists(from)) TRY(env_.files().Rename(from, Rotated(index)));
        }
        return Open();
    }

    Env& env_;
    const LogConfig& config_;
    std::unique_ptr<File> file_;
    uint64_t bytes_ = 0;
};

class FileLog : public Log {
  public:
    FileLog(Env& env, LogConfig config)
        : env_(env),
          config_(std::move(config)),
          level_(config_.level),
          file_(env_, config_),
          colour_(::isatty(STDERR_FILENO) == 1) {}

    Status Open() {
        if (config_.path.empty()) return Ok();
        TRY(env_.files().CreateDirectories(FolderOf(config_.path)));
        return file_.Open();
    }

    void SetLevel(LogLevel level) { level_ = level; }
    void Write(LogLevel level, std::string_view message, LogFields fields) override {
        if (level < level_.load(std::memory_order_relaxed)) return;
        Timestamp now = env_.clock().Now();
        std::string json = config_.path.empty() ? "" : JsonLine(now, level, message, fields);
        std::string text = config_.terminal ? TerminalLine(now, level, message, fields, colour_) : "";
        std::lock_guard lock(mutex_);
        if (!text.empty()) std::fwrite(text.data(), 1, text.size(), stderr);
        if (!json.empty()) WriteToFile(now, json);
    }

  private:
    // A failing disk must not fail who logs: lines are counted, and the count is told once the disk is back.
    void WriteToFile(Timestamp now, const std::string& line) {
        if (lost_ > 0) {
            std::string told = JsonLine(now, LogLevel::kWarning, "log lines were lost: writing the log failed",
                                        {{"lines", lost_}, {"cause", cause_}});
            if (!file_.Append(told).ok()) {
                lost_++;
                return;
            }
            lost_ = 0;
        }
        Status written = file_.Append(line);
        if (written.ok()) return;
        lost_++;
        cause_ = written.error().message();
        std::string text = TerminalLine(now, LogLevel::kError, "cannot write the log", {{"cause", cause_}}, colour_);
        std::fwrite(text.data(), 1, text.size(), stderr);
    }

    Env& env_;
    const LogConfig config_;
    std::atomic<LogLevel> level_;
    std::mutex mutex_;
    RotatingFile file_;
    const bool colour_;
    int64_t lost_ = 0;
    std::string cause_;
};

class SilentLog : public Log {
  public:
    void Write(LogLevel, std::string_view, LogFields) override {}
};

}  // namespace

Result<std::unique_ptr<Log>> Log::Create(Env& env, LogConfig config) {
    auto log = std::make_unique<FileLog>(env, std::move(config));
    TRY(log->Open());
    return log;
}

LogLevel LogLevelOf(std::string_view name) {
    for (size_t i = 0; i < kLevelNames.size(); ++i) {
        if (kLevelNames[i] == name) return static_cast<LogLevel>(i);
    }
    return LogLevel::kInfo;
}

void SetLogLevel(Log& log, LogLevel level) {
    if (auto* file = dynamic_cast<FileLog*>(&log)) file->SetLevel(level);
}

Log& NullLog() {
    static SilentLog log;
    return log;
}

}  // namespace tarn
