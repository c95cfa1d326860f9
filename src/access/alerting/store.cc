#include "access/alerting/store.h"

namespace tarn::alerting {
namespace {

using metadata::Row;
using metadata::Transaction;
using metadata::Value;

Value TimeValue(const std::optional<Timestamp>& time) { return time ? Value(ToMicros(*time)) : Value(); }
std::optional<Timestamp> TimeOf(const Value& value) {
    if (value.is_null()) return std::nullopt;
    return FromMicros(value.integer());
}
Value NumberValue(const std::optional<double>& number) { return number ? Value(*number) : Value(); }
std::optional<double> NumberOf(const Value& value) {
    if (value.is_null()) return std::nullopt;
    return value.real();
}
std::string LabelsText(const Labels& labels) { return DumpJson(Json(labels)); }
Status Insert(Transaction& transaction, const Message& message) {
    TRY(transaction.Execute(
        "INSERT INTO alert_messages (id, channel, rule, content, created_at, attempts, next_at, state, error, "
        "ended_at) VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8, $9)",
        {message.id, message.channel, message.rule, DumpJson(message.content), ToMicros(message.created_at),
         ToMicros(message.next_at), message.state, message.error, TimeValue(message.ended_at)}));
    return Ok();
}

Status Put(Transaction& transaction, const std::string& rule, const Instance& instance) {
    TRY(transaction.Execute(
        "INSERT INTO alert_instances (rule, fingerprint, labels, state, since, fired_at, notified_at, value, text) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (rule, fingerprint) DO UPDATE SET "
        "state = excluded.state, fired_at = excluded.fired_at, notified_at = excluded.notified_at, "
        "value = excluded.value, text = excluded.text",
        {rule, instance.fingerprint, LabelsText(instance.labels), StateName(instance.state), ToMicros(instance.since),
         TimeValue(instance.fired_at), TimeValue(instance.notified_at), NumberValue(instance.value), instance.text}));
    return Ok();
}

Status Note(Transaction& transaction, const Commit& commit, const Transition& transition) {
    const Instance& instance = transition.instance;
    bool over = transition.change == Change::kResolved || transition.change == Change::kCleared;
    if (over) {
        TRY(transaction.Execute("DELETE FROM alert_instances WHERE rule = $1 AND fingerprint = $2",
                                {commit.rule, instance.fingerprint}));
    } else {
        TRY(Put(transaction, commit.rule, instance));
    }
    TRY(transaction.Execute(
        "INSERT INTO alert_events (rule, severity, fingerprint, labels, change, at, value, text) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        {commit.rule, commit.severity, instance.fingerprint, LabelsText(instance.labels), ChangeName(transition.change),
         ToMicros(commit.at), NumberValue(instance.value), instance.text}));
    return Ok();
}

constexpr const char* kMessageColumns =
    "id, channel, rule, content, created_at, attempts, next_at, state, error, ended_at";

Result<Message> MessageOf(const Row& row) {
    Message message;
    message.id = row[0].text();
    message.channel = row[1].text();
    message.rule = row[2].text();
    message.content = TRY(ParseJson(row[3].text()));
    message.created_at = FromMicros(row[4].integer());
    message.attempts = static_cast<int>(row[5].integer());
    message.next_at = FromMicros(row[6].integer());
    message.state = row[7].text();
    message.error = row[8].text();
    message.ended_at = TimeOf(row[9]);
    return message;
}

Result<std::vector<Message>> MessagesOf(const metadata::Rows& rows) {
    std::vector<Message> messages;
    for (const Row& row : rows) messages.push_back(TRY(MessageOf(row)));
    return messages;
}

}  // namespace

Labels LabelsOf(const std::string& text) {
    Labels labels;
    auto json = ParseJson(text);
    if (!json.ok() || !json->is_object()) return labels;
    for (const auto& [name, value] : json->items()) labels[name] = value.is_string() ? value.get<std::string>() : "";
    return labels;
}

