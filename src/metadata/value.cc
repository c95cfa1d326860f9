#include <cstdlib>

#include "metadata/metadata.h"

namespace tarn::metadata {

int64_t Value::integer() const {
    if (auto* value = std::get_if<int64_t>(&value_)) return *value;
    if (auto* value = std::get_if<double>(&value_)) return static_cast<int64_t>(*value);
    return 0;
}

double Value::real() const {
    if (auto* value = std::get_if<double>(&value_)) return *value;
    if (auto* value = std::get_if<int64_t>(&value_)) return static_cast<double>(*value);
    return 0;
}

std::string Value::text() const {
    if (auto* value = std::get_if<std::string>(&value_)) return *value;
    return {};
}

Bytes Value::blob() const {
    if (auto* value = std::get_if<Bytes>(&value_)) return *value;
    return {};
}

}  // namespace tarn::metadata
