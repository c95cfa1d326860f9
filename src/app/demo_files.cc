// The demo's files: one gzipped CSV a month.
#include <zlib.h>

#include <map>

#include "app/demo_sources.h"
#include "base/text.h"

namespace tarn::app {
namespace {

constexpr size_t kReadBytes = 256 << 10;
constexpr int kCompressionLevel = 4;
constexpr int kGzipWindow = 15 + 16;  // zlib's sign for a gzip header
constexpr int kMonths = 12;

Result<std::string> Gzip(std::string_view text) {
    z_stream stream{};
    if (deflateInit2(&stream, kCompressionLevel, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        return Error(ErrorCode::kInternal, "zlib does not start");
    }
    std::string packed(deflateBound(&stream, text.size()), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_out = static_cast<uInt>(packed.size());
    int done = deflate(&stream, Z_FINISH);
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    if (done != Z_STREAM_END) return Error(ErrorCode::kInternal, "zlib answers {}", done);
    return packed;
}

std::string FileName(int month) { return fmt::format("flights-2013-{:02}.csv.gz", month); }

}  // namespace

Result<LineReader> LineReader::Open(Env& env, const std::string& path) {
    LineReader reader;
    reader.file_ = TRY(env.files().Open(path));
    return reader;
}

Result<bool> LineReader::Next(std::string_view& line) {
    while (true) {
        size_t end = buffer_.find('\n', at_);
        if (end != std::string::npos) {
            line = std::string_view(buffer_).substr(at_, end - at_);
            at_ = end + 1;
            return true;
        }
        buffer_.erase(0, std::exchange(at_, 0));
        size_t kept = buffer_.size();
        buffer_.resize(kept + kReadBytes);
        auto space = MutableByteSpan(reinterpret_cast<uint8_t*>(buffer_.data()) + kept, kReadBytes);
        size_t count = TRY(file_->ReadAt(offset_, space));
        offset_ += count;
        buffer_.resize(kept + count);
        if (count > 0) continue;
        line = buffer_;
        at_ = buffer_.size();
        return !line.empty();
    }
}

Status WriteMonthlyFiles(Env& env, const std::string& csv_path, const std::string& inbox) {
    TRY(env.files().CreateDirectories(inbox));
    bool complete = true;
    for (int month = 1; month <= kMonths; ++month) complete &= env.files().Exists(inbox + "/" + FileName(month));
    if (complete) return Ok();
    auto reader = TRY(LineReader::Open(env, csv_path));
    std::string_view line;
    if (!TRY(reader.Next(line))) return Error(ErrorCode::kCorruption, "{} is empty", csv_path);
    std::string header(line);
    std::map<std::string, std::string> months;  // "1" -> its lines
    while (TRY(reader.Next(line))) {
        size_t first = line.find(',') + 1;
        std::string& text = months[std::string(line.substr(first, line.find(',', first) - first))];
        if (text.empty()) text = header + "\n";
        text.append(line).append("\n");
    }
    for (int month = 1; month <= kMonths; ++month) {
        std::string path = inbox + "/" + FileName(month);
        if (env.files().Exists(path)) continue;
        TRY(WriteFileDurably(env, path, TRY(Gzip(months[std::to_string(month)])), 0644));
    }
    return Ok();
}

}  // namespace tarn::app
