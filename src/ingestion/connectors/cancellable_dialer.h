// A dialer whose connections end when a load is cancelled or takes too long: a silent server holds nobody up.
#pragma once

#include <memory>

#include "base/executor.h"
#include "base/net.h"

namespace tarn::connectors {

// Dials through `dialer`, which must outlive it; blocked calls on its streams return kCancelled after `cancel`.
std::unique_ptr<Dialer> MakeCancellableDialer(Dialer& dialer, const CancelToken& cancel);

}  // namespace tarn::connectors
