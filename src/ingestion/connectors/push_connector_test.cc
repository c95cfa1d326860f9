// What is pushed: kept before it is answered, once a key, and shown after the next load, whatever is in it.
#include "ingestion/connectors/push_connector.h"

#include <thread>

#include "ingestion/connectors/connectors_for_test.h"

namespace tarn::connectors {
namespace {

constexpr const char* kEvents = "kind: push\nstreams:\n  clicks: {}\n";

class PushTest : public testing::Test {
  protected:
    void SetUp() override { ASSERT_EQ(sources_.Apply({{"events", kEvents}}), ""); }
    // "3 records", "3 records, 1 broken", "again: 3 records", or the error.
    std::string Push(const std::string& body, const std::string& key = "") {
        PushRequest request{.body = body, .key = key, .by = ""};
        auto outcome = sources_.connectors().Push(sources_.alice, "events", "clicks", std::move(request));
        if (!outcome.ok()) return outcome.error().message();
        return fmt::format("{}{} records{}", outcome->repeated ? "again: " : "", outcome->records,
                           outcome->broken > 0 ? fmt::format(", {} broken", outcome->broken) : "");
    }
    std::string Load() { return sources_.Loaded("events", "clicks"); }
    std::vector<std::string> Ids() { return sources_.Query("SELECT id FROM raw_events.clicks ORDER BY id"); }
    bool HasNew() { return sources_.connectors().HasNew("events", "clicks").value(); }
    TestSources sources_;
};

TEST_F(PushTest, BodiesAreOneObjectAListOrLines) {
    EXPECT_EQ(Push("{\"id\": 1,\n \"at\": \"a\"}"), "1 records");
    EXPECT_EQ(Push("[{\"id\": 2},\n {\"id\":\n 3}]"), "2 records");
    EXPECT_EQ(Push("{\"id\": 4}\r\n\n{\"id\": 5}\n"), "2 records");
    EXPECT_TRUE(HasNew());
    EXPECT_EQ(Load(), "load 1: 5 rows");
    EXPECT_EQ(Ids(), (std::vector<std::string>{"1", "2", "3", "4", "5"}));
    EXPECT_EQ(sources_.Query("SELECT DISTINCT _origin FROM raw_events.clicks"),
              std::vector<std::string>{"push 1.0 to 3.0"});
    EXPECT_FALSE(HasNew());
    EXPECT_EQ(Load(), "nothing");
    EXPECT_TRUE(sources_.Keys("events/clicks/_pushed/").empty());
}

TEST_F(PushTest, WhatIsNoRecordIsRefusedAndNothingIsKept) {
    EXPECT_EQ(Push("{\"id\": 1}\n{\"id\": \n{\"id\": 2}").substr(0, 23), "record 2 of 3 is broken");
    EXPECT_EQ(Push("[{\"id\": 1}, 7]"), "record 2 of 2 is broken: a record is an object, and this is number: 7");
    EXPECT_EQ(Push(""), "the body is empty; JSON or lines of JSON are wanted");
    EXPECT_EQ(Push("[{\"id\": 1}"), "the list of records is not closed");
    EXPECT_EQ(Push("{}"), "no record has a field");
    EXPECT_EQ(Push("{\"id\": 1}", std::string(201, 'k')), "an Idempotency-Key has at most 200 characters");
    std::string many;
    for (int i = 0; i <= 100000; ++i) many += "{\"id\": 1}\n";
    EXPECT_EQ(Push(many), "more than 100000 records in one push");
    EXPECT_TRUE(sources_.Keys("events/").empty());
    EXPECT_FALSE(HasNew());
}

TEST_F(PushTest, BrokenRecordsGoToQuarantineAsFarAsTheStreamAllows) {
    std::string yaml = "kind: push\nstreams:\n  clicks: {broken_max: 50%, types: {id: BIGINT}}\n";
    ASSERT_EQ(sources_.Apply({{"events", yaml}}), "");
    EXPECT_EQ(Push("{\"id\": 1}\n{oops\n"), "2 records, 1 broken");
    EXPECT_EQ(Push("{oops\n{again\n{\"id\": 1}").substr(0, 23), "record 1 of 3 is broken");
    EXPECT_EQ(Push("{\"id\": \"no number\"}\n{\"id\": 2}"), "2 records");
    EXPECT_TRUE(Load().starts_with("load 1: 2 rows; 2 of 4 records of push 1.0 to 2.0 are broken")) << Load();
    EXPECT_EQ(Ids(), (std::vector<std::string>{"1", "2"}));
    auto waiting = sources_.connectors().Quarantine(sources_.alice, "events", 10);
    ASSERT_TRUE(waiting.ok());
    ASSERT_EQ(waiting->size(), 2u);
    EXPECT_EQ(waiting->at(0).content, "{oops");
    EXPECT_EQ(waiting->at(1).content, "{\"id\": \"no number\"}");
}

TEST_F(PushTest, AKeyIsAnsweredAgainAndWritesNothing) {
    EXPECT_EQ(Push("{\"id\": 1}", "a"), "1 records");
    EXPECT_EQ(Push("{\"id\": 1}", "a"), "again: 1 records");
    EXPECT_EQ(Push("{\"id\": 2}", "a"), "this Idempotency-Key came with another body before; nothing was written");
    ASSERT_TRUE(sources_.Open().ok());  // known from the batch
    EXPECT_EQ(Push("{\"id\": 1}", "a"), "again: 1 records");
    EXPECT_EQ(Load(), "load 1: 1 rows");
    EXPECT_FALSE(HasNew());
    ASSERT_TRUE(sources_.Open().ok());  // and now from the load
    EXPECT_EQ(Push("{\"id\": 1}", "a"), "again: 1 records");
    EXPECT_EQ(Push("{\"id\": 3}", "b"), "1 records");
    EXPECT_EQ(Load(), "load 2: 1 rows");
    EXPECT_EQ(Ids(), (std::vector<std::string>{"1", "3"}));
}

// The first load of all removes what loads before it left, and there is no manifest yet to stop at.
TEST_F(PushTest, TheFirstLoadKeepsWhatWaits) {
    ASSERT_EQ(sources_.Apply({{"events", "kind: push\nstreams:\n  clicks: {}\n  other: {}\n"}}), "");
    EXPECT_EQ(Push("{\"id\": 1}"), "1 records");
    ASSERT_TRUE(
        sources_.lake().PutBytes(sources_.alice, {"raw", "events/clicks/00000000000000000001/x"}, AsBytes("x")).ok());
    EXPECT_EQ(Load(), "load 1: 1 rows");
    EXPECT_EQ(sources_.Loaded("events", "other"), "nothing");
    EXPECT_EQ(Ids(), std::vector<std::string>{"1"});
}

// Keys that an object may not have twice for the engine, and shapes that go with no other record.
TEST_F(PushTest, OneThatCantBeReadHoldsUpNoOther) {
    EXPECT_EQ(Push("{\"id\": 1, \"place\": {\"x\": 1}}"), "1 records");
    EXPECT_EQ(Push("{\"id\": 2, \"id\": 3}"), "1 records");
    for (int id = 4; id < 20; ++id) EXPECT_EQ(Push(fmt::format("{{\"id\": {}}}", id)), "1 records");
    EXPECT_EQ(Load(),
              "load 1: 17 rows; 1 of 18 pushes are in quarantine: their records can't be read together with those "
              "before");
    EXPECT_EQ(sources_.Query("SELECT count(*), min(id), max(id) FROM raw_events.clicks"),
              std::vector<std::string>{"17|1|19"});
    auto waiting = sources_.connectors().Quarantine(sources_.alice, "events", 10);
    ASSERT_TRUE(waiting.ok());
    ASSERT_EQ(waiting->size(), 1u);
    EXPECT_EQ(waiting->at(0).kind, "file");
    EXPECT_EQ(waiting->at(0).origin, "push 2.0");
}

TEST_F(PushTest, AFrozenStreamKeepsWhatWaitsUntilItIsTaken) {
    EXPECT_EQ(Push("{\"id\": 1}"), "1 records");
    EXPECT_EQ(Load(), "load 1: 1 rows");
    ASSERT_EQ(sources_.Apply({{"events", "kind: push\nstreams:\n  clicks: {on_drift: freeze}\n"}}), "");
    EXPECT_EQ(Push("{\"id\": 2, \"more\": 1}", "k"), "1 records");
    EXPECT_TRUE(HasNew());
    EXPECT_TRUE(Load().starts_with("the columns changed, and on_drift is freeze: push 2.0: new column more"));
    EXPECT_FALSE(HasNew());  // not again and again
    EXPECT_EQ(Ids(), std::vector<std::string>{"1"});
    ASSERT_EQ(sources_.Apply({{"events", kEvents}}), "");
    EXPECT_EQ(Load(), "load 2: 1 rows; new column more BIGINT");
    EXPECT_EQ(Push("{\"id\": 2, \"more\": 1}", "k"), "again: 1 records");
}

TEST_F(PushTest, ManyAtOnceShareBatchesAndAKeyCountsOnce) {
    constexpr int kThreads = 8, kEach = 50;
    std::atomic<int> wrong = 0, repeated = 0;
    std::vector<std::thread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
        threads.emplace_back([&, thread] {
            for (int i = 0; i < kEach; ++i) {
                std::string own = fmt::format("{{\"id\": {}}}", 1000 + thread * kEach + i);
                if (Push(own, fmt::format("{}-{}", thread, i)) != "1 records") ++wrong;
                std::string answer = Push(fmt::format("{{\"id\": {}}}", i), fmt::format("shared-{}", i));
                repeated += answer == "again: 1 records" ? 1 : 0;
                wrong += answer == "again: 1 records" || answer == "1 records" ? 0 : 1;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(repeated, (kThreads - 1) * kEach);
    size_t batches = sources_.Keys("events/clicks/_pushed/").size();
    EXPECT_LE(batches, static_cast<size_t>(kThreads * kEach + kEach));
    EXPECT_EQ(Load(), fmt::format("load 1: {} rows", kThreads * kEach + kEach));
    EXPECT_EQ(sources_.Query("SELECT count(*), count(DISTINCT id) FROM raw_events.clicks"),
              std::vector<std::string>{fmt::format("{0}|{0}", kThreads * kEach + kEach)});
}

TEST_F(PushTest, OnlyKindPushTakesRecordsAndItsKeysAreItsOwn) {
    sources_.Write("in/a.csv", "id\n1\n");
    ASSERT_EQ(sources_.Apply({{"events", "kind: files\npath: in/*.csv\nstreams: {clicks: {}}\n"}}), "");
    EXPECT_EQ(Push("{\"id\": 1}"), "source events is of kind files; only kind push takes records");
    EXPECT_NE(sources_.Apply({{"events", "kind: push\nstreams: {clicks: {cursor: id}}\n"}}), "");
    EXPECT_NE(sources_.Apply({{"events", "kind: push\npath: x\nstreams: {clicks: {}}\n"}}), "");
}

}  // namespace
}  // namespace tarn::connectors
