// Gate: may this principal do this to that, and under which obligations. Implemented by access/identity.
//
// Asked twice on every way in: dispatch asks whether the call may be made; the storage and catalog doors, which take a
// Principal, ask what it may see, and theirs is the word that counts. Deny wins; no statement means no.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "security/principal.h"

namespace tarn::security {

// What an action is done to. The service is the action's part before ':'; the name is matched by policies' wildcards.
//   lake:GetObject on {"lake", "raw/registry/planes/x.parquet"}, table:Read on {"table", "delays.flights"}
struct Resource {
    std::string kind;  // "lake", "table", "source", "run", "user", "platform" ...
    std::string name;  // "*" for the whole service
    std::string ToString() const { return kind + ":" + name; }
};

struct ColumnMask {
    std::string column;
    std::string expression;  // SQL over that column
};

// What an allowed read must do to the data. Who cannot apply it must refuse the read: Require does.
struct Obligations {
    std::string row_filter;  // SQL predicate, empty for none
    std::vector<ColumnMask> masks;
    bool empty() const { return row_filter.empty() && masks.empty(); }
};

struct Decision {
    bool allowed = false;
    std::string reason;  // the statement that decided, or why nothing did: for `explain` and audit
    Obligations obligations;
    bool restricted = false;  // denied as what it would show is filtered or masked for this principal
    uint64_t epoch = 0;  // of the policies; a cached decision of an older epoch is void
};

class Gate {
  public:
    virtual ~Gate() = default;
    virtual Decision Decide(const Principal& principal, std::string_view action, const Resource& resource) const = 0;
    // Grows with every change of users, roles or policies.
    virtual uint64_t epoch() const = 0;
};

// Ok, or kPermissionDenied saying who may not do what (kUnauthenticated for an anonymous caller). For those who cannot
// apply obligations: a decision with some is a refusal.
Status Require(const Gate& gate, const Principal& principal, std::string_view action, const Resource& resource);

}  // namespace tarn::security