Result<Store> Store::Create(metadata::Database& metadata) {
    TRY(metadata.Migrate(
        "alerting",
        {{1,
          "CREATE TABLE alert_instances (rule TEXT NOT NULL, fingerprint TEXT NOT NULL, labels TEXT NOT NULL, "
          "state TEXT NOT NULL, since INTEGER NOT NULL, fired_at INTEGER, notified_at INTEGER, value REAL, "
          "text TEXT NOT NULL, PRIMARY KEY (rule, fingerprint));"
          "CREATE TABLE alert_events (sequence INTEGER PRIMARY KEY, rule TEXT NOT NULL, severity TEXT NOT NULL, "
          "fingerprint TEXT NOT NULL, labels TEXT NOT NULL, change TEXT NOT NULL, at INTEGER NOT NULL, value REAL, "
          "text TEXT NOT NULL);"
          "CREATE INDEX alert_events_rule ON alert_events (rule, sequence);"
          "CREATE TABLE alert_messages (sequence INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, "
          "channel TEXT NOT NULL, rule TEXT NOT NULL, content TEXT NOT NULL, created_at INTEGER NOT NULL, "
          "attempts INTEGER NOT NULL, next_at INTEGER NOT NULL, state TEXT NOT NULL, error TEXT NOT NULL, "
          "ended_at INTEGER);"
          "CREATE INDEX alert_messages_state ON alert_messages (state, next_at);"
          "CREATE TABLE alert_silences (id TEXT PRIMARY KEY, rule TEXT NOT NULL, labels TEXT NOT NULL, "
          "comment TEXT NOT NULL, creator TEXT NOT NULL, created_at INTEGER NOT NULL, until INTEGER NOT NULL, "
          "ended_at INTEGER, ended_by TEXT NOT NULL)"},
         {2,
          "CREATE TABLE alert_attachments (message TEXT NOT NULL, place INTEGER NOT NULL, name TEXT NOT NULL, "
          "type TEXT NOT NULL, bytes INTEGER NOT NULL, content BLOB NOT NULL, PRIMARY KEY (message, place))"}}));
    return Store(metadata);
}

Result<std::map<std::string, Instances>> Store::AllInstances() {
    std::map<std::string, Instances> all;
    auto rows = TRY(metadata_->Query(
        "SELECT rule, fingerprint, labels, state, since, fired_at, notified_at, value, text FROM alert_instances"));
    for (const Row& row : rows) {
        Instance instance;
        instance.fingerprint = row[1].text();
        instance.labels = LabelsOf(row[2].text());
        instance.state = row[3].text() == StateName(State::kFiring) ? State::kFiring : State::kPending;
        instance.since = FromMicros(row[4].integer());
        instance.fired_at = TimeOf(row[5]);
        instance.notified_at = TimeOf(row[6]);
        instance.value = NumberOf(row[7]);
        instance.text = row[8].text();
        all[row[0].text()].emplace(instance.fingerprint, instance);
    }
    return all;
}

Status Store::Write(const Commit& commit) {
    return metadata_->Write([&](Transaction& transaction) -> Status {
        for (const Transition& transition : commit.transitions) TRY(Note(transaction, commit, transition));
        for (const Instance& instance : commit.notified) TRY(Put(transaction, commit.rule, instance));
        for (const Message& message : commit.messages) TRY(Insert(transaction, message));
        return Ok();
    });
}

Status Store::Forget(const std::string& rule) {
    return metadata_->Write([&](Transaction& transaction) -> Status {
        TRY(transaction.Execute("DELETE FROM alert_instances WHERE rule = $1", {rule}));
        return Ok();
    });
}

Result<std::vector<Event>> Store::Events(const std::string& rule, int64_t before, int limit) {
    std::string sql =
        "SELECT sequence, rule, severity, fingerprint, labels, change, at, value, text FROM alert_events WHERE "
        "sequence < $1";
    metadata::Parameters parameters = {before};
    if (!rule.empty()) {
        sql += " AND rule = $2";
        parameters.emplace_back(rule);
    }
    std::vector<Event> events;
    for (const Row& row :
         TRY(metadata_->Query(sql + fmt::format(" ORDER BY sequence DESC LIMIT {}", limit), parameters))) {
        Event event;
        event.sequence = row[0].integer();
        event.rule = row[1].text();
        event.severity = row[2].text();
        event.instance.fingerprint = row[3].text();
        event.instance.labels = LabelsOf(row[4].text());
        event.change_name = row[5].text();
        event.at = FromMicros(row[6].integer());
        event.instance.value = NumberOf(row[7]);
        event.instance.text = row[8].text();
        events.push_back(std::move(event));
    }
    return events;
}

Result<std::vector<Message>> Store::Waiting(int limit) {
    return MessagesOf(TRY(metadata_->Query(
        fmt::format("SELECT {} FROM alert_messages WHERE state = 'waiting' ORDER BY next_at, sequence LIMIT {}",
                    kMessageColumns, limit))));
}

Result<std::vector<Message>> Store::Messages(int limit) {
    return MessagesOf(TRY(metadata_->Query(
        fmt::format("SELECT {} FROM alert_messages ORDER BY sequence DESC LIMIT {}", kMessageColumns, limit))));
}

Status Store::Update(const Message& message) {
    return metadata_->Write([&](Transaction& transaction) -> Status {
        TRY(transaction.Execute(
            "UPDATE alert_messages SET attempts = $2, next_at = $3, state = $4, error = $5, ended_at = $6 "
            "WHERE id = $1",
            {message.id, message.attempts, ToMicros(message.next_at), message.state, message.error,
             TimeValue(message.ended_at)}));
        if (message.state == "waiting") return Ok();
        TRY(transaction.Execute("DELETE FROM alert_attachments WHERE message = $1", {message.id}));
        return Ok();
    });
}

