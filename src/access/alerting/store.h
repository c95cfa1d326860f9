// What alerting keeps: instances, history, silences, the outbox. Internal to the component.
//
// A change of state and the messages that tell of it are one transaction; a message leaves the outbox by a second one,
// after it was sent: a crash in between sends it again, under the same id.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "access/alerting/state_machine.h"
#include "base/json.h"
#include "metadata/metadata.h"
#include "workspace/rename.h"

namespace tarn::alerting {

struct Event {
    int64_t sequence = 0;
    std::string rule;
    std::string severity;
    Change change = Change::kPending;
    std::string change_name;  // as stored
    Timestamp at;
    Instance instance;  // fingerprint, labels, value and text
};

struct Message {
    std::string id;  // stays the same however often it is sent
    std::string channel;
    std::string rule;
    Json content;
    Timestamp created_at;
    int attempts = 0;
    Timestamp next_at;
    std::string state = "waiting";  // waiting, sent, failed
    std::string error;              // of the last attempt
    std::optional<Timestamp> ended_at;
};

// What is sent with a message; gone once the message is sent or given up.
struct Attachment {
    std::string name;
    std::string type;
    std::string bytes;
};

struct Silence {
    std::string id;
    std::string rule;  // glob
    Labels labels;     // globs
    std::string comment;
    std::string creator;  // a user's name
    Timestamp created_at;
    Timestamp until;
    std::optional<Timestamp> ended_at;
    std::string ended_by;
};

// One step of one rule.
struct Commit {
    std::string rule;
    std::string severity;
    std::vector<Transition> transitions;
    std::vector<Instance> notified;
    std::vector<Message> messages;
    Timestamp at;
};

class Store {
  public:
    static constexpr int kEventsKept = 100'000;
    static constexpr int kEndedSilencesKept = 1'000;
    static constexpr int kEndedMessagesKept = 10'000;
    static constexpr int64_t kAttachmentBytesMax = 512 << 20;  // of all messages that wait

    static Result<Store> Create(metadata::Database& metadata);
    Result<std::map<std::string, Instances>> AllInstances();  // by rule
    Status Write(const Commit& commit);
    Status Forget(const std::string& rule);  // its instances

    Result<std::vector<Event>> Events(const std::string& rule, int64_t before, int limit);  // newest first
    // Messages that wait, due first.
    Result<std::vector<Message>> Waiting(int limit);
    Result<std::vector<Message>> Messages(int limit);  // newest first
    Status Update(const Message& message);
    // One that is no alert's. One that is there by its id is left as it is. kResourceExhausted when too much waits.
    Status Add(const Message& message, const std::vector<Attachment>& attachments);
    Result<std::optional<Message>> FindMessage(const std::string& id);
    Result<std::vector<Attachment>> AttachmentsOf(const std::string& message);
    // Makes what waits due now: after a change of channels.
    Status RetryNow(Timestamp now);

    Status Add(const Silence& silence);
    Status End(const std::string& id, const std::string& by, Timestamp at);
    Result<std::vector<Silence>> Silences();  // newest first, also ended ones
    Status Prune();
    // Rules of renamed files keep their names' rows (renames.cc).
    static Status MoveNames(const workspace::Renames& renames, metadata::Transaction& transaction);

  private:
    explicit Store(metadata::Database& metadata) : metadata_(&metadata) {}
    metadata::Database* metadata_;
};

Labels LabelsOf(const std::string& text);  // as they are stored

}  // namespace tarn::alerting
