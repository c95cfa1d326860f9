#include "access/identity/built_in.h"

#include <algorithm>

namespace tarn::identity {

bool IsBuiltIn(std::string_view user, std::string_view action, std::string_view resource) {
    if (action == kQueryAction) return true;
    return resource == user && std::find(kOwnActions.begin(), kOwnActions.end(), action) != kOwnActions.end();
}

}  // namespace tarn::identity
