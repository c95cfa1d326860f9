// What a job prints: lines for the log, without the secrets that it was given.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace tarn::jobs {

// Puts "***" in the place of secrets. Of one with several lines, each line; words of less than four bytes are left, as
// they would be found everywhere.
class Redactor {
  public:
    void Add(std::string_view secret);
    std::string Redact(std::string_view text) const;

  private:
    std::vector<std::string> words_;  // the longest first
};

// Takes text in pieces, gives whole lines. A line longer than kLineBytesMax is given in parts, and what comes after
// kLinesMax lines is dropped, which the last line says.
class Lines {
  public:
    static constexpr size_t kLineBytesMax = 8 << 10;
    static constexpr size_t kLinesMax = 8000;

    Lines(const Redactor& redactor, std::function<void(const std::string&)> write)
        : redactor_(redactor), write_(std::move(write)) {}
    void Add(std::string_view piece);
    void End();  // the last line may have no end

  private:
    void Give(std::string_view line);

    const Redactor& redactor_;
    const std::function<void(const std::string&)> write_;
    std::string rest_;
    size_t given_ = 0;
};

// The last lines of a text, twenty at most.
std::string LastLines(std::string_view text);

}  // namespace tarn::jobs
