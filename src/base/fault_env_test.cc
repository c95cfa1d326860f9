#include "base/fault_env.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

namespace tarn {
namespace {

using namespace std::chrono_literals;

std::string ContentOf(Env& env, const std::string& path) {
    auto content = ReadFile(env, path);
    return content.ok() ? *content : "<" + std::string(ErrorCodeName(content.error().code())) + ">";
}

// Runs `prepare`, makes it durable, runs `change`, cuts the power; the set of what `look` finds over many seeds.
template <typename Prepare, typename Change, typename Look>
std::set<std::string> Outcomes(Prepare prepare, Change change, Look look) {
    std::set<std::string> outcomes;
    for (uint64_t seed = 0; seed < 300; seed++) {
        FaultEnv env(seed);
        prepare(env);
        env.SyncEverything();
        change(env);
        env.PowerCut(seed);
        outcomes.insert(look(env));
    }
    return outcomes;
}

void Put(Env& env, const std::string& path, std::string_view content) {
    auto file = env.files().Create(path, {.truncate = true}).value();
    ASSERT_TRUE(file->Append(AsBytes(content)).ok());
}

TEST(FaultEnv, SyncedAndNamedSurvives) {
    auto outcomes = Outcomes([](Env&) {}, [](Env& env) { ASSERT_TRUE(WriteFileDurably(env, "/a", "content").ok()); },
                             [](Env& env) { return ContentOf(env, "/a"); });
    EXPECT_EQ(outcomes, std::set<std::string>{"content"});
}

TEST(FaultEnv, UnsyncedAppendsAreTorn) {
    auto outcomes = Outcomes([](Env& env) { Put(env, "/a", "old"); },
                             [](Env& env) {
                                 auto file = env.files().Create("/a", {}).value();
                                 ASSERT_TRUE(file->Append(AsBytes("12")).ok());
                                 ASSERT_TRUE(file->Append(AsBytes("34")).ok());
                             },
                             [](Env& env) { return ContentOf(env, "/a"); });
    std::string zeros(2, '\0');
    std::set<std::string> possible = {"old",
                                      "old1",
                                      "old12",
                                      "old123",
                                      "old1234",
                                      "old" + zeros,
                                      "old1" + zeros.substr(1),
                                      "old12" + zeros,
                                      "old123" + zeros.substr(1)};
    EXPECT_EQ(outcomes, possible);
}

TEST(FaultEnv, UnsyncedSectorsAreKeptOrLostOneByOne) {
    auto outcomes = Outcomes([](Env& env) { Put(env, "/a", std::string(1536, 'o')); },
                             [](Env& env) {
                                 auto file = env.files().Create("/a", {}).value();
                                 ASSERT_TRUE(file->WriteAt(256, AsBytes(std::string(1024, 'n'))).ok());
                             },
                             [](Env& env) {
                                 std::string content = ContentOf(env, "/a");
                                 EXPECT_EQ(content.size(), 1536u);
                                 EXPECT_EQ(content[0], 'o');
                                 EXPECT_EQ(content[256], content[511]);
                                 EXPECT_EQ(content[512], content[1023]);
                                 EXPECT_EQ(content[1024], content[1279]);
                                 return fmt::format("{}{}{}", content[256], content[512], content[1024]);
                             });
    EXPECT_EQ(outcomes, (std::set<std::string>{"ooo", "oon", "ono", "onn", "noo", "non", "nno", "nnn"}));
}

TEST(FaultEnv, TruncationMayBeLostWithAllThatFollows) {
    auto outcomes = Outcomes([](Env& env) { Put(env, "/a", "old"); }, [](Env& env) { Put(env, "/a", "n"); },
                             [](Env& env) { return ContentOf(env, "/a"); });
    EXPECT_EQ(outcomes, (std::set<std::string>{"old", "", "n", std::string(1, '\0')}));
}

TEST(FaultEnv, NamesNeedTheirFolderSynced) {
    auto write = [](Env& env) {
        auto file = env.files().Create("/a", {}).value();
        ASSERT_TRUE(file->Append(AsBytes("x")).ok());
        ASSERT_TRUE(file->Sync().ok());
    };
    auto look = [](Env& env) { return ContentOf(env, "/a"); };
    EXPECT_EQ(Outcomes([](Env&) {}, write, look), (std::set<std::string>{"<not_found>", "x"}));
    auto remove = [](Env& env) { ASSERT_TRUE(env.files().Remove("/a").ok()); };
    EXPECT_EQ(Outcomes(write, remove, look), (std::set<std::string>{"<not_found>", "x"}));
}

TEST(FaultEnv, RenamesAreAtomicAndMayBeLostOutOfOrder) {
    auto look = [](Env& env) {
        return ContentOf(env, "/x/a") + ContentOf(env, "/y/a") + ContentOf(env, "/x/b") + ContentOf(env, "/y/b");
    };
    auto prepare = [](Env& env) {
        ASSERT_TRUE(env.files().CreateDirectories("/x").ok());
        ASSERT_TRUE(env.files().CreateDirectories("/y").ok());
        Put(env, "/x/a", "a");
        Put(env, "/x/b", "b");
    };
    auto change = [](Env& env) {
        ASSERT_TRUE(env.files().Rename("/x/a", "/y/a").ok());
        ASSERT_TRUE(env.files().Rename("/x/b", "/y/b").ok());
    };
    const std::string none = "<not_found>";
    EXPECT_EQ(Outcomes(prepare, change, look),
              (std::set<std::string>{"a" + none + "b" + none, none + "ab" + none, "a" + none + none + "b",
                                     none + "a" + none + "b"}));
    auto synced = [&](Env& env) {
        change(env);
        ASSERT_TRUE(env.files().SyncDirectory("/y").ok());
    };
    EXPECT_EQ(Outcomes(prepare, synced, look), std::set<std::string>{none + "a" + none + "b"});
}

TEST(FaultEnv, SyncOfALaterNameBringsTheEarlierOne) {
    auto prepare = [](Env& env) {
        ASSERT_TRUE(env.files().CreateDirectories("/y").ok());
        Put(env, "/a", "old");
    };
    auto change = [](Env& env) {
        ASSERT_TRUE(env.files().Rename("/a", "/y/a").ok());
        ASSERT_TRUE(WriteFileDurably(env, "/a", "new").ok());
    };
    auto look = [](Env& env) { return ContentOf(env, "/a") + ContentOf(env, "/y/a"); };
    EXPECT_EQ(Outcomes(prepare, change, look), std::set<std::string>{"newold"});
}

TEST(FaultEnv, AFolderThatWasNotSyncedTakesItsFilesAlong) {
    auto outcomes = Outcomes([](Env&) {},
                             [](Env& env) {
                                 ASSERT_TRUE(env.files().CreateDirectories("/x").ok());
                                 ASSERT_TRUE(WriteFileDurably(env, "/x/a", "x").ok());
                             },
                             [](Env& env) { return ContentOf(env, "/x/a"); });
    EXPECT_EQ(outcomes, (std::set<std::string>{"<not_found>", "x"}));
}

TEST(FaultEnv, SameSeedSameOutcome) {
    auto run = [](uint64_t seed) {
        FaultEnv env(seed);
        for (int i = 0; i < 20; i++) Put(env, fmt::format("/{}", i), env.random().Hex(100));
        env.PowerCut(seed);
        std::string all;
        for (const FileEntry& entry : env.files().List("/").value())
            all += entry.name + ContentOf(env, "/" + entry.name);
        return all;
    };
    EXPECT_EQ(run(7), run(7));
    EXPECT_NE(run(7), run(8));
}

TEST(FaultEnv, FailsOnDemand) {
    FaultEnv env;
    auto file = env.files().Create("/a", {}).value();
    EXPECT_EQ(env.operations(), 1);
    env.FailAt(1);
    EXPECT_EQ(env.files().CreateDirectories("/x").error().code(), ErrorCode::kIo);
    EXPECT_TRUE(env.files().CreateDirectories("/x").ok());
    env.FailAt(FaultOperation::kRename, 1);
    EXPECT_TRUE(env.files().Rename("/a", "/b").ok());
    EXPECT_FALSE(env.files().Rename("/b", "/a").ok());
    EXPECT_TRUE(env.files().Exists("/b"));
    env.FailNext(FaultOperation::kSync);
    ASSERT_TRUE(file->Append(AsBytes("x")).ok());
    EXPECT_FALSE(file->Sync().ok());
    EXPECT_FALSE(file->Sync().ok()) << "poisoned";
    EXPECT_FALSE(file->Append(AsBytes("y")).ok()) << "poisoned";
    EXPECT_EQ(env.operations(FaultOperation::kSync), 1) << "a poisoned file does not get to the disk";
    EXPECT_EQ(ContentOf(env, "/b"), "x");
}

TEST(FaultEnv, AFailedSyncIsNotMadeGoodByALaterOne) {
    std::set<std::string> outcomes;
    for (uint64_t seed = 0; seed < 100; seed++) {
        FaultEnv env(seed);
        auto file = env.files().Create("/a", {}).value();
        env.SyncEverything();
        ASSERT_TRUE(file->Append(AsBytes("x")).ok());
        env.FailNext(FaultOperation::kSync);
        EXPECT_FALSE(file->Sync().ok());
        auto again = env.files().Create("/a", {}).value();
        ASSERT_TRUE(again->Append(AsBytes("y")).ok());
        ASSERT_TRUE(again->Sync().ok());
        EXPECT_EQ(ContentOf(env, "/a"), "xy");
        env.PowerCut(seed);
        outcomes.insert(ContentOf(env, "/a"));
    }
    EXPECT_EQ(outcomes, (std::set<std::string>{"xy", std::string("\0y", 2)}));
}

TEST(FaultEnv, FullDisk) {
    FaultEnv env;
    env.SetDiskBytes(10);
    auto file = env.files().Create("/a", {}).value();
    ASSERT_TRUE(file->Append(AsBytes("123456")).ok());
    EXPECT_EQ(env.files().FreeBytes("/").value(), 4u);
    EXPECT_EQ(file->Append(AsBytes("12345")).error().code(), ErrorCode::kResourceExhausted);
    EXPECT_EQ(file->Size().value(), 6u);
    EXPECT_TRUE(file->WriteAt(0, AsBytes("abcdefghij")).ok());
    EXPECT_EQ(WriteFileDurably(env, "/b", "x").error().message().substr(0, 31), "the disk is full: cannot write ");
    EXPECT_EQ(env.files().List("/").value().size(), 1u);
    ASSERT_TRUE(env.files().Remove("/a").ok());
    EXPECT_TRUE(WriteFileDurably(env, "/b", "x").ok());
}

TEST(FaultEnv, EndsFilesAndLocks) {
    FaultEnv env;
    auto file = env.files().Create("/a", {}).value();
    auto lock = env.files().Lock("/lock").value();
    EXPECT_EQ(env.files().Lock("/lock").error().code(), ErrorCode::kUnavailable);
    env.SyncEverything();
    env.Kill();
    EXPECT_EQ(file->Append(AsBytes("x")).error().code(), ErrorCode::kIo);
    auto second = env.files().Lock("/lock").value();
    lock.reset();
    EXPECT_EQ(env.files().Lock("/lock").error().code(), ErrorCode::kUnavailable) << "the old lock must not free it";
    env.PowerCut(1);
    EXPECT_TRUE(env.files().Lock("/lock").ok());
}

TEST(FaultEnv, KillKeepsWhatWasWritten) {
    FaultEnv env;
    Put(env, "/a", "x");
    env.CrashAt(env.operations());
    EXPECT_FALSE(env.files().Create("/b", {}).ok());
    EXPECT_FALSE(env.files().Create("/b", {}).ok());
    env.Kill();
    EXPECT_EQ(ContentOf(env, "/a"), "x");
    EXPECT_TRUE(env.files().Create("/b", {}).ok());
}

// The pattern of the header: WriteFileDurably keeps its word at every crash.
TEST(FaultEnv, WriteFileDurablyIsOldOrNewAtEveryCrash) {
    int64_t crash = 0;
    for (bool finished = false; !finished; crash++) {
        for (uint64_t seed = 0; seed < 50; seed++) {
            FaultEnv env(seed);
            ASSERT_TRUE(WriteFileDurably(env, "/a", "old").ok());
            int64_t before = env.operations();
            env.CrashAt(before + crash);
            bool acknowledged = WriteFileDurably(env, "/a", "new").ok();
            finished = env.operations() <= before + crash;
            EXPECT_EQ(acknowledged, finished);
            env.PowerCut(seed);
            std::string content = ContentOf(env, "/a");
            EXPECT_TRUE(content == "new" || (content == "old" && !acknowledged)) << content << " crash " << crash;
        }
    }
    EXPECT_EQ(crash, 6);
}

TEST(FaultEnv, BehavesLikeFiles) {
    FaultEnv env;
    Files& files = env.files();
    EXPECT_EQ(files.Create("/x/a", {}).error().code(), ErrorCode::kNotFound);
    ASSERT_TRUE(files.CreateDirectories("/x/y").ok());
    Put(env, "/x/a", "1");
    EXPECT_EQ(files.Create("/x/a", {.exclusive = true}).error().code(), ErrorCode::kAlreadyExists);
    EXPECT_EQ(files.Open("/x").error().code(), ErrorCode::kIo);
    EXPECT_EQ(files.Open("/x/a/b").error().code(), ErrorCode::kIo);
    EXPECT_EQ(files.Remove("/x").error().code(), ErrorCode::kIo);
    EXPECT_EQ(files.Remove("/none").error().code(), ErrorCode::kNotFound);
    EXPECT_EQ(files.Rename("/none", "/x/b").error().code(), ErrorCode::kNotFound);
    EXPECT_EQ(files.Rename("/x", "/x/y/z").error().code(), ErrorCode::kIo);
    EXPECT_EQ(files.Rename("/x/a", "/x/y").error().code(), ErrorCode::kIo);
    EXPECT_EQ(files.Open("x//./y/../a").value()->Append(AsBytes("x")).error().code(), ErrorCode::kIo);
    EXPECT_EQ(files.Stat("/x/a").value().bytes, 1u);
    EXPECT_EQ(files.Stat("/x/a").value().modified_at, env.clock().Now());
    EXPECT_EQ(files.List("/x").value().size(), 2u);
    EXPECT_TRUE(env.Corrupt("/x/a", 0).ok());
    EXPECT_EQ(ContentOf(env, "/x/a"), "0");
    EXPECT_TRUE(files.RemoveTree("/x").ok());
    EXPECT_TRUE(files.RemoveTree("/x").ok());
    EXPECT_TRUE(files.RemoveTree("/x/y/z").ok());
    EXPECT_FALSE(files.Exists("/x"));
}

TEST(FaultEnv, TimeStandsStillUntilMoved) {
    FaultEnv env;
    EXPECT_EQ(FormatTime(env.clock().Now()), "2026-01-01T00:00:00Z");
    env.AdvanceTime(90s);
    env.clock().Sleep(1h);
    EXPECT_EQ(FormatTime(env.clock().Now()), "2026-01-01T01:01:30Z");
    env.SetSleepAdvances(false);
    std::thread sleeper([&] { env.clock().Sleep(1min); });
    env.AdvanceTime(59s);
    env.AdvanceTime(1s);
    // The sleeper may have begun only now; it is enough that it wakes in the end.
    env.SetSleepAdvances(true);
    sleeper.join();
}

TEST(FaultEnv, ThreadsMayShareIt) {
    FaultEnv env;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++) {
        threads.emplace_back([&, i] {
            for (int j = 0; j < 100; j++) {
                ASSERT_TRUE(WriteFileDurably(env, fmt::format("/{}", i), std::to_string(j)).ok());
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(ContentOf(env, "/3"), "99");
}

TEST(FaultEnv, FilesMayOutliveIt) {
    std::unique_ptr<File> file;
    {
        FaultEnv env;
        file = env.files().Create("/a", {}).value();
    }
    EXPECT_TRUE(file->Append(AsBytes("x")).ok());
}

}  // namespace
}  // namespace tarn
