// The HTTP operations of alerting: GET /api/v1/alerts and below.
#include "access/alerting/service.h"
#include "base/number.h"
#include "base/text.h"

namespace tarn::alerting {
namespace {

using security::AuditClass;
using security::HttpCall;
using security::JsonResponse;
using security::Route;

constexpr size_t kCommentBytesMax = 1000;
constexpr size_t kSilenceLabelsMax = 20;
constexpr Duration kSilenceTimeMax = std::chrono::hours(24 * 366);

Json TimeJson(const std::optional<Timestamp>& time) { return time ? Json(FormatTime(*time)) : Json(); }
Json NumberJson(const std::optional<double>& number) { return number ? Json(*number) : Json(); }

Json InstanceJson(const Instance& instance, bool silenced) {
    return {{"fingerprint", instance.fingerprint},
            {"labels", instance.labels},
            {"state", StateName(instance.state)},
            {"since", FormatTime(instance.since)},
            {"fired_at", TimeJson(instance.fired_at)},
            {"notified_at", TimeJson(instance.notified_at)},
            {"value", NumberJson(instance.value)},
            {"text", instance.text},
            {"silenced", silenced}};
}

// The worst of its instances.
std::string StateOf(const RuleView& view) {
    if (!view.looked_at) return "not looked at yet";
    std::string state = "ok";
    for (const auto& [fingerprint, instance] : view.instances) {
        if (instance.state == State::kFiring) return "firing";
        state = "pending";
    }
    return state;
}

Json RuleJson(const RuleView& view) {
    const Rule& rule = view.rule;
    Json instances = Json::array();
    for (const auto& [fingerprint, instance] : view.instances) {
        instances.push_back(InstanceJson(instance, view.silenced.contains(fingerprint)));
    }
    bool silenced = !view.instances.empty() && view.silenced.size() == view.instances.size();
    return {{"name", rule.name},
            {"file", rule.file},
            {"kind", rule.kind()},
            {"condition", rule.condition()},
            {"severity", rule.severity},
            {"description", rule.description},
            {"owner", rule.owner},
            {"runbook", rule.runbook},
            {"every_seconds", rule.every.count() / 1'000'000},
            {"for_seconds", rule.timing.hold.count() / 1'000'000},
            {"notify", rule.notify},
            {"state", StateOf(view)},
            {"silenced", silenced},
            {"looked_at", TimeJson(view.looked_at)},
            {"error", view.error},
            {"instances", std::move(instances)}};
}

Json SilenceJson(const Silence& silence, Timestamp now) {
    return {{"id", silence.id},
            {"alert", silence.rule},
            {"labels", silence.labels},
            {"comment", silence.comment},
            {"creator", silence.creator},
            {"created_at", FormatTime(silence.created_at)},
            {"until", FormatTime(silence.until)},
            {"ended_at", TimeJson(silence.ended_at)},
            {"ended_by", silence.ended_by},
            {"holds", !silence.ended_at && silence.until > now}};
}

int LimitOf(const HttpCall& call) {
    int64_t limit = ParseInteger(call.request.Query("limit").value_or("100")).value_or(100);
    return static_cast<int>(std::clamp<int64_t>(limit, 1, 1000));
}

Result<HttpResponse> ListAlerts(Service& service, Env&, HttpCall& call) {
    Json alerts = Json::array();
    for (const RuleView& view : service.Rules(call.principal)) alerts.push_back(RuleJson(view));
    Json channels = Json::array();
    for (const Channel& channel : service.Channels()) {
        bool used = false;
        for (const Json& alert : alerts) {
            for (const Json& name : alert["notify"]) used = used || name == channel.name;
        }
        if (used) channels.push_back({{"name", channel.name}, {"kind", channel.kind()}});
    }
    call.call.rows = static_cast<int64_t>(alerts.size());
    return JsonResponse({{"alerts", std::move(alerts)}, {"channels", std::move(channels)}});
}

Result<HttpResponse> ListHistory(Service& service, Env&, HttpCall& call) {
    int64_t before = ParseInteger(call.request.Query("before").value_or("")).value_or(INT64_MAX);
    std::string alert = call.request.Query("alert").value_or("");
    Json events = Json::array();
    for (const Event& event : TRY(service.History(call.principal, alert, before, LimitOf(call)))) {
        events.push_back({{"sequence", event.sequence},
                          {"at", FormatTime(event.at)},
                          {"alert", event.rule},
                          {"severity", event.severity},
                          {"change", event.change_name},
                          {"labels", event.instance.labels},
                          {"value", NumberJson(event.instance.value)},
                          {"text", event.instance.text},
                          {"fingerprint", event.instance.fingerprint}});
    }
    call.call.rows = static_cast<int64_t>(events.size());
    return JsonResponse({{"events", std::move(events)}});
}

Result<HttpResponse> ListMessages(Service& service, Env&, HttpCall& call) {
    Json messages = Json::array();
    for (const Message& message : TRY(service.Messages(call.principal, LimitOf(call)))) {
        messages.push_back({{"id", message.id},
                            {"channel", message.channel},
                            {"alert", message.rule},
                            {"status", message.content.value("status", "")},
                            {"state", message.state},
                            {"attempts", message.attempts},
                            {"created_at", FormatTime(message.created_at)},
                            {"next_at", message.state == "waiting" ? Json(FormatTime(message.next_at)) : Json()},
                            {"ended_at", TimeJson(message.ended_at)},
                            {"error", message.error}});
    }
    call.call.rows = static_cast<int64_t>(messages.size());
    return JsonResponse({{"messages", std::move(messages)}});
}

Result<HttpResponse> ListSilences(Service& service, Env& env, HttpCall& call) {
    Json silences = Json::array();
    Timestamp now = env.clock().Now();
    for (const Silence& silence : service.Silences(call.principal)) silences.push_back(SilenceJson(silence, now));
    call.call.rows = static_cast<int64_t>(silences.size());
    return JsonResponse({{"silences", std::move(silences)}});
}

Result<Timestamp> UntilOf(const Json& body, Timestamp now) {
    std::string until = TRY(JsonStringOr(body, "until", ""));
    std::string time = TRY(JsonStringOr(body, "for", ""));
    if (until.empty() == time.empty()) {
        return Error(ErrorCode::kInvalidArgument, "a silence has one of \"for\", as 2h, and \"until\", a time");
    }
    Timestamp end = until.empty() ? now + TRY(ParseDuration(time)) : TRY(ParseTime(until));
    if (end <= now || end - now > kSilenceTimeMax) {
        return Error(ErrorCode::kInvalidArgument, "a silence ends in the future, within a year");
    }
    return end;
}

Result<HttpResponse> MakeSilence(Service& service, Env& env, HttpCall& call) {
    Json body = TRY(call.JsonBody());
    Silence silence;
    silence.rule = TRY(JsonString(body, "alert"));
    silence.comment = TRY(JsonStringOr(body, "comment", ""));
    Timestamp now = env.clock().Now();
    silence.until = TRY(UntilOf(body, now));
    Json labels = body.contains("labels") ? body["labels"] : Json::object();
    if (!labels.is_object() || labels.size() > kSilenceLabelsMax || silence.comment.size() > kCommentBytesMax) {
        return Error(ErrorCode::kInvalidArgument, "labels is a mapping of at most {} globs, a comment has {} bytes",
                     kSilenceLabelsMax, kCommentBytesMax);
    }
    for (const auto& [name, value] : labels.items()) {
        if (!value.is_string()) return Error(ErrorCode::kInvalidArgument, "the label {} is text", name);
        silence.labels[name] = value.get<std::string>();
    }
    silence = TRY(service.AddSilence(call.principal, silence));
    call.call.details["silence"] = SilenceJson(silence, now);
    return JsonResponse(SilenceJson(silence, now), 201);
}

Result<HttpResponse> EndSilence(Service& service, Env&, HttpCall& call) {
    TRY(service.EndSilence(call.principal, call.parameters["id"]));
    return JsonResponse(Json::object());
}

Result<HttpResponse> TestAlert(Service& service, Env&, HttpCall& call) {
    Json sent = Json::array();
    for (const TestResult& result : TRY(service.Test(call.parameters["name"]))) {
        sent.push_back({{"channel", result.channel}, {"sent", result.error.empty()}, {"error", result.error}});
    }
    call.call.details["sent"] = sent;
    return JsonResponse({{"messages", std::move(sent)}});
}

}  // namespace

// Of each alert it is decided below whether it may be seen (alert:Read) or silenced (alert:Silence).
std::vector<Route> AlertRoutes(Service& service, Env& env) {
    auto bound = [&](auto handler) {
        return [&service, &env, handler](HttpCall& call) { return handler(service, env, call); };
    };
    constexpr auto kRead = AuditClass::kRead;
    constexpr auto kChange = AuditClass::kChange;
    return {
        {{"http", "GET /api/v1/alerts", "self", "alert", kRead, {}}, "*", bound(ListAlerts)},
        {{"http", "GET /api/v1/alerts/history", "self", "alert", kRead, {}}, "*", bound(ListHistory)},
        {{"http", "GET /api/v1/alerts/messages", "self", "alert", kRead, {}}, "*", bound(ListMessages)},
        {{"http", "GET /api/v1/alerts/silences", "self", "alert", kRead, {}}, "*", bound(ListSilences)},
        {{"http", "POST /api/v1/alerts/silences", "self", "alert", kChange, {1 << 16, 16}}, "*", bound(MakeSilence)},
        {{"http", "DELETE /api/v1/alerts/silences/{id}", "self", "alert", kChange, {}}, "{id}", bound(EndSilence)},
        {{"http", "POST /api/v1/alerts/{name}/test", "alert:Test", "alert", kChange, {1 << 16, 4}},
         "{name}",
         bound(TestAlert)},
    };
}

std::vector<Route> Service::Routes() { return AlertRoutes(*this, env_); }

}  // namespace tarn::alerting
