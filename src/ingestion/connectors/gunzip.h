// Unpacks what a server packed. zlib is included only in gunzip.cc.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tarn::connectors {

// One gzip stream in memory; kResourceExhausted past `bytes_max`, kUnavailable when it is cut short or broken.
Result<std::string> Gunzip(std::string_view packed, size_t bytes_max);

}  // namespace tarn::connectors
