#include "access/alerting/rule.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "base/crypto.h"
#include "base/http.h"
#include "base/mail_address.h"
#include "base/text.h"

namespace tarn::alerting {
namespace {

constexpr Duration kEveryMin = std::chrono::seconds(1);
constexpr Duration kRateMax = std::chrono::hours(24);
constexpr size_t kRecipientsMax = 50;
constexpr const char* kSeverities[] = {"info", "warning", "critical"};

}  // namespace

void Bind(ConfigBinder& binder, Mail& mail) {
    binder.Key("host", mail.host, "The mail server.", ConfigBinder::Need::kRequired);
    binder.Key("port", mail.port, "Its port: 587 for starttls, 465 for tls, 25 between servers.");
    binder.Choice("tls", mail.tls, {"starttls", "tls", "none"}, "How the connection is encrypted.");
    binder.Key("ca", mail.ca,
               "PEM file of the authority that signed the server's certificate, if it is no public one.");
    binder.Key("user", mail.user, "Who logs in; empty: nobody does.");
    binder.Key("password", mail.password, "`secret:NAME`, set by `tarn secret set NAME`.");
    binder.Key("from", mail.from, "The sender's address.", ConfigBinder::Need::kRequired);
    binder.Key("to", mail.to, "Who gets it: addresses.", ConfigBinder::Need::kRequired);
    if (binder.describing()) return;
    if (mail.host.empty() || mail.host.find_first_of(" /:\r\n") != std::string::npos) {
        binder.Report("host", "host is a name or an address, as smtp.example.org");
    }
    if (mail.port < 1 || mail.port > 65535) binder.Report("port", "port is 1 to 65535");
    if (!IsMailAddress(mail.from)) binder.Report("from", "from is one address, as tarn@example.org");
    bool all = !mail.to.empty() && mail.to.size() <= kRecipientsMax &&
               std::all_of(mail.to.begin(), mail.to.end(), [](const auto& text) { return IsMailAddress(text); });
    if (!all) binder.Report("to", fmt::format("to is a list of 1 to {} addresses, as ops@example.org", kRecipientsMax));
    if (!mail.user.empty() && mail.tls == "none") {
        binder.Report("tls", "a password goes over TLS only: take starttls or tls, or leave user out");
    }
    if (mail.user.empty() != mail.password.name.empty()) binder.Report("user", "user and password go together");
}

void Bind(ConfigBinder& binder, Webhook& webhook) {
    binder.Key("url", webhook.url, "Where a POST of JSON goes, http:// or https://.", ConfigBinder::Need::kRequired);
    binder.Key("secret", webhook.secret, "`secret:NAME`: signs each message, as Standard Webhooks say.");
    binder.Key("ca", webhook.ca, "PEM file of the authority that signed the certificate, if it is no public one.");
    if (binder.describing()) return;
    if (!ParseUrl(webhook.url).ok()) {
        binder.Report("url", "url is an http:// or https:// address without a password; sign with `secret`");
    }
}

void Bind(ConfigBinder& binder, Slack& slack) {
    binder.Key("url", slack.url, "`secret:NAME`: the incoming webhook's URL, which is its credential.",
               ConfigBinder::Need::kRequired);
    binder.Key("ca", slack.ca, "PEM file of the authority that signed the certificate, if it is no public one.");
}

void Bind(ConfigBinder& binder, Channel& channel) {
    binder.Section("mail", channel.mail, "By mail.");
    binder.Section("webhook", channel.webhook, "By a POST of JSON.");
    binder.Section("slack", channel.slack, "By Slack, or what takes Slack's webhooks (Mattermost, Rocket.Chat).");
    binder.Key("private_network", channel.private_network,
               "It may be on this machine or in a private network; otherwise such an address is refused.");
    binder.Key("retry_for", channel.retry_for, "How long a message that can't be sent is tried again.");
    binder.Key("resolved", channel.resolved, "Tell also when it is over.");
    if (binder.describing()) return;
    int kinds = channel.mail.has_value() + channel.webhook.has_value() + channel.slack.has_value();
    if (kinds != 1) binder.Report("", "a channel has one of mail, webhook, slack");
}

// ---- rules

namespace {

void BindComparison(ConfigBinder& binder, std::optional<Comparison>& is, const char* doc) {
    std::string text;
    binder.Key("is", text, doc);
    if (binder.describing() || !binder.Has("is")) return;
    auto parsed = ParseComparison(text);
    if (!parsed.ok()) return binder.Report("is", parsed.error().message());
    is = *parsed;
}

}  // namespace

void Bind(ConfigBinder& binder, MetricRule& metric) {
    binder.Key("name", metric.name, "The metric, as in /metrics.", ConfigBinder::Need::kRequired);
    Json labels;
    binder.Any("labels", labels, "Only series with these labels, as {outcome: wrong}; values may be globs.");
    std::optional<Comparison> is;
    BindComparison(binder, is, "What is wrong, as `> 5`.");
    binder.Key("rate", metric.rate, "Compare how much it grew a second, over this long, instead of the value.");
    if (binder.describing()) return;
    if (!is) return binder.Report("", "metric needs \"is\", as `> 5`");
    metric.is = *is;
    if (metric.rate && (*metric.rate < kEveryMin || *metric.rate > kRateMax)) {
        binder.Report("rate", "rate is 1s to 1d");
    }
    if (labels.is_null()) return;
    if (!labels.is_object()) return binder.Report("labels", "labels maps names to values");
    for (const auto& [name, value] : labels.items()) {
        metric.labels[name] = value.is_string() ? value.get<std::string>() : DumpJson(value);
    }
}

void Bind(ConfigBinder& binder, SqlRule& sql) {
    binder.Key("query", sql.query, "One SELECT, run as the rule's owner. Each row it answers is something wrong.",
               ConfigBinder::Need::kRequired);
    BindComparison(binder, sql.is, "Instead: its first value is compared, as `> 5`.");
}

void Bind(ConfigBinder& binder, FreshnessRule& freshness) {
    binder.Key("datasets", freshness.datasets, "Datasets by name or glob, as delays.flights.",
               ConfigBinder::Need::kRequired);
    binder.Key("max_age", freshness.max_age, "Wrong when the newest version is older.", ConfigBinder::Need::kRequired);
    if (!binder.describing() && freshness.max_age <= Duration(0)) binder.Report("max_age", "max_age is a time, as 2h");
}

void Bind(ConfigBinder& binder, TaskRule& rule) {
    binder.Key("tasks", rule.tasks, "Tasks or datasets by name or glob, as delays.*.", ConfigBinder::Need::kRequired);
}

namespace {

struct ChecksRule : TaskRule {};
void Bind(ConfigBinder& binder, ChecksRule& rule) {
    Bind(binder, static_cast<TaskRule&>(rule));
    binder.Key("warnings", rule.warnings, "Also checks that only warn.");
}

struct RuleFile {
    Rule rule;
    bool has_notify = false;
};

void BindConditions(ConfigBinder& binder, Rule& rule) {
    binder.Section("metric", rule.metric, "A metric of the program.");
    binder.Section("sql", rule.sql, "A query.");
    binder.Section("freshness", rule.freshness, "Data that did not come.");
    std::optional<TaskRule> runs;
    std::optional<ChecksRule> checks;
    std::optional<TaskRule> sla;
    binder.Section("runs", runs, "Tasks whose last run failed.");
    binder.Section("checks", checks, "Tables whose last run a check refused.");
    binder.Section("sla", sla, "Tasks that are later than they should be.");
    auto take = [&](const char* kind, const TaskRule& from) {
        rule.tasks = from;
        rule.tasks->kind = kind;
    };
    if (runs) take("runs", *runs);
    if (checks) take("checks", *checks);
    if (sla) take("sla", *sla);
    if (binder.describing()) return;
    int kinds = rule.metric.has_value() + rule.sql.has_value() + rule.freshness.has_value() + runs.has_value() +
                checks.has_value() + sla.has_value();
    if (kinds != 1) binder.Report("", "a rule has one of metric, sql, freshness, runs, checks, sla");
}

void Bind(ConfigBinder& binder, RuleFile& file) {
    Rule& rule = file.rule;
    binder.Key("description", rule.description, "What it means, for who is told.");
    binder.Key("owner", rule.owner, "Whose it is, and as whom its SQL runs; the file's owner if not given.");
    binder.Choice("severity", rule.severity, {std::begin(kSeverities), std::end(kSeverities)}, "How bad it is.");
    binder.Key("runbook", rule.runbook, "A link to what to do.");
    BindConditions(binder, rule);
    binder.Key("every", rule.every, "How often it is looked at.");
    binder.Key("for", rule.timing.hold, "It fires when it was wrong for so long.");
    binder.Key("repeat_every", rule.timing.repeat_every, "Tell again while it fires; 0s: once.");
    binder.Key("group_by", rule.group_by, "Labels: one message for each of their values, not one for all.");
    binder.Key("notify", rule.notify, "Channels; the file's if not given.");
    if (binder.describing()) return;
    file.has_notify = binder.Has("notify");
    rule.line = binder.LineOf("");
    if (rule.every < kEveryMin) binder.Report("every", "every is at least 1s");
    if (rule.timing.hold < Duration(0)) binder.Report("for", "for is a time, as 5m");
    bool no_repeat = rule.timing.repeat_every == Duration(0);
    if (!no_repeat && rule.timing.repeat_every < std::chrono::seconds(1)) {
        binder.Report("repeat_every", "repeat_every is 0s or at least 1s");
    }
    bool is_link = rule.runbook.empty() || rule.runbook.starts_with("https://") || rule.runbook.starts_with("http://");
    if (!is_link) binder.Report("runbook", "runbook is a link that starts with https:// or http://");
}

struct File {
    std::string description;
    std::string owner;
    std::string renamed_from;
    std::vector<std::string> tags;
    std::vector<std::string> notify;
    std::map<std::string, Channel> channels;
    std::map<std::string, RuleFile> rules;
};
void Bind(ConfigBinder& binder, File& file) {
    binder.Key("description", file.description, "What these alerts are for.");
    binder.Key("owner", file.owner, "A user: owner of the rules that name none.");
    workspace::BindRenamedFrom(binder, file.renamed_from);
    binder.Key("tags", file.tags, "Tags.");
    binder.Key("notify", file.notify, "Channels that rules tell which name none.");
    binder.Map("channels", file.channels, "Where messages go, by name; any file's rules may name them.");
    binder.Map("rules", file.rules, "The rules, by name: the alert is <file>.<name>.");
    if (binder.describing()) return;
    if (file.rules.empty() && file.channels.empty()) binder.Report("", "an alert file needs \"rules\" or \"channels\"");
}

// What belongs to the whole: who owns it, what the engine says of its SQL.
void CheckRule(engine::Engine& engine, const std::vector<std::string>& reports, const Rule& rule,
               workspace::Issues& issues) {
    auto report = [&](std::string text) {
        issues.push_back({rule.file, rule.line, 0, "rule " + rule.name + ": " + std::move(text)});
    };
    if (rule.sql) {
        auto analysis = engine.Analyze(rule.sql->query);
        if (!analysis.ok()) report(analysis.error().message());
        if (rule.owner.empty()) report("SQL runs as its owner: say `owner: NAME` of a user");
    }
    bool reported = rule.tasks && rule.tasks->kind != "runs" && rule.tasks->kind != "checks";
    bool known = reported && std::find(reports.begin(), reports.end(), rule.tasks->kind) != reports.end();
    if (reported && !known) report("nothing in this version of Tarn reports " + rule.tasks->kind);
}

}  // namespace

bool Comparison::Holds(double value) const {
    if (sign == ">") return value > limit;
    if (sign == ">=") return value >= limit;
    if (sign == "<") return value < limit;
    if (sign == "<=") return value <= limit;
    return sign == "=" ? value == limit : value != limit;
}

std::string Comparison::ToString() const { return fmt::format("{} {}", sign, limit); }

Result<Comparison> ParseComparison(std::string_view text) {
    Comparison comparison;
    std::string_view rest = Trim(text);
    for (const char* sign : {">=", "<=", "!=", ">", "<", "="}) {
        if (!rest.starts_with(sign)) continue;
        comparison.sign = sign;
        rest = Trim(rest.substr(comparison.sign.size()));
        break;
    }
    auto [end, failure] = std::from_chars(rest.data(), rest.data() + rest.size(), comparison.limit);
    bool whole = failure == std::errc() && end == rest.data() + rest.size() && std::isfinite(comparison.limit);
    if (comparison.sign.empty() || !whole) {
        return Error(ErrorCode::kInvalidArgument, "\"{}\" is no comparison: write > 5, >=, <, <=, = or !=", text);
    }
    return comparison;
}

std::string Rule::kind() const {
    if (metric) return "metric";
    if (sql) return "sql";
    return freshness ? "freshness" : tasks->kind;
}

std::string Rule::condition() const {
    if (metric) {
        std::string labels = metric->labels.empty() ? "" : " " + DumpJson(Json(metric->labels));
        std::string rate = metric->rate ? fmt::format(" a second over {}", FormatDuration(*metric->rate)) : "";
        return fmt::format("{}{}{} {}", metric->name, labels, rate, metric->is.ToString());
    }
    if (sql) return sql->is ? fmt::format("{} {}", sql->query, sql->is->ToString()) : sql->query;
    if (freshness) {
        return fmt::format("{} older than {}", Join(freshness->datasets, ", "), FormatDuration(freshness->max_age));
    }
    return fmt::format("{} of {}", tasks->kind, Join(tasks->tasks, ", "));
}

std::vector<ConfigKeyDoc> AlertKeys() { return DescribeConfig<File>(); }

void ParseAlertFile(engine::Engine& engine, const std::vector<std::string>& reports, workspace::Definition& definition,
                    workspace::Issues& issues) {
    File file;
    auto found = ReadConfig(definition.text, definition.file, 1, [&](ConfigBinder& binder) { Bind(binder, file); });
    issues.insert(issues.end(), found.begin(), found.end());
    definition.description = file.description;
    definition.owner = file.owner;
    workspace::AskForRename(definition, file.renamed_from);
    definition.tags = file.tags;
    AlertFile alerts;
    auto check_name = [&](const char* what, const std::string& name) {
        Status named = workspace::CheckName(what, name);
        if (!named.ok()) issues.push_back({definition.file, 0, 0, named.error().message()});
    };
    for (auto& [name, channel] : file.channels) {
        check_name("channel", name);
        channel.name = name;
        alerts.channels.push_back(std::move(channel));
    }
    for (auto& [name, entry] : file.rules) {
        check_name("rule", name);
        Rule& rule = entry.rule;
        rule.name = definition.name + "." + name;
        rule.file = definition.file;
        if (rule.owner.empty()) rule.owner = file.owner;
        if (!entry.has_notify) rule.notify = file.notify;
        bool sound = rule.metric || rule.sql || rule.freshness || rule.tasks;
        if (!sound) continue;  // reported already
        CheckRule(engine, reports, rule, issues);
        rule.hash = Sha256Hex(AsBytes(rule.kind() + " " + rule.condition()));
        alerts.rules.push_back(std::move(rule));
    }
    definition.value = std::move(alerts);
}

void ValidateAlertFiles(const std::vector<workspace::Definition>& all, workspace::Issues& issues) {
    std::map<std::string, std::string> channels;  // name -> file
    size_t rules = 0;
    auto each = [&](auto&& visit) {
        for (const workspace::Definition& definition : all) {
            if (const auto* file = std::any_cast<AlertFile>(&definition.value)) visit(definition.file, *file);
        }
    };
    each([&](const std::string& file, const AlertFile& alerts) {
        for (const Channel& channel : alerts.channels) {
            auto [place, fresh] = channels.emplace(channel.name, file);
            if (fresh) continue;
            issues.push_back(
                {file, 0, 0, fmt::format("{} defines the channel {} already", place->second, channel.name)});
        }
    });
    std::vector<std::string> names;
    for (const auto& [name, unused] : channels) names.push_back(name);
    each([&](const std::string& file, const AlertFile& alerts) {
        rules += alerts.rules.size();
        for (const Rule& rule : alerts.rules) {
            for (const std::string& name : rule.notify) {
                if (channels.contains(name)) continue;
                std::string nearest = NearestWord(name, names);
                issues.push_back({file, rule.line, 0,
                                  fmt::format("rule {}: there is no channel {}{}", rule.name, name,
                                              nearest.empty() ? ": define it under `channels:`"
                                                              : "; did you mean " + nearest + "?")});
            }
        }
        if (rules > kRulesMax) issues.push_back({file, 0, 0, fmt::format("{} rules at most", kRulesMax)});
    });
}

}  // namespace tarn::alerting
