// How a SELECT is built, as far as its text says: its columns' expressions, which of them rows are grouped by, and what
// of it says which rows there are. Internal to the component.
#pragma once

#include <string>
#include <vector>

namespace tarn::dashboards {

struct SelectShape {
    // False for what has no one SELECT at its top (UNION, VALUES, FROM-first ...): then the rest is empty.
    bool known = false;
    struct Item {
        std::string text;  // "date_trunc('day', f.time_hour)"
        std::string column;  // of a plain column: its name, as written and without quotes; else empty
    };
    std::vector<Item> items;
    // Whose values tell one row of the result from the others, and a mark of a chart from the others. Empty where
    // nothing is grouped.
    std::vector<size_t> dimensions;
    std::string before;  // "WITH ...", or empty
    std::string from;  // "FROM a JOIN b USING (id)"
    std::string where;  // without the word, or empty
};
SelectShape ShapeOf(const std::string& sql);

}  // namespace tarn::dashboards
