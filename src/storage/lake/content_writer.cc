#include "storage/lake/content_writer.h"

#include <array>

namespace tarn::lake {
namespace {

// A derived key seals one text only, so one nonce will do.
constexpr std::array<uint8_t, kNonceBytes> kOnlyNonce{};
constexpr size_t kCopyBufferBytes = 256 << 10;

Secret SmallKey(ByteSpan bucket_key, const std::string& object_id) {
    return DeriveKey(bucket_key, "lake small object " + object_id);
}

}  // namespace

Result<Bytes> SealSmall(ByteSpan bucket_key, const std::string& object_id, ByteSpan plain) {
    Bytes sealed(plain.size() + kTagBytes);
    Secret key = SmallKey(bucket_key, object_id);
    TRY(SealInto(key.bytes(), kOnlyNonce, AsBytes(object_id), plain, sealed));
    return sealed;
}

Result<Bytes> OpenSmall(ByteSpan bucket_key, const std::string& object_id, ByteSpan sealed) {
    if (sealed.size() < kTagBytes) return Error(ErrorCode::kCorruption, "the content is cut off");
    Bytes plain(sealed.size() - kTagBytes);
    Secret key = SmallKey(bucket_key, object_id);
    TRY(OpenInto(key.bytes(), kOnlyNonce, AsBytes(object_id), sealed, plain));
    return plain;
}

Result<std::unique_ptr<ContentWriter>> ContentWriter::Create(FileRoom& room, ByteSpan bucket_key, Options options) {
    // Small content goes into the index, which grows for deletes too: so it is asked here whether anything may.
    TRY(room.env().files().FreeBytes(room.FolderOf("00")));
    std::unique_ptr<ContentWriter> writer(new ContentWriter(room, bucket_key, std::move(options)));
    writer->hasher_ = TRY(ContentHasher::Create(writer->options_.algorithms));
    if (writer->options_.always_file) TRY(writer->StartFile());
    return writer;
}

Status ContentWriter::StartFile() {
    file_ = TRY(SealedFileWriter::Create(room_, bucket_key_));
    TRY(file_->Append(small_));
    small_ = Bytes();
    return Ok();
}

Status ContentWriter::Append(ByteSpan bytes) {
    hasher_->Update(bytes);
    bytes_ += bytes.size();
    if (!file_ && bytes_ > kInlineBytesMax) TRY(StartFile());
    if (file_) return file_->Append(bytes);
    small_.insert(small_.end(), bytes.begin(), bytes.end());
    return Ok();
}

Result<WrittenContent> ContentWriter::Finish() {
    WrittenContent content;
    content.bytes = bytes_;
    auto hashes = hasher_->Finish();
    content.md5_hex = std::move(hashes.md5_hex);
    content.checksums = std::move(hashes.checksums);
    if (file_) {
        TRY(file_->Finish());
        content.extents.push_back({file_->id(), bytes_});
        content.file = std::move(file_);
    } else if (bytes_ > 0) {
        content.sealed = TRY(SealSmall(bucket_key_, options_.id, small_));
    }
    return content;
}

Status CheckContent(const WrittenContent& content, const PutOptions& options) {
    if (options.expected_bytes && *options.expected_bytes != content.bytes) {
        return Error(ErrorCode::kInvalidArgument, "the content has {} bytes, but {} were announced", content.bytes,
                     *options.expected_bytes)
            .WithDetailCode("IncompleteBody");
    }
    if (!options.expected_md5.empty() && options.expected_md5 != content.md5_hex) {
        return Error(ErrorCode::kInvalidArgument, "the MD5 of the content is {}, but {} was announced", content.md5_hex,
                     options.expected_md5)
            .WithDetailCode("BadDigest");
    }
    TRY(CompareChecksums(options.expected, content.checksums));
    if (!options.expected_at_end) return Ok();
    return CompareChecksums(TRY(options.expected_at_end()), content.checksums);
}

Status CopyBytes(ByteReader& from, ByteWriter& to) {
    std::unique_ptr<uint8_t[]> buffer(new uint8_t[kCopyBufferBytes]);
    while (true) {
        size_t read = TRY(from.Read({buffer.get(), kCopyBufferBytes}));
        if (read == 0) return Ok();
        TRY(to.Write({buffer.get(), read}));
    }
}

}  // namespace tarn::lake
