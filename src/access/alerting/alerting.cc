#include "access/alerting/alerting.h"

#include <algorithm>

#include "access/alerting/channel.h"
#include "access/alerting/message.h"
#include "access/alerting/service.h"
#include "base/text.h"

namespace tarn::alerting {
namespace {

constexpr int kLooksAtOnce = 2;
constexpr int kSendsAtOnce = 8;  // one a channel: a slow one holds no other
constexpr Duration kLookTimeMax = std::chrono::minutes(1);
constexpr Duration kTick = std::chrono::milliseconds(200);
constexpr Duration kSenderTick = std::chrono::milliseconds(500);
constexpr int kMessagesLookedAt = 500;
constexpr size_t kMessagesWaitingMax = 10'000;
constexpr size_t kSilencesMax = 1'000;
constexpr size_t kIdBytes = 16;
constexpr int kEventsShown = 10'000;  // system.alerts

// The rule itself is broken: whoever relies on it must hear of that.
Observation BrokenRule(const Error& error) {
    Observation observation;
    observation.complete = false;
    observation.wrong.push_back({{{"problem", "the rule can't be evaluated"}},
                                 std::nullopt,
                                 "the rule can't be evaluated: " + error.message()});
    return observation;
}

std::string GroupKey(const Rule& rule, const Labels& labels, Labels& group) {
    for (const std::string& name : rule.group_by) {
        auto found = labels.find(name);
        group[name] = found == labels.end() ? "" : found->second;
    }
    return DumpJson(Json(group));
}

}  // namespace

Service::Service(AlertingDependencies dependencies, Store store)
    : dependencies_(std::move(dependencies)),
      env_(dependencies_.env),
      store_(std::move(store)),
      signals_(dependencies_, reports_),
      looks_good_(
          dependencies_.metrics.GetCounter("tarn_alerting_looks_total", "Looks at rules", {{"outcome", "good"}})),
      looks_failed_(
          dependencies_.metrics.GetCounter("tarn_alerting_looks_total", "Looks at rules", {{"outcome", "failed"}})),
      sent_(dependencies_.metrics.GetCounter("tarn_alerting_messages_total", "Messages", {{"outcome", "sent"}})),
      retried_(dependencies_.metrics.GetCounter("tarn_alerting_messages_total", "Messages", {{"outcome", "retried"}})),
      given_up_(
          dependencies_.metrics.GetCounter("tarn_alerting_messages_total", "Messages", {{"outcome", "given_up"}})),
      pending_(dependencies_.metrics.GetGauge("tarn_alerting_instances", "What is wrong now", {{"state", "pending"}})),
      firing_(dependencies_.metrics.GetGauge("tarn_alerting_instances", "What is wrong now", {{"state", "firing"}})),
      waiting_(dependencies_.metrics.GetGauge("tarn_alerting_messages_waiting", "Messages that are not sent yet")),
      lag_(dependencies_.metrics.GetGauge("tarn_alerting_lag_seconds", "How late the latest look began")) {}

Service::~Service() { Stop(); }

Status Service::Load() {
    stored_ = TRY(store_.AllInstances());
    silences_ = TRY(store_.Silences());
    waiting_count_ = TRY(store_.Waiting(kMessagesWaitingMax)).size();
    Timestamp now = env_.clock().Now();
    for (auto& [rule, instances] : stored_) {
        for (auto& [fingerprint, instance] : instances) Restore(instance, now);
    }
    return store_.Prune();
}

workspace::Kind Service::WorkspaceKind() {
    workspace::Kind kind;
    kind.name = "alert";
    kind.folder = "alerts";
    kind.suffix = ".yaml";
    kind.description = "Rules over metrics, SQL, freshness and runs, and the channels by which people are told.";
    kind.keys = AlertKeys();
    kind.parse = [this](workspace::Definition& definition, workspace::Issues& issues) {
        std::vector<std::string> reports;
        for (const auto& [name, unused] : reports_) reports.push_back(name);
        ParseAlertFile(dependencies_.engine, reports, definition, issues);
    };
    kind.validate = [](const std::vector<workspace::Definition>& all, workspace::Issues& issues) {
        ValidateAlertFiles(all, issues);
        ValidateReportChannels(all, issues);
    };
    kind.activate = [this](const std::vector<workspace::Definition>& all) { return Activate(all); };
    return kind;
}

// Its instances end in the history; nobody is told, for nothing is known to be well.
Status Service::Retire(const std::string& name, const Watched& watched) {
    Commit commit{.rule = name,
                  .severity = watched.rule.severity,
                  .transitions = {},
                  .notified = {},
                  .messages = {},
                  .at = env_.clock().Now()};
    for (const auto& [fingerprint, instance] : watched.instances) {
        commit.transitions.push_back({Change::kCleared, instance});
    }
    if (!commit.transitions.empty()) TRY(store_.Write(commit));
    return store_.Forget(name);
}

Status Service::Activate(const std::vector<workspace::Definition>& all) {
    std::lock_guard step(step_mutex_);
    std::map<std::string, Watched> rules;
    std::map<std::string, Channel> channels;
    std::map<std::string, Watched> gone;
    Duration now = env_.clock().Monotonic();
    {
        std::lock_guard lock(mutex_);
        for (const workspace::Definition& definition : all) {
            const auto* file = std::any_cast<AlertFile>(&definition.value);
            if (!file) continue;
            for (const Channel& channel : file->channels) channels[channel.name] = channel;
            for (const Rule& rule : file->rules) {
                Watched& watched = rules[rule.name];
                if (auto before = rules_.find(rule.name); before != rules_.end()) {
                    watched = before->second;
                } else if (auto stored = stored_.find(rule.name); stored != stored_.end()) {
                    watched.instances = std::move(stored->second);
                }
                stored_.erase(rule.name);
                watched.rule = rule;
                watched.due = now;
            }
        }
        for (auto& [name, watched] : rules_) {
            if (!rules.contains(name)) gone.emplace(name, watched);
        }
        for (auto& [name, instances] : stored_) gone[name].instances = std::move(instances);
        stored_.clear();
        rules_ = std::move(rules);
        channels_ = std::move(channels);
    }
    for (const auto& [name, watched] : gone) TRY(Retire(name, watched));
    // What could not be sent may well be sent now.
    TRY(store_.RetryNow(env_.clock().Now()));
    CountInstances();
    wake_.notify_all();
    WakeSender();
    return Ok();
}

Status Service::Start() {
    looks_ = Executor::Create({.name = "alert-looks", .threads = kLooksAtOnce, .queue_max = kRulesMax});
    sends_ = Executor::Create({.name = "alert-sends", .threads = kSendsAtOnce, .queue_max = 256});
    subscription_ = dependencies_.orchestrator.Subscribe([this](const orchestrator::Run& run) {
        if (!run.ended_at) return;
        std::lock_guard lock(mutex_);
        for (auto& [name, watched] : rules_) {
            if (watched.rule.tasks) watched.due = Duration(0);
        }
        wake_.notify_all();
    });
    loop_ = std::thread([this] { Loop(); });
    sender_ = std::thread([this] { Sender(); });
    return Ok();
}

void Service::Stop() {
    subscription_.reset();
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
        for (auto& [name, watched] : rules_) {
            if (watched.looking) watched.cancel.Cancel();
        }
        wake_.notify_all();
        wake_sender_.notify_all();
    }
    if (loop_.joinable()) loop_.join();
    if (sender_.joinable()) sender_.join();
    looks_.reset();
    sends_.reset();
}

