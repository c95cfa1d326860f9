#include "base/log.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "base/fault_env.h"
#include "base/text.h"

namespace tarn {
namespace {

std::vector<Json> LinesOf(Env& env, const std::string& path) {
    std::vector<Json> lines;
    for (const std::string& line : Split(ReadFile(env, path).value(), '\n')) {
        if (!line.empty()) lines.push_back(ParseJson(line).value());
    }
    return lines;
}

TEST(Log, WritesJsonLines) {
    FaultEnv env;
    auto log = Log::Create(env, {.path = "/state/log/tarn.log"}).value();
    log->Info("load committed", {{"source", "airports"}, {"rows", 1458}, {"time", "early"}});
    log->Warning("line\nbreak \x1b[31m \xff");
    log->Debug("below the level");
    std::string text = ReadFile(env, "/state/log/tarn.log").value();
    EXPECT_EQ(Split(text, '\n')[0],
              "{\"time\":\"" + FormatTime(env.clock().Now()) +
                  "\",\"level\":\"info\",\"message\":\"load committed\",\"source\":\"airports\",\"rows\":1458,"
                  "\"time_\":\"early\"}");
    auto lines = LinesOf(env, "/state/log/tarn.log");
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_EQ(lines[1]["message"], "line\nbreak \x1b[31m \xef\xbf\xbd");
    EXPECT_EQ(lines[1]["level"], "warning");
}

TEST(Log, Rotates) {
    FaultEnv env;
    auto log = Log::Create(env, {.path = "/tarn.log", .file_bytes_max = 200, .files_max = 2}).value();
    for (int i = 0; i < 20; i++) log->Info("message", {{"number", i}});
    auto entries = env.files().List("/").value();
    ASSERT_EQ(entries.size(), 3u);
    for (const FileEntry& entry : entries) EXPECT_LE(entry.bytes, 200u) << entry.name;
    EXPECT_EQ(LinesOf(env, "/tarn.log").back()["number"], 19);
    int newest_rotated = LinesOf(env, "/tarn.log.1").back()["number"];
    EXPECT_EQ(LinesOf(env, "/tarn.log").front()["number"], newest_rotated + 1);
    EXPECT_EQ(LinesOf(env, "/tarn.log.1").front()["number"].get<int>(),
              LinesOf(env, "/tarn.log.2").back()["number"].get<int>() + 1);
}

TEST(Log, ContinuesAnExistingFile) {
    FaultEnv env;
    Log::Create(env, {.path = "/tarn.log"}).value()->Info("first");
    Log::Create(env, {.path = "/tarn.log"}).value()->Info("second");
    EXPECT_EQ(LinesOf(env, "/tarn.log").size(), 2u);
}

TEST(Log, SurvivesAFailingDiskAndTellsWhatWasLost) {
    FaultEnv env;
    auto log = Log::Create(env, {.path = "/tarn.log"}).value();
    log->Info("before");
    env.SetDiskBytes(0);
    testing::internal::CaptureStderr();
    for (int i = 0; i < 3; i++) log->Info("lost");
    EXPECT_NE(testing::internal::GetCapturedStderr().find("the disk is full"), std::string::npos);
    env.SetDiskBytes(1 << 20);
    log->Info("after");
    auto lines = LinesOf(env, "/tarn.log");
    ASSERT_EQ(lines.size(), 3u);
    EXPECT_EQ(lines[1]["lines"], 3);
    EXPECT_EQ(lines[2]["message"], "after");
}

TEST(Log, CutsHugeLines) {
    FaultEnv env;
    auto log = Log::Create(env, {.path = "/tarn.log"}).value();
    log->Info("huge", {{"text", std::string(1 << 20, 'x')}});
    auto lines = LinesOf(env, "/tarn.log");
    EXPECT_EQ(lines[0]["message"], "huge");
    EXPECT_GT(lines[0]["cut_from_bytes"], 1 << 20);
}

TEST(Log, WritesTextOnATerminal) {
    FaultEnv env;
    auto log = Log::Create(env, {.terminal = true}).value();
    testing::internal::CaptureStderr();
    log->Error("bad\x1b]0;title\a", {{"path", "a\x7f\xc2\x9b"}});
    EXPECT_EQ(testing::internal::GetCapturedStderr(),
              FormatTime(env.clock().Now()) + " error   bad\\x1b]0;title\\x07 path=\"a\\x7f\\xc2\\x9b\"\n");
    EXPECT_TRUE(env.files().List("/").value().empty());
}

TEST(Log, LinesOfThreadsDoNotMix) {
    FaultEnv env;
    auto log = Log::Create(env, {.path = "/tarn.log", .file_bytes_max = 5000, .files_max = 1000}).value();
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++) {
        threads.emplace_back([&] {
            for (int j = 0; j < 200; j++) log->Info("message", {{"number", j}});
        });
    }
    for (std::thread& thread : threads) thread.join();
    size_t count = 0;
    for (const FileEntry& entry : env.files().List("/").value()) count += LinesOf(env, "/" + entry.name).size();
    EXPECT_EQ(count, 800u);
}

TEST(Log, RefusesAPathThatCannotBeOpened) {
    EXPECT_FALSE(Log::Create(SystemEnv(), {.path = "/proc/none/tarn.log"}).ok());
    NullLog().Info("nothing");
}

}  // namespace
}  // namespace tarn
