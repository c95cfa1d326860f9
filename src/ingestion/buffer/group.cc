#include "ingestion/buffer/group.h"

#include <algorithm>

namespace tarn::buffer {

using Code = kafka::KafkaError;

namespace {

void Run(std::vector<std::function<void()>>& answers) {
    for (auto& answer : answers) answer();
}

}  // namespace

Group::Group(std::string id, const GroupConfig& config, Env& env, Timers& timers)
    : id_(std::move(id)), config_(config), env_(env), timers_(timers) {}

std::string Group::NewMemberId(const JoinRequest& request) const {
    return (request.instance_id ? *request.instance_id : request.client_id) + "-" + env_.random().Hex(16);
}

const Bytes* Group::MetadataOf(const Member& member) const {
    for (const auto& [name, metadata] : member.joined.protocols) {
        if (name == protocol_) return &metadata;
    }
    return nullptr;
}

Code Group::Check(const std::string& member_id, const std::optional<std::string>& instance_id) const {
    if (state_ == State::kDead) return Code::kCoordinatorNotAvailable;
    if (instance_id) {
        auto known = static_members_.find(*instance_id);
        if (known == static_members_.end()) return Code::kUnknownMemberId;
        if (known->second != member_id) return Code::kFencedInstanceId;
    }
    return members_.contains(member_id) ? Code::kNone : Code::kUnknownMemberId;
}

// Has the group a protocol in common with the request? `leaving` does not count.
bool Group::FitsProtocols(const JoinRequest& request, const std::string& leaving) const {
    if (request.protocols.empty() || request.protocol_type.empty()) return false;
    if (members_.empty() || (members_.size() == 1 && members_.contains(leaving))) return true;
    if (request.protocol_type != protocol_type_) return false;
    return std::any_of(request.protocols.begin(), request.protocols.end(), [&](const auto& wanted) {
        return std::all_of(members_.begin(), members_.end(), [&](const auto& one) {
            const auto& has = one.second.joined.protocols;
            return one.first == leaving || std::any_of(has.begin(), has.end(), [&](const auto& protocol) {
                       return protocol.first == wanted.first;
                   });
        });
    });
}

// ---- joining

void Group::Join(JoinRequest request, OnJoin answer) {
    Answers answers;
    {
        std::lock_guard lock(mutex_);
        auto refuse = [&](Code error) {
            answers.push_back([answer, error, id = request.member_id] { answer({.error = error, .member_id = id}); });
        };
        auto member = members_.find(request.member_id);
        auto known = request.instance_id ? static_members_.find(*request.instance_id) : static_members_.end();
        std::string replaced = member != members_.end()         ? member->first
                               : known != static_members_.end() ? known->second
                                                                : "";
        if (state_ == State::kDead) {
            refuse(Code::kCoordinatorNotAvailable);
        } else if (request.session_timeout < config_.session_min || request.session_timeout > config_.session_max) {
            refuse(Code::kInvalidSessionTimeout);
        } else if (!FitsProtocols(request, replaced)) {
            refuse(Code::kInconsistentGroupProtocol);
        } else if (request.member_id.empty()) {
            if (known != static_members_.end()) {
                ReplaceStatic(std::string(known->second), std::move(request), std::move(answer), answers);
            } else {
                JoinNew(std::move(request), std::move(answer), answers);
            }
        } else if (known != static_members_.end() && known->second != request.member_id) {
            refuse(Code::kFencedInstanceId);
        } else if (member != members_.end()) {
            JoinAgain(member->second, std::move(request), std::move(answer), answers);
        } else if (auto given = expected_.find(request.member_id); given != expected_.end()) {
            timers_.Cancel(given->second);
            std::string id = given->first;
            expected_.erase(given);
            AddMember(id, std::move(request), std::move(answer));
            Prepare(answers);
        } else {
            refuse(Code::kUnknownMemberId);
        }
    }
    Run(answers);
}

void Group::JoinNew(JoinRequest request, OnJoin answer, Answers& answers) {
    std::string id = NewMemberId(request);
    if (members_.size() + expected_.size() >= static_cast<size_t>(config_.members_max)) {
        answers.push_back([answer] { answer({.error = Code::kGroupMaxSizeReached}); });
        return;
    }
    if (request.requires_known_id && !request.instance_id) {
        // It comes again with this id, so that a lost answer leaves no member that nobody is (KIP-394).
        std::weak_ptr<Group> weak = weak_from_this();
        expected_[id] = timers_.After(request.session_timeout, [weak, id] {
            auto group = weak.lock();
            if (!group) return;
            Answers late;
            {
                std::lock_guard lock(group->mutex_);
                group->expected_.erase(id);
                group->CompleteIfAllCame(late);
            }
            Run(late);
        });
        answers.push_back([answer, id] { answer({.error = Code::kMemberIdRequired, .member_id = id}); });
        return;
    }
    AddMember(id, std::move(request), std::move(answer));
    Prepare(answers);
}

void Group::AddMember(const std::string& id, JoinRequest request, OnJoin answer) {
    initial_ = state_ == State::kEmpty && members_.empty();
    if (members_.empty()) protocol_type_ = request.protocol_type;
    if (request.instance_id) static_members_[*request.instance_id] = id;
    Member& member = members_[id];
    member.id = id;
    member.joined = std::move(request);
    member.waiting_join = std::move(answer);
    if (leader_.empty()) leader_ = id;
}

void Group::JoinAgain(Member& member, JoinRequest request, OnJoin answer, Answers& answers) {
    bool same = member.joined.protocols == request.protocols;
    bool changes = state_ == State::kStable ? (!same || member.id == leader_) : !same;
    if (state_ == State::kPreparing || state_ == State::kEmpty || changes) {
        if (member.waiting_join) {  // a retry of the client: only the newest request is answered
            answers.push_back([old = std::move(member.waiting_join), id = member.id] {
                old({.error = Code::kRebalanceInProgress, .member_id = id});
            });
        }
        member.joined = std::move(request);
        member.waiting_join = std::move(answer);
        if (state_ == State::kPreparing) {
            CompleteIfAllCame(answers);
        } else {
            Prepare(answers);
        }
        return;
    }
    // Its answer was lost, or it is a follower that lost nothing: the generation goes on.
    StartSession(member);
    answers.push_back([answer, told = AnswerOf(member)] { answer(told); });
}

// A static member came back without its id: it takes the old one's place, and nothing is rebalanced if it may not
// matter.
void Group::ReplaceStatic(const std::string& old_id, JoinRequest request, OnJoin answer, Answers& answers) {
    std::string id = NewMemberId(request);
    auto node = members_.extract(old_id);
    node.key() = id;
    Member& member = members_.insert(std::move(node)).position->second;
    timers_.Cancel(member.session_timer);
    if (member.waiting_join) {
        answers.push_back([old = std::move(member.waiting_join), old_id] {
            old({.error = Code::kFencedInstanceId, .member_id = old_id});
        });
        member.waiting_join = nullptr;
    }
    if (member.waiting_sync) {
        answers.push_back([old = std::move(member.waiting_sync)] { old({.error = Code::kFencedInstanceId}); });
        member.waiting_sync = nullptr;
    }
    static_members_[*request.instance_id] = id;
    bool was_leader = leader_ == old_id;
    if (was_leader) leader_ = id;
    member.id = id;
    bool same = member.joined.protocols == request.protocols;
    bool may_skip = request.may_skip_assignment;
    member.joined = std::move(request);
    if (state_ != State::kStable || !same) {
        member.waiting_join = std::move(answer);
        if (state_ == State::kPreparing) return CompleteIfAllCame(answers);
        return Prepare(answers);
    }
    StartSession(member);
    JoinAnswer told = AnswerOf(member);
    if (was_leader && may_skip) {
        told.skip_assignment = true;
    } else if (was_leader) {
        // An old client that takes itself for the leader would assign anew: it is not told (KIP-345).
        told.leader = old_id;
        told.members.clear();
    }
    answers.push_back([answer, told] { answer(told); });
}

void Group::Prepare(Answers& answers) {
    if (state_ == State::kCompleting) FailSyncs(Code::kRebalanceInProgress, answers);
    for (auto& [id, member] : members_) member.assignment.clear();
    bool wait = std::exchange(initial_, false);
    state_ = State::kPreparing;
    if (wait) {
        StartRebalanceTimer(config_.initial_delay);
        return;
    }
    Duration longest{0};
    for (const auto& [id, member] : members_) longest = std::max(longest, member.joined.rebalance_timeout);
    StartRebalanceTimer(longest);
    CompleteIfAllCame(answers);
}

void Group::StartRebalanceTimer(Duration delay) {
    timers_.Cancel(rebalance_timer_);
    uint64_t round = ++round_;
    rebalance_timer_ = timers_.After(delay, [weak = weak_from_this(), round] {
        if (auto group = weak.lock()) group->OnRebalanceEnd(round);
    });
}

void Group::OnRebalanceEnd(uint64_t round) {
    Answers answers;
    {
        std::lock_guard lock(mutex_);
        if (round != round_) return;
        if (state_ == State::kPreparing) {
            // Who did not come is no member any more; static ones stay until their session ends.
            std::vector<std::string> absent;
            for (const auto& [id, member] : members_) {
                if (!member.waiting_join && !member.joined.instance_id) absent.push_back(id);
            }
            for (const std::string& id : absent) {
                timers_.Cancel(members_.at(id).session_timer);
                members_.erase(id);
                if (leader_ == id) leader_.clear();
            }
            CompleteJoin(answers);
        } else if (state_ == State::kCompleting) {
            // Who joined and never fetched its assignment is gone.
            std::vector<std::string> absent;
            for (const auto& [id, member] : members_) {
                if (!member.waiting_sync) absent.push_back(id);
            }
            for (const std::string& id : absent) RemoveMember(id, answers);
        }
    }
    Run(answers);
}

void Group::CompleteIfAllCame(Answers& answers) {
    if (state_ != State::kPreparing || !expected_.empty()) return;
    bool all = std::all_of(members_.begin(), members_.end(),
                           [](const auto& one) { return one.second.waiting_join != nullptr; });
    if (all) CompleteJoin(answers);
}

std::string Group::SelectProtocol() const {
    std::map<std::string, int> votes;
    const Member& any = members_.begin()->second;
    std::set<std::string> common;
    for (const auto& [name, metadata] : any.joined.protocols) common.insert(name);
    for (const auto& [id, member] : members_) {
        std::set<std::string> has;
        for (const auto& [name, metadata] : member.joined.protocols) has.insert(name);
        std::erase_if(common, [&](const std::string& name) { return !has.contains(name); });
    }
    for (const auto& [id, member] : members_) {
        for (const auto& [name, metadata] : member.joined.protocols) {
            if (!common.contains(name)) continue;
            votes[name]++;
            break;
        }
    }
    auto best =
        std::max_element(votes.begin(), votes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    return best == votes.end() ? "" : best->first;
}

JoinAnswer Group::AnswerOf(const Member& member) const {
    JoinAnswer answer{.generation = generation_,
                      .protocol_type = protocol_type_,
                      .protocol = protocol_,
                      .leader = leader_,
                      .member_id = member.id};
    if (member.id != leader_) return answer;
    for (const auto& [id, one] : members_) {
        const Bytes* metadata = MetadataOf(one);
        answer.members.push_back({id, one.joined.instance_id, metadata ? *metadata : Bytes()});
    }
    return answer;
}

void Group::CompleteJoin(Answers& answers) {
    timers_.Cancel(rebalance_timer_);
    ++round_;
    ++generation_;
    if (members_.empty()) {
        state_ = State::kEmpty;
        protocol_.clear();
        leader_.clear();
        return;
    }
    if (!members_.contains(leader_) || !members_.at(leader_).waiting_join) {
        auto present = std::find_if(members_.begin(), members_.end(),
                                    [](const auto& one) { return one.second.waiting_join != nullptr; });
        leader_ = present != members_.end() ? present->first : members_.begin()->first;
    }
    protocol_ = SelectProtocol();
    state_ = State::kCompleting;
    Duration longest{0};
    for (auto& [id, member] : members_) {
        longest = std::max(longest, member.joined.rebalance_timeout);
        if (!member.waiting_join) continue;
        answers.push_back([answer = std::move(member.waiting_join), told = AnswerOf(member)] { answer(told); });
        member.waiting_join = nullptr;
        StartSession(member);
    }
    StartRebalanceTimer(longest);
}

// ---- syncing, living, leaving

void Group::FailSyncs(Code error, Answers& answers) {
    for (auto& [id, member] : members_) {
        if (!member.waiting_sync) continue;
        answers.push_back([answer = std::move(member.waiting_sync), error] { answer({.error = error}); });
        member.waiting_sync = nullptr;
    }
}

void Group::Sync(SyncRequest request, OnSync answer) {
    Answers answers;
    {
        std::lock_guard lock(mutex_);
        Code error = Check(request.member_id, request.instance_id);
        if (error == Code::kNone && request.generation != generation_) error = Code::kIllegalGeneration;
        if (error == Code::kNone && ((request.protocol_type && *request.protocol_type != protocol_type_) ||
                                     (request.protocol && *request.protocol != protocol_))) {
            error = Code::kInconsistentGroupProtocol;
        }
        if (error == Code::kNone && state_ == State::kPreparing) error = Code::kRebalanceInProgress;
        if (error == Code::kNone && state_ == State::kEmpty) error = Code::kUnknownMemberId;
        if (error != Code::kNone) {
            answers.push_back([answer, error] { answer({.error = error}); });
        } else {
            Member& member = members_.at(request.member_id);
            StartSession(member);
            auto tell = [this, &answers](Member& one, OnSync to) {
                answers.push_back([to = std::move(to), told = SyncAnswer{Code::kNone, protocol_type_, protocol_,
                                                                         one.assignment}] { to(told); });
            };
            if (state_ == State::kStable) {
                tell(member, std::move(answer));
            } else {
                member.waiting_sync = std::move(answer);
                if (request.member_id == leader_) {
                    for (auto& [id, assignment] : request.assignments) {
                        auto to = members_.find(id);
                        if (to != members_.end()) to->second.assignment = std::move(assignment);
                    }
                    state_ = State::kStable;
                    timers_.Cancel(rebalance_timer_);
                    ++round_;
                    for (auto& [id, one] : members_) {
                        if (one.waiting_sync) tell(one, std::exchange(one.waiting_sync, nullptr));
                    }
                }
            }
        }
    }
    Run(answers);
}

Code Group::Heartbeat(const std::string& member_id, const std::optional<std::string>& instance_id, int32_t generation) {
    std::lock_guard lock(mutex_);
    Code error = Check(member_id, instance_id);
    if (error != Code::kNone) return error;
    if (generation != generation_) return Code::kIllegalGeneration;
    StartSession(members_.at(member_id));
    return state_ == State::kPreparing ? Code::kRebalanceInProgress : Code::kNone;
}

void Group::StartSession(Member& member) {
    timers_.Cancel(member.session_timer);
    member.session_timer = timers_.After(member.joined.session_timeout, [weak = weak_from_this(), id = member.id] {
        if (auto group = weak.lock()) group->OnSessionEnd(id);
    });
}

void Group::OnSessionEnd(const std::string& member_id) {
    Answers answers;
    {
        std::lock_guard lock(mutex_);
        auto member = members_.find(member_id);
        if (member == members_.end()) return;
        if (member->second.waiting_join || member->second.waiting_sync) return StartSession(member->second);
        RemoveMember(member_id, answers);
    }
    Run(answers);
}

void Group::RemoveMember(const std::string& id, Answers& answers) {
    auto found = members_.find(id);
    if (found == members_.end()) return;
    Member& member = found->second;
    timers_.Cancel(member.session_timer);
    if (member.joined.instance_id) static_members_.erase(*member.joined.instance_id);
    if (member.waiting_join) {
        answers.push_back([answer = std::move(member.waiting_join), id] {
            answer({.error = Code::kUnknownMemberId, .member_id = id});
        });
    }
    if (member.waiting_sync) {
        answers.push_back([answer = std::move(member.waiting_sync)] { answer({.error = Code::kUnknownMemberId}); });
    }
    members_.erase(found);
    if (leader_ == id) leader_.clear();
    if (state_ == State::kStable || state_ == State::kCompleting) return Prepare(answers);
    CompleteIfAllCame(answers);
}

Code Group::Leave(const std::string& member_id, const std::optional<std::string>& instance_id) {
    Answers answers;
    Code error = Code::kNone;
    {
        std::lock_guard lock(mutex_);
        std::string id = member_id;
        if (instance_id && id.empty()) {
            auto known = static_members_.find(*instance_id);
            if (known != static_members_.end()) id = known->second;
        }
        auto given = expected_.find(id);
        if (given != expected_.end()) {
            timers_.Cancel(given->second);
            expected_.erase(given);
            CompleteIfAllCame(answers);
        } else {
            error = Check(id, instance_id);
            if (error == Code::kNone) RemoveMember(id, answers);
        }
    }
    Run(answers);
    return error;
}

Code Group::CheckCommit(const std::string& member_id, const std::optional<std::string>& instance_id,
                        int32_t generation) {
    std::lock_guard lock(mutex_);
    // Consumers that assign partitions themselves only keep offsets here.
    if (generation < 0 && member_id.empty()) return members_.empty() ? Code::kNone : Code::kUnknownMemberId;
    Code error = Check(member_id, instance_id);
    if (error != Code::kNone) return error;
    if (generation != generation_) return Code::kIllegalGeneration;
    StartSession(members_.at(member_id));
    return Code::kNone;
}

Code Group::CheckTransactionCommit(const std::string& member_id, const std::optional<std::string>& instance_id,
                                   int32_t generation) {
    std::lock_guard lock(mutex_);
    if (generation < 0 && member_id.empty() && !instance_id) return Code::kNone;
    Code error = Check(member_id, instance_id);
    if (error != Code::kNone) return error;
    return generation == generation_ ? Code::kNone : Code::kIllegalGeneration;
}

GroupView Group::View() const {
    std::lock_guard lock(mutex_);
    static constexpr const char* kNames[] = {"Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead"};
    GroupView view{kNames[static_cast<size_t>(state_)], protocol_type_, protocol_, {}};
    for (const auto& [id, member] : members_) {
        const Bytes* metadata = state_ == State::kStable ? MetadataOf(member) : nullptr;
        view.members.push_back({id, member.joined.instance_id, member.joined.client_id, member.joined.client_host,
                                metadata ? *metadata : Bytes(), member.assignment});
    }
    return view;
}

bool Group::empty() const {
    std::lock_guard lock(mutex_);
    return members_.empty() && expected_.empty();
}

bool Group::Close() {
    std::lock_guard lock(mutex_);
    if (!members_.empty() || !expected_.empty()) return false;
    state_ = State::kDead;
    return true;
}

}  // namespace tarn::buffer
