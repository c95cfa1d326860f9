#include "ingestion/buffer/segment_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "base/text.h"

namespace tarn::buffer {
namespace {

constexpr std::string_view kMagic = "TARNLOG1";
constexpr size_t kPublicHeaderBytes = 16;  // magic, number; then the wrapped key
constexpr size_t kWrappedKeyBytes = kNonceBytes + kKeyBytes + kTagBytes;
constexpr size_t kCheckedHeadBytes = kEntryHeaderBytes - 4;  // then its own CRC32C
constexpr size_t kScanBytes = 1 << 20;
// A sync of bytes that make the file longer has to write the file's length, too: a second wait for the disk. So behind
// a small group zeros are written ahead, and the next groups go over them. For a large one it would be twice the bytes.
constexpr size_t kAheadBytes = 1 << 20;
constexpr size_t kSmallGroupBytes = 64 << 10;
// A group is sealed and written piece by piece: what was sealed is still in the processor's cache when it is written.
constexpr size_t kPieceBytes = 1 << 20;

// Numbers are little-endian on the disk, as on every machine that this runs on.
template <typename T>
void Put(uint8_t*& at, T value) {
    std::memcpy(at, &value, sizeof(value));
    at += sizeof(value);
}

template <typename T>
T Take(const uint8_t*& at) {
    T value;
    std::memcpy(&value, at, sizeof(value));
    at += sizeof(value);
    return value;
}

void WriteHead(const EntryHeader& header, uint8_t* target) {
    uint8_t* at = target;
    Put(at, header.content_bytes);
    Put(at, header.partition);
    Put(at, header.flags);
    Put(at, header.records);
    Put(at, header.base_offset);
    Put(at, header.max_timestamp_ms);
    Put(at, header.sequence);
    Put(at, header.group);
    Put(at, Crc32c({target, kCheckedHeadBytes}));
}

// False: not a head that was ever written whole.
bool ReadHead(ByteSpan head, EntryHeader& header) {
    const uint8_t* at = head.data();
    header.content_bytes = Take<uint32_t>(at);
    header.partition = Take<uint32_t>(at);
    header.flags = Take<uint32_t>(at);
    header.records = Take<uint32_t>(at);
    header.base_offset = Take<uint64_t>(at);
    header.max_timestamp_ms = Take<int64_t>(at);
    header.sequence = Take<uint64_t>(at);
    header.group = Take<uint32_t>(at);
    return Take<uint32_t>(at) == Crc32c(head.first(kCheckedHeadBytes)) && header.content_bytes <= kEntryBytesMax;
}

std::array<uint8_t, kNonceBytes> NonceOf(uint64_t sequence) {
    std::array<uint8_t, kNonceBytes> nonce{};
    std::memcpy(nonce.data(), &sequence, sizeof(sequence));
    return nonce;
}

Bytes PublicHeader(uint64_t number) {
    Bytes header(kPublicHeaderBytes);
    uint8_t* at = std::copy(kMagic.begin(), kMagic.end(), header.begin()).base();
    Put(at, number);
    return header;
}

std::string PathOf(const std::string& directory, uint64_t number) { return directory + "/" + SegmentName(number); }

size_t StoredBytes(const EntryHeader& header) { return kEntryHeaderBytes + header.content_bytes + kTagBytes; }

}  // namespace

std::string SegmentName(uint64_t number) { return fmt::format("{:020}.log", number); }

Result<std::vector<uint64_t>> ListSegments(Env& env, const std::string& directory) {
    std::vector<uint64_t> numbers;
    for (const FileEntry& file : TRY(env.files().List(directory))) {
        if (file.is_directory || !file.name.ends_with(".log")) continue;
        uint64_t number = 0;
        std::from_chars(file.name.data(), file.name.data() + file.name.size(), number);
        if (SegmentName(number) == file.name) numbers.push_back(number);
    }
    return numbers;
}

Status RewriteSegment(Env& env, const std::string& directory, uint64_t number, uint64_t bytes) {
    std::string path = PathOf(directory, number), copy = path + ".copy";
    auto from = TRY(env.files().Open(path));
    auto to = TRY(env.files().Create(copy, {.truncate = true}));
    Bytes buffer(kScanBytes);
    for (uint64_t at = 0; at < bytes;) {
        size_t want = std::min<uint64_t>(buffer.size(), bytes - at);
        size_t got = TRY(from->ReadAt(at, MutableByteSpan(buffer).first(want)));
        if (got == 0) return Error(ErrorCode::kIo, "segment {} became shorter while it was read", SegmentName(number));
        TRY(to->Append(ByteSpan(buffer).first(got)));
        at += got;
    }
    TRY(to->Sync());
    TRY(env.files().Rename(copy, path));
    return env.files().SyncDirectory(directory);
}

// ---- writing

SegmentWriter::SegmentWriter(Env& env, std::string directory, uint64_t number, std::unique_ptr<File> file, Secret key)
    : env_(env), directory_(std::move(directory)), number_(number), file_(std::move(file)), key_(std::move(key)) {}

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::Create(Env& env, const std::string& directory, uint64_t number,
                                                             ByteSpan wrapping_key) {
    auto file = TRY(env.files().Create(PathOf(directory, number), {.exclusive = true}));
    Secret key = RandomKey(env.random());
    Bytes header = PublicHeader(number);
    Bytes wrapped = Seal(env.random(), wrapping_key, header, key.bytes());
    header.insert(header.end(), wrapped.begin(), wrapped.end());
    header.resize(kSegmentHeaderBytes);
    TRY(file->Append(header));
    std::unique_ptr<SegmentWriter> writer(new SegmentWriter(env, directory, number, std::move(file), std::move(key)));
    writer->bytes_ = writer->file_bytes_ = kSegmentHeaderBytes;
    return writer;
}

Status SegmentWriter::Append(std::vector<Entry>& entries, uint64_t& sequence, std::vector<uint64_t>& positions) {
    positions.clear();
    uint64_t begin = bytes_;
    Status written = SealAndWrite(entries, sequence, positions);
    // One giant entry must not hold its memory for ever.
    if (sealed_.size() > (16 << 20)) Bytes().swap(sealed_);
    if (written.ok()) return Ok();
    // Whole entries of it must not be found after a crash: their offsets are given again.
    bytes_ = begin;
    TRY(Finish());
    return written;
}

Status SegmentWriter::SealAndWrite(std::vector<Entry>& entries, uint64_t& sequence, std::vector<uint64_t>& positions) {
    size_t filled = 0;
    for (Entry& entry : entries) {
        entry.header.content_bytes = static_cast<uint32_t>(entry.content.bytes.size());
        entry.header.sequence = sequence++;
        entry.header.group = group_;
        if (&entry == &entries.back()) entry.header.flags |= kLastOfGroup;
        size_t stored = StoredBytes(entry.header);
        if (filled > 0 && filled + stored > kPieceBytes) {
            TRY(Write(filled, 0));
            filled = 0;
        }
        if (sealed_.size() < filled + stored) sealed_.resize(std::max(filled + stored, kPieceBytes));
        positions.push_back(bytes_ + filled);
        uint8_t* head = sealed_.data() + filled;
        WriteHead(entry.header, head);
        MutableByteSpan sealed(head + kEntryHeaderBytes, entry.content.bytes.size() + kTagBytes);
        TRY(SealInto(key_.bytes(), NonceOf(entry.header.sequence), {head, kEntryHeaderBytes}, entry.content.bytes,
                     sealed));
        filled += stored;
    }
    bool small = positions.front() == bytes_ && filled <= kSmallGroupBytes;
    return Write(filled, small && may_write_ahead_ ? kAheadBytes : 0);
}

Status SegmentWriter::Write(size_t filled, size_t ahead) {
    uint64_t end = bytes_ + filled;
    if (end <= file_bytes_) {
        TRY(file_->WriteAt(bytes_, ByteSpan(sealed_).first(filled)));
        bytes_ = end;
        return Ok();
    }
    TRY(Finish());
    if (sealed_.size() < filled + ahead) sealed_.resize(filled + ahead);
    std::fill_n(sealed_.begin() + static_cast<ptrdiff_t>(filled), ahead, uint8_t{0});
    Status written = file_->Append(ByteSpan(sealed_).first(filled + ahead));
    if (!written.ok() && ahead > 0 && written.error().code() == ErrorCode::kResourceExhausted) {
        may_write_ahead_ = false;
        ahead = 0;
        written = file_->Append(ByteSpan(sealed_).first(filled));
    }
    TRY(written);
    bytes_ = end;
    file_bytes_ = end + ahead;
    return Ok();
}

Status SegmentWriter::Sync() {
    TRY(file_->Sync());
    group_++;
    if (name_is_durable_) return Ok();
    TRY(env_.files().SyncDirectory(directory_));
    name_is_durable_ = true;
    return Ok();
}

Status SegmentWriter::Finish() {
    if (file_bytes_ == bytes_) return Ok();
    file_bytes_ = bytes_;
    return file_->Truncate(bytes_);
}

// ---- reading

SegmentReader::SegmentReader(uint64_t number, std::unique_ptr<File> file, Secret key)
    : number_(number), file_(std::move(file)), key_(std::move(key)) {}

Result<std::unique_ptr<SegmentReader>> SegmentReader::Open(Env& env, const std::string& directory, uint64_t number,
                                                           ByteSpan wrapping_key) {
    auto file = TRY(env.files().Open(PathOf(directory, number)));
    Bytes header(kSegmentHeaderBytes);
    Bytes expected = PublicHeader(number);
    bool whole = TRY(file->ReadAt(0, header)) == header.size();
    if (!whole || !std::equal(expected.begin(), expected.end(), header.begin())) {
        return Error(ErrorCode::kCorruption, "segment {} of the log has no whole header", SegmentName(number));
    }
    ByteSpan wrapped = ByteSpan(header).subspan(kPublicHeaderBytes, kWrappedKeyBytes);
    Secret key(TRY_CONTEXT(tarn::Open(wrapping_key, expected, wrapped), "the key of segment " + SegmentName(number)));
    return std::unique_ptr<SegmentReader>(new SegmentReader(number, std::move(file), std::move(key)));
}

Result<Bytes> SegmentReader::Unseal(ByteSpan head, const EntryHeader& header, ByteSpan sealed) const {
    Bytes content(header.content_bytes);
    Status opened = OpenInto(key_.bytes(), NonceOf(header.sequence), head, sealed, content);
    if (opened.ok()) return content;
    return Error(ErrorCode::kCorruption, "segment {} of the log: the entry of partition {} at offset {} is damaged",
                 SegmentName(number_), header.partition, header.base_offset);
}

Result<Bytes> SegmentReader::Read(uint64_t position, const EntryHeader& expected) const {
    Bytes stored(StoredBytes(expected));
    EntryHeader header;
    bool whole = TRY(file_->ReadAt(position, stored)) == stored.size();
    ByteSpan head = ByteSpan(stored).first(std::min(stored.size(), kEntryHeaderBytes));
    if (!whole || !ReadHead(head, header) || header.partition != expected.partition ||
        header.base_offset != expected.base_offset || header.content_bytes != expected.content_bytes) {
        return Error(ErrorCode::kCorruption,
                     "segment {} of the log: no entry of partition {} at offset {} where it was", SegmentName(number_),
                     expected.partition, expected.base_offset);
    }
    return Unseal(head, header, ByteSpan(stored).subspan(kEntryHeaderBytes));
}

// A moving window over the file.
class Window {
  public:
    explicit Window(const File& file) : file_(file) {}
    // The bytes at `position`, empty if the file ends before.
    Result<ByteSpan> At(uint64_t position, size_t bytes) {
        bool inside = position >= begin_ && position + bytes <= begin_ + bytes_.size();
        if (!inside) {
            bytes_.resize(std::max(bytes, kScanBytes));
            begin_ = position;
            bytes_.resize(TRY(file_.ReadAt(position, bytes_)));
            if (bytes_.size() < bytes) return ByteSpan();
        }
        return ByteSpan(bytes_).subspan(position - begin_, bytes);
    }

