// TLS over OpenSSL, as channels. Internal to base/net*.cc and base/http*.cc.
#pragma once

#include <memory>
#include <string>

#include "base/net_channel.h"

namespace tarn {

// Both take the socket only when they succeed.
// `context` must come from TlsContext::Server.
Result<std::unique_ptr<Channel>> TlsServerChannel(Fd&& fd, const TlsContext& context);
// Checks that the peer's certificate is good for `host` (a name or a numeric address).
Result<std::unique_ptr<Channel>> TlsClientChannel(Fd&& fd, const TlsContext& context, const std::string& host);

}  // namespace tarn
