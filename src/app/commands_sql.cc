// tarn sql: a query, a script, or a shell.
#include <algorithm>
#include <iostream>

#include "app/client.h"
#include "app/command.h"
#include "app/output.h"
#include "app/terminal.h"
#include "base/env.h"
#include "base/number.h"
#include "base/text.h"

namespace tarn::app {
namespace {

constexpr size_t kScriptBytesMax = 16 << 20;
constexpr int64_t kRowsMax = 100000;

std::vector<std::string> ColumnNames(const Json& answer) {
    std::vector<std::string> names;
    for (const Json& column : answer["columns"]) names.push_back(column.value("name", ""));
    return names;
}

void PrintAnswer(const Invocation& call, const Json& answer) {
    if (call.json()) {
        std::cout << DumpJson(answer, 2) << "\n";
        return;
    }
    std::vector<std::vector<Json>> rows;
    for (const Json& row : answer["rows"]) rows.push_back(row.get<std::vector<Json>>());
    if (call.Has("--csv")) return PrintCsv(std::cout, ColumnNames(answer), rows);
    PrintTable(std::cout, ColumnNames(answer), rows);
    std::cout << "(" << GroupDigits(answer.value("row_count", int64_t{0})) << " rows"
              << (answer.value("truncated", false) ? ", more were cut; --limit takes more" : "")
              << fmt::format(", {:.3f} s)\n", answer.value("seconds", 0.0));
}

Status RunScript(const Invocation& call, Client& client, const std::string& sql) {
    std::string given = call.Get("--limit");
    int64_t limit = given.empty() ? kRowsMax : std::clamp<int64_t>(IntegerOrZero(given), 0, kRowsMax);
    PrintAnswer(call, TRY(client.Post("/api/v1/sql", {{"sql", sql}, {"limit", limit}})));
    return Ok();
}

// Lines are gathered until one ends with ';'.
Status Shell(const Invocation& call, Client& client) {
    std::cout << "Connected to " << client.url() << ". End a statement with ';', leave with Ctrl-D.\n";
    std::string statement;
    while (auto line = ReadLine(statement.empty() ? "tarn> " : "  ... ")) {
        if (statement.empty() && (Trim(*line) == "exit" || Trim(*line) == "quit" || Trim(*line) == "\\q")) return Ok();
        statement += *line + "\n";
        if (!Trim(statement).ends_with(";")) continue;
        Status done = RunScript(call, client, statement);
        if (!done.ok()) std::cout << done.error().ToString() << "\n";
        statement.clear();
    }
    return Ok();
}

Status Sql(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    if (auto query = call.Find("QUERY")) return RunScript(call, client, *query);
    if (auto file = call.Find("--file")) {
        return RunScript(call, client, TRY(ReadFile(call.env(), AbsolutePath(*file), kScriptBytesMax)));
    }
    if (IsTerminal(0)) return Shell(call, client);
    return RunScript(call, client, ReadAllInput(kScriptBytesMax));
}

}  // namespace

std::vector<Command> SqlCommands() {
    return {{.name = "sql",
             .summary = "Runs SQL: a query, a script, or a shell when neither is given.",
             .example = "tarn sql \"SELECT count(*) FROM delays.flights\"",
             .arguments = {{"QUERY", "The SQL; of a script the last statement's rows are shown.", false}},
             .options = {{"-f,--file", "FILE", "Reads the SQL from a file."},
                         {"--csv", nullptr, "Prints csv."},
                         {"--limit", "ROWS", "At most so many rows."}},
             .run = Sql}};
}

}  // namespace tarn::app
