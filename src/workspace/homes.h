// Homes: where what has a name is kept. A thing that is renamed stays where it lies; only its name moves.
//
// The home of a dataset is the name that it was made under: its files lie in a folder of that name, positions are kept
// under it. Names are those of datasets ("delays.flights", "raw_registry.planes") and "destination:<name>". Who has
// never been renamed is at home under its own name, and so is everything in a workspace without renames. One that is
// made under a name whose home another one took along gets the next that is free: "delays.flights~2".
// Threads: any. Set by the workspace alone, from its tables, with every set of definitions that it applies.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace tarn::workspace {

// What `old_name`s are called now, by kind and old name: {"table", "delays.f"} -> "delays.flights".
using RenamedNames = std::map<std::pair<std::string, std::string>, std::string>;

class Homes {
  public:
    Homes();
    std::string HomeOf(const std::string& name) const;
    // Whose home it is; empty: nobody's.
    std::string NameAt(const std::string& home) const;
    // Names that are not at home under themselves.
    std::map<std::string, std::string> Moved() const;
    // What it is called now; empty: it was not renamed.
    std::string RenamedTo(const std::string& kind, const std::string& old_name) const;

    // While a rename is under way policies and names do not agree: nobody but the program may read these.
    bool IsMoving(const std::string& name) const;
    // Grows with each change of what is answered here.
    uint64_t epoch() const;

    void Set(std::map<std::string, std::string> moved, RenamedNames renamed);
    void SetMoving(std::set<std::string> names);

  private:
    struct State {
        std::map<std::string, std::string> home_of;
        std::map<std::string, std::string> name_at;
        RenamedNames renamed;
        std::set<std::string> moving;
        uint64_t epoch = 1;
    };
    std::shared_ptr<const State> Now() const {
        std::lock_guard lock(mutex_);
        return state_;
    }
    static std::string HomeIn(const State& state, const std::string& name);

    mutable std::mutex mutex_;  // guards the pointer
    std::shared_ptr<const State> state_;  // shared with those who read while it is exchanged
};

// Of a component that may be made without: then every name is at home under itself.
std::string HomeOf(const Homes* homes, const std::string& name);
std::string NameAt(const Homes* homes, const std::string& home);

}  // namespace tarn::workspace
