#include "access/alerting/channel.h"

#include <algorithm>

#include "access/alerting/message.h"
#include "access/alerting/smtp.h"

namespace tarn::alerting {
namespace {

constexpr Duration kPauseFirst = std::chrono::seconds(5);
constexpr Duration kHttpTime = std::chrono::seconds(20);
constexpr size_t kAnswerBytesMax = 64 << 10;
constexpr size_t kAnswerShownMax = 200;

DialPolicy PolicyOf(const Channel& channel) {
    return {.allow_loopback = channel.private_network, .allow_private = channel.private_network};
}

Result<std::string> AuthorityOf(const AlertingDependencies& dependencies, const std::string& path) {
    if (path.empty()) return std::string();
    std::string full = path.starts_with("/") ? path : dependencies.workspace_directory + "/" + path;
    return ReadFile(dependencies.env, full, 1 << 20);
}

Status WithAdvice(const Channel& channel, Status status) {
    if (status.ok() || status.error().code() != ErrorCode::kPermissionDenied || channel.private_network) return status;
    return Error(status.error())
        .WithHint(fmt::format("if that is right, give the channel {} `private_network: yes`", channel.name));
}

struct Post {
    std::string url;
    HttpHeaders headers;
    std::string body;
    std::string ca;
};

Status SendPost(const AlertingDependencies& dependencies, const Channel& channel, Post post) {
    HttpClientRequest request;
    request.method = "POST";
    request.url = post.url;
    request.headers = std::move(post.headers);
    request.headers.Add("Content-Type", "application/json");
    request.body = std::move(post.body);
    request.timeout = kHttpTime;
    request.redirects_max = 0;
    request.policy = PolicyOf(channel);
    std::string ca = TRY(AuthorityOf(dependencies, post.ca));
    if (!ca.empty()) request.tls = TRY(TlsContext::Client(ca));
    HttpClientResponse response = TRY(dependencies.http.Send(request, kAnswerBytesMax));
    if (response.status >= 200 && response.status < 300) return Ok();
    if (response.status >= 300 && response.status < 400) {
        return Error(ErrorCode::kFailedPrecondition, "the receiver answers {}, a redirect, which is never followed",
                     response.status);
    }
    std::string said = response.body.substr(0, kAnswerShownMax);
    return Error(ErrorCode::kUnavailable, "the receiver answers {}: {}", response.status, said);
}

Status SendWebhook(const AlertingDependencies& dependencies, const Channel& channel, const Json& content) {
    const Webhook& webhook = *channel.webhook;
    std::string id = content.value("id", "");
    Post post{webhook.url, {}, WebhookBodyOf(content), webhook.ca};
    int64_t now = ToMillis(dependencies.env.clock().Now()) / 1000;
    post.headers.Add("webhook-id", id);
    post.headers.Add("webhook-timestamp", fmt::format("{}", now));
    if (!webhook.secret.name.empty()) {
        Secret secret = TRY(dependencies.secrets.Get(webhook.secret.name));
        post.headers.Add("webhook-signature", SignatureOf(secret.text(), id, now, post.body));
    }
    return SendPost(dependencies, channel, std::move(post));
}

Status SendSlack(const AlertingDependencies& dependencies, const Channel& channel, const Json& content) {
    Secret url = TRY(dependencies.secrets.Get(channel.slack->url.name));
    auto parsed = ParseUrl(url.text());
    if (!parsed.ok()) {
        return Error(ErrorCode::kInvalidArgument, "the secret {} is no URL", channel.slack->url.name);
    }
    Status sent =
        SendPost(dependencies, channel, {std::string(url.text()), {}, SlackBodyOf(content), channel.slack->ca});
    if (sent.ok() || parsed->target.size() < 2) return sent;
    std::string text = sent.error().message();
    for (const std::string& part : {parsed->target, parsed->target.substr(0, parsed->target.find('?'))}) {
        for (size_t at = text.find(part); at != std::string::npos; at = text.find(part)) {
            text.replace(at, part.size(), "…");
        }
    }
    return Error(sent.error().code(), text).WithHint(sent.error().hint());
}

Status SendByMail(const AlertingDependencies& dependencies, const Channel& channel, const Mail& mail,
                  std::string message) {
    Secret password;
    if (!mail.password.name.empty()) password = TRY(dependencies.secrets.Get(mail.password.name));
    std::string ca = TRY(AuthorityOf(dependencies, mail.ca));
    std::string address = TRY(dependencies.dialer.ResolveChecked({mail.host, mail.port}, PolicyOf(channel)));
    return SendMail({mail, std::move(address), std::move(password), std::move(ca), std::move(message)});
}

}  // namespace

Status Send(const AlertingDependencies& dependencies, const Channel& channel, const Json& content) {
    if (channel.mail) {
        std::string message = MailOf(*channel.mail, content, dependencies.env.clock().Now());
        return WithAdvice(channel, SendByMail(dependencies, channel, *channel.mail, std::move(message)));
    }
    if (channel.webhook) return WithAdvice(channel, SendWebhook(dependencies, channel, content));
    return WithAdvice(channel, SendSlack(dependencies, channel, content));
}

Status SendReport(const AlertingDependencies& dependencies, const Channel& channel, const Json& content,
                  const std::vector<Attachment>& files) {
    if (!channel.mail) return Error(ErrorCode::kFailedPrecondition, "the channel {} is no mail", channel.name);
    Mail mail = *channel.mail;
    mail.to = content.at("to").get<std::vector<std::string>>();
    std::string message = ReportMailOf(mail, content, files, dependencies.env.clock().Now());
    return WithAdvice(channel, SendByMail(dependencies, channel, mail, std::move(message)));
}

std::optional<Duration> PauseAfter(int attempts, Duration retry_for) {
    Duration pause = kPauseFirst;
    Duration waited{0};
    for (int attempt = 1; attempt < attempts; ++attempt) {
        waited += pause;
        if (waited >= retry_for) return std::nullopt;
        pause = std::min(pause * 2, kPauseMax);
    }
    if (waited + pause > retry_for) return std::nullopt;
    return pause;
}

}  // namespace tarn::alerting
