#include "ingestion/orchestrator/run_log.h"

#include <algorithm>
#include <limits>

#include "base/number.h"
#include "base/text.h"
#include "ingestion/orchestrator/run_history.h"

namespace tarn::orchestrator {
namespace {

constexpr int kRunsPerPageMax = 1000;
constexpr const char* kRunColumns =
    "run, task, trigger, state, attempt, queued_at, started_at, ended_at, error, rows, version, warnings, details, "
    "part, batch";

metadata::Value TimeValue(const std::optional<Timestamp>& time) {
    return time ? metadata::Value(ToMicros(*time)) : metadata::Value();
}
std::optional<Timestamp> TimeOf(const metadata::Value& value) {
    if (value.is_null()) return std::nullopt;
    return FromMicros(value.integer());
}

RunState StateOf(const std::string& name) {
    for (int index = 0; index <= static_cast<int>(RunState::kSkipped); ++index) {
        if (RunStateName(static_cast<RunState>(index)) == name) return static_cast<RunState>(index);
    }
    return RunState::kFailed;
}

// What is shown of a run and never searched for.
std::string DetailsOf(const Run& run) {
    Json details = {{"parameters", run.parameters}};
    if (run.scheduled_for) details["scheduled_for"] = ToMicros(*run.scheduled_for);
    if (!run.approved_by.empty()) details["approved_by"] = run.approved_by;
    if (run.late) details["late"] = true;
    if (!run.retry_of.empty()) details["retry_of"] = run.retry_of;
    if (run.items >= 0) details["items"] = run.items;
    if (!run.details.empty()) details["details"] = run.details;
    return DumpJson(details);
}
void ReadDetails(const std::string& text, Run& run) {
    Result<Json> details = ParseJson(text);
    if (!details.ok() || !details->is_object()) return;
    if (details->contains("parameters")) run.parameters = (*details)["parameters"].get<workspace::ParameterValues>();
    if (details->contains("scheduled_for")) run.scheduled_for = FromMicros(details->value("scheduled_for", int64_t{0}));
    run.approved_by = details->value("approved_by", "");
    run.late = details->value("late", false);
    run.retry_of = details->value("retry_of", "");
    run.items = details->value("items", int64_t{-1});
    run.details = details->value("details", Json::object());
}

Run RunOf(const metadata::Row& row) {
    Run run;
    run.id = std::to_string(row[0].integer());
    run.task = row[1].text();
    run.trigger = row[2].text();
    run.state = StateOf(row[3].text());
    run.attempt = static_cast<int>(row[4].integer());
    run.queued_at = FromMicros(row[5].integer());
    run.started_at = TimeOf(row[6]);
    run.ended_at = TimeOf(row[7]);
    run.error = row[8].text();
    run.rows = row[9].integer();
    run.version = row[10].text();
    run.warnings = row[11].is_null() ? std::vector<std::string>() : Split(row[11].text(), '\n');
    if (!row[12].is_null()) ReadDetails(row[12].text(), run);
    run.part = row[13].text();
    if (!row[14].is_null()) run.batch = std::to_string(row[14].integer());
    return run;
}

Status PutRun(metadata::Transaction& transaction, const Run& run) {
    metadata::Value warnings = run.warnings.empty() ? metadata::Value() : metadata::Value(Join(run.warnings, "\n"));
    TRY(transaction.Execute(
        "INSERT INTO runs (run, task, trigger, state, attempt, queued_at, started_at, ended_at, error, rows, version, "
        "warnings, details, part, batch) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) "
        "ON CONFLICT (run) DO UPDATE SET state = excluded.state, attempt = excluded.attempt, "
        "started_at = excluded.started_at, ended_at = excluded.ended_at, error = excluded.error, "
        "rows = excluded.rows, version = excluded.version, warnings = excluded.warnings, "
        "details = excluded.details",
        {IntegerOrZero(run.id), run.task, run.trigger, RunStateName(run.state), run.attempt, ToMicros(run.queued_at),
         TimeValue(run.started_at), TimeValue(run.ended_at), run.error, run.rows, run.version, warnings, DetailsOf(run),
         run.part, run.batch.empty() ? metadata::Value() : metadata::Value(IntegerOrZero(run.batch))}));
    return Ok();
}

Result<int64_t> RunNumber(const std::string& run_id) {
    if (std::optional<int64_t> number = ParseInteger(run_id)) return *number;
    return Error(ErrorCode::kNotFound, "there is no run {}", run_id);
}

}  // namespace

Result<RunLog> RunLog::Create(metadata::Database& metadata) {
    TRY(metadata.Migrate(
        "orchestrator",
        {{1,
          "CREATE TABLE run_events (seq INTEGER PRIMARY KEY, run INTEGER NOT NULL, task TEXT NOT NULL, "
          "kind TEXT NOT NULL, event TEXT NOT NULL);"
          "CREATE INDEX run_events_run ON run_events (run);"
          "CREATE TABLE runs (run INTEGER PRIMARY KEY, task TEXT NOT NULL, trigger TEXT NOT NULL, "
          "state TEXT NOT NULL, attempt INTEGER NOT NULL, queued_at INTEGER NOT NULL, started_at INTEGER, "
          "ended_at INTEGER, error TEXT, rows INTEGER, version TEXT, warnings TEXT);"
          "CREATE INDEX runs_task ON runs (task, run);"
          "CREATE TABLE run_lines (run INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, "
          "line TEXT NOT NULL, PRIMARY KEY (run, seq))"},
         {2, "ALTER TABLE runs ADD COLUMN details TEXT"},
         {3,
          "ALTER TABLE run_events ADD COLUMN part TEXT NOT NULL DEFAULT '';"
          "ALTER TABLE runs ADD COLUMN part TEXT NOT NULL DEFAULT '';"
          "ALTER TABLE runs ADD COLUMN batch INTEGER;"
          "CREATE INDEX runs_batch ON runs (batch, run)"},
         {4,
          "CREATE TABLE run_definitions (task TEXT NOT NULL, run INTEGER NOT NULL, fingerprint TEXT NOT NULL, "
          "text TEXT NOT NULL, PRIMARY KEY (task, run))"}}));
    RunLog log(metadata);
    TRY(log.LoadKept());
    return log;
}

Status RunLog::Replay(State& state) {
    Status outcome = Ok();
    auto fold = [&](const metadata::Row& row) {
        auto apply = [&]() -> Status {
            Event event = TRY(EventFromJson(TRY(ParseJson(row[3].text()))));
            event.kind = TRY(EventKindOf(row[2].text()));
            event.run = row[0].integer();
            event.task = row[1].text();
            Fold(state, event);
            return Ok();
        };
        outcome = apply();
        return outcome.ok();
    };
    TRY(metadata_->Scan("SELECT run, task, kind, event FROM run_events ORDER BY seq", {}, fold));
    return outcome;
}

Status RunLog::Append(const std::vector<Event>& events, const std::vector<Run>& runs,
                      const std::vector<LogLine>& lines) {
    return metadata_->Write([&](metadata::Transaction& transaction) -> Status {
        auto last = TRY(transaction.Query("SELECT COALESCE(MAX(seq), 0) FROM run_events"));
        int64_t sequence = last[0][0].integer();
        for (const Event& event : events) {
            TRY(transaction.Execute(
                "INSERT INTO run_events (seq, run, task, kind, event, part) VALUES ($1, $2, $3, $4, $5, $6)",
                {++sequence, event.run, event.task, EventKindName(event.kind), DumpJson(ToJson(event)), event.part}));
        }
        for (const Run& run : runs) TRY(PutRun(transaction, run));
        for (const LogLine& line : lines) {
            TRY(transaction.Execute(
                "INSERT INTO run_lines (run, seq, at, line) SELECT $1, COALESCE(MAX(seq), 0) + 1, $2, $3 "
                "FROM run_lines WHERE run = $1",
                {line.run, ToMicros(line.at), line.text}));
        }
        return Ok();
    });
}

Result<std::vector<Run>> RunLog::Runs(const RunFilter& filter) {
    std::string sql = fmt::format("SELECT {} FROM runs WHERE 1 = 1", kRunColumns);
    metadata::Parameters parameters;
    auto add = [&](const char* condition, metadata::Value value) {
        parameters.push_back(std::move(value));
        sql += fmt::format(" AND {} ${}", condition, parameters.size());
    };
    if (!filter.task.empty()) add("task =", filter.task);
    if (!filter.batch.empty()) add("batch =", TRY(RunNumber(filter.batch)));
    if (!filter.state.empty()) add("state =", filter.state);
    if (!filter.before_id.empty()) add("run <", TRY(RunNumber(filter.before_id)));
    if (filter.until) add("queued_at <", ToMicros(*filter.until));
    if (filter.since) add("COALESCE(ended_at, 9223372036854775807) >=", ToMicros(*filter.since));
    sql += fmt::format(" ORDER BY run DESC LIMIT {}", std::clamp(filter.limit, 1, kRunsPerPageMax));
    std::vector<Run> runs;
    for (const metadata::Row& row : TRY(metadata_->Query(sql, parameters))) runs.push_back(RunOf(row));
    return runs;
}

Result<Run> RunLog::Get(const std::string& run_id) {
    auto rows =
        TRY(metadata_->Query(fmt::format("SELECT {} FROM runs WHERE run = $1", kRunColumns), {TRY(RunNumber(run_id))}));
    if (rows.empty()) return Error(ErrorCode::kNotFound, "there is no run {}", run_id);
    return RunOf(rows[0]);
}

Result<RunLog::StoredLines> RunLog::LinesAfter(const std::string& run_id, int64_t after, int limit) {
    StoredLines found;
    int64_t run = TRY(RunNumber(run_id));
    auto last = TRY(metadata_->Query("SELECT COALESCE(MAX(seq), 0) FROM run_lines WHERE run = $1", {run}));
    found.stored = last[0][0].integer();
    auto rows = TRY(metadata_->Query(
        "SELECT seq, at, line FROM run_lines WHERE run = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4",
        {run, after, found.stored, limit}));
    for (const metadata::Row& row : rows) {
        found.lines.push_back({row[0].integer(), FromMicros(row[1].integer()), row[2].text()});
    }
    return found;
}

Result<std::map<std::string, RunHistory>> RunLog::Histories(const std::vector<Run>& runs) {
    std::map<std::string, RunHistory> histories;
    if (runs.empty()) return histories;
    int64_t first = std::numeric_limits<int64_t>::max();
    int64_t last = 0;
    for (const Run& run : runs) {
        histories[run.id];
        first = std::min(first, IntegerOrZero(run.id));
        last = std::max(last, IntegerOrZero(run.id));
    }
    Status outcome = Ok();
    auto fold = [&](const metadata::Row& row) {
        auto history = histories.find(std::to_string(row[0].integer()));
        if (history == histories.end()) return true;
        auto apply = [&]() -> Status {
            Event event = TRY(EventFromJson(TRY(ParseJson(row[2].text()))));
            event.kind = TRY(EventKindOf(row[1].text()));
            AddToHistory(history->second, event);
            return Ok();
        };
        outcome = apply();
        return outcome.ok();
    };
    TRY(metadata_->Scan("SELECT run, kind, event FROM run_events WHERE run >= $1 AND run <= $2 ORDER BY seq",
                        {first, last}, fold));
    TRY(outcome);
    return histories;
}

Result<RunDefinition> RunLog::DefinitionOf(const Run& run) {
    auto rows = TRY(metadata_->Query(
        "SELECT run, text FROM run_definitions WHERE task = $1 AND run <= $2 ORDER BY run DESC LIMIT 1",
        {run.task, TRY(RunNumber(run.id))}));
    if (rows.empty()) return Error(ErrorCode::kNotFound, "no definition was kept with run {}", run.id);
    return RunDefinition{"", rows[0][1].text(), rows[0][0].integer()};
}

Status RunLog::KeepDefinitions(const std::vector<NewDefinition>& definitions) {
    std::vector<NewDefinition> fresh;
    std::map<std::string, std::string> newest;  // of these: a backfill queues many runs of one task
    for (const NewDefinition& each : definitions) {
        auto kept = kept_.find(each.task);
        bool is_kept = kept != kept_.end() && kept->second == each.fingerprint && !newest.contains(each.task);
        bool is_known = newest.contains(each.task) && newest[each.task] == each.fingerprint;
        if (!each.text || is_kept || is_known) continue;
        newest[each.task] = each.fingerprint;
        fresh.push_back(each);
    }
    if (fresh.empty()) return Ok();
    TRY(metadata_->Write([&](metadata::Transaction& transaction) -> Status {
        for (const NewDefinition& each : fresh) {
            TRY(transaction.Execute(
                "INSERT INTO run_definitions (task, run, fingerprint, text) VALUES ($1, $2, $3, $4) "
                "ON CONFLICT (task, run) DO UPDATE SET fingerprint = excluded.fingerprint, "
                "text = excluded.text",
                {each.task, each.run, each.fingerprint, *each.text}));
        }
        return Ok();
    }));
    for (const auto& [task, fingerprint] : newest) kept_[task] = fingerprint;
    return Ok();
}

Status RunLog::Prune(int kept, std::optional<Timestamp> before) {
    return metadata_->Write([&](metadata::Transaction& transaction) -> Status {
        auto last = TRY(transaction.Query("SELECT COALESCE(MAX(run), 0) FROM runs"));
        int64_t oldest = last[0][0].integer() - kept;
        if (before) {
            auto young = TRY(transaction.Query("SELECT COALESCE(MIN(run), $1) FROM runs WHERE queued_at >= $2",
                                               {last[0][0].integer() + 1, ToMicros(*before)}));
            oldest = std::max(oldest, young[0][0].integer() - 1);
        }
        if (oldest <= 0) return Ok();
        constexpr const char* kShown =
            "run NOT IN (SELECT MAX(run) FROM runs GROUP BY task) AND run NOT IN "
            "(SELECT MAX(run) FROM runs WHERE state = 'succeeded' GROUP BY task)";
        constexpr const char* kNeeded =
            "run NOT IN (SELECT MAX(run) FROM run_events GROUP BY task, part) AND run NOT IN "
            "(SELECT MAX(run) FROM run_events WHERE kind = 'succeeded' GROUP BY task, part)";
        // A backfill may have more runs that wait than are kept.
        TRY(transaction.Execute(fmt::format("DELETE FROM run_lines WHERE run <= $1 AND run NOT IN "
                                            "(SELECT run FROM runs WHERE ended_at IS NULL) AND {}",
                                            kShown),
                                {oldest}));
        TRY(transaction.Execute(fmt::format("DELETE FROM runs WHERE run <= $1 AND ended_at IS NOT NULL AND {}", kShown),
                                {oldest}));
        TRY(transaction.Execute(fmt::format("DELETE FROM run_events WHERE run <= $1 AND {}", kNeeded), {oldest}));
        // The newest of them is still that of later runs.
        TRY(transaction.Execute(
            "DELETE FROM run_definitions WHERE run < (SELECT MAX(newer.run) FROM run_definitions AS newer "
            "WHERE newer.task = run_definitions.task AND newer.run <= $1)",
            {oldest}));
        return Ok();
    });
}

}  // namespace tarn::orchestrator
