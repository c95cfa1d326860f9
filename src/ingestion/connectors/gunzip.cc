#include "ingestion/connectors/gunzip.h"

#include <zlib.h>

#include <array>
#include <memory>

namespace tarn::connectors {

Result<std::string> Gunzip(std::string_view packed, size_t bytes_max) {
    constexpr int kGzipWindow = 15 + 16;  // zlib's code for the largest window, with gzip's header
    z_stream stream{};
    if (inflateInit2(&stream, kGzipWindow) != Z_OK) {
        return Error(ErrorCode::kResourceExhausted, "there is no memory to unpack gzip");
    }
    std::unique_ptr<z_stream, decltype(&inflateEnd)> end(&stream, inflateEnd);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    std::string text;
    std::array<char, 64 << 10> buffer;
    int code = Z_OK;
    while (code == Z_OK) {
        stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
        stream.avail_out = static_cast<uInt>(buffer.size());
        code = inflate(&stream, Z_NO_FLUSH);
        text.append(buffer.data(), buffer.size() - stream.avail_out);
        if (text.size() > bytes_max) {
            return Error(ErrorCode::kResourceExhausted, "it unpacks to more than {} bytes", bytes_max);
        }
    }
    if (code == Z_STREAM_END) return text;
    return Error(ErrorCode::kUnavailable, "its gzip is broken or cut short");
}

}  // namespace tarn::connectors
