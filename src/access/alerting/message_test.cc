#include "access/alerting/message.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace tarn::alerting {
namespace {

const std::string kEvil = "a\r\nBcc: evil@example.org <!channel> `code` <https://x|y> & é";
const Timestamp kNow = FromMicros(1'800'000'000'000'000);  // 2027-01-15T08:00:00Z

Json Content(size_t instances = 1) {
    Rule rule;
    rule.name = "stock.low";
    rule.severity = "critical";
    rule.description = kEvil;
    std::vector<Instance> list(instances);
    for (Instance& instance : list) {
        instance.labels = {{"name", kEvil}};
        instance.text = kEvil;
        instance.since = kNow;
    }
    return ContentOf(rule, "firing", "0123", {}, list, kNow);
}

TEST(Message, AMailHasNoHeaderOfTheData) {
    Mail mail;
    mail.from = "tarn@example.org";
    mail.to = {"a@example.org", "b@example.org"};
    std::string text = MailOf(mail, Content(), kNow);
    std::string head = text.substr(0, text.find("\r\n\r\n"));
    EXPECT_EQ(head.find("Bcc"), std::string::npos) << head;
    EXPECT_TRUE(head.starts_with("Date: Fri, 15 Jan 2027 08:00:00 +0000\r\nFrom: Tarn <tarn@example.org>\r\n")) << head;
    EXPECT_NE(head.find("Message-ID: <0123@example.org>\r\n"), std::string::npos);
    EXPECT_NE(head.find("Subject: =?UTF-8?B?"), std::string::npos);
    for (size_t at = 0; at < text.size();) {
        size_t end = text.find("\r\n", at);
        ASSERT_NE(end, std::string::npos);
        EXPECT_LE(end - at, 78u);
        EXPECT_EQ(text.substr(at, end - at).find_first_of("\r\n"), std::string::npos);
        at = end + 2;
    }
}

TEST(Message, SlackGetsNoMarksOfTheData) {
    auto body = ParseJson(SlackBodyOf(Content(25)));
    ASSERT_TRUE(body.ok());
    std::string text = (*body)["text"].get<std::string>();
    EXPECT_EQ(text.find('<'), std::string::npos);
    EXPECT_NE(text.find("&lt;!channel&gt;"), std::string::npos);
    EXPECT_EQ(std::count(text.begin(), text.end(), '`') % 2, 0);
    EXPECT_NE(text.find("and 5 more"), std::string::npos);
}

// The example of the specification: standard-webhooks.md, "Signature scheme".
TEST(Message, SignsAsStandardWebhooksSay) {
    EXPECT_EQ(SignatureOf("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
                          R"({"test": 2432232314})"),
              "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(Message, AReportHasItsFilesAndNoHeaderOfTheData) {
    Mail mail;
    mail.from = "tarn@example.org";
    mail.to = {"a@example.org"};
    Json content = {{"id", "0123"}, {"subject", kEvil}, {"text", "--tarn-0123--\r\n" + kEvil}};
    std::string large(1000, '\xff');
    std::string text =
        ReportMailOf(mail, content, {{"d.n.pdf", "application/pdf", large}, {"p.png", "image/png", ""}}, kNow);
    EXPECT_EQ(text.find("\r\nBcc:"), std::string::npos);
    EXPECT_NE(text.find("Message-ID: <0123@example.org>\r\n"), std::string::npos);
    EXPECT_NE(text.find("attachment; filename=\"d.n.pdf\""), std::string::npos);
    EXPECT_NE(text.find("inline; filename=\"p.png\""), std::string::npos);
    size_t parts = 0;
    for (size_t at = text.find("--tarn-0123"); at != std::string::npos; at = text.find("--tarn-0123", at + 1)) ++parts;
    EXPECT_EQ(parts, 4u) << "text, two files, the end";
    EXPECT_TRUE(text.ends_with("--tarn-0123--\r\n"));
    for (size_t at = 0, end = 0; (end = text.find("\r\n", at)) != std::string::npos; at = end + 2) {
        EXPECT_LE(end - at, 200u);
    }
}

}  // namespace
}  // namespace tarn::alerting
