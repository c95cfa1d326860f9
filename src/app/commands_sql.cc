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

// The line where it went wrong, with a mark below the place.
Error Pointing(Error error, const std::string& sql) {
    if (!error.position() || error.position() > static_cast<int64_t>(sql.size())) return error;
    size_t at = 0;
    for (int64_t left = *error.position() - 1; left > 0 && at < sql.size(); --left) {
        do ++at;
        while (at < sql.size() && (sql[at] & 0xC0) == 0x80);
    }
    size_t begin = at == 0 ? 0 : sql.rfind('\n', at - 1) + 1;
    std::string before = sql.substr(begin, at - begin);
    size_t width =
        static_cast<size_t>(std::count_if(before.begin(), before.end(), [](char c) { return (c & 0xC0) != 0x80; }));
    std::string line = sql.substr(begin, sql.find('\n', begin) - begin);
    return Error(error.code(), error.message() + "\n  " + line + "\n  " + std::string(width, ' ') + "^")
        .WithHint(error.hint());
}

Status RunScript(const Invocation& call, Client& client, const std::string& sql) {
    std::string given = call.Get("--limit");
    std::optional<int64_t> wanted = given.empty() ? kRowsMax : ParseInteger(given);
    if (!wanted || *wanted < 0) {
        return Error(ErrorCode::kInvalidArgument, "--limit takes a number of rows, not \"{}\"", given);
    }
    int64_t limit = std::min<int64_t>(*wanted, kRowsMax);
    Result<Json> answer = client.Post("/api/v1/sql", {{"sql", sql}, {"limit", limit}});
    if (!answer.ok()) return call.json() ? std::move(answer).error() : Pointing(std::move(answer).error(), sql);
    PrintAnswer(call, *answer);
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
