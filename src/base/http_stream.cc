#include "base/http_stream.h"

namespace tarn {

bool HttpStream::Write(std::string_view text) {
    std::lock_guard lock(mutex_);
    if (closed_ || ended_) return false;
    if (text.empty()) return true;
    if (waiting_.size() + text.size() > kHttpStreamBytesMax) {
        // What it has missed it would never know of: it comes back and asks anew.
        closed_ = true;
        waiting_.clear();
    } else if (chunked_) {
        waiting_ += fmt::format("{:x}\r\n{}\r\n", text.size(), text);
    } else {
        waiting_ += text;
    }
    if (wake_) wake_();
    return !closed_;
}

void HttpStream::End() {
    std::lock_guard lock(mutex_);
    if (std::exchange(ended_, true) || closed_) return;
    if (chunked_) waiting_ += "0\r\n\r\n";
    if (wake_) wake_();
}

void HttpStream::Attach(std::function<void()> wake) {
    std::lock_guard lock(mutex_);
    wake_ = std::move(wake);
}

std::string HttpStream::Take(bool& more) {
    std::lock_guard lock(mutex_);
    more = !ended_ && !closed_;
    return std::exchange(waiting_, {});
}

void HttpStream::Close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    wake_ = nullptr;
}

}  // namespace tarn
