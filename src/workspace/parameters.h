// Parameters: what a run may be told, as `parameters: {day: {type: date, default: 2024-01-01}}`. Values are text that
// fits their type; they are recorded with the run, so no secret belongs there.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/config.h"
#include "base/result.h"

namespace tarn::workspace {

inline constexpr size_t kParametersMax = 100;
inline constexpr size_t kParameterBytesMax = 64 * 1024;  // of one value

struct Parameter {
    std::string type = "text";  // text | integer | number | date | time | yes_no
    std::optional<std::string> fallback;  // `default`; without one the task runs only when it is told a value
    std::string description;
};
using Parameters = std::map<std::string, Parameter>;
using ParameterValues = std::map<std::string, std::string>;

// Reads and checks the key `parameters`.
void Bind(ConfigBinder& binder, Parameter& parameter);
void BindParameters(ConfigBinder& binder, Parameters& parameters);

// The value as it is kept: "YES" becomes "yes", a time UTC. kInvalidArgument when it does not fit the type.
Result<std::string> ParameterValue(const std::string& name, const Parameter& parameter, const std::string& given);
// `given` checked, and the defaults of what is not given. kInvalidArgument names what is unknown, missing or unfit.
Result<ParameterValues> CheckParameters(const Parameters& declared, const ParameterValues& given);
// A checked value as a literal of SQL.
std::string SqlLiteral(const std::string& type, const std::string& value);
// True when all have a default: the task can run by itself.
bool RunsWithoutValues(const Parameters& declared);

}  // namespace tarn::workspace
