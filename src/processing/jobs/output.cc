#include "processing/jobs/output.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace tarn::jobs {
namespace {

constexpr size_t kWordBytesMin = 4;
constexpr int kLastLines = 20;

}  // namespace

void Redactor::Add(std::string_view secret) {
    for (const std::string& line : Split(secret, '\n')) {
        std::string word(Trim(line));
        if (word.size() >= kWordBytesMin) words_.push_back(std::move(word));
    }
    std::sort(words_.begin(), words_.end(),
              [](const auto& left, const auto& right) { return left.size() > right.size(); });
}

std::string Redactor::Redact(std::string_view text) const {
    std::string redacted(text);
    for (const std::string& word : words_) {
        for (size_t at = 0; (at = redacted.find(word, at)) != std::string::npos; at += 3) {
            redacted.replace(at, word.size(), "***");
        }
    }
    return redacted;
}

void Lines::Add(std::string_view piece) {
    rest_.append(piece);
    size_t start = 0;
    for (size_t end; (end = rest_.find('\n', start)) != std::string::npos; start = end + 1) {
        Give(std::string_view(rest_).substr(start, end - start));
    }
    rest_.erase(0, start);
    // Half of it stays, so that a secret is not cut in two.
    while (rest_.size() > 2 * kLineBytesMax) {
        Give(std::string_view(rest_).substr(0, kLineBytesMax));
        rest_.erase(0, kLineBytesMax);
    }
}

void Lines::End() {
    if (!rest_.empty()) Give(rest_);
    rest_.clear();
}

void Lines::Give(std::string_view line) {
    ++given_;
    if (given_ == kLinesMax) write_(fmt::format("(the output was cut here: {} lines are kept)", kLinesMax));
    if (given_ >= kLinesMax) return;
    write_(redactor_.Redact(line));
}

std::string LastLines(std::string_view text) {
    text = Trim(text);
    size_t start = text.size();
    for (int line = 0; line < kLastLines && start != std::string_view::npos && start > 0; line++) {
        start = text.rfind('\n', start - 1);
    }
    if (start == std::string_view::npos || start == 0) return std::string(text);
    return std::string(text.substr(start + 1));
}

}  // namespace tarn::jobs
