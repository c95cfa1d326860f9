#include "workspace/homes.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tarn::workspace {

Homes::Homes() : state_(std::make_shared<const State>()) {}

std::string Homes::HomeIn(const State& state, const std::string& name) {
    auto moved = state.home_of.find(name);
    if (moved != state.home_of.end()) return moved->second;
    std::string home = name;
    for (int number = 2; state.name_at.contains(home); ++number) home = fmt::format("{}~{}", name, number);
    return home;
}

std::string Homes::HomeOf(const std::string& name) const { return HomeIn(*Now(), name); }

std::string Homes::NameAt(const std::string& home) const {
    auto state = Now();
    auto taken = state->name_at.find(home);
    if (taken != state->name_at.end()) return taken->second;
    size_t number = home.rfind('~');
    bool numbered = number != std::string::npos && number + 1 < home.size() &&
                    std::all_of(home.begin() + static_cast<std::ptrdiff_t>(number) + 1, home.end(),
                                [](char letter) { return letter >= '0' && letter <= '9'; });
    std::string name = numbered ? home.substr(0, number) : home;
    return HomeIn(*state, name) == home ? name : std::string();
}

std::map<std::string, std::string> Homes::Moved() const { return Now()->home_of; }

std::string Homes::RenamedTo(const std::string& kind, const std::string& old_name) const {
    auto state = Now();
    std::string name = old_name;
    std::set<std::string> seen;  // a name that was given back goes in a circle
    while (seen.insert(name).second) {
        auto next = state->renamed.find({kind, name});
        if (next == state->renamed.end()) return name == old_name ? std::string() : name;
        name = next->second;
    }
    return {};
}

bool Homes::IsMoving(const std::string& name) const {
    auto state = Now();
    return !state->moving.empty() && state->moving.contains(name);
}

uint64_t Homes::epoch() const { return Now()->epoch; }

void Homes::Set(std::map<std::string, std::string> moved, RenamedNames renamed) {
    auto next = std::make_shared<State>();
    for (const auto& [name, home] : moved) next->name_at[home] = name;
    next->home_of = std::move(moved);
    next->renamed = std::move(renamed);
    std::lock_guard lock(mutex_);
    next->moving = state_->moving;
    next->epoch = state_->epoch + 1;
    state_ = std::move(next);
}

void Homes::SetMoving(std::set<std::string> names) {
    std::lock_guard lock(mutex_);
    if (state_->moving == names) return;
    auto next = std::make_shared<State>(*state_);
    next->moving = std::move(names);
    ++next->epoch;
    state_ = std::move(next);
}

std::string HomeOf(const Homes* homes, const std::string& name) { return homes ? homes->HomeOf(name) : name; }
std::string NameAt(const Homes* homes, const std::string& home) { return homes ? homes->NameAt(home) : home; }

}  // namespace tarn::workspace
