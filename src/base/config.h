// Config: YAML files bound to structs. One Bind function per struct both reads the file and documents it.
//
// The struct's member initialisers are the defaults. Unknown keys are refused with the nearest known one; a wrong type
// names the file, line, key, what was wanted and what was found. All issues of a file are reported, not just the first.
//
//   struct ListenConfig { std::string web = "127.0.0.1:8080"; };
//   void Bind(ConfigBinder& binder, ListenConfig& config) { binder.Key("web", config.web, "Address of the web UI."); }
//   struct TarnConfig { std::string name; ListenConfig listen; };
//   void Bind(ConfigBinder& binder, TarnConfig& config) {
//       binder.Key("name", config.name, "Shown in the UI.");
//       binder.Section("listen", config.listen, "Where Tarn listens.");
//   }
//   TarnConfig config = TRY(LoadConfig<TarnConfig>(text, "tarn.yaml"));
//   std::vector<ConfigKeyDoc> keys = DescribeConfig<TarnConfig>();
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"

namespace tarn {

// A size in bytes written as "64MiB".
struct ByteSize {
    int64_t bytes = 0;
};

// A value that lies in the secrets store: "secret:name". Anything else is refused, so no secret stands in YAML.
struct SecretName {
    std::string name;
};

struct ConfigIssue {
    std::string file;
    int line = 0;  // 1-based
    int column = 0;  // 1-based
    std::string message;
};

struct ConfigKeyDoc {
    std::string path;  // "listen.web", "streams.<name>.cursor"
    std::string type;  // "text", "whole number", "duration", "size", "yes or no", "one of a | b", "list of text" ...
    std::string default_value;
    bool required = false;
    std::string description;
};

class ConfigNode;  // a parsed YAML value with its place; base/config_node.h

// One mapping being read (or described). Keys that no call named are reported when the binder is closed.
class ConfigBinder {
  public:
    struct State;
    explicit ConfigBinder(std::unique_ptr<State> state);
    ConfigBinder(const ConfigBinder&) = delete;
    ConfigBinder& operator=(const ConfigBinder&) = delete;
    ~ConfigBinder();

    enum class Need : uint8_t { kOptional, kRequired };
    void Key(std::string_view name, std::string& value, std::string_view doc, Need need = Need::kOptional);
    void Key(std::string_view name, bool& value, std::string_view doc, Need need = Need::kOptional);
    void Key(std::string_view name, int64_t& value, std::string_view doc, Need need = Need::kOptional);
    void Key(std::string_view name, int& value, std::string_view doc, Need need = Need::kOptional);
    void Key(std::string_view name, double& value, std::string_view doc, Need need = Need::kOptional);
    void Key(std::string_view name, Duration& value, std::string_view doc, Need need = Need::kOptional);
    void Key(std::string_view name, ByteSize& value, std::string_view doc, Need need = Need::kOptional);
    void Key(std::string_view name, SecretName& value, std::string_view doc, Need need = Need::kOptional);
    // One value or a list of values.
    void Key(std::string_view name, std::vector<std::string>& value, std::string_view doc, Need need = Need::kOptional);
    template <typename T>
    void Key(std::string_view name, std::optional<T>& value, std::string_view doc) {
        if (!Has(name) && !describing()) return Touch(name);
        T inner = value.value_or(T());
        Key(name, inner, doc);
        if (!value && describing()) ForgetDefault();
        if (Has(name)) value = std::move(inner);
    }
    // One of the words; an enum is mapped by the caller.
    void Choice(std::string_view name, std::string& value, std::vector<std::string> words, std::string_view doc,
                Need need = Need::kOptional);
    // Any YAML as JSON; for values whose shape another component owns.
    void Any(std::string_view name, Json& value, std::string_view doc, Need need = Need::kOptional);

    template <typename T>
    void Section(std::string_view name, T& value, std::string_view doc) {
        Nested(name, doc, [&](ConfigBinder& inner) { Bind(inner, value); });
    }
    template <typename T>
    void Section(std::string_view name, std::optional<T>& value, std::string_view doc) {
        if (!Has(name) && !describing()) return Touch(name);
        T inner_value{};
        Nested(name, doc, [&](ConfigBinder& inner) { Bind(inner, inner_value); });
        if (Has(name)) value = std::move(inner_value);
    }
    // A mapping from names to T (its docs stand under "<name>").
    template <typename T>
    void Map(std::string_view name, std::map<std::string, T>& value, std::string_view doc) {
        NestedMap(name, doc, [&](const std::string& key, ConfigBinder& inner) { Bind(inner, value[key]); });
    }
    // A list of mappings.
    template <typename T>
    void List(std::string_view name, std::vector<T>& value, std::string_view doc) {
        NestedList(name, doc, [&](ConfigBinder& inner) { Bind(inner, value.emplace_back()); });
    }
    // A key that a later version will have: refused by name with this reason, never ignored.
    void NotYet(std::string_view name, std::string_view reason);

    bool Has(std::string_view name) const;
    bool describing() const;
    // Place of a key (or of this mapping when empty) for issues that Bind itself finds.
    void Report(std::string_view key, std::string message);
    int LineOf(std::string_view key) const;
    const std::string& file() const;

  private:
    void Touch(std::string_view name);
    void ForgetDefault();  // of the key described last: it has none
    void Nested(std::string_view name, std::string_view doc, const std::function<void(ConfigBinder&)>& bind);
    void NestedMap(std::string_view name, std::string_view doc,
                   const std::function<void(const std::string&, ConfigBinder&)>& bind);
    void NestedList(std::string_view name, std::string_view doc, const std::function<void(ConfigBinder&)>& bind);
    std::unique_ptr<State> state_;
};

// YAML's traps are closed: a plain `NO` or `1.10` is text where text is wanted, a quoted "8080" is never a number, a
// number never begins with 0, anchors, aliases, tags, second documents and repeated keys are refused.
//
// Reads `text` (at most 1 MiB, 32 levels) of `file` into `bind`; `first_line` is added for YAML that stands
// inside another file (the header of a SQL file). Returns all issues; empty means good.
std::vector<ConfigIssue> ReadConfig(std::string_view text, const std::string& file, int first_line,
                                    const std::function<void(ConfigBinder&)>& bind);
std::vector<ConfigKeyDoc> DescribeKeys(const std::function<void(ConfigBinder&)>& bind);
// "tarn.yaml:3:5: unknown key "nmae"; did you mean "name"?" a line an issue.
std::string FormatIssues(const std::vector<ConfigIssue>& issues);

template <typename T>
Result<T> LoadConfig(std::string_view text, const std::string& file) {
    T config{};
    auto issues = ReadConfig(text, file, 1, [&](ConfigBinder& binder) { Bind(binder, config); });
    if (!issues.empty()) return Error(ErrorCode::kInvalidArgument, FormatIssues(issues));
    return config;
}

template <typename T>
std::vector<ConfigKeyDoc> DescribeConfig() {
    T config{};
    return DescribeKeys([&](ConfigBinder& binder) { Bind(binder, config); });
}

}  // namespace tarn
