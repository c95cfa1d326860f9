// SMTP by libcurl, to an address that the dialer has checked and nothing else. Internal to the component.
#pragma once

#include <string>

#include "access/alerting/rule.h"
#include "base/crypto.h"

namespace tarn::alerting {

struct MailDelivery {
    const Mail& mail;
    std::string address;  // numeric, checked
    Secret password;
    std::string ca_pem;   // empty: the system's authorities
    std::string message;  // MailOf
};

// Blocks, a minute at most, and more for a large message. kUnauthenticated for a refused login; kUnavailable with what
// the server said for the rest.
Status SendMail(const MailDelivery& delivery);

}  // namespace tarn::alerting
