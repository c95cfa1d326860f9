#include "base/config.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "base/config_node.h"
#include "base/text.h"

namespace tarn {
namespace {

constexpr size_t kIssuesMax = 100;      // of one file; more help nobody
constexpr int kDescribedDepthMax = 8;   // ends the description of a type that contains itself

using Kind = ConfigNode::Kind;

// Why a value cannot be used, and which node of it is to blame. None: it was taken.
struct Complaint {
    const ConfigNode* node = nullptr;
    std::string message;
};
using Taken = std::optional<Complaint>;

Taken MustBe(const ConfigNode& node, std::string_view wanted) {
    return Complaint{&node, fmt::format("must be {}, got {}", wanted, node.Describe())};
}

bool IsPlain(const ConfigNode& node) { return node.kind == Kind::kScalar && !node.quoted; }

Taken TakeText(const ConfigNode& node, std::string& value) {
    if (node.kind != Kind::kScalar) return MustBe(node, "text");
    value = node.text;
    return {};
}

Taken TakeBool(const ConfigNode& node, bool& value) {
    std::string word = IsPlain(node) ? ToLower(node.text) : "";
    bool yes = word == "yes" || word == "true" || word == "on";
    bool no = word == "no" || word == "false" || word == "off";
    if (!yes && !no) return MustBe(node, "yes or no");
    value = yes;
    return {};
}

Taken QuotedNumber(const ConfigNode& node, std::string_view wanted) {
    return Complaint{&node, fmt::format("must be {}, got {}: remove the quotes", wanted, node.Describe())};
}

template <typename Number>
Taken TakeNumber(const ConfigNode& node, Number& value, std::string_view wanted) {
    if (node.kind != Kind::kScalar) return MustBe(node, wanted);
    std::string_view text = node.text;
    if (text.starts_with('+')) text.remove_prefix(1);
    Number number{};
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    bool whole = end == text.data() + text.size() && !text.empty() && !node.text.starts_with("+-");
    if (whole && error == std::errc::result_out_of_range) {
        return Complaint{&node, fmt::format("is out of range: {}", node.text)};
    }
    // 010 is 8 to some readers of YAML and 10 to others.
    std::string_view digits = text.substr(text.starts_with('-') ? 1 : 0);
    bool leading_zero = digits.size() > 1 && digits[0] == '0' && digits[1] != '.' && digits[1] != 'e';
    if (!whole || error != std::errc() || leading_zero) return MustBe(node, wanted);
    if constexpr (std::is_floating_point_v<Number>) {
        if (!std::isfinite(number)) return MustBe(node, wanted);
    }
    if (node.quoted) return QuotedNumber(node, wanted);
    value = number;
    return {};
}

Taken TakeDuration(const ConfigNode& node, Duration& value) {
    if (node.kind != Kind::kScalar) return MustBe(node, "a duration like 15m");
    auto duration = ParseDuration(node.text);
    if (!duration.ok()) return Complaint{&node, "has a wrong value: " + duration.error().message()};
    value = *duration;
    return {};
}

Taken TakeSize(const ConfigNode& node, ByteSize& value) {
    if (node.kind != Kind::kScalar) return MustBe(node, "a size like 64MiB");
    auto bytes = ParseSize(node.text);
    if (!bytes.ok()) return Complaint{&node, "has a wrong value: " + bytes.error().message()};
    value.bytes = *bytes;
    return {};
}

Taken TakeSecretName(const ConfigNode& node, SecretName& value) {
    constexpr std::string_view kPrefix = "secret:";
    constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/";
    std::string_view name = node.text;
    bool good = node.kind == Kind::kScalar && name.starts_with(kPrefix);
    if (good) name.remove_prefix(kPrefix.size());
    good = good && !name.empty() && name.find_first_not_of(kAllowed) == std::string_view::npos;
    // The value is not shown: it may be the very secret that must not stand here.
    if (!good) return Complaint{&node, "must be \"secret:\" and the name of a secret; a secret never stands in a file"};
    value.name = std::string(name);
    return {};
}

Taken TakeTexts(const ConfigNode& node, std::vector<std::string>& value) {
    value.clear();
    if (node.kind == Kind::kScalar) value.push_back(node.text);
    if (node.kind == Kind::kMapping) return MustBe(node, "a list of text");
    for (const ConfigNode& item : node.items) {
        if (auto complaint = TakeText(item, value.emplace_back())) return complaint;
    }
    return {};
}

Taken TakeChoice(const ConfigNode& node, const std::vector<std::string>& words, std::string& value) {
    bool known = node.kind == Kind::kScalar && std::find(words.begin(), words.end(), node.text) != words.end();
    if (known) {
        value = node.text;
        return {};
    }
    Taken complaint = MustBe(node, "one of " + Join(words, " | "));
    std::string nearest = NearestWord(node.text, words);
    if (!nearest.empty()) complaint->message += fmt::format("; did you mean \"{}\"?", nearest);
    return complaint;
}

}  // namespace

namespace {
// What all binders of one file share; lives in ReadConfig or DescribeKeys.
struct Session {
    std::string file;
    bool describing = false;
    std::vector<ConfigIssue> issues;
    std::vector<ConfigKeyDoc> docs;
};
}  // namespace

struct ConfigBinder::State {
    Session& session;
    const ConfigNode* node = nullptr;  // the mapping; null when it is not there, or while describing
    std::string path = {};
    int line = 1;  // of the mapping, or of the nearest one around it that is there
    int column = 1;
    int depth = 0;
    std::vector<std::string> known = {};      // keys to suggest
    std::vector<std::string> not_yet = {};    // keys known and refused

