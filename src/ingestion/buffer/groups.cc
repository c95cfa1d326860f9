#include "ingestion/buffer/groups.h"

#include <set>

namespace tarn::buffer {
namespace {

Error TooMany() { return Error(ErrorCode::kResourceExhausted, "there are too many consumer groups"); }

}  // namespace

std::shared_ptr<Group> Groups::Find(const std::string& id) const {
    std::shared_lock lock(mutex_);
    auto found = groups_.find(id);
    return found == groups_.end() ? nullptr : found->second;
}

std::shared_ptr<ConsumerGroup> Groups::FindConsumer(const std::string& id) const {
    std::shared_lock lock(mutex_);
    auto found = consumer_groups_.find(id);
    return found == consumer_groups_.end() ? nullptr : found->second;
}

Result<std::shared_ptr<Group>> Groups::FindOrMake(const std::string& id) {
    std::unique_lock lock(mutex_);
    auto other = consumer_groups_.find(id);
    if (other != consumer_groups_.end() && !other->second->empty()) {
        return kafka::MakeError(kafka::KafkaError::kInconsistentGroupProtocol,
                                fmt::format("group {} has members with group.protocol=consumer", id));
    }
    auto found = groups_.find(id);
    if (found != groups_.end()) return found->second;
    if (groups_.size() + consumer_groups_.size() >= kGroupsMax) return TooMany();
    return groups_[id] = std::make_shared<Group>(id, config_, env_, timers_);
}

Result<std::shared_ptr<ConsumerGroup>> Groups::FindOrMakeConsumer(const std::string& id) {
    std::unique_lock lock(mutex_);
    auto other = groups_.find(id);
    if (other != groups_.end() && !other->second->empty()) {
        return kafka::MakeError(kafka::KafkaError::kGroupIdNotFound,
                                fmt::format("group {} has members with group.protocol=classic: stop them first", id));
    }
    auto found = consumer_groups_.find(id);
    if (found != consumer_groups_.end()) return found->second;
    if (groups_.size() + consumer_groups_.size() >= kGroupsMax) return TooMany();
    return consumer_groups_[id] = std::make_shared<ConsumerGroup>(id, consumer_config_, env_, timers_);
}

kafka::KafkaError Groups::CheckOffsets(const std::string& id, const std::string& member_id,
                                       const std::optional<std::string>& instance_id, int32_t epoch,
                                       bool commit) const {
    if (auto consumers = FindConsumer(id); consumers && !consumers->empty()) {
        return consumers->CheckOffsets(member_id, epoch, commit);
    }
    bool nobody = member_id.empty() && epoch < 0;
    if (!commit) return nobody ? kafka::KafkaError::kNone : kafka::KafkaError::kUnknownMemberId;
    if (auto group = Find(id)) return group->CheckCommit(member_id, instance_id, epoch);
    // Its membership did not survive a start: it joins again.
    return epoch >= 0 ? kafka::KafkaError::kUnknownMemberId : kafka::KafkaError::kNone;
}

bool Groups::HasMembers(const std::string& id) const {
    auto group = Find(id);
    auto consumers = FindConsumer(id);
    return (group && !group->empty()) || (consumers && !consumers->empty());
}

bool Groups::Knows(const std::string& id) const { return Find(id) || FindConsumer(id) || HasOffsets(id); }

std::vector<std::string> Groups::Ids() const {
    std::shared_lock lock(mutex_);
    std::set<std::string> ids;
    for (const auto& [id, group] : groups_) {
        if (!group->empty()) ids.insert(id);
    }
    for (const auto& [id, group] : consumer_groups_) {
        if (!group->empty()) ids.insert(id);
    }
    for (const auto& [id, offsets] : offsets_) ids.insert(id);
    return {ids.begin(), ids.end()};
}

bool Groups::Close(const std::string& id) {
    std::unique_lock lock(mutex_);
    auto consumers = consumer_groups_.find(id);
    if (consumers != consumer_groups_.end()) {
        if (!consumers->second->Close()) return false;
        consumer_groups_.erase(consumers);
    }
    auto found = groups_.find(id);
    if (found == groups_.end()) return true;
    if (!found->second->Close()) return false;
    groups_.erase(found);
    return true;
}

Offsets Groups::OffsetsOf(const std::string& group) const {
    std::shared_lock lock(mutex_);
    auto found = offsets_.find(group);
    return found == offsets_.end() ? Offsets() : found->second;
}

bool Groups::HasOffsets(const std::string& group) const {
    std::shared_lock lock(mutex_);
    return offsets_.contains(group);
}

std::map<std::string, std::map<int32_t, CommittedOffset>> Groups::OffsetsOfTopic(const std::string& topic) const {
    std::map<std::string, std::map<int32_t, CommittedOffset>> found;
    std::shared_lock lock(mutex_);
    for (const auto& [group, offsets] : offsets_) {
        auto one = offsets.lower_bound({topic, INT32_MIN});
        for (; one != offsets.end() && one->first.first == topic; ++one) {
            found[group][one->first.second] = one->second;
        }
    }
    return found;
}

// ---- in the log

Json OffsetsJson(const Offsets& offsets) {
    Json list = Json::array();
    for (const auto& [of, one] : offsets) {
        list.push_back({of.first, of.second, one.offset, one.leader_epoch, one.metadata, one.at_ms});
    }
    return list;
}

void AddOffsets(const Json& list, Offsets& offsets) {
    for (const Json& one : list) {
        offsets[{one.at(0), one.at(1)}] = {one.at(2), one.at(3), one.at(4), one.at(5)};
    }
}

Json Groups::CommitChange(const std::string& group, const Offsets& offsets) {
    return {{"group", group}, {"commit", OffsetsJson(offsets)}};
}

Json Groups::ForgetChange(const std::string& group, const std::vector<TopicPartition>& of) {
    Json list = Json::array();
    for (const auto& [topic, partition] : of) list.push_back({topic, partition});
    return {{"group", group}, {"forget", std::move(list)}};
}

Json Groups::RemoveChange(const std::string& group) { return {{"group", group}, {"remove", true}}; }

Json Groups::RemoveTopicChange(const std::string& topic) { return {{"forget_topic", topic}}; }

void Groups::ApplyState(const Json& change) {
    std::unique_lock lock(mutex_);
    if (auto topic = change.find("forget_topic"); topic != change.end()) {
        for (auto& [group, offsets] : offsets_) {
            std::erase_if(offsets, [&](const auto& one) { return one.first.first == *topic; });
        }
        std::erase_if(offsets_, [](const auto& one) { return one.second.empty(); });
        return;
    }
    std::string group = change.at("group");
    if (change.contains("remove")) offsets_.erase(group);
    if (auto set = change.find("commit"); set != change.end()) AddOffsets(*set, offsets_[group]);
    if (auto forget = change.find("forget"); forget != change.end()) {
        for (const Json& one : *forget) offsets_[group].erase({one.at(0), one.at(1)});
        if (offsets_[group].empty()) offsets_.erase(group);
    }
}

Json Groups::SaveState() const {
    std::shared_lock lock(mutex_);
    Json saved = Json::object();
    for (const auto& [group, offsets] : offsets_) saved[group] = OffsetsJson(offsets);
    return {{"offsets", std::move(saved)}};
}

Status Groups::LoadState(const Json& saved) try {
    std::unique_lock lock(mutex_);
    for (const auto& [group, list] : saved.at("offsets").items()) AddOffsets(list, offsets_[group]);
    return Ok();
} catch (const Json::exception& error) {
    return Error(ErrorCode::kCorruption, "the offsets of groups in the buffer's checkpoint: {}", error.what());
}

}  // namespace tarn::buffer
