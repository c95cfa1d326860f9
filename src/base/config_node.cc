// The one adapter around yaml-cpp. It uses the parser's events, not YAML::Node: events tell quoted from plain text,
// keep repeated keys apart, and let the limits stop a hostile file before anything is built from it.
#include "base/config_node.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <sstream>

#include "base/text.h"

namespace tarn {
namespace {

constexpr size_t kTextBytesMax = 1 << 20;
constexpr size_t kDepthMax = 32;
constexpr size_t kShownBytesMax = 40;

// Leaves yaml-cpp's parser at once; caught in ParseYaml.
struct Refused {
    YAML::Mark mark;
    std::string message;
};

// Turns yaml-cpp's marks (0-based, columns in bytes) into places of the file (1-based, columns in characters).
class Places {
  public:
    Places(std::string_view text, int first_line) : first_line_(first_line) {
        for (size_t begin = 0; begin <= text.size();) {
            size_t end = std::min(text.find('\n', begin), text.size());
            lines_.push_back(text.substr(begin, end - begin));
            begin = end + 1;
        }
    }
    int Line(const YAML::Mark& mark) const { return std::max(mark.line, 0) + first_line_; }
    int Column(const YAML::Mark& mark) const {
        size_t line = static_cast<size_t>(std::max(mark.line, 0));
        size_t bytes = static_cast<size_t>(std::max(mark.column, 0));
        if (line >= lines_.size()) return 1;
        int column = 1;
        for (char c : lines_[line].substr(0, bytes)) column += (static_cast<uint8_t>(c) & 0xC0) != 0x80;
        return column;
    }

  private:
    int first_line_;
    std::vector<std::string_view> lines_;
};

class TreeBuilder : public YAML::EventHandler {
  public:
    TreeBuilder(const Places& places, std::string file, std::vector<ConfigIssue>& issues)
        : places_(places), file_(std::move(file)), issues_(issues) {}

    // Where the last value or key began.
    const YAML::Mark& last() const { return last_; }
    ConfigNode TakeRoot() { return std::move(root_); }
    void Report(const YAML::Mark& mark, std::string message) {
        issues_.push_back({file_, places_.Line(mark), places_.Column(mark), std::move(message)});
    }

    void OnDocumentStart(const YAML::Mark& mark) override {
        if (documents_++ > 0) throw Refused{mark, "one file holds one document; a second one begins here"};
    }
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        CheckProperties(mark, "", anchor);
        Add(mark, ConfigNode{});
    }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
        Report(mark, "aliases (*name) are not supported: write the value out");
        ConfigNode stand_in;
        stand_in.kind = ConfigNode::Kind::kScalar;
        Add(mark, std::move(stand_in));
    }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        CheckProperties(mark, tag, anchor);
        if (value.find('\0') != std::string::npos) Report(mark, "text must not contain a zero byte");
        ConfigNode node;
        node.kind = ConfigNode::Kind::kScalar;
        node.quoted = tag != "?";  // "?" is what yaml-cpp gives a plain scalar
        node.text = value;
        Add(mark, std::move(node));
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        Begin(mark, tag, anchor, ConfigNode::Kind::kList);
    }
    void OnSequenceEnd() override { End(); }
    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        Begin(mark, tag, anchor, ConfigNode::Kind::kMapping);
    }
    void OnMapEnd() override { End(); }

  private:
    // A list or mapping that is not complete yet.
    struct Open {
        YAML::Mark mark;
        ConfigNode node;
        std::optional<ConfigNode::Member> key;   // of a mapping: waits for its value
        std::map<std::string, int, std::less<>> seen;  // keys and their lines
    };

    void CheckProperties(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
        if (anchor != YAML::NullAnchor) Report(mark, "anchors (&name) are not supported: write the value out");
        bool plain = tag.empty() || tag == "?" || tag == "!";
        if (!plain) Report(mark, "tags (!name) are not supported: quote what is meant as text");
    }

    void Begin(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, ConfigNode::Kind kind) {
        CheckProperties(mark, tag, anchor);
        if (open_.size() >= kDepthMax) throw Refused{mark, fmt::format("nested deeper than {} levels", kDepthMax)};
        open_.push_back({mark, ConfigNode{}, std::nullopt, {}});
        open_.back().node.kind = kind;
    }

    void End() {
        Open done = std::move(open_.back());
        open_.pop_back();
        Add(done.mark, std::move(done.node));
    }

    void Add(const YAML::Mark& mark, ConfigNode node) {
        last_ = mark;
        node.line = places_.Line(mark);
        node.column = places_.Column(mark);
        if (open_.empty()) {
            root_ = std::move(node);
            return;
        }
        Open& parent = open_.back();
        if (parent.node.kind == ConfigNode::Kind::kList) {
            parent.node.items.push_back(std::move(node));
        } else if (!parent.key) {
            parent.key = KeyOf(mark, std::move(node));
        } else {
            AddMember(parent, std::move(node));
        }
    }

    ConfigNode::Member KeyOf(const YAML::Mark& mark, ConfigNode node) {
        // A key is a word, also where YAML has a meaning for it (`null: [NA]`).
        if (node.kind == ConfigNode::Kind::kNull) return {"null", node.line, node.column, ConfigNode{}};
        if (node.kind != ConfigNode::Kind::kScalar || node.text.empty()) Report(mark, "a key must be text");
        return {std::move(node.text), node.line, node.column, ConfigNode{}};
    }

    void AddMember(Open& mapping, ConfigNode value) {
        ConfigNode::Member member = std::move(*mapping.key);
        mapping.key.reset();
        member.value = std::move(value);
        if (member.value.kind == ConfigNode::Kind::kNull) {
            // yaml-cpp places a value that is not there at whatever comes next; its key is where people look.
            member.value.line = member.line;
            member.value.column = member.column;
        }
        auto [seen, added] = mapping.seen.try_emplace(member.key, member.line);
        if (added) {
            mapping.node.members.push_back(std::move(member));
        } else if (!member.key.empty()) {
            issues_.push_back(
                {file_, member.line, member.column,
                 fmt::format("the key \"{}\" stands here again (first in line {})", member.key, seen->second)});
        }
    }

    const Places& places_;
    const std::string file_;
    std::vector<ConfigIssue>& issues_;
    std::vector<Open> open_;
    ConfigNode root_;
    YAML::Mark last_;
    int documents_ = 0;
};

