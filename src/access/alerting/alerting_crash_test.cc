// Rules, their store and an outbox that is emptied, on a disk that loses, tears and reorders what was not synced: after
// any power cut each thing that people were to hear of is in the outbox or was sent, and was sent under one id only.
#include <gtest/gtest.h>

#include <set>

#include "access/alerting/store.h"
#include "base/fault_disk.h"
#include "base/fault_env.h"
#include "base/seeds_for_test.h"

namespace tarn::alerting {
namespace {

constexpr std::string_view kKey = "0123456789abcdef0123456789abcdef";
const Timing kTiming{std::chrono::minutes(2), std::chrono::hours(1)};
constexpr size_t kFileBytes = 20'000;
constexpr const char* kRules[] = {"a.one", "a.two"};

// What makes two messages one: the same thing changed in the same way at the same time.
std::string MarkOf(const std::string& rule, const Instance& instance, Timestamp at) {
    return fmt::format("{} {} {}", rule, instance.fingerprint, FormatTime(at));
}

class Machine {
  public:
    explicit Machine(uint64_t seed) : env_(seed), numbers_(seed * 31) {}

    void Start() {
        auto database = metadata::Database::OpenSqlite(env_, "/m.db", Secret(kKey));
        ASSERT_TRUE(database.ok()) << database.error().ToString();
        database_ = std::move(*database);
        auto store = Store::Create(*database_);
        ASSERT_TRUE(store.ok()) << store.error().ToString();
        store_.emplace(std::move(*store));
        auto instances = store_->AllInstances();
        ASSERT_TRUE(instances.ok());
        instances_ = std::move(*instances);
        CheckOutbox();
    }

    void RunUntilRefused(int steps) {
        for (int step = 0; step < steps; ++step) {
            uint64_t what = numbers_.Below(8);
            bool went_on = what < 3 ? SendOne() : what < 4 ? AddReport() : Look(kRules[numbers_.Below(2)]);
            if (!went_on) return;
        }
    }
    void Stop() {
        store_.reset();
        database_.reset();
    }
    FaultEnv& env() { return env_; }
    SeededNumbers& numbers() { return numbers_; }
    size_t received() const { return received_.size(); }

  private:
    bool Look(const std::string& rule) {
        Duration passed = std::chrono::seconds(30 + numbers_.Below(600));
        env_.AdvanceTime(passed);
        Timestamp now = env_.clock().Now();
        Observation observation;
        for (const char* name : {"pen", "ink", "cap"}) {
            if (numbers_.Below(3) > 0) observation.wrong.push_back({{{"name", name}}, 1.0, "wrong"});
        }
        Instances next = instances_[rule];
        Outcome outcome = Advance(
            rule, kTiming, {.observation = observation, .now = now, .elapsed = passed, .silenced = nullptr}, next);
        Commit commit{rule, "warning", outcome.transitions, {}, {}, now};
        for (const Notice& notice : outcome.notices) {
            if (notice.reason != Reason::kResolved) commit.notified.push_back(notice.instance);
            Message message;
            message.id = env_.random().Hex(8);
            message.channel = "hook";
            message.rule = rule;
            message.content = {{"mark", MarkOf(rule, notice.instance, now)}};
            message.created_at = message.next_at = now;
            commit.messages.push_back(std::move(message));
        }
        if (!store_->Write(commit).ok()) return false;
        for (const Message& message : commit.messages) owed_.insert(message.content["mark"].get<std::string>());
        instances_[rule] = std::move(next);
        return true;
    }

    // As the run of a report does, again if a crash came between: by its id there is one, with its files.
    bool AddReport() {
        Message message;
        message.id = fmt::format("report{}", numbers_.Below(20));
        message.channel = "mail";
        message.rule = "d.n.report";
        message.content = {{"mark", message.id}};
        message.created_at = message.next_at = env_.clock().Now();
        std::string large(kFileBytes, 'x');
        if (!store_->Add(message, {{"a.csv", "text/csv", message.id}, {"b.pdf", "application/pdf", large}}).ok()) {
            return false;
        }
        owed_.insert(message.id);
        return true;
    }

    void CheckFiles(const Message& message) {
        auto files = store_->AttachmentsOf(message.id);
        ASSERT_TRUE(files.ok());
        bool expected = message.state == "waiting" && message.id.starts_with("report");
        ASSERT_EQ(files->size(), expected ? 2u : 0u) << message.id << " " << message.state;
        if (!expected) return;
        EXPECT_EQ((*files)[0].bytes, message.id);
        EXPECT_EQ((*files)[1].bytes, std::string(kFileBytes, 'x'));
    }

    // As the sender does: the message is out before the outbox knows it.
    bool SendOne() {
        auto waiting = store_->Waiting(10);
        if (!waiting.ok()) return false;
        if (waiting->empty()) return true;
        Message message = waiting->front();
        received_[message.content["mark"].get<std::string>()].insert(message.id);
        message.attempts = 1;
        message.state = "sent";
        message.ended_at = env_.clock().Now();
        return store_->Update(message).ok();
    }

    void CheckOutbox() {
        auto messages = store_->Messages(100'000);
        ASSERT_TRUE(messages.ok());
        std::map<std::string, std::string> kept;
        for (const Message& message : *messages) {
            ASSERT_NO_FATAL_FAILURE(CheckFiles(message));
            std::string mark = message.content["mark"].get<std::string>();
            EXPECT_TRUE(kept.emplace(mark, message.id).second) << "told twice: " << mark;
            EXPECT_TRUE(message.state != "sent" || received_.contains(mark)) << "marked but never sent: " << mark;
        }
        for (const std::string& mark : owed_) EXPECT_TRUE(kept.contains(mark)) << "lost: " << mark;
        for (const auto& [mark, ids] : received_) {
            EXPECT_EQ(ids.size(), 1u) << "sent under several ids: " << mark;
            EXPECT_TRUE(kept.contains(mark)) << mark;
        }
        // Who fires and was notified has its message: state and outbox moved together.
        for (const auto& [rule, instances] : instances_) {
            for (const auto& [fingerprint, instance] : instances) {
                if (!instance.notified_at) continue;
                EXPECT_TRUE(kept.contains(MarkOf(rule, instance, *instance.notified_at))) << rule;
            }
        }
    }

    FaultEnv env_;
    SeededNumbers numbers_;
    std::unique_ptr<metadata::Database> database_;
    std::optional<Store> store_;
    std::map<std::string, Instances> instances_;
    std::set<std::string> owed_;  // acknowledged, so owed to people
    std::map<std::string, std::set<std::string>> received_;  // mark -> ids
};

TEST(AlertingCrash, NoMessageIsLostAndARepeatHasTheSameId) {
    size_t received = 0;
    ForSeeds(60, [&received](uint64_t seed) {
        Machine machine(seed);
        for (int life = 0; life < 4; ++life) {
            ASSERT_NO_FATAL_FAILURE(machine.Start());
            FaultEnv& env = machine.env();
            env.CrashAt(env.operations() + static_cast<int64_t>(machine.numbers().Below(400)));
            machine.RunUntilRefused(80);
            uint64_t chance = machine.numbers().Next();
            chance % 4 == 0 ? env.Kill() : env.PowerCut(chance);
            machine.Stop();
        }
        machine.Start();
        received += machine.received();
    });
    EXPECT_GT(received, 100u);
}

}  // namespace
}  // namespace tarn::alerting
