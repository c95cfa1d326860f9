#include "storage/lake/sealed_file.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace tarn::lake {
namespace {

constexpr std::string_view kMagic = "TARNLAKE";
constexpr uint32_t kVersion = 1;
constexpr size_t kPublicHeaderBytes = 32;  // magic, version, block bytes, file id; then the wrapped key
constexpr size_t kWrappedKeyBytes = kNonceBytes + kKeyBytes + kTagBytes;
constexpr uint64_t kSealedBlockBytes = kBlockBytes + kTagBytes;
constexpr size_t kRunBlocks = 16;  // blocks to one read or write of the disk

using Nonce = std::array<uint8_t, kNonceBytes>;
using BlockPlace = std::array<uint8_t, kFileIdBytes + 9>;

void PutBigEndian(uint64_t number, uint8_t* target) {
    for (int index = 7; index >= 0; --index, number >>= 8) target[index] = static_cast<uint8_t>(number);
}

void PutLittleEndian32(uint32_t number, uint8_t* target) {
    for (int index = 0; index < 4; ++index, number >>= 8) target[index] = static_cast<uint8_t>(number);
}

// The data key is the file's own, so the block's number never repeats under it.
Nonce NonceOf(uint64_t block) {
    Nonce nonce{};
    PutBigEndian(block, nonce.data() + kNonceBytes - 8);
    return nonce;
}

BlockPlace PlaceOf(ByteSpan id, uint64_t block, bool last) {
    BlockPlace place{};
    std::copy(id.begin(), id.end(), place.begin());
    PutBigEndian(block, place.data() + kFileIdBytes);
    place.back() = last ? 1 : 0;
    return place;
}

Bytes PublicHeader(ByteSpan id) {
    Bytes header(kPublicHeaderBytes);
    std::copy(kMagic.begin(), kMagic.end(), header.begin());
    PutLittleEndian32(kVersion, header.data() + 8);
    PutLittleEndian32(kBlockBytes, header.data() + 12);
    std::copy(id.begin(), id.end(), header.begin() + 16);
    return header;
}

Bytes MakeHeader(Random& random, ByteSpan bucket_key, ByteSpan id, const Secret& data_key) {
    Bytes header = PublicHeader(id);
    Bytes wrapped = Seal(random, bucket_key, header, data_key.bytes());
    header.insert(header.end(), wrapped.begin(), wrapped.end());
    header.resize(kFileHeaderBytes);
    return header;
}

Result<Secret> ReadHeader(const File& file, ByteSpan bucket_key, ByteSpan id) {
    Bytes header(kFileHeaderBytes);
    if (TRY(file.ReadAt(0, header)) != header.size()) {
        return Error(ErrorCode::kCorruption, "the file's header is cut off");
    }
    Bytes expected = PublicHeader(id);
    if (!std::equal(expected.begin(), expected.end(), header.begin())) {
        return Error(ErrorCode::kCorruption, "the file's header is not that of this file in format version {}",
                     kVersion);
    }
    ByteSpan wrapped = ByteSpan(header).subspan(kPublicHeaderBytes, kWrappedKeyBytes);
    return Secret(TRY_CONTEXT(Open(bucket_key, expected, wrapped), "the file's wrapped key"));
}

uint64_t BlocksOf(uint64_t bytes) {
    return std::max<uint64_t>(1, (bytes + kBlockBytes - 1) / kBlockBytes);  // an empty file has one empty block
}

}  // namespace

// ---- FileRoom

Status FileRoom::Prepare() {
    for (int folder = 0; folder < 256; ++folder) {
        TRY(env_.files().CreateDirectories(fmt::format("{}/{:02x}", directory_, folder)));
    }
    return env_.files().SyncDirectory(directory_);
}

std::string FileRoom::FolderOf(std::string_view id) const { return fmt::format("{}/{}", directory_, id.substr(0, 2)); }

std::string FileRoom::PathOf(std::string_view id) const {
    return fmt::format("{}/{}/{}", directory_, id.substr(0, 2), id);
}

// ---- SealedFileWriter

Result<std::unique_ptr<SealedFileWriter>> SealedFileWriter::Create(FileRoom& room, ByteSpan bucket_key) {
    Random& random = room.env().random();
    std::unique_ptr<SealedFileWriter> writer(new SealedFileWriter(room, room.NewId(), RandomKey(random)));
    writer->id_bytes_ = TRY(HexDecode(writer->id_));
    writer->file_ = TRY(room.env().files().Create(room.PathOf(writer->id_), {.exclusive = true}));
    writer->sealed_ = MakeHeader(random, bucket_key, writer->id_bytes_, writer->data_key_);
    return writer;
}

SealedFileWriter::SealedFileWriter(FileRoom& room, std::string id, Secret data_key)
    : room_(room), id_(std::move(id)), data_key_(std::move(data_key)) {}

SealedFileWriter::~SealedFileWriter() {
    if (keep_ || !file_) return;
    file_.reset();
    // Best effort: what can't be removed now has no row, and is swept at the next start.
    (void)room_.Remove(id_);
}

Status SealedFileWriter::Append(ByteSpan plain) {
    while (!plain.empty()) {
        // A full block waits for one more byte: only then is it known not to be the last.
        if (plain_.size() == kBlockBytes) {
            SealBlock(plain_, false);
            plain_.clear();
        }
        if (plain_.empty() && plain.size() > kBlockBytes) {
            SealBlock(plain.first(kBlockBytes), false);
            plain = plain.subspan(kBlockBytes);
        } else {
            size_t taken = std::min<size_t>(plain.size(), kBlockBytes - plain_.size());
            plain_.insert(plain_.end(), plain.begin(), plain.begin() + taken);
            plain = plain.subspan(taken);
        }
        if (sealed_.size() >= kRunBlocks * kSealedBlockBytes) TRY(Flush());
    }
    return Ok();
}

