// What alerts/*.yaml says: channels and rules. Internal to the component.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "access/alerting/state_machine.h"
#include "engine/engine.h"
#include "workspace/workspace.h"

namespace tarn::alerting {

// "> 5": what makes a value wrong.
struct Comparison {
    std::string sign;
    double limit = 0;
    bool Holds(double value) const;
    std::string ToString() const;
};
// kInvalidArgument saying how it is written.
Result<Comparison> ParseComparison(std::string_view text);

struct Mail {
    std::string host;
    int port = 587;
    std::string tls = "starttls";  // starttls | tls | none
    std::string ca;                // PEM file of the authority, below the workspace; empty: the system's
    std::string user;
    SecretName password;
    std::string from;
    std::vector<std::string> to;
};
struct Webhook {
    std::string url;
    SecretName secret;  // signs; empty: unsigned
    std::string ca;
};
struct Slack {
    SecretName url;
    std::string ca;
};
struct Channel {
    std::string name;
    std::optional<Mail> mail;
    std::optional<Webhook> webhook;
    std::optional<Slack> slack;
    bool private_network = false;
    Duration retry_for = std::chrono::hours(24);
    bool resolved = true;
    std::string kind() const { return mail ? "mail" : webhook ? "webhook" : "slack"; }
};

struct MetricRule {
    std::string name;
    Labels labels;
    Comparison is;
    std::optional<Duration> rate;
};
struct SqlRule {
    std::string query;
    std::optional<Comparison> is;
};
struct FreshnessRule {
    std::vector<std::string> datasets;
    Duration max_age{0};
};
struct TaskRule {
    std::string kind;  // "runs", "checks", or what another component reports: "sla"
    std::vector<std::string> tasks;
    bool warnings = false;  // of checks: also those that only warn
};

void Bind(ConfigBinder& binder, Mail& mail);
void Bind(ConfigBinder& binder, Webhook& webhook);
void Bind(ConfigBinder& binder, Slack& slack);
void Bind(ConfigBinder& binder, Channel& channel);
void Bind(ConfigBinder& binder, MetricRule& metric);
void Bind(ConfigBinder& binder, SqlRule& sql);
void Bind(ConfigBinder& binder, FreshnessRule& freshness);
void Bind(ConfigBinder& binder, TaskRule& rule);

struct Rule {
    std::string name;  // "pipeline.stale_flights"
    std::string file;
    int line = 0;
    std::string hash;  // of what it says
    std::string description;
    std::string owner;
    std::string severity = "warning";
    std::string runbook;
    std::optional<MetricRule> metric;
    std::optional<SqlRule> sql;
    std::optional<FreshnessRule> freshness;
    std::optional<TaskRule> tasks;
    Duration every = std::chrono::minutes(1);
    Timing timing{Duration(0), std::chrono::hours(4)};
    std::vector<std::string> group_by;
    std::vector<std::string> notify;  // names of channels
    std::string kind() const;
    std::string condition() const;  // one line: "delays.flights not newer than 2h"
};

struct AlertFile {
    std::vector<Channel> channels;
    std::vector<Rule> rules;
};

inline constexpr size_t kRulesMax = 1000;  // of the whole workspace

// `reports` are the kinds of rule that other components make; the engine says what is wrong with SQL.
void ParseAlertFile(engine::Engine& engine, const std::vector<std::string>& reports, workspace::Definition& definition,
                    workspace::Issues& issues);
// Over all files: names of channels are unique, and each that a rule names is there.
void ValidateAlertFiles(const std::vector<workspace::Definition>& all, workspace::Issues& issues);
// Reports of dashboards name a mail channel, or there is only one.
void ValidateReportChannels(const std::vector<workspace::Definition>& all, workspace::Issues& issues);
std::vector<ConfigKeyDoc> AlertKeys();

}  // namespace tarn::alerting
