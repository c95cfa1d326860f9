// Renames: `renamed_from: <old name>` in a file makes what the file defines the old one under a new name.
//
// Pure: what is asked for, judged against what was applied before. A rename is done once, with the apply that brings
// it; that a file goes on saying so is harmless (docs/decisions/0036).
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/config.h"

namespace tarn::workspace {

struct Definition;

// What is renamed has a kind: that of its file ("table", "source", "job" ...), or "stream": "registry.planes".
struct Rename {
    std::string kind;
    std::string from;
    std::string to;
    std::string file;
    int line = 1;
};
using Renames = std::vector<Rename>;
using KindAndName = std::pair<std::string, std::string>;

// For a kind's parser: the key `renamed_from`, and what it asks for. Of kinds below a use case the old name may be said
// without its use case.
void BindRenamedFrom(ConfigBinder& binder, std::string& renamed_from);
void AskForRename(Definition& definition, const std::string& renamed_from);

struct Judged {
    Renames pending;  // to be done with the next apply
    std::vector<std::string> notes;  // of those that do nothing
    std::vector<ConfigIssue> issues;
};
struct RenameWorld {
    std::set<KindAndName> before;  // what was applied last
    std::map<KindAndName, std::string> now;  // what is to be applied, and the file that defines it
    std::set<std::pair<KindAndName, std::string>> done;  // earlier renames: what, and from which name
};
// `asked` is of files and streams; a use case's stands for all that lies in it.
Judged Judge(const Renames& asked, const RenameWorld& world);

// Names after the renames; one that is not renamed stays.
class NewNames {
  public:
    explicit NewNames(const Renames& renames);
    bool empty() const { return names_.empty(); }
    std::string Of(const std::string& kind, const std::string& name) const;
    std::string OfDataset(const std::string& dataset) const;  // "delays.flights", "raw_registry.planes"
    // "table:delays.flights", "source:registry.planes", "job:delays.mail", "destination:crm.flights".
    std::string OfTask(const std::string& task) const;
    // From and to, of datasets alone.
    std::vector<std::pair<std::string, std::string>> Datasets() const;

  private:
    std::map<KindAndName, std::string> names_;
};
// "delays.flights" of {"table", ...}, "raw_registry.planes" of {"stream", ...}; empty: it is no dataset.
std::string DatasetOf(const std::string& kind, const std::string& name);
// Under which its home is kept (homes.h); empty: it has none.
std::string KeptName(const std::string& kind, const std::string& name);

// Whether a file says the same but for names that were renamed and for `renamed_from`. Names count where they stand
// with their use case, and without it behind FROM and JOIN; never in texts in quotes. In doubt it is not the same.
struct NamedText {
    std::string name;  // of what the file defines: "delays.flights"
    std::string_view text;
};
bool SameButForNames(const NamedText& before, const NamedText& after, const NewNames& names);

}  // namespace tarn::workspace