void Service::Fail(const Error& error) {
    dependencies_.log.Error("alerting stops", {{"error", error.ToString()}});
    std::lock_guard lock(mutex_);
    if (!failure_) failure_ = error;
    wake_.notify_all();
    wake_sender_.notify_all();
}

Status Service::Health() const {
    std::lock_guard lock(mutex_);
    if (failure_) return Error(*failure_).Context("alerting").WithHint("restart Tarn once metadata takes writes again");
    return Ok();
}

// ---- looking

void Service::Loop() {
    std::unique_lock lock(mutex_);
    while (!stopping_ && !failure_) {
        lock.unlock();
        StartLooks();
        lock.lock();
        if (stopping_) break;
        wake_.wait_for(lock, kTick);
    }
}

void Service::StartLooks() {
    std::vector<std::string> due;
    {
        std::lock_guard lock(mutex_);
        Duration now = env_.clock().Monotonic();
        for (auto& [name, watched] : rules_) {
            if (watched.looking && now > watched.look_until) watched.cancel.Cancel();
            if (watched.looking || now < watched.due) continue;
            if (watched.due > Duration(0)) lag_.Set(std::chrono::duration<double>(now - watched.due).count());
            watched.looking = true;
            watched.cancel = CancelToken();
            watched.look_until = now + kLookTimeMax;
            watched.due = now + watched.rule.every;
            due.push_back(name);
        }
    }
    for (const std::string& name : due) {
        Status submitted = looks_->Submit([this, name] { Look(name); });
        if (submitted.ok()) continue;
        std::lock_guard lock(mutex_);
        if (auto found = rules_.find(name); found != rules_.end()) found->second.looking = false;
    }
}

