#include "access/alerting/message.h"

#include <algorithm>

#include "base/crypto.h"
#include "base/text.h"

namespace tarn::alerting {
namespace {

constexpr size_t kMailLineBytes = 76;

std::string Text(const Json& content, const char* key) { return content.value(key, std::string()); }

// One line: what would end it is a blank.
std::string OneLine(std::string text) {
    for (char& letter : text) {
        if (static_cast<unsigned char>(letter) < ' ' || letter == 127) letter = ' ';
    }
    return text;
}

std::string Title(const Json& content) {
    std::string status = Text(content, "status");
    std::string word = status == "repeat"     ? "STILL FIRING"
                       : status == "firing"   ? "FIRING"
                       : status == "resolved" ? "RESOLVED"
                                              : "TEST";
    return fmt::format("[{} {}] {}", word, Text(content, "severity"), Text(content, "alert"));
}

std::string LabelsText(const Json& labels) {
    std::vector<std::string> parts;
    for (const auto& [name, value] : labels.items()) parts.push_back(name + "=" + value.get<std::string>());
    return Join(parts, ", ");
}

// RFC 5322, 3.3: "Mon, 02 Nov 2026 15:04:05 +0000".
std::string MailDate(Timestamp now) {
    static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    auto day = std::chrono::floor<std::chrono::days>(now);
    std::chrono::year_month_day date(day);
    std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(now - day));
    return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} +0000", kDays[std::chrono::weekday(day).c_encoding()],
                       static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
                       static_cast<int>(date.year()), time.hours().count(), time.minutes().count(),
                       time.seconds().count());
}

// RFC 2047: base64 words of at most 75 letters, cut between characters.
std::string HeaderText(const std::string& text) {
    bool plain =
        text.size() <= kMailLineBytes - 10 &&
        std::all_of(text.begin(), text.end(), [](unsigned char letter) { return letter >= ' ' && letter < 127; }) &&
        text.find("=?") == std::string::npos;
    if (plain) return text;
    constexpr size_t kWordBytes = 42;
    std::vector<std::string> words;
    for (size_t at = 0; at < text.size();) {
        size_t end = std::min(text.size(), at + kWordBytes);
        while (end < text.size() && end > at + 1 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
        words.push_back("=?UTF-8?B?" + Base64Encode(AsBytes(std::string_view(text).substr(at, end - at))) + "?=");
        at = end;
    }
    return Join(words, "\r\n ");
}

std::string BodyText(const Json& content) {
    std::string text = Title(content) + "\n";
    auto add = [&](const char* name, const std::string& value) {
        if (!value.empty()) text += fmt::format("{}: {}\n", name, OneLine(value));
    };
    add("What it means", Text(content, "description"));
    add("Owner", Text(content, "owner"));
    add("What to do", Text(content, "runbook"));
    add("Of", LabelsText(content["group"]));
    text += "\n";
    for (const Json& alert : content["alerts"]) {
        text += fmt::format("- {}\n", OneLine(Text(alert, "text")));
        std::string labels = LabelsText(alert["labels"]);
        if (!labels.empty()) text += fmt::format("  {}\n", OneLine(labels));
        text += fmt::format("  since {}\n", Text(alert, "since"));
    }
    int64_t more = content.value("more", int64_t{0});
    if (more > 0) text += fmt::format("and {} more\n", more);
    return text + fmt::format("\nMessage {}, {}\n", Text(content, "id"), Text(content, "at"));
}

void AppendBase64(std::string& whole, std::string_view bytes) {
    std::string body = Base64Encode(AsBytes(bytes));
    for (size_t at = 0; at < body.size(); at += kMailLineBytes) {
        whole.append(body, at, kMailLineBytes);
        whole += "\r\n";
    }
}

std::string TextPart(const std::string& text) {
    std::string part = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    AppendBase64(part, text);
    return part;
}

std::string HeadOf(const Mail& mail, const std::string& id, const std::string& subject, Timestamp now) {
    std::string domain = mail.from.substr(mail.from.find('@') + 1);
    return fmt::format(
        "Date: {}\r\nFrom: Tarn <{}>\r\nTo: {}\r\nMessage-ID: <{}@{}>\r\nSubject: {}\r\nAuto-Submitted: "
        "auto-generated\r\nMIME-Version: 1.0\r\n",
        MailDate(now), mail.from, Join(mail.to, ",\r\n "), id, domain, HeaderText(OneLine(subject)));
}

// In a code span a backtick would end it; Slack reads &, < and > even there.
std::string CodeSpan(const std::string& value) {
    std::string text = "`";
    for (char letter : OneLine(value)) {
        if (letter == '&') {
            text += "&amp;";
        } else if (letter == '<') {
            text += "&lt;";
        } else if (letter == '>') {
            text += "&gt;";
        } else {
            text += letter == '`' ? '\'' : letter;
        }
    }
    return text.size() == 1 ? "` `" : text + "`";
}

}  // namespace

