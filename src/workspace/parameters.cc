#include "workspace/parameters.h"

#include <charconv>

#include "base/number.h"
#include "base/text.h"
#include "base/time.h"
#include "workspace/workspace.h"

namespace tarn::workspace {
namespace {

bool IsNumber(const std::string& text) {
    double number = 0;
    auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    return failure == std::errc() && end == text.data() + text.size();
}

// Empty when it does not fit.
std::optional<std::string> Fitting(const std::string& type, const std::string& given) {
    std::string lower = ToLower(given);
    if (type == "integer") return ParseInteger(given) ? std::optional(given) : std::nullopt;
    if (type == "number") return IsNumber(given) ? std::optional(given) : std::nullopt;
    if (type == "yes_no") {
        if (lower == "yes" || lower == "true") return "yes";
        if (lower == "no" || lower == "false") return "no";
        return std::nullopt;
    }
    if (type == "date" || type == "time") {
        bool is_date = given.size() == 10;
        Result<Timestamp> time = ParseTime(given);
        if (!time.ok() || (type == "date" && !is_date)) return std::nullopt;
        return type == "date" ? given : FormatTime(*time);
    }
    return given;
}

std::string_view ExampleOf(const std::string& type) {
    if (type == "integer") return "a whole number, as 7";
    if (type == "number") return "a number, as 0.5";
    if (type == "date") return "a date, as 2024-02-29";
    if (type == "time") return "a time, as 2024-02-29T12:00:00Z";
    if (type == "yes_no") return "yes or no";
    return "text";
}

}  // namespace

void Bind(ConfigBinder& binder, Parameter& parameter) {
    binder.Choice("type", parameter.type, {"text", "integer", "number", "date", "time", "yes_no"},
                  "What a value must be.");
    binder.Key("default", parameter.fallback, "Taken when a run is told no value; without one it runs only by hand.");
    binder.Key("description", parameter.description, "What it means.");
    if (binder.describing() || !parameter.fallback) return;
    Result<std::string> value = ParameterValue("default", parameter, *parameter.fallback);
    if (!value.ok()) return binder.Report("default", value.error().message());
    parameter.fallback = *value;
}

void BindParameters(ConfigBinder& binder, Parameters& parameters) {
    binder.Map("parameters", parameters, "What a run may be told, by name.");
    if (binder.describing()) return;
    if (parameters.size() > kParametersMax) binder.Report("parameters", "there are at most 100 parameters");
    for (const auto& [name, parameter] : parameters) {
        Status named = CheckName("parameter", name);
        if (!named.ok()) binder.Report("parameters", named.error().message());
        bool taken = name == "item" || name == "partition" || name.starts_with("partition_");
        if (taken) binder.Report("parameters", fmt::format("\"{}\" is a name that Tarn gives values to", name));
    }
}

Result<std::string> ParameterValue(const std::string& name, const Parameter& parameter, const std::string& given) {
    if (given.size() > kParameterBytesMax || !IsUtf8(given)) {
        return Error(ErrorCode::kInvalidArgument, "the value of parameter {} is not text of at most 64 KiB", name);
    }
    std::optional<std::string> value = Fitting(parameter.type, given);
    if (value) return *std::move(value);
    return Error(ErrorCode::kInvalidArgument, "parameter {} is {}, not \"{}\"", name, ExampleOf(parameter.type),
                 given.substr(0, 100));
}

Result<ParameterValues> CheckParameters(const Parameters& declared, const ParameterValues& given) {
    std::vector<std::string> names;
    for (const auto& [name, parameter] : declared) names.push_back(name);
    for (const auto& [name, value] : given) {
        if (declared.contains(name)) continue;
        Error error(ErrorCode::kInvalidArgument, "there is no parameter \"{}\"", name);
        std::string nearest = NearestWord(name, names);
        if (!nearest.empty()) return std::move(error).WithHint(fmt::format("did you mean {}?", nearest));
        return std::move(error).WithHint(names.empty() ? "it takes none" : "it takes " + Join(names, ", "));
    }
    ParameterValues values;
    for (const auto& [name, parameter] : declared) {
        auto found = given.find(name);
        if (found != given.end()) {
            values[name] = TRY(ParameterValue(name, parameter, found->second));
        } else if (parameter.fallback) {
            values[name] = *parameter.fallback;
        } else {
            return Error(ErrorCode::kInvalidArgument, "parameter {} has no default and was not given", name)
                .WithHint(fmt::format("--param {}=..., {}", name, ExampleOf(parameter.type)));
        }
    }
    return values;
}

std::string SqlLiteral(const std::string& type, const std::string& value) {
    if (type == "integer" || type == "number") return "(" + value + ")";
    if (type == "yes_no") return value == "yes" ? "TRUE" : "FALSE";
    if (type == "date") return "DATE " + QuoteLiteral(value);
    // Without its Z: times in SQL are UTC and have no zone.
    if (type == "time") return "TIMESTAMP " + QuoteLiteral(value.substr(0, value.find('Z')));
    return QuoteLiteral(value);
}

bool RunsWithoutValues(const Parameters& declared) {
    for (const auto& [name, parameter] : declared) {
        if (!parameter.fallback) return false;
    }
    return true;
}

}  // namespace tarn::workspace
