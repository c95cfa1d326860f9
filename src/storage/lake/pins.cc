#include "storage/lake/pins.h"

namespace tarn::lake {

Pins::Pin& Pins::Pin::operator=(Pin&& other) noexcept {
    std::swap(pins_, other.pins_);
    std::swap(files_, other.files_);
    return *this;
}

Pins::Pin::~Pin() {
    if (pins_ != nullptr) pins_->Unpin(files_);
}

Result<Pins::Pin> Pins::PinFound(const std::function<Result<std::vector<std::string>>()>& look_up) {
    uint64_t began;
    {
        std::lock_guard lock(mutex_);
        began = ++sequence_;
        looking_.insert(began);
    }
    auto found = look_up();
    std::vector<std::string> removable;
    {
        std::lock_guard lock(mutex_);
        if (found.ok()) {
            for (const std::string& file : *found) ++pinned_[file];
        }
        looking_.erase(began);
        removable = TakeRemovable();
    }
    Remove(removable);
    if (!found.ok()) return std::move(found).error();
    return Pin(this, std::move(found).value());
}

void Pins::Discard(const std::vector<std::string>& files) {
    if (files.empty()) return;
    std::vector<std::string> removable;
    {
        std::lock_guard lock(mutex_);
        uint64_t now = ++sequence_;
        for (const std::string& file : files) doomed_.push_back({file, now});
        removable = TakeRemovable();
    }
    Remove(removable);
}

void Pins::Unpin(const std::vector<std::string>& files) {
    std::vector<std::string> removable;
    {
        std::lock_guard lock(mutex_);
        for (const std::string& file : files) {
            auto found = pinned_.find(file);
            if (--found->second == 0) pinned_.erase(found);
        }
        removable = TakeRemovable();
    }
    Remove(removable);
}

void Pins::ChangeHolds(int by) {
    std::vector<std::string> removable;
    {
        std::lock_guard lock(mutex_);
        holds_ += by;
        removable = TakeRemovable();
    }
    Remove(removable);
}

std::vector<std::string> Pins::TakeRemovable() {
    std::vector<std::string> removable;
    if (holds_ > 0) return removable;
    std::erase_if(doomed_, [&](const Doomed& doomed) {
        bool may_be_found = !looking_.empty() && *looking_.begin() < doomed.discarded_at;
        if (may_be_found || pinned_.contains(doomed.file)) return false;
        removable.push_back(doomed.file);
        return true;
    });
    return removable;
}

void Pins::Remove(const std::vector<std::string>& files) {
    for (const std::string& file : files) remove_(file);
}

}  // namespace tarn::lake