Json ContentOf(const Rule& rule, const std::string& status, const std::string& id, const Labels& group,
               const std::vector<Instance>& instances, Timestamp now) {
    Json alerts = Json::array();
    for (const Instance& instance : instances) {
        if (alerts.size() >= kAlertsShown) break;
        alerts.push_back({{"fingerprint", instance.fingerprint},
                          {"labels", instance.labels},
                          {"value", instance.value ? Json(*instance.value) : Json()},
                          {"text", instance.text},
                          {"since", FormatTime(instance.since)}});
    }
    return {{"id", id},
            {"status", status},
            {"alert", rule.name},
            {"severity", rule.severity},
            {"description", rule.description},
            {"owner", rule.owner},
            {"runbook", rule.runbook},
            {"group", group},
            {"more", instances.size() - alerts.size()},
            {"alerts", std::move(alerts)},
            {"at", FormatTime(now)}};
}

std::string MailOf(const Mail& mail, const Json& content, Timestamp now) {
    std::string subject = Title(content);
    const Json& alerts = content["alerts"];
    if (alerts.size() == 1) subject += ": " + Text(alerts[0], "text");
    if (alerts.size() > 1) subject += fmt::format(" ({})", alerts.size() + content.value("more", size_t{0}));
    return HeadOf(mail, Text(content, "id"), subject, now) + TextPart(BodyText(content));
}

std::string ReportMailOf(const Mail& mail, const Json& content, const std::vector<Attachment>& files, Timestamp now) {
    std::string id = Text(content, "id");
    // Lines of base64 hold no "-", so none of them is this one.
    std::string boundary = "tarn-" + id;
    std::string whole = HeadOf(mail, id, Text(content, "subject"), now);
    whole += fmt::format("Content-Type: multipart/mixed; boundary=\"{}\"\r\n\r\n", boundary);
    whole += fmt::format("--{}\r\n", boundary) + TextPart(Text(content, "text"));
    for (const Attachment& file : files) {
        // A picture is shown in the mail itself.
        const char* place = file.type.starts_with("image/") ? "inline" : "attachment";
        whole += fmt::format(
            "--{}\r\nContent-Type: {}; name=\"{}\"\r\nContent-Disposition: {}; filename=\"{}\"\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\n",
            boundary, file.type, file.name, place, file.name);
        AppendBase64(whole, file.bytes);
    }
    return whole + fmt::format("--{}--\r\n", boundary);
}

std::string WebhookBodyOf(const Json& content) {
    return DumpJson(
        {{"type", "alert." + Text(content, "status")}, {"timestamp", Text(content, "at")}, {"data", content}});
}

std::string SignatureOf(std::string_view secret, const std::string& id, int64_t timestamp, const std::string& body) {
    constexpr std::string_view kPrefix = "whsec_";
    Bytes key(secret.begin(), secret.end());
    if (secret.starts_with(kPrefix)) {
        auto decoded = Base64Decode(secret.substr(kPrefix.size()));
        if (decoded.ok()) key = std::move(*decoded);
    }
    return "v1," + Base64Encode(HmacSha256(key, AsBytes(fmt::format("{}.{}.{}", id, timestamp, body))));
}

std::string SlackBodyOf(const Json& content) {
    std::string text = "*" + Title(content) + "*\n";
    auto add = [&](const char* name, const std::string& value) {
        if (!value.empty()) text += fmt::format("{}: {}\n", name, CodeSpan(value));
    };
    add("What it means", Text(content, "description"));
    add("Owner", Text(content, "owner"));
    add("What to do", Text(content, "runbook"));
    for (const Json& alert : content["alerts"]) {
        text += fmt::format("• {} since {}\n", CodeSpan(Text(alert, "text")), Text(alert, "since"));
    }
    int64_t more = content.value("more", int64_t{0});
    if (more > 0) text += fmt::format("and {} more\n", more);
    return DumpJson({{"text", text}});
}

}  // namespace tarn::alerting
