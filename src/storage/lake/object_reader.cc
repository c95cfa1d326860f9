#include "storage/lake/object_reader.h"

#include <algorithm>

#include "storage/lake/content_writer.h"

namespace tarn::lake {
namespace {

constexpr size_t kOpenFilesMax = 8;  // of one object: ten thousand parts must not take ten thousand descriptors

}  // namespace

Result<std::unique_ptr<ObjectReader>> ObjectReader::Create(StoredObject object, Pins::Pin pin,
                                                           ReaderDependencies dependencies) {
    uint64_t bytes = 0;
    for (const Extent& extent : object.extents) bytes += extent.bytes;
    bool small = object.extents.empty();
    std::unique_ptr<ObjectReader> reader(new ObjectReader(std::move(object), std::move(pin), std::move(dependencies)));
    const ObjectInfo& info = reader->info();
    if (small && info.bytes > 0) {
        auto opened = OpenSmall(reader->dependencies_.bucket_key->bytes(), info.id, reader->object_.sealed);
        if (!opened.ok()) {
            reader->dependencies_.metrics.corruptions.Add();
            return std::move(opened).error().Context(fmt::format("object {}, block 0", info.name.ToString()));
        }
        reader->small_ = std::move(opened).value();
        bytes = reader->small_.size();
    }
    if (bytes != info.bytes) {
        return Error(ErrorCode::kCorruption, "object {} has {} bytes of content instead of {}", info.name.ToString(),
                     bytes, info.bytes);
    }
    return reader;
}

ObjectReader::ObjectReader(StoredObject object, Pins::Pin pin, ReaderDependencies dependencies)
    : object_(std::move(object)), pin_(std::move(pin)), dependencies_(std::move(dependencies)) {
    uint64_t start = 0;
    for (const Extent& extent : object_.extents) {
        starts_.push_back(start);
        start += extent.bytes;
    }
}

Result<size_t> ObjectReader::ReadAt(uint64_t offset, MutableByteSpan buffer) {
    auto read = ReadContent(offset, buffer);
    if (read.ok()) {
        dependencies_.metrics.read_bytes.Add(static_cast<int64_t>(*read));
        return read;
    }
    if (read.error().code() == ErrorCode::kCorruption) dependencies_.metrics.corruptions.Add();
    return std::move(read).error().Context(fmt::format("object {}", info().name.ToString()));
}

Result<size_t> ObjectReader::ReadContent(uint64_t offset, MutableByteSpan buffer) {
    if (offset >= info().bytes) return size_t{0};
    buffer = buffer.first(std::min<uint64_t>(buffer.size(), info().bytes - offset));
    if (!starts_.empty()) return ReadFiles(offset, buffer);
    std::copy_n(small_.begin() + static_cast<ptrdiff_t>(offset), buffer.size(), buffer.begin());
    return buffer.size();
}

Result<size_t> ObjectReader::ReadFiles(uint64_t offset, MutableByteSpan buffer) {
    size_t extent = std::upper_bound(starts_.begin(), starts_.end(), offset) - starts_.begin() - 1;
    size_t filled = 0;
    for (; filled < buffer.size(); ++extent) {
        auto file = TRY(FileOf(extent));
        uint64_t within = offset + filled - starts_[extent];
        filled += TRY_CONTEXT(file->ReadAt(within, buffer.subspan(filled)),
                              fmt::format("stored file {}", object_.extents[extent].file));
    }
    return filled;
}

Result<std::shared_ptr<SealedFileReader>> ObjectReader::FileOf(size_t extent) {
    {
        std::lock_guard lock(mutex_);
        for (const auto& [number, file] : open_files_) {
            if (number == extent) return file;
        }
    }
    const Extent& wanted = object_.extents[extent];
    std::shared_ptr<SealedFileReader> opened =
        TRY(SealedFileReader::Open(dependencies_.room, wanted.file, wanted.bytes, dependencies_.bucket_key->bytes()));
    std::lock_guard lock(mutex_);
    if (open_files_.size() >= kOpenFilesMax) open_files_.erase(open_files_.begin());
    open_files_.emplace_back(extent, opened);
    return opened;
}

std::vector<uint64_t> ObjectReader::part_bytes() const {
    if (object_.upload_id.empty()) return {info().bytes};
    std::vector<uint64_t> bytes;
    for (const Extent& extent : object_.extents) bytes.push_back(extent.bytes);
    return bytes;
}

Status ReadToEnd(Object& object) {
    Bytes buffer(1 << 20);
    for (uint64_t offset = 0; offset < object.info().bytes;) offset += TRY(object.ReadAt(offset, buffer));
    return Ok();
}

}  // namespace tarn::lake
