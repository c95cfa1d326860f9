// AuditHead: a position in the chain of records.
#pragma once

#include <cstdint>

#include "base/crypto.h"

namespace tarn::access {

// Everything up to and including record `sequence`.
struct AuditHead {
    uint64_t segment = 0;
    uint64_t offset = 0;  // where the record ends in its segment
    uint64_t sequence = 0;
    Sha256Digest chain{};
    bool operator==(const AuditHead&) const = default;
};

}  // namespace tarn::access
