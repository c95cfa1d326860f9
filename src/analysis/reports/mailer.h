// Mailer: who takes reports to send them. Implemented by access/alerting, which has the channels and an outbox.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "workspace/workspace.h"

namespace tarn::reports {

struct ReportFile {
    std::string name;  // "delays.delays.pdf", "3-by_carrier.csv"
    std::string type;  // "application/pdf"
    std::string bytes;
};

struct ReportMail {
    std::string id;  // of the mail too: the same however often it is sent
    std::string channel;  // empty: the only mail channel that there is
    std::string report;  // "delays.delays.monday"
    std::string dashboard;  // "delays.delays"
    std::string person;  // under whose rights it was made
    std::vector<std::string> to;
    std::string subject;
    std::string text;
    std::vector<ReportFile> files;
};

struct MailState {
    std::string state;  // waiting, sent, failed
    std::string error;  // of the last attempt
    int attempts = 0;
    Timestamp created_at;
};

class Mailer {
  public:
    virtual ~Mailer() = default;
    // On disk when it returns; then it is sent, at least once. One that is there by its id is left as it is.
    // kFailedPrecondition: there is no such mail channel.
    virtual Status Queue(const ReportMail& mail) = 0;
    // Nothing for one that was never queued.
    virtual Result<std::optional<MailState>> StateOf(const std::string& id) = 0;
};

// Which channels the dashboards' reports name, for who knows channels; an empty one: the only one.
struct MailUse {
    std::string file;
    int line = 0;
    std::string report;
    std::string channel;
};
std::vector<MailUse> MailUsesOf(const std::vector<workspace::Definition>& all);

}  // namespace tarn::reports
