#include "ingestion/buffer/assignor.h"

#include <algorithm>
#include <optional>

namespace tarn::buffer {
namespace {

using TopicKey = std::array<uint8_t, 16>;
using Sizes = std::map<TopicKey, int32_t>;
using Members = std::vector<AssignorMember>;

// Members in order of how much they have.
class Loads {
  public:
    explicit Loads(size_t members) : load_(members, 0) {
        for (size_t member = 0; member < members; ++member) order_.emplace(0, member);
    }
    void Add(size_t member, int change) {
        order_.erase({load_[member], member});
        load_[member] += change;
        order_.emplace(load_[member], member);
    }
    int of(size_t member) const { return load_[member]; }
    size_t least() const { return order_.begin()->second; }

  private:
    std::vector<int> load_;
    std::set<std::pair<int, size_t>> order_;
};

class Uniform {
  public:
    Uniform(const Members& members, const Sizes& sizes)
        : members_(members), sizes_(sizes), shares_(members.size()), loads_(members.size()) {
        for (size_t member = 0; member < members.size(); ++member) {
            for (const TopicKey& topic : members[member].topics) takers_[topic].push_back(member);
        }
    }

    std::vector<Share> Assign() {
        KeepWhatFits();
        for (const auto& [topic, takers] : takers_) {
            for (int32_t partition = 0; partition < sizes_.at(topic); ++partition) {
                if (!owners_.contains({topic, partition})) Give(topic, partition, Least(topic));
            }
        }
        while (EvenOut()) {
        }
        return std::move(shares_);
    }

  private:
    using Place = std::pair<TopicKey, int32_t>;

    void KeepWhatFits() {
        for (size_t member = 0; member < members_.size(); ++member) {
            for (const auto& [topic, partitions] : members_[member].had) {
                auto size = sizes_.find(topic);
                if (size == sizes_.end() || !members_[member].topics.contains(topic)) continue;
                for (int32_t partition : partitions) {
                    if (partition < size->second && !owners_.contains({topic, partition})) {
                        Give(topic, partition, member);
                    }
                }
            }
        }
    }
    size_t Least(const TopicKey& topic) const {
        const std::vector<size_t>& takers = takers_.at(topic);
        if (takers.size() == members_.size()) return loads_.least();
        return *std::min_element(takers.begin(), takers.end(),
                                 [&](size_t left, size_t right) { return loads_.of(left) < loads_.of(right); });
    }
    void Give(const TopicKey& topic, int32_t partition, size_t member) {
        owners_[{topic, partition}] = member;
        shares_[member][topic].insert(partition);
        loads_.Add(member, 1);
    }
    // Each move makes the sum of the loads' squares smaller, so it ends.
    bool EvenOut() {
        bool moved = false;
        for (auto& [place, owner] : owners_) {
            size_t least = Least(place.first);
            if (loads_.of(owner) - loads_.of(least) < 2) continue;
            auto had = shares_[owner].find(place.first);
            had->second.erase(place.second);
            if (had->second.empty()) shares_[owner].erase(had);
            loads_.Add(owner, -1);
            shares_[least][place.first].insert(place.second);
            loads_.Add(least, 1);
            owner = least;
            moved = true;
        }
        return moved;
    }

    const Members& members_;
    const Sizes& sizes_;
    std::vector<Share> shares_;
    Loads loads_;
    std::map<TopicKey, std::vector<size_t>> takers_;
    std::map<Place, size_t> owners_;
};

}  // namespace

std::vector<Share> AssignUniform(const Members& members, const Sizes& sizes) {
    return members.empty() ? std::vector<Share>() : Uniform(members, sizes).Assign();
}

std::vector<Share> AssignRange(const Members& members, const Sizes& sizes) {
    std::vector<Share> shares(members.size());
    for (const auto& [topic, size] : sizes) {
        std::vector<size_t> takers;
        for (size_t member = 0; member < members.size(); ++member) {
            if (members[member].topics.contains(topic)) takers.push_back(member);
        }
        for (size_t index = 0; index < takers.size(); ++index) {
            auto bound = [&](size_t at) {
                return static_cast<int32_t>(at * static_cast<size_t>(size) / takers.size());
            };
            for (int32_t partition = bound(index); partition < bound(index + 1); ++partition) {
                shares[takers[index]][topic].insert(partition);
            }
        }
    }
    return shares;
}

}  // namespace tarn::buffer
