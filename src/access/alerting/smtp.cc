#include "access/alerting/smtp.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>

#include "base/text.h"

namespace tarn::alerting {
namespace {

constexpr long kConnectSeconds = 10;
constexpr long kSendSeconds = 60;
constexpr size_t kBytesASecond = 64 << 10;  // and the time that a large mail takes at this speed
constexpr size_t kAnswerBytesMax = 500;

struct CurlHandleEnd {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct CurlListEnd {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using CurlList = std::unique_ptr<curl_slist, CurlListEnd>;

CurlList ListOf(const std::vector<std::string>& items) {
    CurlList list;
    for (const std::string& item : items) {
        curl_slist* longer = curl_slist_append(list.get(), item.c_str());
        if (!longer) return nullptr;
        if (!list) list.reset(longer);
    }
    return list;
}

struct Upload {
    std::string_view left;
    std::string answer;  // the server's last line
};

size_t GiveMessage(char* buffer, size_t size, size_t count, void* user) {
    auto& upload = *static_cast<Upload*>(user);
    size_t bytes = std::min(size * count, upload.left.size());
    memcpy(buffer, upload.left.data(), bytes);
    upload.left.remove_prefix(bytes);
    return bytes;
}

size_t TakeAnswer(char* line, size_t size, size_t count, void* user) {
    auto& upload = *static_cast<Upload*>(user);
    std::string_view text(line, std::min(size * count, kAnswerBytesMax));
    upload.answer = std::string(Trim(text));
    return size * count;
}

Status ErrorOf(const Mail& mail, CURLcode code, const char* detail, const Upload& upload) {
    ErrorCode kind = code == CURLE_LOGIN_DENIED         ? ErrorCode::kUnauthenticated
                     : code == CURLE_OPERATION_TIMEDOUT ? ErrorCode::kTimeout
                                                        : ErrorCode::kUnavailable;
    std::string said = upload.answer.empty() ? "" : fmt::format("; the server said: {}", upload.answer);
    std::string what = *detail ? detail : curl_easy_strerror(code);
    return Error(kind, "mail by {}:{}: {}{}", mail.host, mail.port, what, said);
}

void SetTls(CURL* curl, const Mail& mail, const std::string& ca_pem, curl_blob& ca) {
    curl_easy_setopt(curl, CURLOPT_USE_SSL, static_cast<long>(mail.tls == "none" ? CURLUSESSL_NONE : CURLUSESSL_ALL));
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    if (ca_pem.empty()) return;
    ca = {const_cast<char*>(ca_pem.data()), ca_pem.size(), CURL_BLOB_COPY};
    curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &ca);
}

}  // namespace

Status SendMail(const MailDelivery& delivery) {
    static std::once_flag initialised;
    std::call_once(initialised, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    std::unique_ptr<CURL, CurlHandleEnd> handle(curl_easy_init());
    const Mail& mail = delivery.mail;
    CURL* curl = handle.get();
    // The name is for the certificate; the connection goes to the address that was checked.
    bool v6 = delivery.address.find(':') != std::string::npos;
    CurlList pinned =
        ListOf({fmt::format("{}:{}:{}{}{}", mail.host, mail.port, v6 ? "[" : "", delivery.address, v6 ? "]" : "")});
    CurlList recipients = ListOf(mail.to);
    if (!curl || !pinned || !recipients) return Error(ErrorCode::kResourceExhausted, "no memory for a mail");
    std::string url = fmt::format("{}://{}:{}/{}", mail.tls == "tls" ? "smtps" : "smtp", mail.host, mail.port,
                                  mail.from.substr(mail.from.find('@') + 1));
    std::string password(delivery.password.text());
    Upload upload{delivery.message, ""};
    curl_blob ca{};
    char detail[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");  // none, whatever the environment says
    curl_easy_setopt(curl, CURLOPT_RESOLVE, pinned.get());
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, kSendSeconds + static_cast<long>(delivery.message.size() / kBytesASecond));
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
    SetTls(curl, mail, delivery.ca_pem, ca);
    if (!mail.user.empty()) {
        curl_easy_setopt(curl, CURLOPT_USERNAME, mail.user.c_str());
        curl_easy_setopt(curl, CURLOPT_PASSWORD, password.c_str());
    }
    curl_easy_setopt(curl, CURLOPT_MAIL_FROM, mail.from.c_str());
    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients.get());
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, GiveMessage);
    curl_easy_setopt(curl, CURLOPT_READDATA, &upload);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, TakeAnswer);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &upload);
    CURLcode code = curl_easy_perform(curl);
    return code == CURLE_OK ? Ok() : ErrorOf(mail, code, detail, upload);
}

}  // namespace tarn::alerting
