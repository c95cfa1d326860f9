// Restrictions: row filters and masks as people write them in policy files, compiled to what one person must not see.
//
//   row_filters:
//     - {role: analyst, table: delays.flights, where: "carrier = 'UA'"}
//     - {role: "*", except: ["role:auditor"], tag: internal, where: "owner = current_user"}
//   masks:
//     - {role: analyst, tag: identifying, with: "NULL"}
//     - {user: bob, column: "*.tailnum", with: "left(value, 2) || '***'"}
//
// All filters that hold for a person hold together (AND). A mask that names the column comes before one by tag; where
// two that differ are left, the column is NULL. They hold for admins too, if they name them: a restriction is a fact
// about data, not a missing right. `value` stands for the masked column, `current_user` for the person's name.
#pragma once

#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/config.h"
#include "base/result.h"
#include "security/gate.h"
#include "security/table_facts.h"

namespace tarn::identity {

struct RestrictedSubject {
    std::string role;                 // or
    std::string user;                 // exactly one of both; role "*" is everybody
    std::vector<std::string> except;  // "role:auditor", "user:alice", "group:stewards"
};

struct RowFilterDefinition {
    RestrictedSubject subject;
    std::string table;  // "delays.flights", with wildcards; or
    std::string tag;    // of tables
    std::string where;
    int line = 0;
};

struct MaskDefinition {
    RestrictedSubject subject;
    std::string column;  // "delays.flights.tailnum", with wildcards before the last dot; or
    std::string tag;     // of columns
    std::string with;
    int line = 0;
};

void Bind(ConfigBinder& binder, RowFilterDefinition& filter);
void Bind(ConfigBinder& binder, MaskDefinition& mask);

// An expression of a policy with a column (quoted) in place of `value`, and a literal in place of `current_user`.
std::string FillExpression(std::string_view expression, std::string_view column, std::string_view user);

// Who a restriction may be about.
struct RestrictedPerson {
    std::string user;
    std::vector<std::string> roles;
    std::vector<std::string> groups;
};

// The restrictions of one person. Immutable but for what it has worked out already. Threads: any.
class Restrictions {
  public:
    // `facts` may be null: then no table has tags.
    Restrictions(RestrictedPerson person, const security::TableFacts* facts);
    void Add(const std::string& file, const RowFilterDefinition& filter);
    void Add(const std::string& file, const MaskDefinition& mask);
    bool empty() const { return filters_.empty() && masks_.empty(); }

    struct OfTable {
        security::Obligations obligations;
        std::string reason;  // "policies/a.yaml:7, policies/a.yaml:9"
    };
    // Of "schema.table".
    std::shared_ptr<const OfTable> Of(const std::string& table) const;

  private:
    bool Holds(const RestrictedSubject& subject) const;
    OfTable WorkOut(const std::string& table) const;

    struct Filter {
        std::string place;
        RowFilterDefinition definition;
    };
    struct Mask {
        std::string place;
        MaskDefinition definition;
    };
    struct MaskedColumn {
        std::vector<const Mask*> named;
        std::vector<const Mask*> tagged;
    };
    std::map<std::string, MaskedColumn> MaskedColumns(const std::string& table, const security::TableTags& tags) const;

    RestrictedPerson person_;
    const security::TableFacts* facts_;
    std::vector<Filter> filters_;
    std::vector<Mask> masks_;
    mutable std::shared_mutex mutex_;
    mutable uint64_t known_at_ = 0;  // the facts' epoch
    // A shared_ptr as answers are kept by callers while the map is emptied.
    mutable std::unordered_map<std::string, std::shared_ptr<const OfTable>> known_;
};

}  // namespace tarn::identity
