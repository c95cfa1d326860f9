// What changed between two versions of a table, from the files that its log added and removed. Internal to the
 // component.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "processing/destinations/target.h"

namespace tarn::destinations {

struct Difference {
    std::string upserts;  // the SELECT of rows that are new or other than before
    std::string gone;     // that of the keys that went away
    int64_t rows = 0;     // of the newer version
    std::unique_ptr<engine::Session> session;  // runs them; it reads no other table
    std::shared_ptr<void> on_cancel;           // before the session ends; shared as CancelToken gives it
};
// From version `from`, which the target has, to the delivery's. Nothing where only the whole version will do: no key,
// rows or columns that the owner does not see (they may have seen others before), other columns, versions that are
// gone. That the owner may read the table at all is asked by who prepares Delivery::Select.
Result<std::optional<Difference>> FindDifference(const DestinationsDependencies& dependencies, Delivery& delivery,
                                                 int64_t from);
// Delivers by `once`, which says whether it goes by what changed; if that fails, it is called again for the whole.
using Once = std::function<Result<Delivered>(bool whole, bool& by_difference)>;
Result<Delivered> DifferenceOrWhole(Delivery& delivery, const Once& once);

}  // namespace tarn::destinations
