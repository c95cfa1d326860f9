// PostgreSQL's binary numeric: base-10000 digits with weight, sign and scale (numeric_send, numeric_recv).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "wire/pgwire/frames.h"

namespace tarn::query {

// From "-123.4500".
Status WriteNumeric(wire::PgFrameWriter& writer, std::string_view text);
Result<std::string> NumericText(std::string_view binary);

}  // namespace tarn::query
