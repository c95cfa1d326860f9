// S3 calls on objects: get, head, put, copy, delete.
#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "storage/lake/operations.h"
#include "wire/s3/dates.h"
#include "wire/s3/xml.h"

namespace tarn::lake {
namespace {

constexpr size_t kSendBytes = 1 << 20;
constexpr uint64_t kCopyBytesMax = 5ull << 30;

// Query parameters of a GET that replace headers of its answer.
struct Override {
    std::string_view parameter;
    std::string_view header;
};
constexpr Override kOverrides[] = {{"response-content-type", "Content-Type"},
                                   {"response-cache-control", "cache-control"},
                                   {"response-content-disposition", "content-disposition"},
                                   {"response-content-encoding", "content-encoding"},
                                   {"response-content-language", "content-language"},
                                   {"response-expires", "expires"}};

struct Range {
    uint64_t offset = 0;
    uint64_t bytes = 0;
    bool partial = false;
};

std::optional<uint64_t> ParseUnsigned(std::string_view text) {
    uint64_t number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || end != text.data() + text.size()) return std::nullopt;
    return error == std::errc() ? number : UINT64_MAX;
}

Error InvalidRange(uint64_t bytes) {
    return Error(ErrorCode::kOutOfRange, "the range lies outside of the object's {} bytes", bytes)
        .WithDetailCode("InvalidRange");
}

// "bytes=0-9", "bytes=10-", "bytes=-5". What is malformed, or several ranges, means the whole object, as S3 does it.
Result<Range> ParseRange(std::string_view header, uint64_t bytes) {
    Range whole{0, bytes, false};
    if (!header.starts_with("bytes=")) return whole;
    header.remove_prefix(6);
    size_t dash = header.find('-');
    if (dash == std::string_view::npos || header.find(',') != std::string_view::npos) return whole;
    auto first = ParseUnsigned(Trim(header.substr(0, dash)));
    auto last = ParseUnsigned(Trim(header.substr(dash + 1)));
    if (!first && !last) return whole;
    if (!first) {
        if (*last == 0 || bytes == 0) return InvalidRange(bytes);
        uint64_t taken = std::min(*last, bytes);
        return Range{bytes - taken, taken, true};
    }
    if (last && *last < *first) return whole;
    if (*first >= bytes) return InvalidRange(bytes);
    uint64_t end = std::min(last.value_or(UINT64_MAX - 1), bytes - 1);
    return Range{*first, end - *first + 1, true};
}

// The range of a part of a multipart object, by its number.
Result<Range> RangeOfPart(const std::vector<uint64_t>& parts, int number) {
    if (number < 1 || static_cast<size_t>(number) > parts.size()) {
        return Error(ErrorCode::kOutOfRange, "the object has {} parts", parts.size()).WithDetailCode("InvalidPart");
    }
    Range range{.partial = true};
    for (int part = 0; part + 1 < number; ++part) range.offset += parts[part];
    range.bytes = parts[number - 1];
    return range;
}

// RFC 9110, 13.2.2. True: send it; false: 304, the client has it; PreconditionFailed otherwise.
Result<bool> CheckReadConditions(const S3Call& call, std::string_view prefix, const ObjectInfo& info) {
    auto header = [&](std::string_view name) { return call.Header(std::string(prefix) + std::string(name)); };
    auto matches = [&](const std::string& list) {
        for (const std::string& etag : Split(list, ',')) {
            std::string wanted = s3::Unquote(etag);
            if (wanted == "*" || wanted == info.etag) return true;
        }
        return false;
    };
    Error failed = Error(ErrorCode::kFailedPrecondition, "a condition of the request does not hold")
                       .WithDetailCode("PreconditionFailed");
    auto modified = std::chrono::floor<std::chrono::seconds>(info.modified_at);
    std::string if_match = header("if-match"), if_none_match = header("if-none-match");
    if (!if_match.empty()) {
        if (!matches(if_match)) return failed;
    } else if (auto since = s3::ParseHttpDate(header("if-unmodified-since")); since.ok() && modified > *since) {
        return failed;
    }
    if (!if_none_match.empty()) return !matches(if_none_match);
    auto since = s3::ParseHttpDate(header("if-modified-since"));
    return !since.ok() || modified > *since;
}

HttpHeaders HeadersOf(const ObjectInfo& info) {
    HttpHeaders headers;
    headers.Set("Content-Type", info.content_type);
    for (const auto& [name, value] : info.metadata) headers.Set(name, value);
    headers.Set("ETag", fmt::format("\"{}\"", info.etag));
    headers.Set("Last-Modified", s3::FormatHttpDate(info.modified_at));
    headers.Set("Accept-Ranges", "bytes");
    headers.Set("x-amz-server-side-encryption", "AES256");
    if (!info.tags.empty()) headers.Set("x-amz-tagging-count", std::to_string(info.tags.size()));
    return headers;
}

// What is stored may be anybody's page, and a browser may follow a link to it: cookies know hosts, not ports, so a
// script of it could plant one for the web UI beside us. In a sandbox it does not run.
void AddBrowserGuards(HttpHeaders& headers) {
    std::string type = ToLower(headers.Get("Content-Type"));
    bool page = type.find("html") != std::string::npos || type.find("xml") != std::string::npos;
    headers.Set("X-Content-Type-Options", "nosniff");
    if (page) headers.Set("Content-Security-Policy", "sandbox");
}

struct ReadAnswer {
    int status = 200;
    HttpHeaders headers;
    Range range;
};

// Checksums of exactly the bytes that are sent: of the whole object, or of the part that was asked for by its number.
void AddChecksumsOf(const S3Call& call, const Object& object, const Range& range, HttpHeaders& headers) {
    if (!EqualsIgnoreCase(call.Header("x-amz-checksum-mode"), "ENABLED")) return;
    const ObjectInfo& info = object.info();
    auto part = ParseUnsigned(call.Query("partNumber"));
    if (part && *part >= 1 && *part <= object.part_checksums().size()) {
        AddChecksumHeaders(headers, object.part_checksums()[*part - 1]);
        if (!info.checksums.empty()) headers.Set("x-amz-checksum-type", ChecksumTypeOf(info.checksums.front()));
    } else if (range.bytes == info.bytes) {
        AddChecksumHeaders(headers, info.checksums);
    }
}

// What GET and HEAD have in common: conditions, range, headers.
Result<ReadAnswer> AnswerRead(const S3Call& call, Object& object) {
    const ObjectInfo& info = object.info();
    ReadAnswer answer{.headers = HeadersOf(info)};
    if (!TRY(CheckReadConditions(call, "", info))) {
        answer.status = 304;
        return answer;
    }
    for (const Override& override : kOverrides) {
        if (auto value = call.http.Query(override.parameter)) answer.headers.Set(std::string(override.header), *value);
    }
    AddBrowserGuards(answer.headers);
    if (call.http.Query("partNumber")) {
        auto parts = object.part_bytes();
        answer.range = TRY(RangeOfPart(parts, TRY(call.Number("partNumber", 0, 10'000))));
        bool of_parts = info.etag.find('-') != std::string::npos;
        if (of_parts) answer.headers.Set("x-amz-mp-parts-count", std::to_string(parts.size()));
    } else {
        answer.range = TRY(ParseRange(call.Header("range"), info.bytes));
    }
    if (answer.range.partial) {
        answer.status = 206;
        uint64_t end = answer.range.offset + answer.range.bytes;
        answer.headers.Set("Content-Range",
                           fmt::format("bytes {}-{}/{}", answer.range.offset, end == 0 ? 0 : end - 1, info.bytes));
    }
    AddChecksumsOf(call, object, answer.range, answer.headers);
    return answer;
}

// Copies the request's id, which the server put into the answer that is not used now.
void KeepServerHeaders(const S3Call& call, HttpHeaders& headers) {
    for (const auto& [name, value] : call.answer.headers.fields()) headers.Set(name, value);
}

std::vector<s3::ChecksumElement> ElementsOf(const std::vector<Checksum>& checksums) {
    std::vector<s3::ChecksumElement> elements;
    for (const Checksum& checksum : checksums) elements.push_back({checksum.algorithm, checksum.value});
    return elements;
}

// COPY (false, and where there is no such header) or REPLACE.
Result<bool> Replaces(const S3Call& call, std::string_view header) {
    std::string directive = call.Header(header);
    if (directive.empty() || directive == "COPY" || directive == "REPLACE") return directive == "REPLACE";
    return Error(ErrorCode::kInvalidArgument, "{} is COPY or REPLACE", header).WithDetailCode("InvalidArgument");
}

}  // namespace

Status GetObject(S3Call& call) {
    auto object = TRY(call.lake.Open(call.principal(), call.name));
    ReadAnswer answer = TRY(AnswerRead(call, *object));
    KeepServerHeaders(call, answer.headers);
    if (answer.status == 304) return call.responder.Send({.status = 304, .headers = answer.headers});
    std::unique_ptr<uint8_t[]> buffer(new uint8_t[std::min<uint64_t>(kSendBytes, answer.range.bytes)]);
    uint64_t left = answer.range.bytes;
    ByteWriter* writer = nullptr;
    for (uint64_t offset = answer.range.offset; left > 0 || writer == nullptr;) {
        // The first piece is read before the head is sent: what can't be read is then an error, not a cut answer.
        size_t read = TRY(object->ReadAt(offset, {buffer.get(), std::min<uint64_t>(kSendBytes, left)}));
        if (writer == nullptr) writer = TRY(call.responder.Start(answer.status, answer.headers, answer.range.bytes));
        if (read > 0) TRY(writer->Write({buffer.get(), read}));
        offset += read;
        left -= read;
        call.call.bytes += static_cast<int64_t>(read);
    }
    return Ok();
}

Status HeadObject(S3Call& call) {
    auto object = TRY(call.lake.Open(call.principal(), call.name));
    ReadAnswer answer = TRY(AnswerRead(call, *object));
    KeepServerHeaders(call, answer.headers);
    if (answer.status == 304) return call.responder.Send({.status = 304, .headers = answer.headers});
    TRY(call.responder.Start(answer.status, answer.headers, answer.range.bytes));
    return Ok();
}

Status PutObject(S3Call& call) {
    TRY(RequireLength(call));
    PutOptions options = TRY(PutOptionsOf(call));
    ObjectInfo info = TRY(call.lake.Put(call.principal(), call.name, call.body.reader(), options));
    call.call.bytes = static_cast<int64_t>(info.bytes);
    call.answer.headers.Set("ETag", fmt::format("\"{}\"", info.etag));
    call.answer.headers.Set("x-amz-server-side-encryption", "AES256");
    AddChecksumHeaders(call.answer.headers, info.checksums);
    return Ok();
}

Status CopyObject(S3Call& call) {
    ObjectName source = TRY(CopySourceOf(call));
    PutOptions options = TRY(PutOptionsOf(call));
    options.expected_bytes.reset();  // of the request's body, which is empty
    options.replace_metadata = TRY(Replaces(call, "x-amz-metadata-directive"));
    options.replace_tags = TRY(Replaces(call, "x-amz-tagging-directive"));
    ObjectInfo info = TRY(call.lake.Head(call.principal(), source));
    if (info.bytes > kCopyBytesMax) {
        return Error(ErrorCode::kInvalidArgument, "objects of more than 5 GiB are copied part by part")
            .WithDetailCode("InvalidRequest");
    }
    if (!TRY(CheckReadConditions(call, "x-amz-copy-source-", info))) {
        return Error(ErrorCode::kFailedPrecondition, "a condition on the source does not hold")
            .WithDetailCode("PreconditionFailed");
    }
    bool onto_itself = source.bucket == call.name.bucket && source.key == call.name.key;
    if (onto_itself && !options.replace_metadata && !options.replace_tags) {
        return Error(ErrorCode::kInvalidArgument, "a copy onto itself must replace the metadata")
            .WithDetailCode("InvalidRequest");
    }
    options.source_if_match = info.etag;  // the conditions were checked against this one
    call.call.details["source"] = source.ToString();
    ObjectInfo copied = TRY(call.lake.Copy(call.principal(), source, call.name, options));
    call.call.bytes = static_cast<int64_t>(copied.bytes);
    call.answer.headers.Set("x-amz-server-side-encryption", "AES256");
    call.AnswerXml(s3::EncodeCopied("CopyObjectResult", copied.etag, copied.modified_at, ElementsOf(copied.checksums)));
    return Ok();
}

Status DeleteObject(S3Call& call) {
    if (call.http.headers.Has("if-match")) {
        return Error(ErrorCode::kNotSupported, "deleting on condition of an ETag is not supported")
            .WithDetailCode("NotImplemented");
    }
    TRY(call.lake.Delete(call.principal(), call.name));
    call.answer.status = 204;
    return Ok();
}

}  // namespace tarn::lake
