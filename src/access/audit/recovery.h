// Recovery: from the files and the known head to the place where the log goes on. Cuts nothing but a torn end that lies
// beyond the known head, and keeps what it cut; everything else is left as it is, reported, and gone round.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "access/audit/head.h"
#include "access/audit/log_writer.h"
#include "base/env.h"

namespace tarn::access {

struct Recovered {
    LogEnd end;
    std::vector<std::string> notes;  // a torn end was cut: what a crash leaves
    std::vector<std::string> findings;  // damage that no crash explains
};

Result<Recovered> RecoverLog(Env& env, const Secret& audit_key, const std::string& folder,
                             const std::optional<AuditHead>& known);

}  // namespace tarn::access
