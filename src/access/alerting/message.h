// What a message says, and how each kind of channel writes it. Values come from data: each channel's own marks in them
// are made harmless. Internal to the component.
#pragma once

#include <string>
#include <vector>

#include "access/alerting/rule.h"
#include "access/alerting/store.h"
#include "base/json.h"

namespace tarn::alerting {

inline constexpr size_t kAlertsShown = 20;  // of one message; the others are counted

// The content of one message: of all instances of a group that changed alike. `status` is a Reason's name, or "test".
Json ContentOf(const Rule& rule, const std::string& status, const std::string& id, const Labels& group,
               const std::vector<Instance>& instances, Timestamp now);

// A whole mail (RFC 5322), with CRLF.
std::string MailOf(const Mail& mail, const Json& content, Timestamp now);
// A dashboard's report (content "subject", "text") with its files.
std::string ReportMailOf(const Mail& mail, const Json& content, const std::vector<Attachment>& files, Timestamp now);
// {"type", "timestamp", "data"}, as Standard Webhooks wish.
std::string WebhookBodyOf(const Json& content);
// "v1,<base64>" over "<id>.<timestamp>.<body>". A secret may be "whsec_<base64>", as Standard Webhooks write them.
std::string SignatureOf(std::string_view secret, const std::string& id, int64_t timestamp, const std::string& body);
// {"text"}: values stand in code spans, where neither links nor mentions mean anything.
std::string SlackBodyOf(const Json& content);

}  // namespace tarn::alerting