    std::string PathOf(std::string_view name) const {
        return path.empty() ? std::string(name) : fmt::format("{}.{}", path, name);
    }
    const ConfigNode::Member* Find(std::string_view name) const { return node ? node->Find(name) : nullptr; }
    void AddIssue(int at_line, int at_column, std::string message) {
        if (session.issues.size() >= kIssuesMax || session.describing) return;
        session.issues.push_back({session.file, at_line, at_column, std::move(message)});
    }
    void AddDoc(std::string_view name, std::string type, std::string default_value, std::string_view doc,
                bool required = false) {
        session.docs.push_back({PathOf(name), std::move(type), std::move(default_value), required, std::string(doc)});
    }

    // How every kind of value is read: `take` gets the node and answers what is wrong with it.
    template <typename Take>
    void Read(std::string_view name, Need need, Take take) {
        known.emplace_back(name);
        const ConfigNode::Member* member = Find(name);
        if (!member) {
            if (need == Need::kRequired) AddIssue(line, column, fmt::format("\"{}\" is missing", PathOf(name)));
            return;
        }
        if (Taken complaint = take(member->value)) {
            AddIssue(complaint->node->line, complaint->node->column,
                     fmt::format("\"{}\" {}", PathOf(name), complaint->message));
        }
    }
    std::unique_ptr<State> Inner(const ConfigNode* inner, std::string inner_path) const {
        bool there = inner && inner->kind == Kind::kMapping;
        return std::make_unique<State>(State{session, there ? inner : nullptr, std::move(inner_path),
                                             inner ? inner->line : line, inner ? inner->column : column, depth + 1});
    }
    // Null counts as an empty mapping: all its lines may be commented out.
    bool IsMapping(const ConfigNode& value, const std::string& value_path) {
        if (value.kind == Kind::kMapping || value.kind == Kind::kNull) return true;
        AddIssue(value.line, value.column,
                 fmt::format("\"{}\" must be a mapping of keys, got {}", value_path, value.Describe()));
        return false;
    }
};

namespace {

// By place. Where YAML itself was at fault (the first `yaml_count`), other issues in that place only follow from it.
std::vector<ConfigIssue> InOrder(std::vector<ConfigIssue> issues, size_t yaml_count) {
    auto place = [](const ConfigIssue& issue) { return std::pair(issue.line, issue.column); };
    std::set<std::pair<int, int>> places;
    for (size_t i = 0; i < yaml_count; i++) places.insert(place(issues[i]));
    auto follows = [&](const ConfigIssue& issue) { return places.contains(place(issue)); };
    issues.erase(std::remove_if(issues.begin() + static_cast<ptrdiff_t>(yaml_count), issues.end(), follows),
                 issues.end());
    std::stable_sort(issues.begin(), issues.end(), [&](auto& left, auto& right) { return place(left) < place(right); });
    if (issues.size() > kIssuesMax) issues.resize(kIssuesMax);
    return issues;
}

template <typename State>
void ReportUnknownKeys(State& state) {
    if (!state.node) return;
    for (const ConfigNode::Member& member : state.node->members) {
        auto is_key = [&](const std::string& name) { return name == member.key; };
        if (std::any_of(state.known.begin(), state.known.end(), is_key)) continue;
        if (std::any_of(state.not_yet.begin(), state.not_yet.end(), is_key)) continue;
        if (state.session.issues.size() >= kIssuesMax) return;
        std::string message = fmt::format("unknown key \"{}\"", member.key);
        if (!state.path.empty()) message += fmt::format(" in \"{}\"", state.path);
        std::string nearest = NearestWord(member.key, state.known);
        if (!nearest.empty()) message += fmt::format("; did you mean \"{}\"?", nearest);
        state.AddIssue(member.line, member.column, std::move(message));
    }
}

}  // namespace

ConfigBinder::ConfigBinder(std::unique_ptr<State> state) : state_(std::move(state)) {}

ConfigBinder::~ConfigBinder() { ReportUnknownKeys(*state_); }

void ConfigBinder::Key(std::string_view name, std::string& value, std::string_view doc, Need need) {
    if (describing()) return state_->AddDoc(name, "text", value, doc, need == Need::kRequired);
    state_->Read(name, need, [&](const ConfigNode& node) { return TakeText(node, value); });
}

void ConfigBinder::Key(std::string_view name, bool& value, std::string_view doc, Need need) {
    if (describing()) return state_->AddDoc(name, "yes or no", value ? "yes" : "no", doc, need == Need::kRequired);
    state_->Read(name, need, [&](const ConfigNode& node) { return TakeBool(node, value); });
}

void ConfigBinder::Key(std::string_view name, int64_t& value, std::string_view doc, Need need) {
    if (describing()) return state_->AddDoc(name, "whole number", fmt::to_string(value), doc, need == Need::kRequired);
    state_->Read(name, need, [&](const ConfigNode& node) { return TakeNumber(node, value, "a whole number"); });
}

void ConfigBinder::Key(std::string_view name, int& value, std::string_view doc, Need need) {
    if (describing()) return state_->AddDoc(name, "whole number", fmt::to_string(value), doc, need == Need::kRequired);
    state_->Read(name, need, [&](const ConfigNode& node) { return TakeNumber(node, value, "a whole number"); });
}

void ConfigBinder::Key(std::string_view name, double& value, std::string_view doc, Need need) {
    if (describing()) return state_->AddDoc(name, "number", fmt::to_string(value), doc, need == Need::kRequired);
    state_->Read(name, need, [&](const ConfigNode& node) { return TakeNumber(node, value, "a number"); });
}

void ConfigBinder::Key(std::string_view name, Duration& value, std::string_view doc, Need need) {
    if (describing()) return state_->AddDoc(name, "duration", FormatDuration(value), doc, need == Need::kRequired);
    state_->Read(name, need, [&](const ConfigNode& node) { return TakeDuration(node, value); });
}

void ConfigBinder::Key(std::string_view name, ByteSize& value, std::string_view doc, Need need) {
    if (describing()) return state_->AddDoc(name, "size", FormatSize(value.bytes), doc, need == Need::kRequired);
    state_->Read(name, need, [&](const ConfigNode& node) { return TakeSize(node, value); });
}

void ConfigBinder::Key(std::string_view name, SecretName& value, std::string_view doc, Need need) {
    std::string shown = value.name.empty() ? "" : "secret:" + value.name;
    if (describing()) return state_->AddDoc(name, "secret:name", shown, doc, need == Need::kRequired);
    state_->Read(name, need, [&](const ConfigNode& node) { return TakeSecretName(node, value); });
}

void ConfigBinder::Key(std::string_view name, std::vector<std::string>& value, std::string_view doc, Need need) {
    if (describing()) return state_->AddDoc(name, "list of text", Join(value, ", "), doc, need == Need::kRequired);
    state_->Read(name, need, [&](const ConfigNode& node) { return TakeTexts(node, value); });
}

void ConfigBinder::Choice(std::string_view name, std::string& value, std::vector<std::string> words,
                          std::string_view doc, Need need) {
    if (describing()) {
        return state_->AddDoc(name, "one of " + Join(words, " | "), value, doc, need == Need::kRequired);
    }
    state_->Read(name, need, [&](const ConfigNode& node) { return TakeChoice(node, words, value); });
}

void ConfigBinder::Any(std::string_view name, Json& value, std::string_view doc, Need need) {
    if (describing()) {
        std::string shown = value.is_null() ? "" : DumpJson(value);
        return state_->AddDoc(name, "any value", shown, doc, need == Need::kRequired);
    }
    state_->Read(name, need, [&](const ConfigNode& node) {
        value = node.ToJson();
        return Taken();
    });
}

void ConfigBinder::NotYet(std::string_view name, std::string_view reason) {
    state_->not_yet.emplace_back(name);
    const ConfigNode::Member* member = state_->Find(name);
    if (!member) return;
    state_->AddIssue(member->line, member->column,
                     fmt::format("\"{}\" is not supported yet: {}", state_->PathOf(name), reason));
}

bool ConfigBinder::Has(std::string_view name) const { return state_->Find(name) != nullptr; }

bool ConfigBinder::describing() const { return state_->session.describing; }

void ConfigBinder::Report(std::string_view key, std::string message) {
    const ConfigNode::Member* member = state_->Find(key);
    if (member) return state_->AddIssue(member->value.line, member->value.column, std::move(message));
    state_->AddIssue(state_->line, state_->column, std::move(message));
}

int ConfigBinder::LineOf(std::string_view key) const {
    const ConfigNode::Member* member = state_->Find(key);
    return member ? member->line : state_->line;
}

const std::string& ConfigBinder::file() const { return state_->session.file; }

void ConfigBinder::Touch(std::string_view name) { state_->known.emplace_back(name); }

void ConfigBinder::ForgetDefault() {
    if (!state_->session.docs.empty()) state_->session.docs.back().default_value.clear();
}

void ConfigBinder::Nested(std::string_view name, std::string_view doc, const std::function<void(ConfigBinder&)>& bind) {
    Touch(name);
    std::string path = state_->PathOf(name);
    if (describing()) {
        state_->AddDoc(name, "mapping", "", doc);
        if (state_->depth >= kDescribedDepthMax) return;
    }
    const ConfigNode::Member* member = state_->Find(name);
    if (member && !state_->IsMapping(member->value, path)) return;
    // Also when it is not there: what it requires is then reported as missing.
    ConfigBinder inner(state_->Inner(member ? &member->value : nullptr, path));
    bind(inner);
}

void ConfigBinder::NestedMap(std::string_view name, std::string_view doc,
                             const std::function<void(const std::string&, ConfigBinder&)>& bind) {
    Touch(name);
    std::string path = state_->PathOf(name);
    if (describing()) {
        state_->AddDoc(name, "mapping of names", "", doc);
        if (state_->depth >= kDescribedDepthMax) return;
        ConfigBinder inner(state_->Inner(nullptr, path + ".<name>"));
        return bind("<name>", inner);
    }
    const ConfigNode::Member* member = state_->Find(name);
    if (!member || !state_->IsMapping(member->value, path)) return;
    for (const ConfigNode::Member& entry : member->value.members) {
        std::string entry_path = fmt::format("{}.{}", path, entry.key);
        if (!state_->IsMapping(entry.value, entry_path)) continue;
        ConfigBinder inner(state_->Inner(&entry.value, entry_path));
        bind(entry.key, inner);
    }
}

void ConfigBinder::NestedList(std::string_view name, std::string_view doc,
                              const std::function<void(ConfigBinder&)>& bind) {
    Touch(name);
    std::string path = state_->PathOf(name);
    if (describing()) {
        state_->AddDoc(name, "list of mappings", "", doc);
        if (state_->depth >= kDescribedDepthMax) return;
        ConfigBinder inner(state_->Inner(nullptr, path + "[]"));
        return bind(inner);
    }
    const ConfigNode::Member* member = state_->Find(name);
    if (!member || member->value.kind == Kind::kNull) return;
    const ConfigNode& list = member->value;
    if (list.kind != Kind::kList) {
        return state_->AddIssue(list.line, list.column,
                                fmt::format("\"{}\" must be a list of mappings, got {}", path, list.Describe()));
    }
    for (size_t i = 0; i < list.items.size(); i++) {
        std::string item_path = fmt::format("{}[{}]", path, i);
        if (!state_->IsMapping(list.items[i], item_path)) continue;
        ConfigBinder inner(state_->Inner(&list.items[i], item_path));
        bind(inner);
    }
}

std::vector<ConfigIssue> ReadConfig(std::string_view text, const std::string& file, int first_line,
                                    const std::function<void(ConfigBinder&)>& bind) {
    Session session;
    session.file = file;
    auto root = ParseYaml(text, file, first_line, session.issues);
    size_t yaml_count = session.issues.size();
    if (root && root->kind != Kind::kMapping) {
        session.issues.push_back(
            {file, root->line, root->column, "the file must be a mapping of keys, got " + root->Describe()});
    } else if (root) {
        ConfigBinder binder(
            std::make_unique<ConfigBinder::State>(ConfigBinder::State{session, &*root, "", root->line, root->column}));
        bind(binder);
    }
    return InOrder(std::move(session.issues), yaml_count);
}

std::vector<ConfigKeyDoc> DescribeKeys(const std::function<void(ConfigBinder&)>& bind) {
    Session session;
    session.describing = true;
    ConfigBinder binder(std::make_unique<ConfigBinder::State>(ConfigBinder::State{session}));
    bind(binder);
    return std::move(session.docs);
}

std::string FormatIssues(const std::vector<ConfigIssue>& issues) {
    std::vector<std::string> lines;
    for (const ConfigIssue& issue : issues) {
        if (issue.line == 0) {
            lines.push_back(fmt::format("{}: {}", issue.file, issue.message));
        } else {
            lines.push_back(fmt::format("{}:{}:{}: {}", issue.file, issue.line, issue.column, issue.message));
        }
    }
    return Join(lines, "\n");
}

}  // namespace tarn
