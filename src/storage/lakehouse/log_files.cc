#include "storage/lakehouse/log_files.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <vector>

#include "base/bytes.h"
#include "base/text.h"

namespace tarn::lakehouse {
namespace {

std::optional<int64_t> Digits(std::string_view text, size_t length) {
    int64_t value = 0;
    if (text.size() != length) return std::nullopt;
    if (!std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); })) return std::nullopt;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

constexpr size_t kVersionDigits = 20;
constexpr size_t kPartDigits = 10;

// "file", "s3a" ... of "file:/x"; a relative path has a ':' only behind a '/', if at all.
std::string_view SchemeOf(std::string_view path) {
    size_t colon = path.find(':');
    if (colon == std::string_view::npos || colon == 0 || path.find('/') < colon) return {};
    for (char c : path.substr(0, colon)) {
        bool fits = std::isalnum(static_cast<unsigned char>(c)) || c == '+' || c == '-' || c == '.';
        if (!fits) return {};
    }
    return path.substr(0, colon);
}

Status CheckSegments(std::string_view key, std::string_view path) {
    for (const std::string& segment : Split(key, '/')) {
        if (segment == ".." || segment == ".") {
            return Error(ErrorCode::kNotSupported, "the log names a file outside of the table: \"{}\"", path);
        }
    }
    return Ok();
}

}  // namespace

std::optional<LogFileName> ParseLogFileName(std::string_view name) {
    if (name.size() <= kVersionDigits || name[kVersionDigits] != '.') return std::nullopt;
    auto version = Digits(name.substr(0, kVersionDigits), kVersionDigits);
    if (!version) return std::nullopt;
    LogFileName file;
    file.version = *version;
    file.name = std::string(name);
    std::vector<std::string> parts = Split(name.substr(kVersionDigits + 1), '.');
    if (parts.size() == 1 && parts[0] == "json") return file;
    if (parts[0] != "checkpoint") return std::nullopt;
    if (parts.size() == 2 && parts[1] == "parquet") {
        file.kind = LogFileName::Kind::kCheckpoint;
        return file;
    }
    if (parts.size() == 3 && (parts[2] == "json" || parts[2] == "parquet") && parts[1].size() == 36) {
        file.kind = LogFileName::Kind::kCheckpointV2;
        file.is_json = parts[2] == "json";
        return file;
    }
    if (parts.size() != 4 || parts[3] != "parquet") return std::nullopt;
    auto part = Digits(parts[1], kPartDigits);
    auto count = Digits(parts[2], kPartDigits);
    if (!part || !count || *part < 1 || *part > *count || *count > 100'000) return std::nullopt;
    file.kind = LogFileName::Kind::kCheckpointPart;
    file.part = static_cast<int>(*part);
    file.parts = static_cast<int>(*count);
    return file;
}

std::string CommitFileName(int64_t version) { return fmt::format("{:020}.json", version); }

std::string CheckpointFileName(int64_t version) { return fmt::format("{:020}.checkpoint.parquet", version); }

Result<std::string> TableLocation::Resolve(std::string_view path) const {
    if (path.empty()) return Error(ErrorCode::kCorruption, "the log names a file without a path");
    auto decoded = UrlDecode(path);
    if (!decoded.ok()) return Error(ErrorCode::kCorruption, "the log names a file by a malformed path: \"{}\"", path);
    std::string_view scheme = SchemeOf(path);
    if (scheme.empty() && path[0] != '/') {
        TRY(CheckSegments(*decoded, path));
        return Name(*decoded).ToString();
    }
    bool known = scheme == "s3" || scheme == "s3a" || scheme == "s3n" || scheme == "tarn";
    std::string start = fmt::format("{}://{}/", scheme, bucket);
    if (!known || !decoded->starts_with(start)) {
        return Error(ErrorCode::kNotSupported, "the table has a file outside of bucket {}: \"{}\"", bucket, path);
    }
    std::string key = decoded->substr(start.size());
    TRY(CheckSegments(key, path));
    return bucket + "/" + key;
}

std::string TableLocation::Relative(const std::string& object_path) const {
    return UrlEncode(std::string_view(object_path).substr(ToString().size() + 1), true);
}

}  // namespace tarn::lakehouse
