// A cell of csv as RFC 4180 has it.
#pragma once

#include <string>
#include <string_view>

namespace tarn {

// Quoted where it must be. An empty text is "", so that no value can be nothing. With `guard`, text that a spreadsheet
// would take for a formula gets a ' in front.
inline void AppendCsvCell(std::string& line, std::string_view cell, bool guard = false) {
    // What Excel, LibreOffice and Sheets take for the beginning of a formula.
    bool formula = guard && !cell.empty() && std::string_view("=+-@\t\r").find(cell[0]) != std::string_view::npos;
    bool quoted = formula || cell.empty() || cell.find_first_of(",\"\r\n") != std::string_view::npos;
    if (!quoted) {
        line += cell;
        return;
    }
    line += '"';
    if (formula) line += '\'';
    for (char letter : cell) {
        if (letter == '"') line += '"';
        line += letter;
    }
    line += '"';
}

}  // namespace tarn
