#include "storage/lake/checksums.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace tarn::lake {
namespace {

struct Algorithm {
    std::string_view name;
    HashKind kind;
    int crc_bits;            // 0 for the others
    uint64_t reflected_poly;  // of CRCs
};

constexpr Algorithm kAlgorithms[] = {
    {"CRC32", HashKind::kCrc32, 32, 0xedb88320},
    {"CRC32C", HashKind::kCrc32c, 32, 0x82f63b78},
    {"CRC64NVME", HashKind::kCrc64Nvme, 64, 0x9a6c9329ac4bc9b5},
    {"SHA1", HashKind::kSha1, 0, 0},
    {"SHA256", HashKind::kSha256, 0, 0},
};

Result<Algorithm> AlgorithmOf(std::string_view name) {
    for (const Algorithm& algorithm : kAlgorithms) {
        if (EqualsIgnoreCase(algorithm.name, name)) return algorithm;
    }
    return Error(ErrorCode::kNotSupported,
                 "checksum algorithm \"{}\" is not supported; use CRC32, CRC32C, CRC64NVME, SHA1 or SHA256", name)
        .WithDetailCode("InvalidRequest");
}

// A matrix over GF(2): column i is what bit i becomes. Appending zero bytes to a text is such a matrix on its CRC.
using Matrix = std::array<uint64_t, 64>;

uint64_t Apply(const Matrix& matrix, uint64_t vector) {
    uint64_t sum = 0;
    for (int bit = 0; vector != 0; ++bit, vector >>= 1) {
        if (vector & 1) sum ^= matrix[bit];
    }
    return sum;
}

Matrix Square(const Matrix& matrix) {
    Matrix square{};
    for (int bit = 0; bit < 64; ++bit) square[bit] = Apply(matrix, matrix[bit]);
    return square;
}

// Joins CRCs of neighbouring runs of bytes. Keeps its matrices: parts of an upload are many, and of like lengths.
class CrcCombiner {
  public:
    explicit CrcCombiner(const Algorithm& algorithm) {
        Matrix zero_bit{};  // one zero bit of a reflected CRC: shift down, subtract the polynomial if a bit fell out
        zero_bit[0] = algorithm.reflected_poly;
        for (int bit = 1; bit < algorithm.crc_bits; ++bit) zero_bit[bit] = uint64_t{1} << (bit - 1);
        zero_bytes_.push_back(Square(Square(Square(zero_bit))));
    }

    // The CRC of first|second: advance the first over second's length in zero bytes, add the second.
    uint64_t Combine(uint64_t first, uint64_t second, uint64_t second_bytes) {
        for (size_t power = 0; second_bytes != 0; ++power, second_bytes >>= 1) {
            if (power == zero_bytes_.size()) zero_bytes_.push_back(Square(zero_bytes_.back()));
            if (second_bytes & 1) first = Apply(zero_bytes_[power], first);
        }
        return first ^ second;
    }

  private:
    std::vector<Matrix> zero_bytes_;  // the n-th appends 2^n zero bytes
};

Result<Bytes> DecodePart(const PartChecksum& part) {
    return TRY_CONTEXT(Base64Decode(part.value), "a part's checksum");
}

}  // namespace

Result<HashKind> HashKindOf(std::string_view algorithm) { return TRY(AlgorithmOf(algorithm)).kind; }

Result<std::unique_ptr<ContentHasher>> ContentHasher::Create(const std::vector<std::string>& algorithms) {
    auto hasher = std::make_unique<ContentHasher>();
    for (const std::string& name : algorithms) {
        Algorithm algorithm = TRY(AlgorithmOf(name));
        auto& slot = hasher->hashers_[std::string(algorithm.name)];
        if (!slot) slot = Hasher::Create(algorithm.kind);
    }
    return hasher;
}

void ContentHasher::Update(ByteSpan bytes) {
    md5_->Update(bytes);
    for (auto& [name, hasher] : hashers_) hasher->Update(bytes);
}

ContentHasher::Hashes ContentHasher::Finish() {
    Hashes hashes;
    hashes.md5_hex = HexEncode(md5_->Finish());
    for (auto& [name, hasher] : hashers_) hashes.checksums.push_back({name, Base64Encode(hasher->Finish())});
    return hashes;
}

Status CompareChecksums(const std::vector<Checksum>& expected, const std::vector<Checksum>& computed) {
    for (const Checksum& wanted : expected) {
        auto found = std::find_if(computed.begin(), computed.end(), [&](const Checksum& checksum) {
            return EqualsIgnoreCase(checksum.algorithm, wanted.algorithm);
        });
        // Of a checksum of checksums, clients may leave out how many parts there are.
        bool same =
            found != computed.end() && (found->value == wanted.value || found->value.starts_with(wanted.value + "-"));
        if (same) continue;
        return Error(ErrorCode::kInvalidArgument, "the {} of the content is {}, but {} was announced", wanted.algorithm,
                     found == computed.end() ? "not known" : found->value, wanted.value)
            .WithDetailCode("BadDigest");
    }
    return Ok();
}

Result<std::string> CompositeChecksum(std::string_view algorithm, const std::vector<PartChecksum>& parts) {
    auto hasher = Hasher::Create(TRY(HashKindOf(algorithm)));
    for (const PartChecksum& part : parts) hasher->Update(TRY(DecodePart(part)));
    return fmt::format("{}-{}", Base64Encode(hasher->Finish()), parts.size());
}

Result<std::string> FullObjectChecksum(std::string_view name, const std::vector<PartChecksum>& parts) {
    Algorithm algorithm = TRY(AlgorithmOf(name));
    if (algorithm.crc_bits == 0) {
        return Error(ErrorCode::kNotSupported, "{} of a whole object can't be made from its parts; use COMPOSITE", name)
            .WithDetailCode("InvalidRequest");
    }
    uint64_t crc = 0;
    CrcCombiner combiner(algorithm);
    for (const PartChecksum& part : parts) {
        uint64_t part_crc = 0;
        for (uint8_t byte : TRY(DecodePart(part))) part_crc = part_crc << 8 | byte;
        crc = combiner.Combine(crc, part_crc, part.bytes);
    }
    Bytes big_endian(algorithm.crc_bits / 8);
    for (size_t index = big_endian.size(); index-- > 0; crc >>= 8) big_endian[index] = static_cast<uint8_t>(crc);
    return Base64Encode(big_endian);
}

}  // namespace tarn::lake
