// Whether sources of kind kafka have taken all of their topics. Internal to app.
#pragma once

#include "app/platform_state.h"

namespace tarn::app {

// Also when that can't be told.
bool ArchivesAreBehind(const Components& parts);

}  // namespace tarn::app
