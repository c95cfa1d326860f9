#include "ingestion/buffer/consumer_group.h"

#include <algorithm>
#include <set>

namespace tarn::buffer {

using Code = kafka::KafkaError;

namespace {

constexpr int32_t kJoins = 0, kLeaves = -1, kLeavesForAWhile = -2;

bool Covers(const Share& share, const Share& part) {
    return std::all_of(part.begin(), part.end(), [&](const auto& one) {
        auto found = share.find(one.first);
        return found != share.end() &&
               std::includes(found->second.begin(), found->second.end(), one.second.begin(), one.second.end());
    });
}

bool Touches(const Share& left, const Share& right) {
    return std::any_of(left.begin(), left.end(), [&](const auto& one) {
        auto found = right.find(one.first);
        return found != right.end() && std::any_of(one.second.begin(), one.second.end(), [&](int32_t partition) {
                   return found->second.contains(partition);
               });
    });
}

void Add(Share& share, const std::array<uint8_t, 16>& topic, int32_t partition) { share[topic].insert(partition); }

bool Has(const Share& share, const std::array<uint8_t, 16>& topic, int32_t partition) {
    auto found = share.find(topic);
    return found != share.end() && found->second.contains(partition);
}

ConsumerAnswer Refuse(Code error, std::string message) { return {.error = error, .message = std::move(message)}; }

}  // namespace

// ---- what members say

ConsumerAnswer ConsumerGroup::Heartbeat(const ConsumerHeartbeat& beat, const SizeOf& size_of) {
    std::lock_guard lock(mutex_);
    if (closed_) return Refuse(Code::kCoordinatorNotAvailable, "the group is being removed");
    if (beat.epoch == kLeaves || beat.epoch == kLeavesForAWhile) return Leave(beat);
    if (beat.assignor && *beat.assignor != kUniform && *beat.assignor != kRange) {
        return Refuse(Code::kUnsupportedAssignor,
                      fmt::format("there is no assignor {}: uniform and range are known", *beat.assignor));
    }
    auto found = members_.find(beat.member_id);
    bool joins = beat.epoch == kJoins;
    if (joins && found == members_.end()) {
        ConsumerAnswer joined = Join(beat);
        if (joined.error != Code::kNone) return joined;
        found = members_.find(joined.member_id);
    } else if (found == members_.end()) {
        return Refuse(Code::kUnknownMemberId, "the group has no such member: join again");
    } else if (auto refused = CheckEpoch(found->second, beat)) {
        return *std::move(refused);
    }
    Member& member = found->second;
    Share before = member.share;
    bool changed = Update(member, beat);
    if (changed) NoteTopics();
    changed = NoteSizes(size_of) || changed;
    if (changed || epoch_ == 0) NewTarget();
    Reconcile(member, beat.owned);
    StartSession(member);
    ConsumerAnswer answer{.member_id = member.id, .epoch = member.epoch};
    // Who says what it has is told all anew: it may not have got the last answer.
    if (joins || beat.owned || member.share != before) answer.share = member.share;
    return answer;
}

std::optional<ConsumerAnswer> ConsumerGroup::CheckEpoch(const Member& member, const ConsumerHeartbeat& beat) const {
    if (beat.instance_id && member.instance_id != beat.instance_id) {
        return Refuse(Code::kFencedInstanceId, "another member has this instance id");
    }
    if (beat.epoch == kJoins || beat.epoch == member.epoch) return std::nullopt;
    // The answer that told it of its new epoch may have got lost.
    bool late = beat.epoch == member.previous_epoch && beat.owned && Covers(member.share, *beat.owned);
    if (beat.epoch < member.epoch && late) return std::nullopt;
    return Refuse(Code::kFencedMemberEpoch,
                  fmt::format("the member's epoch is {}, not {}: join again", member.epoch, beat.epoch));
}

ConsumerAnswer ConsumerGroup::Join(const ConsumerHeartbeat& beat) {
    if (!beat.topics || beat.rebalance_timeout <= Duration(0)) {
        return Refuse(Code::kInvalidRequest, "who joins says what it wants and how long it needs to let go");
    }
    if (beat.member_id.empty() && beat.chooses_own_id) {
        return Refuse(Code::kInvalidRequest, "who joins has a member id");
    }
    auto known = beat.instance_id ? static_members_.find(*beat.instance_id) : static_members_.end();
    if (known != static_members_.end()) {
        if (!members_.at(known->second).away) {
            return Refuse(Code::kUnreleasedInstanceId, "the instance id belongs to a member that has not left");
        }
        return {.member_id = TakeOver(std::string(known->second), beat).id};
    }
    if (members_.size() >= static_cast<size_t>(config_.members_max)) {
        return Refuse(Code::kGroupMaxSizeReached, fmt::format("a group has at most {} members", config_.members_max));
    }
    return {.member_id = AddMember(beat).id};
}

ConsumerGroup::Member& ConsumerGroup::AddMember(const ConsumerHeartbeat& beat) {
    std::string id = beat.member_id.empty() ? env_.random().Hex(16) : beat.member_id;
    Member& member = members_[id];
    member.id = id;
    member.instance_id = beat.instance_id;
    if (beat.instance_id) static_members_[*beat.instance_id] = id;
    return member;
}

// A static member that comes back goes on with what it had.
ConsumerGroup::Member& ConsumerGroup::TakeOver(const std::string& old_id, const ConsumerHeartbeat& beat) {
    Member old = std::move(members_.at(old_id));
    timers_.Cancel(old.session_timer);
    timers_.Cancel(old.letting_go_timer);
    members_.erase(old_id);
    Member& member = AddMember(beat);
    member.topics = old.topics;
    member.assignor = old.assignor;
    member.share = std::move(old.share);
    member.target = std::move(old.target);
    member.epoch = old.epoch;
    member.previous_epoch = old.previous_epoch;
    member.state = State::kWaiting;  // it may be able to have more by now
    for (const auto& [topic, partitions] : old.letting_go) {
        for (int32_t partition : partitions) owners_.erase({topic, partition});
    }
    for (auto& [place, owner] : owners_) {
        if (owner == old_id) owner = member.id;
    }
    return member;
}

ConsumerAnswer ConsumerGroup::Leave(const ConsumerHeartbeat& beat) {
    auto found = members_.find(beat.member_id);
    if (found == members_.end()) return Refuse(Code::kUnknownMemberId, "the group has no such member");
    ConsumerAnswer answer{.member_id = beat.member_id, .epoch = beat.epoch};
    if (beat.epoch == kLeavesForAWhile) {
        if (!beat.instance_id || found->second.instance_id != beat.instance_id) {
            return Refuse(Code::kUnknownMemberId, "only static members leave for a while");
        }
        found->second.away = true;  // until its session ends
        return answer;
    }
    Remove(beat.member_id);
    NewTarget();
    return answer;
}

void ConsumerGroup::Remove(const std::string& member_id) {
    auto found = members_.find(member_id);
    timers_.Cancel(found->second.session_timer);
    timers_.Cancel(found->second.letting_go_timer);
    if (found->second.instance_id) static_members_.erase(*found->second.instance_id);
    members_.erase(found);
    std::erase_if(owners_, [&](const auto& one) { return one.second == member_id; });
}

// True: another target is due.
bool ConsumerGroup::Update(Member& member, const ConsumerHeartbeat& beat) {
    bool is_new = member.epoch == 0 && member.previous_epoch < 0;
    bool changed = is_new;
    if (beat.epoch == kJoins) {
        member.previous_epoch = member.epoch;
        member.away = false;
    }
    if (beat.topics) {
        std::set<std::string> sorted(beat.topics->begin(), beat.topics->end());
        std::vector<std::string> topics(sorted.begin(), sorted.end());
        changed = changed || topics != member.topics;
        member.topics = std::move(topics);
    }
    if (beat.assignor) {
        changed = changed || member.assignor != *beat.assignor;
        member.assignor = *beat.assignor;
    }
    if (beat.rebalance_timeout > Duration(0)) member.rebalance_timeout = beat.rebalance_timeout;
    if (!beat.rack_id.empty()) member.rack_id = beat.rack_id;
    member.client_id = beat.client_id;
    member.client_host = beat.client_host;
    return changed;
}

// ---- who is to have what

void ConsumerGroup::NoteTopics() {
    topics_.clear();
    for (const auto& [id, member] : members_) topics_.insert(member.topics.begin(), member.topics.end());
}

// True: topics came, went or grew.
bool ConsumerGroup::NoteSizes(const SizeOf& size_of) {
    std::map<std::string, TopicSize> sizes;
    for (const std::string& topic : topics_) {
        if (auto size = size_of(topic)) sizes[topic] = *size;
    }
    if (sizes == sizes_) return false;
    sizes_ = std::move(sizes);
    return true;
}

// That most members ask for.
std::string ConsumerGroup::AssignorName() const {
    std::map<std::string, int> votes;
    for (const auto& [id, member] : members_) {
        if (!member.assignor.empty()) ++votes[member.assignor];
    }
    auto most = std::max_element(votes.begin(), votes.end(),
                                 [](const auto& left, const auto& right) { return left.second < right.second; });
    return most == votes.end() ? std::string(kUniform) : most->first;
}

void ConsumerGroup::NewTarget() {
    target_epoch_ = ++epoch_;
    std::vector<AssignorMember> members;
    std::map<std::array<uint8_t, 16>, int32_t> sizes;
    for (const auto& [name, size] : sizes_) sizes[size.id] = size.partitions;
    // Static members by their instance id: they get the same after a start.
    std::map<std::string, Member*> ordered;
    for (auto& [id, member] : members_) ordered[member.instance_id.value_or(id) + '\0' + id] = &member;
    for (const auto& [order, member] : ordered) {
        AssignorMember one{.id = member->id, .topics = {}, .had = member->target};
        for (const std::string& topic : member->topics) {
            if (auto size = sizes_.find(topic); size != sizes_.end()) one.topics.insert(size->second.id);
        }
        members.push_back(std::move(one));
    }
    std::vector<Share> shares = AssignorName() == kRange ? AssignRange(members, sizes) : AssignUniform(members, sizes);
    size_t index = 0;
    for (const auto& [order, member] : ordered) member->target = std::move(shares[index++]);
}

bool ConsumerGroup::IsFree(const std::array<uint8_t, 16>& topic, int32_t partition, const Member& for_member) const {
    auto owner = owners_.find({topic, partition});
    return owner == owners_.end() || owner->second == for_member.id;
}

// One step of a member towards its target. `owned`: what it says that it has.
void ConsumerGroup::Reconcile(Member& member, const std::optional<Share>& owned) {
    if (member.state == State::kLettingGo) {
        if (!owned || Touches(*owned, member.letting_go)) return;
        for (const auto& [topic, partitions] : member.letting_go) {
            for (int32_t partition : partitions) owners_.erase({topic, partition});
        }
        member.letting_go.clear();
        member.state = State::kStable;
        timers_.Cancel(member.letting_go_timer);
        member.letting_go_timer = 0;
    }
    if (member.state == State::kStable && member.epoch == target_epoch_) return;
    Share kept, letting_go;
    for (const auto& [topic, partitions] : member.share) {
        for (int32_t partition : partitions)
            Add(Has(member.target, topic, partition) ? kept : letting_go, topic, partition);
    }
    member.share = kept;
    if (!letting_go.empty()) {
        member.letting_go = std::move(letting_go);
        member.state = State::kLettingGo;
        StartLettingGo(member);
        return;
    }
    member.state = State::kStable;
    for (const auto& [topic, partitions] : member.target) {
        for (int32_t partition : partitions) {
            if (IsFree(topic, partition, member)) {
                Add(member.share, topic, partition);
                owners_[{topic, partition}] = member.id;
            } else {
                member.state = State::kWaiting;
            }
        }
    }
    if (member.epoch != target_epoch_) {
        member.previous_epoch = member.epoch;
        member.epoch = target_epoch_;
    }
}

// ---- time

void ConsumerGroup::StartSession(Member& member) {
    timers_.Cancel(member.session_timer);
    member.session_until = env_.clock().Monotonic() + config_.session_timeout;
    member.session_timer = timers_.After(config_.session_timeout, [weak = weak_from_this(), id = member.id] {
        if (auto group = weak.lock()) group->OnTimeout(id, false);
    });
}

void ConsumerGroup::StartLettingGo(Member& member) {
    timers_.Cancel(member.letting_go_timer);
    member.letting_go_until = env_.clock().Monotonic() + member.rebalance_timeout;
    member.letting_go_timer = timers_.After(member.rebalance_timeout, [weak = weak_from_this(), id = member.id] {
        if (auto group = weak.lock()) group->OnTimeout(id, true);
    });
}

void ConsumerGroup::OnTimeout(const std::string& member_id, bool letting_go) {
    std::lock_guard lock(mutex_);
    auto found = members_.find(member_id);
    if (found == members_.end()) return;
    Member& member = found->second;
    // It may have been too late to cancel the timer of what is over.
    if (letting_go && member.state != State::kLettingGo) return;
    if (env_.clock().Monotonic() < (letting_go ? member.letting_go_until : member.session_until)) return;
    Remove(member_id);
    NewTarget();
}

// ---- seen from outside

Code ConsumerGroup::CheckOffsets(const std::string& member_id, int32_t epoch, bool commit) const {
    std::lock_guard lock(mutex_);
    if (closed_) return Code::kCoordinatorNotAvailable;
    bool nobody = member_id.empty() && epoch < 0;
    if (nobody) return commit && !members_.empty() ? Code::kUnknownMemberId : Code::kNone;
    auto found = members_.find(member_id);
    if (found == members_.end()) return Code::kUnknownMemberId;
    return found->second.epoch == epoch ? Code::kNone : Code::kStaleMemberEpoch;
}

ConsumerGroupView ConsumerGroup::View() const {
    std::lock_guard lock(mutex_);
    ConsumerGroupView view{.epoch = epoch_, .assignment_epoch = target_epoch_, .assignor = AssignorName()};
    bool reached = true;
    for (const auto& [id, member] : members_) {
        reached = reached && member.state == State::kStable && member.epoch == target_epoch_;
        view.members.push_back({id, member.instance_id, member.rack_id, member.client_id, member.client_host,
                                member.epoch, member.topics, member.share, member.target});
    }
    for (const auto& [name, size] : sizes_) view.topic_names[size.id] = name;
    view.state = members_.empty() ? "Empty" : reached ? "Stable" : "Reconciling";
    return view;
}

bool ConsumerGroup::empty() const {
    std::lock_guard lock(mutex_);
    return members_.empty();
}

bool ConsumerGroup::Close() {
    std::lock_guard lock(mutex_);
    if (!members_.empty()) return false;
    closed_ = true;
    return true;
}

}  // namespace tarn::buffer