void SealedFileWriter::SealBlock(ByteSpan plain, bool last) {
    size_t start = sealed_.size();
    sealed_.resize(start + plain.size() + kTagBytes);
    Status status = SealInto(data_key_.bytes(), NonceOf(next_block_), PlaceOf(id_bytes_, next_block_, last), plain,
                             MutableByteSpan(sealed_).subspan(start));
    if (!status.ok()) seal_status_ = std::move(status);
    ++next_block_;
}

Status SealedFileWriter::Flush() {
    TRY(Status(seal_status_));
    TRY(file_->Append(sealed_));
    sealed_.clear();
    return Ok();
}

Status SealedFileWriter::Finish() {
    SealBlock(plain_, true);
    TRY(Flush());
    TRY(file_->Sync());
    return room_.env().files().SyncDirectory(room_.FolderOf(id_));
}

// ---- SealedFileReader

Result<std::unique_ptr<SealedFileReader>> SealedFileReader::Open(FileRoom& room, const std::string& id, uint64_t bytes,
                                                                 ByteSpan bucket_key) {
    Bytes id_bytes = TRY(HexDecode(id));
    auto opened = room.env().files().Open(room.PathOf(id));
    if (!opened.ok() && opened.error().code() == ErrorCode::kNotFound) {
        return Error(ErrorCode::kCorruption, "the stored file {} is missing", id);
    }
    std::unique_ptr<File> file = TRY(std::move(opened));
    uint64_t wanted = kFileHeaderBytes + bytes + BlocksOf(bytes) * kTagBytes;
    uint64_t found = TRY(file->Size());
    if (found != wanted) {
        return Error(ErrorCode::kCorruption, "the stored file {} has {} bytes instead of {}", id, found, wanted);
    }
    Secret data_key = TRY(ReadHeader(*file, bucket_key, id_bytes));
    return std::unique_ptr<SealedFileReader>(
        new SealedFileReader(std::move(file), std::move(id_bytes), bytes, std::move(data_key)));
}

SealedFileReader::SealedFileReader(std::unique_ptr<File> file, Bytes id_bytes, uint64_t bytes, Secret data_key)
    : file_(std::move(file)), id_bytes_(std::move(id_bytes)), bytes_(bytes), data_key_(std::move(data_key)) {}

uint64_t SealedFileReader::BlockCount() const { return BlocksOf(bytes_); }

uint64_t SealedFileReader::PlainBytesOf(uint64_t block) const {
    return std::min<uint64_t>(kBlockBytes, bytes_ - block * kBlockBytes);
}

Result<size_t> SealedFileReader::ReadAt(uint64_t offset, MutableByteSpan buffer) const {
    if (offset >= bytes_) return size_t{0};
    size_t wanted = std::min<uint64_t>(buffer.size(), bytes_ - offset);
    size_t done = 0;
    while (done < wanted) {
        uint64_t first = (offset + done) / kBlockBytes;
        uint64_t last = std::min((offset + wanted - 1) / kBlockBytes, first + kRunBlocks - 1);
        uint64_t end = std::min(offset + wanted, (last + 1) * kBlockBytes);
        size_t taken = end - (offset + done);
        TRY(ReadRun(first, last - first + 1, offset + done, buffer.subspan(done, taken)));
        done += taken;
    }
    return done;
}

// One read of the disk for the run; blocks that the target wants whole are decrypted right into it.
Status SealedFileReader::ReadRun(uint64_t first_block, uint64_t blocks, uint64_t offset, MutableByteSpan target) const {
    uint64_t sealed_bytes = 0;
    for (uint64_t block = first_block; block < first_block + blocks; ++block) {
        sealed_bytes += PlainBytesOf(block) + kTagBytes;
    }
    // Not zeroed: a page of zeros for each byte read would cost as much as decrypting it.
    std::unique_ptr<uint8_t[]> sealed(new uint8_t[sealed_bytes]);
    MutableByteSpan run(sealed.get(), sealed_bytes);
    size_t found = TRY(file_->ReadAt(kFileHeaderBytes + first_block * kSealedBlockBytes, run));
    if (found != sealed_bytes) return Error(ErrorCode::kCorruption, "block {}: the file is cut off", first_block);
    size_t filled = 0;
    for (uint64_t block = first_block; block < first_block + blocks; ++block) {
        size_t plain_bytes = PlainBytesOf(block);
        ByteSpan text = run.first(plain_bytes + kTagBytes);
        run = run.subspan(text.size());
        size_t skipped = block == first_block ? offset - block * kBlockBytes : 0;
        size_t taken = std::min(plain_bytes - skipped, target.size() - filled);
        MutableByteSpan part = target.subspan(filled, taken);
        if (taken == plain_bytes) {
            TRY(OpenBlock(block, text, part));
        } else {
            std::unique_ptr<uint8_t[]> plain(new uint8_t[plain_bytes]);
            TRY(OpenBlock(block, text, {plain.get(), plain_bytes}));
            std::memcpy(part.data(), plain.get() + skipped, taken);
        }
        filled += taken;
    }
    return Ok();
}

Status SealedFileReader::OpenBlock(uint64_t block, ByteSpan sealed, MutableByteSpan plain) const {
    bool last = block + 1 == BlockCount();
    Status status = OpenInto(data_key_.bytes(), NonceOf(block), PlaceOf(id_bytes_, block, last), sealed, plain);
    if (status.ok()) return Ok();
    std::fill(plain.begin(), plain.end(), 0);  // nobody sees a byte whose authentication failed
    return Error(status.error().code(), "block {} is not what was written", block);
}

}  // namespace tarn::lake
