// Certificate: what a PEM certificate says of itself. Proves nothing of it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/net.h"
#include "base/result.h"
#include "base/time.h"

namespace tarn {

struct CertificateInfo {
    Timestamp valid_from;
    Timestamp valid_until;
    std::vector<std::string> hosts;  // DNS names and addresses for which it is
    std::string fingerprint;         // SHA-256 of it, in hex
};

// Of the first certificate of the text: the server's own.
Result<CertificateInfo> ReadCertificate(std::string_view pem);

// New connections of a context made by TlsContext::Server show this one from now on; those that are open keep theirs.
// A pair that does not fit changes nothing.
Status ReplaceCertificate(TlsContext& context, std::string_view certificate_pem, std::string_view key_pem);

}  // namespace tarn
