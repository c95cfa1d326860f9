#include "workspace/rename.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "base/text.h"
#include "workspace/workspace.h"

namespace tarn::workspace {
namespace {

// ---- texts

struct Token {
    std::string_view text;
    bool quoted = false;
};

bool IsWordLetter(char letter) {
    bool is_ascii = (static_cast<unsigned char>(letter) & 0x80) == 0;
    return !is_ascii || std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '_' || letter == '.' ||
           letter == '$';
}

bool IsSpace(char letter) { return letter == ' ' || letter == '\t' || letter == '\r' || letter == '\n'; }

// Words, texts in quotes, runs of space and every other letter alone.
std::vector<Token> TokensOf(std::string_view text) {
    std::vector<Token> tokens;
    auto while_it = [&](size_t at, bool (*holds)(char)) {
        while (at < text.size() && holds(text[at])) ++at;
        return at;
    };
    size_t at = 0;
    while (at < text.size()) {
        size_t end = at + 1;
        bool quoted = text[at] == '\'' || text[at] == '"';
        if (quoted) {
            end = std::min(text.find(text[at], at + 1), text.size() - 1) + 1;
        } else if (IsSpace(text[at])) {
            end = while_it(at, IsSpace);
        } else if (IsWordLetter(text[at])) {
            end = while_it(at, IsWordLetter);
        }
        tokens.push_back({text.substr(at, end - at), quoted});
        at = end;
    }
    return tokens;
}

constexpr std::string_view kKey = "renamed_from:";

// One among others in braces, with the comma that parts it from them.
std::string WithoutKeyInBraces(std::string line) {
    size_t begin = line.find(kKey);
    size_t end = line.find_first_not_of(" \t", begin + kKey.size());
    end = end == std::string::npos ? line.size() : std::min(line.find_first_of(" \t,}", end), line.size());
    size_t next = std::min(line.find_first_not_of(" \t", end), line.size());
    if (next < line.size() && line[next] == ',') {
        end = std::min(line.find_first_not_of(" \t", next + 1), line.size());
    } else if (size_t comma = line.find_last_not_of(" \t", begin - 1); begin > 0 && line[comma] == ',') {
        begin = comma;
    }
    return line.erase(begin, end - begin);
}

std::string WithoutRenamedFrom(const std::string& text) {
    std::vector<std::string> lines;
    for (std::string& line : Split(text, '\n')) {
        if (Trim(line).starts_with(kKey)) continue;
        lines.push_back(line.find(kKey) == std::string::npos ? std::move(line) : WithoutKeyInBraces(std::move(line)));
    }
    return std::string(Trim(Join(lines, "\n")));
}

class Comparison {
  public:
    Comparison(const NamedText& before, const NamedText& after, const NewNames& names)
        : use_case_before_(before.name.substr(0, before.name.find('.'))),
          use_case_after_(after.name.substr(0, after.name.find('.'))),
          names_(names) {}

    bool Same(const std::vector<Token>& before, const std::vector<Token>& after) {
        if (before.size() != after.size()) return false;
        for (size_t at = 0; at < before.size(); ++at) {
            if (before[at].quoted != after[at].quoted) return false;
            if (before[at].text == after[at].text) continue;
            if (before[at].quoted || !MayDiffer(before, at, std::string(after[at].text))) return false;
        }
        return std::all_of(qualifiers_.begin(), qualifiers_.end(),
                           [&](const auto& one) { return tables_.contains(one); });
    }

  private:
    bool MayDiffer(const std::vector<Token>& tokens, size_t at, const std::string& after) {
        std::string before(tokens[at].text);
        std::vector<std::string_view> front;  // the two tokens in front of it, the nearer one first
        for (size_t back = at; back > 0 && front.size() < 2; --back) {
            if (!IsSpace(tokens[back - 1].text.front())) front.push_back(tokens[back - 1].text);
        }
        // Where something is delivered to is no name of ours.
        if (front.size() == 2 && front[0] == ":" && front[1] == "to") return false;
        size_t dots = static_cast<size_t>(std::count(before.begin(), before.end(), '.'));
        bool is_table = !front.empty() && (EqualsIgnoreCase(front[0], "from") || EqualsIgnoreCase(front[0], "join"));
        if (dots == 0) {
            if (!is_table || !IsRenamedHere(before, after)) return false;
            tables_.emplace(before, after);
            return true;
        }
        if (dots == 1 && names_.OfDataset(before) == after) {
            Remember(before, after);
            return true;
        }
        // delays.flights.tailnum, flights.tailnum
        size_t last_before = before.rfind('.');
        size_t last_after = after.rfind('.');
        if (last_after == std::string::npos || before.substr(last_before) != after.substr(last_after)) return false;
        std::string table_before = before.substr(0, last_before);
        std::string table_after = after.substr(0, last_after);
        if (dots == 2) return names_.OfDataset(table_before) == table_after;
        qualifiers_.emplace(table_before, table_after);
        return true;
    }
    // A name without its use case.
    bool IsRenamedHere(const std::string& before, const std::string& after) const {
        return names_.OfDataset(use_case_before_ + "." + before) == use_case_after_ + "." + after;
    }
    void Remember(const std::string& before, const std::string& after) {
        tables_.emplace(before.substr(before.find('.') + 1), after.substr(after.find('.') + 1));
    }

