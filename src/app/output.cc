#include "app/output.h"

#include "app/terminal.h"

#include <algorithm>
#include <iostream>

namespace tarn::app {
namespace {

constexpr size_t kCellCharactersMax = 80;

size_t Characters(const std::string& text) {
    return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// One line; on a screen no longer than that bears. What goes into a pipe or file is looked through for its whole text.
std::string Shortened(std::string text) {
    static const bool kScreen = IsTerminal(1);
    std::replace(text.begin(), text.end(), '\n', ' ');
    if (!kScreen || Characters(text) <= kCellCharactersMax) return text;
    size_t end = 0;
    for (size_t characters = 0; end < text.size() && characters < kCellCharactersMax - 1; ++characters) {
        do ++end;
        while (end < text.size() && (text[end] & 0xC0) == 0x80);
    }
    return text.substr(0, end) + "…";
}

std::string CsvCell(const Json& value) {
    std::string text = CellText(value);
    bool quoted = text.find_first_of(",\"\r\n") != std::string::npos || (text.empty() && value.is_string());
    if (!quoted) return text;
    std::string result = "\"";
    for (char c : text) result += c == '"' ? std::string("\"\"") : std::string(1, c);
    return result + "\"";
}

}  // namespace

std::string CellText(const Json& value) {
    if (value.is_null()) return "";
    return value.is_string() ? value.get<std::string>() : DumpJson(value);
}

void PrintTable(std::ostream& out, const std::vector<std::string>& columns,
                const std::vector<std::vector<Json>>& rows) {
    std::vector<size_t> widths;
    std::vector<bool> numeric(columns.size(), !rows.empty());
    for (const std::string& column : columns) widths.push_back(Characters(column));
    for (const auto& row : rows) {
        for (size_t i = 0; i < columns.size(); ++i) {
            widths[i] = std::max(widths[i], Characters(Shortened(CellText(row[i]))));
            if (!row[i].is_number() && !row[i].is_null()) numeric[i] = false;
        }
    }
    auto print = [&](const auto& text_of) {
        std::string line;
        for (size_t i = 0; i < columns.size(); ++i) {
            std::string text = text_of(i);
            std::string space(widths[i] - Characters(text), ' ');
            line += i == 0 ? "" : "  ";
            line += numeric[i] ? space + text : text + space;
        }
        line.erase(line.find_last_not_of(' ') + 1);
        out << line << "\n";
    };
    print([&](size_t i) { return columns[i]; });
    print([&](size_t i) { return std::string(widths[i], '-'); });
    for (const auto& row : rows) print([&](size_t i) { return Shortened(CellText(row[i])); });
}

void PrintObjects(std::ostream& out, const Json& objects, const std::vector<std::string>& keys) {
    std::vector<std::vector<Json>> rows;
    for (const Json& object : objects) {
        std::vector<Json> row;
        for (const std::string& key : keys) {
            Json cell = object.contains(key) ? object[key] : Json();
            if (cell.is_array()) {
                std::string text;
                for (const Json& item : cell) text += (text.empty() ? "" : ", ") + CellText(item);
                cell = text;
            }
            row.push_back(std::move(cell));
        }
        rows.push_back(std::move(row));
    }
    PrintTable(out, keys, rows);
}

void PrintCsv(std::ostream& out, const std::vector<std::string>& columns, const std::vector<std::vector<Json>>& rows) {
    auto line = [&](const auto& cells) {
        for (size_t i = 0; i < cells.size(); ++i) out << (i ? "," : "") << CsvCell(cells[i]);
        out << "\n";
    };
    line(columns);
    for (const auto& row : rows) line(row);
}

std::string GroupDigits(int64_t number) {
    std::string digits = std::to_string(number);
    for (int at = static_cast<int>(digits.size()) - 3; at > (number < 0 ? 1 : 0); at -= 3) {
        digits.insert(static_cast<size_t>(at), ",");
    }
    return digits;
}

Status StandardOutput::Write(ByteSpan bytes) {
    std::cout << AsText(bytes);
    return std::cout.good() ? Ok() : Error(ErrorCode::kUnavailable, "standard output is closed");
}

}  // namespace tarn::app