Status Store::Add(const Message& message, const std::vector<Attachment>& attachments) {
    return metadata_->Write([&](Transaction& transaction) -> Status {
        auto known = TRY(transaction.Query("SELECT id FROM alert_messages WHERE id = $1", {message.id}));
        if (!known.empty()) return Ok();
        int64_t bytes = 0;
        for (const Attachment& attachment : attachments) bytes += static_cast<int64_t>(attachment.bytes.size());
        auto waiting = TRY(transaction.Query("SELECT COALESCE(SUM(bytes), 0) FROM alert_attachments", {}));
        if (waiting[0][0].integer() + bytes > kAttachmentBytesMax) {
            return Error(ErrorCode::kResourceExhausted, "{} MiB of mails wait to be sent already",
                         waiting[0][0].integer() >> 20)
                .WithHint("look why they are not sent: tarn alerts --messages");
        }
        TRY(Insert(transaction, message));
        int64_t place = 0;
        for (const Attachment& attachment : attachments) {
            TRY(transaction.Execute(
                "INSERT INTO alert_attachments (message, place, name, type, bytes, content) "
                "VALUES ($1, $2, $3, $4, $5, $6)",
                {message.id, place++, attachment.name, attachment.type, static_cast<int64_t>(attachment.bytes.size()),
                 Bytes(attachment.bytes.begin(), attachment.bytes.end())}));
        }
        return Ok();
    });
}

Result<std::optional<Message>> Store::FindMessage(const std::string& id) {
    auto rows =
        TRY(metadata_->Query(fmt::format("SELECT {} FROM alert_messages WHERE id = $1", kMessageColumns), {id}));
    if (rows.empty()) return std::optional<Message>();
    return std::optional<Message>(TRY(MessageOf(rows[0])));
}

Result<std::vector<Attachment>> Store::AttachmentsOf(const std::string& message) {
    std::vector<Attachment> attachments;
    for (const Row& row : TRY(metadata_->Query(
             "SELECT name, type, content FROM alert_attachments WHERE message = $1 ORDER BY place", {message}))) {
        attachments.push_back({row[0].text(), row[1].text(), std::string(AsText(row[2].blob()))});
    }
    return attachments;
}

Status Store::RetryNow(Timestamp now) {
    return metadata_->Write([&](Transaction& transaction) -> Status {
        TRY(transaction.Execute("UPDATE alert_messages SET next_at = $1 WHERE state = 'waiting' AND next_at > $1",
                                {ToMicros(now)}));
        return Ok();
    });
}

Status Store::Add(const Silence& silence) {
    return metadata_->Write([&](Transaction& transaction) -> Status {
        TRY(transaction.Execute(
            "INSERT INTO alert_silences (id, rule, labels, comment, creator, created_at, until, ended_by) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, '')",
            {silence.id, silence.rule, LabelsText(silence.labels), silence.comment, silence.creator,
             ToMicros(silence.created_at), ToMicros(silence.until)}));
        return Ok();
    });
}

Status Store::End(const std::string& id, const std::string& by, Timestamp at) {
    return metadata_->Write([&](Transaction& transaction) -> Status {
        TRY(transaction.Execute(
            "UPDATE alert_silences SET ended_at = $2, ended_by = $3 WHERE id = $1 AND ended_at IS NULL",
            {id, ToMicros(at), by}));
        return Ok();
    });
}

Result<std::vector<Silence>> Store::Silences() {
    std::vector<Silence> silences;
    auto rows = TRY(metadata_->Query(
        "SELECT id, rule, labels, comment, creator, created_at, until, ended_at, ended_by FROM alert_silences "
        "ORDER BY created_at DESC, id"));
    for (const Row& row : rows) {
        silences.push_back({row[0].text(), row[1].text(), LabelsOf(row[2].text()), row[3].text(), row[4].text(),
                            FromMicros(row[5].integer()), FromMicros(row[6].integer()), TimeOf(row[7]), row[8].text()});
    }
    return silences;
}

Status Store::Prune() {
    return metadata_->Write([&](Transaction& transaction) -> Status {
        TRY(transaction.Execute(
            fmt::format("DELETE FROM alert_events WHERE sequence <= (SELECT COALESCE(MAX(sequence), 0) FROM "
                        "alert_events) - {}",
                        kEventsKept)));
        TRY(transaction.Execute(
            fmt::format("DELETE FROM alert_messages WHERE state <> 'waiting' AND sequence <= (SELECT "
                        "COALESCE(MAX(sequence), 0) FROM alert_messages) - {}",
                        kEndedMessagesKept)));
        TRY(transaction.Execute(
            fmt::format("DELETE FROM alert_silences WHERE ended_at IS NOT NULL AND id NOT IN (SELECT id FROM "
                        "alert_silences ORDER BY created_at DESC LIMIT {})",
                        kEndedSilencesKept)));
        return Ok();
    });
}

}  // namespace tarn::alerting