void Service::Look(const std::string& name) {
    Rule rule;
    CancelToken cancel;
    {
        std::lock_guard lock(mutex_);
        auto found = rules_.find(name);
        if (found == rules_.end() || stopping_ || failure_) return;
        rule = found->second.rule;
        cancel = found->second.cancel;
        found->second.look_until = env_.clock().Monotonic() + kLookTimeMax;
    }
    Result<Observation> found = signals_.Look(rule, cancel);
    {
        std::lock_guard lock(mutex_);
        auto watched = rules_.find(name);
        if (watched == rules_.end()) return;
        watched->second.looking = false;
        // Changed meanwhile, or stopping: this look says nothing.
        if (watched->second.rule.hash != rule.hash || stopping_ || failure_) return;
    }
    if (!found.ok() && found.error().code() == ErrorCode::kCancelled) {
        found = Error(ErrorCode::kTimeout, "it took longer than {}", FormatDuration(kLookTimeMax));
    }
    (found.ok() ? looks_good_ : looks_failed_).Add();
    Status taken = Take(name, found);
    if (!taken.ok()) Fail(taken.error());
}

Status Service::Take(const std::string& name, const Result<Observation>& found) {
    std::lock_guard step(step_mutex_);
    Watched watched;
    Timestamp now = env_.clock().Now();
    Duration at = env_.clock().Monotonic();
    {
        std::lock_guard lock(mutex_);
        auto place = rules_.find(name);
        if (place == rules_.end()) return Ok();
        watched = place->second;
    }
    Observation observation = found.ok() ? *found : BrokenRule(found.error());
    Step input{.observation = observation,
               .now = now,
               .elapsed = watched.stepped ? at - *watched.stepped : Duration(0),
               .silenced = [&](const Labels& labels) { return IsSilenced(name, labels, now); }};
    Outcome outcome = Advance(name, watched.rule.timing, input, watched.instances);
    Commit commit{.rule = name,
                  .severity = watched.rule.severity,
                  .transitions = outcome.transitions,
                  .notified = {},
                  .messages = {},
                  .at = now};
    for (const Notice& notice : outcome.notices) {
        if (notice.reason != Reason::kResolved) commit.notified.push_back(notice.instance);
    }
    commit.messages = MessagesOf(watched.rule, outcome.notices, now);
    if (!outcome.empty()) TRY(store_.Write(commit));
    {
        std::lock_guard lock(mutex_);
        for (const Message& message : commit.messages) waiting_count_ += message.state == "waiting" ? 1 : 0;
        auto place = rules_.find(name);
        if (place == rules_.end()) return Ok();
        place->second.instances = std::move(watched.instances);
        place->second.stepped = at;
        place->second.looked_at = now;
        place->second.error = found.ok() ? "" : found.error().message();
    }
    CountInstances();
    if (!commit.messages.empty()) WakeSender();
    return Ok();
}

