#include "security/route_table.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"

namespace tarn::security {
namespace {

constexpr size_t kSegmentsMax = 64;
constexpr std::string_view kApiSegment = "api";

struct Placeholder {
    std::string name;
    bool rest = false;
};

std::optional<Placeholder> PlaceholderOf(std::string_view segment) {
    if (segment.size() < 3 || segment.front() != '{' || segment.back() != '}') return std::nullopt;
    segment = segment.substr(1, segment.size() - 2);
    bool rest = segment.ends_with("...");
    if (rest) segment.remove_suffix(3);
    return Placeholder{std::string(segment), rest};
}

bool HasControlCharacter(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

Result<std::string> DecodeSegment(std::string_view encoded) {
    std::string text = TRY(UrlDecode(encoded));
    if (text == "." || text == ".." || HasControlCharacter(text) || !IsUtf8(text)) {
        return Error(ErrorCode::kInvalidArgument, "the path has a segment that is not allowed");
    }
    return text;
}

// "/a/b" is {"a", "b"}; a last '/' makes a last, empty segment, which only {rest...} takes.
Result<std::vector<std::string>> DecodePath(std::string_view path) {
    if (path.empty() || path.front() != '/') return Error(ErrorCode::kInvalidArgument, "the path must begin with /");
    std::vector<std::string> encoded = Split(path.substr(1), '/');
    if (encoded.size() > kSegmentsMax) {
        return Error(ErrorCode::kInvalidArgument, "the path has more than {} segments", kSegmentsMax);
    }
    std::vector<std::string> segments;
    for (const std::string& segment : encoded) segments.push_back(TRY(DecodeSegment(segment)));
    return segments;
}

}  // namespace

struct RouteTable::Node {
    struct End {
        size_t route = 0;
        std::vector<std::string> names;  // of the placeholders, in order
    };
    std::map<std::string, std::unique_ptr<Node>, std::less<>> fixed;
    std::unique_ptr<Node> parameter;
    std::unique_ptr<Node> rest;
    std::map<std::string, End, std::less<>> methods;
};

// One walk through the tree: fixed segments before placeholders, and back out of dead ends.
struct RouteTable::Search {
    std::string_view method;
    const std::vector<std::string>& segments;
    std::vector<std::string>& allowed;
    std::vector<std::string> values;
    const Node::End* end = nullptr;

    bool Accept(const Node& node) {
        auto found = node.methods.find(method);
        if (found == node.methods.end() && method == "HEAD") found = node.methods.find("GET");
        if (found == node.methods.end()) {
            for (const auto& [name, unused] : node.methods) allowed.push_back(name);
            return false;
        }
        end = &found->second;
        return true;
    }

    bool Take(const Node& node, size_t at, std::string value) {
        values.push_back(std::move(value));
        if (Walk(node, at)) return true;
        values.pop_back();
        return false;
    }

    bool Walk(const Node& node, size_t at) {
        if (at == segments.size()) return Accept(node);
        const std::string& segment = segments[at];
        auto found = node.fixed.find(segment);
        if (found != node.fixed.end() && Walk(*found->second, at + 1)) return true;
        // An encoded '/' inside of one parameter would name something else to whoever splits it again: ours do below
        // /api/, other protocols' names are what they are.
        bool in_api = segments[0] == kApiSegment;
        bool whole = !segment.empty() && (!in_api || segment.find('/') == std::string::npos);
        if (node.parameter && whole && Take(*node.parameter, at + 1, segment)) return true;
        // An API that knows no such path must say so, rather than show a page.
        bool is_api = at == 0 && (in_api || (found != node.fixed.end() && !found->second->fixed.empty()));
        if (!node.rest || is_api) return false;
        std::vector<std::string> left(segments.begin() + static_cast<ptrdiff_t>(at), segments.end());
        return Take(*node.rest, segments.size(), Join(left, "/"));
    }
};

RouteTable::RouteTable() : root_(std::make_unique<Node>()) {}
RouteTable::~RouteTable() = default;

Status RouteTable::Add(std::string_view name, size_t route) {
    size_t space = name.find(' ');
    if (space == std::string_view::npos || space + 1 >= name.size() || name[space + 1] != '/') {
        return Error(ErrorCode::kInvalidArgument, "route {} is not METHOD /path", name);
    }
    Node::End end{.route = route, .names = {}};
    Node* node = root_.get();
    std::vector<std::string> segments = Split(name.substr(space + 2), '/');
    for (size_t i = 0; i < segments.size(); ++i) {
        std::optional<Placeholder> placeholder = PlaceholderOf(segments[i]);
        std::unique_ptr<Node>* next = nullptr;
        if (!placeholder) {
            next = &node->fixed[segments[i]];
        } else {
            if (placeholder->rest && i + 1 != segments.size()) {
                return Error(ErrorCode::kInvalidArgument, "route {}: {} must come last", name, segments[i]);
            }
            end.names.push_back(placeholder->name);
            next = placeholder->rest ? &node->rest : &node->parameter;
        }
        if (!*next) *next = std::make_unique<Node>();
        node = next->get();
    }
    if (!node->methods.emplace(std::string(name.substr(0, space)), std::move(end)).second) {
        return Error(ErrorCode::kInvalidArgument, "route {} is there twice", name);
    }
    return Ok();
}

Result<RouteTable::Found> RouteTable::Find(std::string_view method, std::string_view path,
                                           std::vector<std::string>& allowed) const {
    std::vector<std::string> segments = TRY(DecodePath(path));
    Search search{.method = method, .segments = segments, .allowed = allowed, .values = {}};
    if (!search.Walk(*root_, 0)) {
        if (!allowed.empty()) return Error(ErrorCode::kNotSupported, "{} is not possible here", method);
        return Error(ErrorCode::kNotFound, "nothing is at this path");
    }
    allowed.clear();
    Found found{.route = search.end->route, .parameters = {}};
    for (size_t i = 0; i < search.values.size(); ++i) {
        found.parameters[search.end->names[i]] = std::move(search.values[i]);
    }
    return found;
}

std::string FillParameters(std::string_view text, const std::map<std::string, std::string>& parameters) {
    std::string filled;
    while (!text.empty()) {
        size_t open = text.find('{');
        size_t close = open == std::string_view::npos ? open : text.find('}', open);
        if (close == std::string_view::npos) return filled.append(text);
        filled.append(text.substr(0, open));
        std::optional<Placeholder> placeholder = PlaceholderOf(text.substr(open, close - open + 1));
        auto found = placeholder ? parameters.find(placeholder->name) : parameters.end();
        if (found != parameters.end()) filled.append(found->second);
        text.remove_prefix(close + 1);
    }
    return filled;
}

}  // namespace tarn::security