    std::string use_case_before_;
    std::string use_case_after_;
    const NewNames& names_;
    std::set<std::pair<std::string, std::string>> tables_;      // short names that a FROM brings
    std::set<std::pair<std::string, std::string>> qualifiers_;  // short names in front of columns
};

// ---- what is asked for

bool LiesInUseCase(const std::string& kind) {
    return kind == "table" || kind == "dashboard" || kind == "job" || kind == "test" || kind == "script";
}

// A use case's rename, for each thing in it that was there under the old one and has no file there any more.
void Expand(const Rename& rename, const RenameWorld& world, std::set<KindAndName>& said, Renames& all) {
    for (const auto& [what, file] : world.now) {
        const auto& [kind, name] = what;
        if (!LiesInUseCase(kind) || !name.starts_with(rename.to + ".") || said.contains(what)) continue;
        std::string from = rename.from + name.substr(rename.to.size());
        if (!world.before.contains({kind, from}) || world.now.contains({kind, from})) continue;
        said.insert(what);
        all.push_back({kind, from, name, file, 1});
    }
}

// A use case that is or was there, or a platform where nothing was yet.
bool IsKnown(const std::string& use_case, const RenameWorld& world) {
    auto lies_in = [&](const std::string& name) { return name.starts_with(use_case + "."); };
    return world.before.empty() || world.before.contains({"use_case", use_case}) ||
           std::any_of(world.before.begin(), world.before.end(),
                       [&](const auto& one) { return lies_in(one.second); }) ||
           std::any_of(world.done.begin(), world.done.end(), [&](const auto& one) { return lies_in(one.second); });
}

std::string Place(const RenameWorld& world, const KindAndName& what) {
    auto found = world.now.find(what);
    return found == world.now.end() ? what.second : found->second;
}

// Nothing: it is to be done.
std::optional<ConfigIssue> IssueOf(const Rename& rename, const RenameWorld& world,
                                   const std::map<KindAndName, const Rename*>& taken) {
    auto issue = [&](std::string message) { return ConfigIssue{rename.file, rename.line, 1, std::move(message)}; };
    KindAndName from{rename.kind, rename.from};
    if (world.now.contains(from)) {
        return issue(fmt::format("renamed_from: {} still has a file, {}: take that away, or `renamed_from` out of here",
                                 rename.from, Place(world, from)));
    }
    auto other = taken.find(from);
    if (other != taken.end()) {
        return issue(fmt::format("renamed_from: {} says already that it is the renamed {} {}; only one can be",
                                 other->second->file, rename.kind, rename.from));
    }
    return std::nullopt;
}

void JudgeOne(const Rename& rename, const RenameWorld& world, std::map<KindAndName, const Rename*>& taken,
              Judged& judged) {
    KindAndName from{rename.kind, rename.from};
    KindAndName to{rename.kind, rename.to};
    if (rename.from == rename.to) {
        judged.issues.push_back({rename.file, rename.line, 1, "renamed_from is the name that it has"});
        return;
    }
    if (world.before.contains(to)) {
        if (world.done.contains({to, rename.from})) return;
        if (world.before.contains(from)) {
            judged.issues.push_back(
                {rename.file, rename.line, 1,
                 fmt::format("renamed_from: {0} {1} is there already, beside {2}, with what it keeps of its own; it "
                             "can't take over what {2} keeps. Take `renamed_from` out, or apply without {1} first",
                             rename.kind, rename.to, rename.from)});
            return;
        }
        judged.notes.push_back(fmt::format("{}: renamed_from: {} does nothing; {} {} was there before it", rename.file,
                                           rename.from, rename.kind, rename.to));
        return;
    }
    if (!world.before.contains(from)) {
        if (world.before.empty()) return;  // a new platform begins with the newest names
        judged.notes.push_back(fmt::format("{}: renamed_from: there is no {} {}; {} begins anew", rename.file,
                                           rename.kind, rename.from, rename.to));
        return;
    }
    if (auto issue = IssueOf(rename, world, taken)) {
        judged.issues.push_back(std::move(*issue));
        return;
    }
    judged.pending.push_back(rename);
    taken[from] = &rename;
}

}  // namespace

void BindRenamedFrom(ConfigBinder& binder, std::string& renamed_from) {
    binder.Key("renamed_from", renamed_from,
               "The name that it had: it takes over what is kept under that. May stay in the file.");
}

void AskForRename(Definition& definition, const std::string& renamed_from) {
    if (renamed_from.empty()) return;
    std::string from = renamed_from;
    size_t dot = definition.name.find('.');
    if (dot != std::string::npos && from.find('.') == std::string::npos) {
        from = definition.name.substr(0, dot + 1) + from;
    }
    int line = 1;
    for (const std::string& text : Split(definition.text, '\n')) {
        if (text.find("renamed_from") != std::string::npos) break;
        ++line;
    }
    definition.renames.push_back({definition.kind, std::move(from), definition.name, definition.file, line});
}

Judged Judge(const Renames& asked, const RenameWorld& world) {
    Judged judged;
    Renames all;
    std::set<KindAndName> said;
    for (const Rename& rename : asked) {
        if (rename.kind == "use_case") continue;
        said.insert({rename.kind, rename.to});
        all.push_back(rename);
    }
    for (const Rename& rename : asked) {
        if (rename.kind != "use_case") continue;
        Expand(rename, world, said, all);
        // Only one that had a file of its own is itself something that was there.
        bool had_file =
            world.before.contains({rename.kind, rename.from}) && !world.now.contains({rename.kind, rename.from});
        if (had_file && !world.before.contains({rename.kind, rename.to})) all.push_back(rename);
        if (!IsKnown(rename.from, world)) {
            judged.notes.push_back(fmt::format("{}: renamed_from: there is no use case {}", rename.file, rename.from));
        }
    }
    std::map<KindAndName, const Rename*> taken;
    for (const Rename& rename : all) JudgeOne(rename, world, taken, judged);
    return judged;
}

std::string DatasetOf(const std::string& kind, const std::string& name) {
    return kind == "table" ? name : kind == "stream" ? "raw_" + name : std::string();
}

std::string KeptName(const std::string& kind, const std::string& name) {
    return kind == "destination" ? "destination:" + name : DatasetOf(kind, name);
}

NewNames::NewNames(const Renames& renames) {
    for (const Rename& rename : renames) names_[{rename.kind, rename.from}] = rename.to;
}

std::string NewNames::Of(const std::string& kind, const std::string& name) const {
    auto found = names_.find({kind, name});
    return found == names_.end() ? name : found->second;
}

std::string NewNames::OfDataset(const std::string& dataset) const {
    constexpr std::string_view kRaw = "raw_";
    if (!dataset.starts_with(kRaw)) return Of("table", dataset);
    return std::string(kRaw) + Of("stream", dataset.substr(kRaw.size()));
}

std::string NewNames::OfTask(const std::string& task) const {
    size_t colon = task.find(':');
    if (colon == std::string::npos) return task;
    std::string kind = task.substr(0, colon);
    std::string name = task.substr(colon + 1);
    if (kind == "destination") {
        size_t dot = name.find('.');
        return kind + ":" + Of(kind, name.substr(0, dot)) + (dot == std::string::npos ? "" : name.substr(dot));
    }
    if (kind == "report") {  // of a dashboard: "report:delays.daily.monday"
        size_t dot = std::min(name.rfind('.'), name.size());
        return kind + ":" + Of("dashboard", name.substr(0, dot)) + name.substr(dot);
    }
    return kind + ":" + Of(kind == "source" ? "stream" : kind, name);
}

std::vector<std::pair<std::string, std::string>> NewNames::Datasets() const {
    std::vector<std::pair<std::string, std::string>> datasets;
    for (const auto& [what, to] : names_) {
        std::string from = DatasetOf(what.first, what.second);
        if (!from.empty()) datasets.emplace_back(std::move(from), DatasetOf(what.first, to));
    }
    return datasets;
}

bool SameButForNames(const NamedText& before, const NamedText& after, const NewNames& names) {
    Result<SqlFile> left = SplitSqlFile(before.text);
    Result<SqlFile> right = SplitSqlFile(after.text);
    if (!left.ok() || !right.ok()) return false;
    Comparison comparison(before, after, names);
    auto same = [&](const std::string& one, const std::string& other) {
        std::string without_one = WithoutRenamedFrom(one);
        std::string without_other = WithoutRenamedFrom(other);
        return comparison.Same(TokensOf(without_one), TokensOf(without_other));
    };
    return same(left->header, right->header) && same(left->sql, right->sql);
}

}  // namespace tarn::workspace