// One message a channel for all of a group that changed alike.
std::vector<Message> Service::MessagesOf(const Rule& rule, const std::vector<Notice>& notices, Timestamp now) {
    struct Group {
        Labels labels;
        std::vector<Instance> instances;
    };
    std::map<std::pair<std::string, std::string>, Group> groups;
    for (const Notice& notice : notices) {
        Labels labels;
        std::string key = GroupKey(rule, notice.instance.labels, labels);
        Group& group = groups[{std::string(ReasonName(notice.reason)), key}];
        group.labels = labels;
        group.instances.push_back(notice.instance);
    }
    std::vector<Message> messages;
    std::lock_guard lock(mutex_);
    for (const auto& [key, group] : groups) {
        for (const std::string& name : rule.notify) {
            auto channel = channels_.find(name);
            if (channel == channels_.end()) continue;
            if (key.first == ReasonName(Reason::kResolved) && !channel->second.resolved) continue;
            Message message;
            message.id = env_.random().Hex(kIdBytes);
            message.channel = name;
            message.rule = rule.name;
            message.content = ContentOf(rule, key.first, message.id, group.labels, group.instances, now);
            message.created_at = now;
            message.next_at = now;
            if (waiting_count_ + messages.size() >= kMessagesWaitingMax) {
                message.state = "failed";
                message.error = fmt::format("{} messages wait already", kMessagesWaitingMax);
                message.ended_at = now;
            }
            messages.push_back(std::move(message));
        }
    }
    return messages;
}

void Service::CountInstances() {
    int pending = 0;
    int firing = 0;
    std::lock_guard lock(mutex_);
    for (const auto& [name, watched] : rules_) {
        for (const auto& [fingerprint, instance] : watched.instances) {
            (instance.state == State::kFiring ? firing : pending) += 1;
        }
    }
    pending_.Set(pending);
    firing_.Set(firing);
}

// ---- sending

void Service::WakeSender() {
    std::lock_guard lock(mutex_);
    sender_awake_ = true;
    wake_sender_.notify_all();
}

void Service::Sender() {
    while (true) {
        {
            std::unique_lock lock(mutex_);
            if (!sender_awake_ && !stopping_ && waiting_count_ > 0) wake_sender_.wait_for(lock, kSenderTick);
            wake_sender_.wait(lock, [&] { return sender_awake_ || stopping_ || failure_ || waiting_count_ > 0; });
            if (stopping_ || failure_) return;
            sender_awake_ = false;
        }
        Status status = SendDue();
        if (!status.ok()) return Fail(status.error());
    }
}

Status Service::SendDue() {
    std::vector<Message> waiting = TRY(store_.Waiting(kMessagesLookedAt));
    {
        std::lock_guard lock(mutex_);
        if (waiting.size() < kMessagesLookedAt) waiting_count_ = waiting.size();
        waiting_.Set(static_cast<double>(waiting_count_));
    }
    Timestamp now = env_.clock().Now();
    for (Message& message : waiting) {
        // Later than any pause: the clock went back, which is no reason to wait.
        if (message.next_at > now && message.next_at - now <= kPauseMax) continue;
        {
            std::lock_guard lock(mutex_);
            if (!sending_.insert(message.channel).second) continue;
        }
        std::string channel = message.channel;
        Status submitted =
            sends_->Submit([this, message = std::move(message)]() mutable { Deliver(std::move(message)); });
        if (submitted.ok()) continue;
        std::lock_guard lock(mutex_);
        sending_.erase(channel);
    }
    return Ok();
}

