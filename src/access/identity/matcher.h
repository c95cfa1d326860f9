// Matcher: statements compiled for deciding. 10,000 statements decide in about a microsecond.
//
// PatternTable finds which of many wildcard patterns match a text without trying them all: a pattern is filed under the
// literal text before its first wildcard, or, when it begins with one, under the literal text after its last. A lookup
// hashes the text once from each end, and looks only where some pattern's literal part has that length.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "access/identity/policy.h"

namespace tarn::identity {

class PatternTable {
  public:
    static constexpr uint32_t kNone = UINT32_MAX;
    void Add(std::string_view pattern, uint32_t value);
    // Calls `visit(value)` for every pattern that matches, until one answers true.
    template <typename Visit>
    bool AnyMatch(std::string_view text, Visit&& visit) const {
        return VisitExact(text, visit) || VisitSide(text, prefixes_, visit) || VisitSide(text, suffixes_, visit);
    }

  private:
    struct Entry {
        std::string pattern;
        uint32_t value = 0;
        bool any_tail = false;  // the literal part and one '*': matches wherever it was found
    };
    struct Side {
        bool from_end = false;
        std::vector<size_t> lengths;  // of the literal parts, ascending, each once
        std::unordered_map<uint64_t, std::vector<Entry>> entries;
    };
    static constexpr uint64_t kSeed = 1469598103934665603ULL;
    static uint64_t Mix(uint64_t hash, char c) { return (hash ^ static_cast<uint8_t>(c)) * 1099511628211ULL; }
    static uint64_t HashOf(std::string_view text, bool from_end);
    static bool Matches(const Entry& entry, std::string_view text, size_t length, bool from_end);
    static void AddTo(Side& side, std::string_view literal, Entry entry);

    template <typename Visit>
    bool VisitExact(std::string_view text, Visit&& visit) const {
        if (exact_.empty()) return false;
        auto found = exact_.find(HashOf(text, false));
        if (found == exact_.end()) return false;
        for (const Entry& entry : found->second) {
            if (entry.pattern == text && visit(entry.value)) return true;
        }
        return false;
    }

    template <typename Visit>
    static bool VisitSide(std::string_view text, const Side& side, Visit&& visit) {
        uint64_t hash = kSeed;
        size_t hashed = 0;
        for (size_t length : side.lengths) {
            if (length > text.size()) return false;
            for (; hashed < length; ++hashed) {
                hash = Mix(hash, side.from_end ? text[text.size() - 1 - hashed] : text[hashed]);
            }
            auto found = side.entries.find(hash);
            if (found == side.entries.end()) continue;
            for (const Entry& entry : found->second) {
                if (Matches(entry, text, length, side.from_end) && visit(entry.value)) return true;
            }
        }
        return false;
    }

    std::unordered_map<uint64_t, std::vector<Entry>> exact_;
    Side prefixes_;
    Side suffixes_{.from_end = true, .lengths = {}, .entries = {}};
};

// The statements of one role, ready to decide.
class CompiledRole {
  public:
    CompiledRole(const std::string& file, const std::string& name, const RoleDefinition& role);
    // Why it is denied or allowed ("denied by policies/a.yaml:5 (role analyst)"); null when no statement matches.
    const std::string* Denies(std::string_view action, std::string_view resource) const;
    const std::string* Allows(std::string_view action, std::string_view resource) const;
    const std::string& name() const { return name_; }
    size_t statements() const { return reasons_.size(); }

  private:
    // From an action's pattern to the table of the resources that it is about.
    struct Side {
        PatternTable actions;
        std::vector<PatternTable> resources;
        std::unordered_map<std::string, uint32_t> groups;
    };
    void Compile(Side& side, const std::vector<Statement>& statements, std::string_view effect,
                 const std::string& file);
    const std::string* Find(const Side& side, std::string_view action, std::string_view resource) const;

    std::string name_;
    Side allow_;
    Side deny_;
    std::vector<std::string> reasons_;
};

}  // namespace tarn::identity
