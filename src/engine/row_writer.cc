#include "engine/adapter.h"

namespace tarn::engine {

Result<std::unique_ptr<RowWriter>> NewRowWriter(Run, const RowWriterOptions&) {
    return Error(ErrorCode::kNotSupported, "StartRows is being written");
}

}  // namespace tarn::engine
