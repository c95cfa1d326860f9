// The alerting service itself: threads around the pure state machine, the store and the channels. Internal.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "access/alerting/alerting.h"
#include "access/alerting/rule.h"
#include "access/alerting/signals.h"
#include "access/alerting/store.h"

namespace tarn::alerting {

// A rule as people see it.
struct RuleView {
    Rule rule;
    Instances instances;
    std::optional<Timestamp> looked_at;
    std::string error;  // why the last look failed
    std::set<std::string> silenced;  // fingerprints
};

inline constexpr const char* kReportStatus = "report";  // of a message that is a dashboard's report

struct TestResult {
    std::string channel;
    std::string error;  // empty: sent
};

class Service : public Alerting, public reports::Mailer {
  public:
    Service(AlertingDependencies dependencies, Store store);
    ~Service() override;
    Status Load();

    void AddReports(const std::string& kind, Reports reports) override { reports_[kind] = std::move(reports); }
    reports::Mailer& AsMailer() override { return *this; }
    Status Queue(const reports::ReportMail& mail) override;
    Result<std::optional<reports::MailState>> StateOf(const std::string& id) override;
    workspace::Kind WorkspaceKind() override;
    workspace::RenameFollower FollowRenames() override;
    Status Start() override;
    void Stop() override;
    Status Health() const override;
    std::vector<security::Route> Routes() override;
    std::vector<FiringAlert> Firing(const security::Principal& principal) const override;
    Result<std::vector<std::vector<std::optional<std::string>>>> SystemRows(
        const security::Principal& principal) override;

    // ---- for the routes: only what the principal may see or do
    using Principal = security::Principal;
    std::vector<RuleView> Rules(const Principal& principal) const;
    std::vector<Channel> Channels() const;
    Result<std::vector<Event>> History(const Principal& principal, const std::string& rule, int64_t before, int limit);
    Result<std::vector<Message>> Messages(const Principal& principal, int limit);
    std::vector<Silence> Silences(const Principal& principal) const;
    Result<Silence> AddSilence(const Principal& principal, Silence silence);
    Status EndSilence(const Principal& principal, const std::string& id);
    Result<std::vector<TestResult>> Test(const std::string& name);

  private:
    struct Watched {
        Rule rule;
        Instances instances;
        Duration due{0};  // on the monotonic clock
        std::optional<Duration> stepped;  // likewise: when the state was advanced last
        std::optional<Timestamp> looked_at;
        std::string error;
        bool looking = false;
        Duration look_until{0};
        CancelToken cancel;
    };

    Status Activate(const std::vector<workspace::Definition>& all);
    void NamesMoved(const workspace::Renames& renames);
    Status Retire(const std::string& name, const Watched& watched);
    void Loop();
    void StartLooks();
    void Look(const std::string& name);
    Status Take(const std::string& name, const Result<Observation>& found);
    std::vector<Message> MessagesOf(const Rule& rule, const std::vector<Notice>& notices, Timestamp now);
    bool IsSilenced(const std::string& rule, const Labels& labels, Timestamp now) const;
    bool MaySilence(const std::string& user, const std::string& rule) const;
    bool MayRead(const Principal& principal, const std::string& rule) const;
    void CountInstances();
    void Sender();
    Status SendDue();
    void Deliver(Message message);
    Status SendAudited(const Channel& channel, const std::string& rule, const Json& content);
    Status SendReportAudited(const Channel& channel, const Message& message);
    std::optional<Channel> FindChannel(const std::string& name) const;
    void Fail(const Error& error);
    void WakeSender();

    AlertingDependencies dependencies_;
    Env& env_;
    std::map<std::string, Reports> reports_;
    Store store_;
    Signals signals_;
    Counter& looks_good_;
    Counter& looks_failed_;
    Counter& sent_;
    Counter& retried_;
    Counter& given_up_;
    Gauge& pending_;
    Gauge& firing_;
    Gauge& waiting_;
    Gauge& lag_;

    mutable std::mutex mutex_;  // guards all below; never held during a look, a write or a sending
    std::map<std::string, Watched> rules_;
    std::map<std::string, Instances> stored_;  // from before this start, until their rules are known
    std::map<std::string, Channel> channels_;
    std::vector<Silence> silences_;
    std::set<std::string> sending_;  // channels with a message under way
    size_t waiting_count_ = 0;
    std::optional<Error> failure_;
    bool stopping_ = false;
    bool sender_awake_ = false;
    std::condition_variable wake_;
    std::condition_variable wake_sender_;

    std::mutex step_mutex_;  // one change of instances and their store at a time; taken before mutex_
    std::shared_ptr<void> subscription_;
    std::unique_ptr<Executor> looks_;
    std::unique_ptr<Executor> sends_;
    std::thread loop_;
    std::thread sender_;
};

// GET /api/v1/alerts and below.
std::vector<security::Route> AlertRoutes(Service& service, Env& env);

}  // namespace tarn::alerting