void Service::Deliver(Message message) {
    std::optional<Channel> channel = FindChannel(message.channel);
    Status sent = Error(ErrorCode::kNotFound, "there is no channel {} any more", message.channel);
    bool report = message.content.value("status", "") == kReportStatus;
    if (channel) {
        sent = report ? SendReportAudited(*channel, message) : SendAudited(*channel, message.rule, message.content);
    }
    Timestamp now = env_.clock().Now();
    message.attempts += 1;
    std::optional<Duration> pause;
    if (!sent.ok()) {
        message.error = sent.error().message();
        if (channel) pause = PauseAfter(message.attempts, channel->retry_for);
    }
    message.state = sent.ok() ? "sent" : pause ? "waiting" : "failed";
    if (sent.ok()) message.error.clear();
    if (pause) {
        message.next_at = now + *pause;
    } else {
        message.ended_at = now;
    }
    (sent.ok() ? sent_ : pause ? retried_ : given_up_).Add();
    if (!sent.ok()) {
        dependencies_.log.Warning("a message was not sent", {{"channel", message.channel},
                                                             {"alert", message.rule},
                                                             {"again", pause.has_value()},
                                                             {"error", message.error}});
    }
    Status updated = store_.Update(message);
    {
        std::lock_guard lock(mutex_);
        sending_.erase(message.channel);
    }
    if (!updated.ok()) return Fail(updated.error());
    WakeSender();
}

Status Service::SendAudited(const Channel& channel, const std::string& rule, const Json& content) {
    security::Opening opening{
        .details = {{"channel", channel.name}, {"kind", channel.kind()}, {"message", content.value("id", "")}},
        .tell = nullptr};
    return dependencies_.dispatcher.Run(
        kOwnMessage, Principal::System("alerting"), {"alert", rule}, "",
        [&](security::Call&) { return Send(dependencies_, channel, content); }, std::move(opening));
}

std::optional<Channel> Service::FindChannel(const std::string& name) const {
    std::lock_guard lock(mutex_);
    auto found = channels_.find(name);
    if (found == channels_.end()) return std::nullopt;
    return found->second;
}

// ---- what people see and do

bool Service::MayRead(const Principal& principal, const std::string& rule) const {
    return dependencies_.dispatcher.gate().Decide(principal, "alert:Read", {"alert", rule}).allowed;
}

bool Service::MaySilence(const std::string& user, const std::string& rule) const {
    Principal person;
    person.kind = security::PrincipalKind::kUser;
    person.name = user;
    return dependencies_.dispatcher.gate().Decide(person, "alert:Silence", {"alert", rule}).allowed;
}

// Takes mutex_: not for who holds it.
bool Service::IsSilenced(const std::string& rule, const Labels& labels, Timestamp now) const {
    std::vector<Silence> silences;
    {
        std::lock_guard lock(mutex_);
        for (const Silence& silence : silences_) {
            bool holds = !silence.ended_at && silence.until > now && MatchesWildcard(silence.rule, rule);
            if (holds) silences.push_back(silence);
        }
    }
    return std::any_of(silences.begin(), silences.end(), [&](const Silence& silence) {
        for (const auto& [name, glob] : silence.labels) {
            auto found = labels.find(name);
            if (found == labels.end() || !MatchesWildcard(glob, found->second)) return false;
        }
        // A silence reaches as far as the rights of who made it, at this moment.
        return MaySilence(silence.creator, rule);
    });
}

std::vector<RuleView> Service::Rules(const Principal& principal) const {
    std::vector<RuleView> views;
    {
        std::lock_guard lock(mutex_);
        for (const auto& [name, watched] : rules_) {
            views.push_back({watched.rule, watched.instances, watched.looked_at, watched.error, {}});
        }
    }
    std::erase_if(views, [&](const RuleView& view) { return !MayRead(principal, view.rule.name); });
    Timestamp now = env_.clock().Now();
    for (RuleView& view : views) {
        for (const auto& [fingerprint, instance] : view.instances) {
            if (IsSilenced(view.rule.name, instance.labels, now)) view.silenced.insert(fingerprint);
        }
    }
    return views;
}

std::vector<Channel> Service::Channels() const {
    std::vector<Channel> channels;
    std::lock_guard lock(mutex_);
    for (const auto& [name, channel] : channels_) channels.push_back(channel);
    return channels;
}