bool HasLeadingZero(std::string_view digits) {
    return digits.size() > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9';
}

Json PlainToJson(const std::string& text) {
    if (text == "true" || text == "True" || text == "TRUE") return true;
    if (text == "false" || text == "False" || text == "FALSE") return false;
    std::string_view digits = text;
    if (digits.starts_with('+') || digits.starts_with('-')) digits.remove_prefix(1);
    bool numeric = !digits.empty() && digits.find_first_not_of("0123456789.eE+-") == std::string_view::npos;
    if (!numeric || HasLeadingZero(digits)) return text;
    const char* begin = text.data() + (text[0] == '+' ? 1 : 0);
    const char* end = text.data() + text.size();
    int64_t whole = 0;
    if (auto parsed = std::from_chars(begin, end, whole); parsed.ec == std::errc() && parsed.ptr == end) return whole;
    double number = 0;
    auto parsed = std::from_chars(begin, end, number);
    if (parsed.ec == std::errc() && parsed.ptr == end && std::isfinite(number)) return number;
    return text;
}

}  // namespace

const ConfigNode::Member* ConfigNode::Find(std::string_view key) const {
    for (const Member& member : members) {
        if (member.key == key) return &member;
    }
    return nullptr;
}

Json ConfigNode::ToJson() const {
    switch (kind) {
        case Kind::kNull:
            return nullptr;
        case Kind::kScalar:
            return quoted ? Json(text) : PlainToJson(text);
        case Kind::kList: {
            Json list = Json::array();
            for (const ConfigNode& item : items) list.push_back(item.ToJson());
            return list;
        }
        case Kind::kMapping:
            break;
    }
    Json object = Json::object();
    for (const Member& member : members) object[member.key] = member.value.ToJson();
    return object;
}

std::string ConfigNode::Describe() const {
    switch (kind) {
        case Kind::kNull:
            return "nothing";
        case Kind::kList:
            return "a list";
        case Kind::kMapping:
            return "a mapping";
        case Kind::kScalar:
            break;
    }
    std::string_view shown = std::string_view(text).substr(0, kShownBytesMax);
    // Not in the middle of a character: the message must stay UTF-8.
    while (!shown.empty() && !IsUtf8(shown)) shown.remove_suffix(1);
    return fmt::format("{}\"{}{}\"", quoted ? "the text " : "", shown, shown.size() < text.size() ? "..." : "");
}

std::optional<ConfigNode> ParseYaml(std::string_view text, const std::string& file, int first_line,
                                    std::vector<ConfigIssue>& issues) {
    if (text.size() > kTextBytesMax) {
        issues.push_back({file, first_line, 1, fmt::format("the file is larger than {} bytes", kTextBytesMax)});
        return std::nullopt;
    }
    if (!IsUtf8(text) || text.find('\0') != std::string_view::npos) {
        issues.push_back({file, first_line, 1, "the file is not UTF-8 text"});
        return std::nullopt;
    }
    Places places(text, first_line);
    TreeBuilder builder(places, file, issues);
    try {
        // yaml-cpp takes the end of the file for the end of a quoted text, and swallows every line after a forgotten
        // quote. Not so the mark of a document's end.
        std::istringstream stream(fmt::format("{}{}...\n", text, text.empty() || text.ends_with('\n') ? "" : "\n"));
        YAML::Parser parser(stream);
        while (parser.HandleNextDocument(builder)) {
        }
    } catch (const Refused& refused) {
        builder.Report(refused.mark, refused.message);
        return std::nullopt;
    } catch (const YAML::Exception& error) {
        bool open_quote = error.msg == YAML::ErrorMsg::DOC_IN_SCALAR || error.msg == YAML::ErrorMsg::EOF_IN_SCALAR;
        if (open_quote) {
            builder.Report(builder.last(), "not YAML: a quote that is opened behind this is never closed");
        } else {
            builder.Report(error.mark, fmt::format("not YAML: {}", error.msg));
        }
        return std::nullopt;
    }
    ConfigNode root = builder.TakeRoot();
    if (root.kind == ConfigNode::Kind::kNull) root.kind = ConfigNode::Kind::kMapping;
    root.line = std::max(root.line, first_line);
    root.column = std::max(root.column, 1);
    return root;
}

}  // namespace tarn
