#include "wire/s3/chunked.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace tarn::s3 {
namespace {

constexpr size_t kBufferBytes = 64 << 10;
constexpr size_t kLineBytesMax = 4 << 10;
constexpr size_t kTrailerBytesMax = 16 << 10;
constexpr std::string_view kSignatureField = "chunk-signature=";

Error BadChunk(std::string_view what) {
    return Error(ErrorCode::kInvalidArgument, "the body is not aws-chunked: {}", what).WithDetailCode("IncompleteBody");
}

Error WrongSignature(std::string_view of) {
    return Error(ErrorCode::kPermissionDenied, "the signature of {} does not match", of)
        .WithDetailCode("SignatureDoesNotMatch");
}

}  // namespace

ChunkedReader::ChunkedReader(ByteReader& inner, ChunkedOptions options)
    : inner_(inner),
      options_(std::move(options)),
      buffer_(kBufferBytes),
      last_signature_(options_.signature.signature) {}

Result<size_t> ChunkedReader::Read(MutableByteSpan buffer) {
    while (!done_ && !buffer.empty()) {
        if (!in_chunk_) {
            TRY(StartChunk());
            continue;
        }
        if (chunk_left_ > 0) return ReadData(buffer);
        TRY(EndChunk());
    }
    return size_t{0};
}

// False at the end of the inner reader.
Result<bool> ChunkedReader::Fill() {
    begin_ = 0;
    end_ = TRY(inner_.Read(buffer_));
    return end_ > 0;
}

Result<size_t> ChunkedReader::ReadData(MutableByteSpan buffer) {
    size_t wanted = std::min<uint64_t>(buffer.size(), chunk_left_);
    size_t taken = std::min(wanted, end_ - begin_);
    if (taken > 0) {
        std::copy_n(buffer_.begin() + static_cast<ptrdiff_t>(begin_), taken, buffer.begin());
        begin_ += taken;
    } else {
        taken = TRY(inner_.Read(buffer.first(wanted)));  // straight into place, past our own buffer
        if (taken == 0) return BadChunk("it ends within a chunk");
    }
    if (chunk_hash_) chunk_hash_->Update(buffer.first(taken));
    chunk_left_ -= taken;
    return taken;
}

// Without its line end. Old and hand-written clients end lines with \n alone.
Result<std::string> ChunkedReader::ReadLine() {
    std::string line;
    while (true) {
        if (begin_ == end_ && !TRY(Fill())) return BadChunk("it ends within a line");
        char letter = static_cast<char>(buffer_[begin_++]);
        if (letter == '\n') break;
        line += letter;
        if (line.size() > kLineBytesMax) return BadChunk("a line is too long");
    }
    if (line.ends_with('\r')) line.pop_back();
    return line;
}

Status ChunkedReader::StartChunk() {
    std::string line = TRY(ReadLine());
    auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), chunk_left_, 16);
    std::string_view rest(end, line.data() + line.size() - end);
    if (error != std::errc() || !(rest.empty() || rest.front() == ';')) return BadChunk("a chunk has no size");
    chunk_bytes_ = chunk_left_;
    decoded_ += chunk_bytes_;
    if (decoded_ > options_.decoded_bytes || chunk_bytes_ > options_.decoded_bytes) {
        return BadChunk("it has more bytes than x-amz-decoded-content-length");
    }
    if (options_.is_signed) {
        size_t found = rest.find(kSignatureField);
        if (found == std::string_view::npos) return WrongSignature("a chunk");
        chunk_signature_ = Trim(rest.substr(found + kSignatureField.size()));
        chunk_hash_ = Hasher::Create(HashKind::kSha256);
    }
    in_chunk_ = true;
    return Ok();
}

Status ChunkedReader::EndChunk() {
    in_chunk_ = false;
    if (options_.is_signed) {
        std::string text =
            fmt::format("AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{}\n{}\n{}", options_.signature.time,
                        options_.signature.Scope(), last_signature_, Sha256Hex({}), HexEncode(chunk_hash_->Finish()));
        if (!ConstantTimeEquals(SignText(options_.signing_key, text), chunk_signature_)) {
            return WrongSignature("a chunk");
        }
        last_signature_ = chunk_signature_;
    }
    if (chunk_bytes_ == 0) return ReadTrailers();  // the empty chunk is the last
    if (!TRY(ReadLine()).empty()) return BadChunk("a chunk is longer than its size");
    return Ok();
}

Status ChunkedReader::ReadTrailers() {
    std::string stated_signature;
    while (true) {
        std::string line = TRY(ReadLine());
        if (Trim(line).empty()) break;
        trailer_bytes_ += line.size();
        size_t colon = line.find(':');
        if (!options_.has_trailer || colon == std::string::npos || trailer_bytes_ > kTrailerBytesMax) {
            return Error(ErrorCode::kInvalidArgument, "the trailers of the body are malformed")
                .WithDetailCode("MalformedTrailerError");
        }
        std::string name = ToLower(Trim(std::string_view(line).substr(0, colon)));
        std::string value(Trim(std::string_view(line).substr(colon + 1)));
        if (name == "x-amz-trailer-signature") {
            stated_signature = std::move(value);
        } else {
            trailers_[name] = std::move(value);
        }
    }
    if (options_.is_signed && options_.has_trailer) TRY(CheckTrailerSignature(stated_signature));
    if (decoded_ != options_.decoded_bytes) return BadChunk("it has fewer bytes than x-amz-decoded-content-length");
    done_ = true;
    return Ok();
}

Status ChunkedReader::CheckTrailerSignature(const std::string& stated) {
    std::string canonical;
    for (const auto& [name, value] : trailers_) canonical += fmt::format("{}:{}\n", name, value);
    std::string text = fmt::format("AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{}\n{}", options_.signature.time,
                                   options_.signature.Scope(), last_signature_, Sha256Hex(AsBytes(canonical)));
    if (ConstantTimeEquals(SignText(options_.signing_key, text), stated)) return Ok();
    return WrongSignature("the trailers");
}

}  // namespace tarn::s3