Result<std::vector<Event>> Service::History(const Principal& principal, const std::string& rule, int64_t before,
                                            int limit) {
    std::vector<Event> seen;
    std::map<std::string, bool> may;
    // What may not be seen is passed over, page by page, so that it shortens no answer.
    while (static_cast<int>(seen.size()) < limit) {
        std::vector<Event> page = TRY(store_.Events(rule, before, limit));
        for (Event& event : page) {
            before = event.sequence;
            auto [place, is_new] = may.try_emplace(event.rule, false);
            if (is_new) place->second = MayRead(principal, event.rule);
            if (place->second && static_cast<int>(seen.size()) < limit) seen.push_back(std::move(event));
        }
        if (static_cast<int>(page.size()) < limit) break;
    }
    return seen;
}

Result<std::vector<Message>> Service::Messages(const Principal& principal, int limit) {
    std::vector<Message> messages = TRY(store_.Messages(limit));
    const auto& gate = dependencies_.dispatcher.gate();
    std::erase_if(messages, [&](const Message& message) {
        if (message.content.value("status", "") != kReportStatus) return !MayRead(principal, message.rule);
        security::Resource dashboard{"dashboard", message.content.value("dashboard", "")};
        return !gate.Decide(principal, "dashboard:Read", dashboard).allowed;
    });
    return messages;
}

std::vector<Silence> Service::Silences(const Principal& principal) const {
    std::vector<Silence> silences;
    std::vector<std::string> rules;
    {
        std::lock_guard lock(mutex_);
        silences = silences_;
        for (const auto& [name, watched] : rules_) rules.push_back(name);
    }
    std::erase_if(rules, [&](const std::string& rule) { return !MayRead(principal, rule); });
    std::erase_if(silences, [&](const Silence& silence) {
        bool own = principal.kind == security::PrincipalKind::kUser && silence.creator == principal.name;
        return !own && std::none_of(rules.begin(), rules.end(),
                                    [&](const std::string& rule) { return MatchesWildcard(silence.rule, rule); });
    });
    return silences;
}

Result<Silence> Service::AddSilence(const Principal& principal, Silence silence) {
    std::vector<std::string> rules;
    size_t open = 0;
    Timestamp now = env_.clock().Now();
    {
        std::lock_guard lock(mutex_);
        for (const auto& [name, watched] : rules_) {
            if (MatchesWildcard(silence.rule, name)) rules.push_back(name);
        }
        for (const Silence& other : silences_) open += !other.ended_at && other.until > now ? 1 : 0;
    }
    bool visible = std::any_of(rules.begin(), rules.end(), [&](const auto& rule) { return MayRead(principal, rule); });
    bool may =
        std::any_of(rules.begin(), rules.end(), [&](const auto& rule) { return MaySilence(principal.name, rule); });
    if (!visible && !may) return Error(ErrorCode::kNotFound, "there is no alert {}", silence.rule);
    if (!may)
        return Error(ErrorCode::kPermissionDenied, "{} may not alert:Silence on {}", principal.Id(), silence.rule);
    if (open >= kSilencesMax) return Error(ErrorCode::kResourceExhausted, "{} silences hold already", kSilencesMax);
    silence.id = env_.random().Hex(kIdBytes / 2);
    silence.creator = principal.name;
    silence.created_at = now;
    TRY(store_.Add(silence));
    std::lock_guard lock(mutex_);
    silences_.insert(silences_.begin(), silence);
    return silence;
}

