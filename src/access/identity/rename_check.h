// What a rename would open. Internal.
//
// A rename changes no rights: on the new name everybody may what they might on the old one, or less, and is filtered
// and masked as before. Anything else is an issue, and nothing is applied; so is a policy that names the old name.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "access/identity/policy.h"
#include "access/identity/store.h"
#include "security/table_facts.h"
#include "workspace/rename.h"

namespace tarn::identity {

struct RightsWorld {
    std::vector<PolicyFile> files;
    std::vector<PolicyFile> api_roles;
    const security::TableFacts* facts = nullptr;
};

// `actions` are all that there are, with those that no operation names.
std::vector<ConfigIssue> CheckRenamedRights(const workspace::Renames& renames, const std::vector<UserRecord>& users,
                                            const RightsWorld& before, const RightsWorld& after,
                                            const std::set<std::string>& actions);

}  // namespace tarn::identity
