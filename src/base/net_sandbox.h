// What a sandbox without a network of its own needs of sockets. Internal to base/process_sandbox* and base/net*.
#pragma once

#include <memory>
#include <vector>

#include "base/net.h"
#include "base/net_channel.h"
#include "base/process_sandbox.h"

namespace tarn::sandbox {

// In the network namespace of the calling process: bring the loopback interface up, give it the addresses that are not
// in 127.0.0.0/8.
Status RaiseLoopback();
Status NameLoopback(const std::vector<std::string>& addresses);

// Carries what connects to `listener` to `target`, through the dialer, until destroyed.
Result<std::unique_ptr<StreamServer>> ServeForward(Fd listener, const Address& target, Dialer& dialer, Log& log);

}  // namespace tarn::sandbox