  private:
    const File& file_;
    Bytes bytes_;
    uint64_t begin_ = 0;
};

namespace {

Result<bool> OnlyZeros(Window& window, uint64_t position, uint64_t size) {
    while (position < size) {
        ByteSpan bytes = TRY(window.At(position, std::min<uint64_t>(size - position, kScanBytes)));
        if (bytes.empty() || std::any_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte != 0; })) {
            return false;
        }
        position += bytes.size();
    }
    return true;
}

}  // namespace

Result<ScanEnd> SegmentReader::Scan(uint64_t position, Contents contents, const OnEntry& on_entry) const {
    Window window(*file_);
    uint64_t size = TRY(file_->Size());
    ScanEnd end{.position = std::max<uint64_t>(position, kSegmentHeaderBytes)};
    while (true) {
        ByteSpan head = TRY(window.At(end.position, kEntryHeaderBytes));
        EntryHeader header;
        if (head.empty() || !ReadHead(head, header) || end.position + StoredBytes(header) > size) {
            end.whole = TRY(OnlyZeros(window, end.position, size));  // written ahead
            return end;
        }
        Bytes content;
        if (contents == Contents::kVerified) {
            ByteSpan stored = TRY(window.At(end.position, StoredBytes(header)));
            Result<Bytes> opened = Unseal(stored.first(kEntryHeaderBytes), header, stored.subspan(kEntryHeaderBytes));
            if (!opened.ok()) return end;
            content = *std::move(opened);
        }
        TRY(on_entry(header, end.position, content));
        end.position += StoredBytes(header);
        end.group = header.group;
        end.group_whole = (header.flags & kLastOfGroup) != 0;
    }
}

Result<uint64_t> SegmentReader::NextWhole(const ScanEnd& end) const {
    Window window(*file_);
    uint64_t size = TRY(file_->Size());
    uint32_t torn = end.group_whole ? end.group + 1 : end.group;
    uint64_t first = 0;
    for (uint64_t at = end.position + 1; at + kEntryHeaderBytes <= size; ++at) {
        ByteSpan head = TRY(window.At(at, kEntryHeaderBytes));
        EntryHeader header;
        if (head.empty() || !ReadHead(head, header) || at + StoredBytes(header) > size) continue;
        ByteSpan stored = TRY(window.At(at, StoredBytes(header)));
        if (!Unseal(stored.first(kEntryHeaderBytes), header, stored.subspan(kEntryHeaderBytes)).ok()) continue;
        if (first == 0) first = at;
        if (header.group > torn) return first;
        at += StoredBytes(header) - 1;
    }
    return uint64_t{0};
}

}  // namespace tarn::buffer