Status Service::EndSilence(const Principal& principal, const std::string& id) {
    std::vector<Silence> visible = Silences(principal);
    auto found = std::find_if(visible.begin(), visible.end(), [&](const Silence& silence) { return silence.id == id; });
    if (found == visible.end()) return Error(ErrorCode::kNotFound, "there is no silence {}", id);
    bool own = found->creator == principal.name;
    std::vector<std::string> rules;
    {
        std::lock_guard lock(mutex_);
        for (const auto& [name, watched] : rules_) {
            if (MatchesWildcard(found->rule, name)) rules.push_back(name);
        }
    }
    bool may = own || std::any_of(rules.begin(), rules.end(),
                                  [&](const std::string& rule) { return MaySilence(principal.name, rule); });
    if (!may) return Error(ErrorCode::kPermissionDenied, "{} may not alert:Silence on {}", principal.Id(), found->rule);
    if (found->ended_at) return Ok();
    Timestamp now = env_.clock().Now();
    TRY(store_.End(id, principal.name, now));
    std::lock_guard lock(mutex_);
    for (Silence& silence : silences_) {
        if (silence.id != id) continue;
        silence.ended_at = now;
        silence.ended_by = principal.name;
    }
    return Ok();
}

Result<std::vector<TestResult>> Service::Test(const std::string& name) {
    Rule rule;
    {
        std::lock_guard lock(mutex_);
        auto found = rules_.find(name);
        if (found == rules_.end()) return Error(ErrorCode::kNotFound, "there is no alert {}", name);
        rule = found->second.rule;
    }
    if (rule.notify.empty()) {
        return Error(ErrorCode::kFailedPrecondition, "{} tells nobody: give it `notify` in {}", name, rule.file);
    }
    Timestamp now = env_.clock().Now();
    Instance example;
    example.fingerprint = "test";
    example.labels = {{"test", "yes"}};
    example.since = now;
    example.text = "a test: nothing is wrong, messages of this alert arrive here";
    std::vector<TestResult> results;
    for (const std::string& channel_name : rule.notify) {
        std::optional<Channel> channel = FindChannel(channel_name);
        if (!channel) continue;
        Json content = ContentOf(rule, "test", env_.random().Hex(kIdBytes), {}, {example}, now);
        Status sent = SendAudited(*channel, name, content);
        std::string hint = sent.ok() || sent.error().hint().empty() ? "" : "; " + sent.error().hint();
        results.push_back({channel_name, sent.ok() ? "" : sent.error().message() + hint});
    }
    return results;
}

std::vector<FiringAlert> Service::Firing(const Principal& principal) const {
    std::vector<FiringAlert> firing;
    for (const RuleView& view : Rules(principal)) {
        FiringAlert alert{view.rule.name, view.rule.severity, "", 0};
        for (const auto& [fingerprint, instance] : view.instances) {
            if (instance.state != State::kFiring || view.silenced.contains(fingerprint)) continue;
            if (alert.count++ == 0) alert.text = instance.text;
        }
        if (alert.count > 0) firing.push_back(std::move(alert));
    }
    return firing;
}

const std::vector<std::pair<std::string, std::string>>& Alerting::SystemColumns() {
    static const std::vector<std::pair<std::string, std::string>> kColumns = {
        {"changed_at", "TIMESTAMP WITH TIME ZONE"},
        {"alert", "VARCHAR"},
        {"severity", "VARCHAR"},
        {"change", "VARCHAR"},
        {"labels", "VARCHAR"},
        {"value", "DOUBLE"},
        {"text", "VARCHAR"},
        {"fingerprint", "VARCHAR"}};
    return kColumns;
}

Result<std::vector<std::vector<std::optional<std::string>>>> Service::SystemRows(const Principal& principal) {
    std::vector<std::vector<std::optional<std::string>>> rows;
    for (const Event& event : TRY(History(principal, "", INT64_MAX, kEventsShown))) {
        const Instance& instance = event.instance;
        std::optional<std::string> value;
        if (instance.value) value = fmt::format("{}", *instance.value);
        rows.push_back({FormatTime(event.at), event.rule, event.severity, event.change_name,
                        DumpJson(Json(instance.labels)), value, instance.text, instance.fingerprint});
    }
    return rows;
}

Result<std::unique_ptr<Alerting>> Alerting::Create(AlertingDependencies dependencies) {
    Store store = TRY(Store::Create(dependencies.metadata));
    auto service = std::make_unique<Service>(std::move(dependencies), std::move(store));
    TRY(service->Load());
    return std::unique_ptr<Alerting>(std::move(service));
}

}  // namespace tarn::alerting
