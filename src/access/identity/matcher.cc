#include "access/identity/matcher.h"

#include <algorithm>

#include "base/text.h"

namespace tarn::identity {

uint64_t PatternTable::HashOf(std::string_view text, bool from_end) {
    uint64_t hash = kSeed;
    for (size_t i = 0; i < text.size(); ++i) hash = Mix(hash, from_end ? text[text.size() - 1 - i] : text[i]);
    return hash;
}

bool PatternTable::Matches(const Entry& entry, std::string_view text, size_t length, bool from_end) {
    if (!entry.any_tail) return MatchesWildcard(entry.pattern, text);
    // Hashes may collide: the literal part decides.
    std::string_view pattern = entry.pattern;
    if (from_end) return text.ends_with(pattern.substr(pattern.size() - length));
    return text.starts_with(pattern.substr(0, length));
}

void PatternTable::AddTo(Side& side, std::string_view literal, Entry entry) {
    auto place = std::lower_bound(side.lengths.begin(), side.lengths.end(), literal.size());
    if (place == side.lengths.end() || *place != literal.size()) side.lengths.insert(place, literal.size());
    side.entries[HashOf(literal, side.from_end)].push_back(std::move(entry));
}

void PatternTable::Add(std::string_view pattern, uint32_t value) {
    size_t first = pattern.find_first_of("*?");
    if (first == std::string_view::npos) {
        exact_[HashOf(pattern, false)].push_back({std::string(pattern), value, true});
        return;
    }
    size_t last = pattern.find_last_of("*?");
    bool by_suffix = first == 0 && last + 1 < pattern.size();
    bool one_star = first == last && pattern[first] == '*';
    if (by_suffix) {
        AddTo(suffixes_, pattern.substr(last + 1), {std::string(pattern), value, one_star});
    } else {
        bool any_tail = one_star && first + 1 == pattern.size();
        AddTo(prefixes_, pattern.substr(0, first), {std::string(pattern), value, any_tail});
    }
}

CompiledRole::CompiledRole(const std::string& file, const std::string& name, const RoleDefinition& role) : name_(name) {
    Compile(allow_, role.allow, "allowed", file);
    Compile(deny_, role.deny, "denied", file);
}

void CompiledRole::Compile(Side& side, const std::vector<Statement>& statements, std::string_view effect,
                           const std::string& file) {
    for (const Statement& statement : statements) {
        auto reason = static_cast<uint32_t>(reasons_.size());
        reasons_.push_back(fmt::format("{} by {}:{} (role {})", effect, file, statement.line, name_));
        for (const std::string& action : statement.actions) {
            auto [group, is_new] = side.groups.emplace(action, static_cast<uint32_t>(side.resources.size()));
            if (is_new) {
                side.resources.emplace_back();
                side.actions.Add(action, group->second);
            }
            for (const std::string& resource : statement.resources) {
                side.resources[group->second].Add(resource, reason);
            }
        }
    }
}

const std::string* CompiledRole::Find(const Side& side, std::string_view action, std::string_view resource) const {
    uint32_t reason = PatternTable::kNone;
    side.actions.AnyMatch(action, [&](uint32_t group) {
        return side.resources[group].AnyMatch(resource, [&](uint32_t found) { return reason = found, true; });
    });
    return reason == PatternTable::kNone ? nullptr : &reasons_[reason];
}

const std::string* CompiledRole::Denies(std::string_view action, std::string_view resource) const {
    return Find(deny_, action, resource);
}

const std::string* CompiledRole::Allows(std::string_view action, std::string_view resource) const {
    return Find(allow_, action, resource);
}

}  // namespace tarn::identity
