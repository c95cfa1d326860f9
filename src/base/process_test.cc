#include "base/process.h"

#include <gtest/gtest.h>

#include <charconv>
#include <csignal>
#include <thread>

#include "base/env.h"
#include "base/text.h"

namespace tarn {
namespace {

using namespace std::chrono_literals;

Result<std::string> Shell(const std::string& script, Duration timeout = 20s) {
    return RunCommand({.command = {"sh", "-c", script}}, timeout);
}

int NumberIn(std::string_view text) {
    int number = 0;
    text = Trim(text);
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

// A zombie is dead too: an orphan stays one until init has time for it.
bool IsAlive(int pid) {
    auto status = ReadFile(SystemEnv(), fmt::format("/proc/{}/stat", pid));
    return status.ok() && status->find(") Z ") == std::string::npos;
}

bool DiesSoon(int pid) {
    for (int i = 0; i < 500 && IsAlive(pid); i++) SystemEnv().clock().Sleep(10ms);
    return !IsAlive(pid);
}

TEST(RunCommand, ReturnsOutputOnly) {
    EXPECT_EQ(Shell("echo out; echo err >&2").value(), "out\n");
    EXPECT_EQ(Shell("cat").value(), "") << "standard input is empty";
    EXPECT_EQ(Shell("head -c 1000000 /dev/zero").value().size(), 1'000'000u);
}

TEST(RunCommand, ErrorsCarryTheLastLines) {
    Error error = Shell("for i in $(seq 100); do echo line $i >&2; done; exit 3").error();
    EXPECT_EQ(error.code(), ErrorCode::kFailedPrecondition);
    EXPECT_EQ(error.message().substr(0, 26), "sh exited with 3: line 81\n");
    EXPECT_TRUE(error.message().ends_with("line 100"));
    EXPECT_EQ(Shell("echo only output; false").error().message(), "sh exited with 1: only output");
    EXPECT_EQ(RunCommand({.command = {"no-such-program"}}, 1s).error().code(), ErrorCode::kNotFound);
    EXPECT_EQ(RunCommand({.command = {"/no/such/program"}}, 1s).error().code(), ErrorCode::kNotFound);
    EXPECT_EQ(RunCommand({.command = {"/dev/null"}}, 1s).error().message(),
              "cannot start /dev/null: failed to execute it: Permission denied");
    EXPECT_EQ(RunCommand({.command = {"true"}, .directory = "/no/such"}, 1s).error().message(),
              "cannot start /usr/bin/true: failed to change to its directory: No such file or directory");
    EXPECT_EQ(RunCommand({}, 1s).error().code(), ErrorCode::kInvalidArgument);
}

TEST(RunCommand, KillsAfterTheTimeout) {
    Duration before = SystemEnv().clock().Monotonic();
    EXPECT_EQ(Shell("echo slow >&2; sleep 60", 100ms).error().code(), ErrorCode::kTimeout);
    EXPECT_LT(SystemEnv().clock().Monotonic() - before, 10s);
}

TEST(RunCommand, LimitsOutput) { EXPECT_EQ(Shell("cat /dev/zero").error().code(), ErrorCode::kResourceExhausted); }

TEST(RunCommand, DoesNotWaitForWhatStaysBehind) {
    Duration before = SystemEnv().clock().Monotonic();
    std::string pid = Shell("sleep 60 & echo $!").value();
    EXPECT_LT(SystemEnv().clock().Monotonic() - before, 10s);
    EXPECT_TRUE(DiesSoon(NumberIn(pid)));
}

TEST(Process, SeesOnlyItsOwnEnvironment) {
    ::setenv("TARN_TEST_SECRET", "hidden", 1);
    ProcessOptions options{.command = {"env"}, .environment = {{"GIVEN", "yes"}, {"TZ", "UTC"}}};
    std::string output = RunCommand(options, 20s).value();
    EXPECT_EQ(output.find("hidden"), std::string::npos);
    EXPECT_NE(output.find("GIVEN=yes\n"), std::string::npos);
    EXPECT_NE(output.find("TZ=UTC\n"), std::string::npos);
    for (const std::string& line : Split(Trim(output), '\n')) {
        std::string name = Split(line, '=')[0];
        EXPECT_TRUE(name == "GIVEN" || name == "PATH" || name == "LANG" || name == "TZ") << name;
    }
}

TEST(Process, InheritsNoDescriptorsAndNoSignals) {
    auto file = SystemEnv().files().Open("/proc/self/status").value();
    // Not through a shell: it has pipes and blocked signals of its own. 3 is the folder that ls reads.
    EXPECT_EQ(RunCommand({.command = {"ls", "/proc/self/fd"}}, 20s).value(), "0\n1\n2\n3\n");
    ::signal(SIGPIPE, SIG_IGN);
    ProcessOptions options{.command = {"grep", "-E", "^(SigBlk|SigIgn|NoNewPrivs)", "/proc/self/status"}};
    std::string status = RunCommand(options, 20s).value();
    ::signal(SIGPIPE, SIG_DFL);
    EXPECT_NE(status.find("SigBlk:\t0000000000000000"), std::string::npos) << status;
    EXPECT_NE(status.find("SigIgn:\t0000000000000000"), std::string::npos) << status;
    EXPECT_NE(status.find("NoNewPrivs:\t1"), std::string::npos) << status;
}

TEST(Process, RunsAsAnotherUserWhenWeAreRoot) {
    ProcessOptions options{.command = {"id"}, .user = "nobody"};
    std::string output = RunCommand(options, 20s).value();
    bool root = Shell("id -u").value() == "0\n";
    EXPECT_EQ(output.find("(nobody)") != std::string::npos, root) << output;
    if (root) {
        EXPECT_EQ(output.find("(root)"), std::string::npos) << output;
        options.user = "no-such-user";
        EXPECT_EQ(RunCommand(options, 1s).error().code(), ErrorCode::kNotFound);
    }
}

TEST(Process, WaitsSignalsAndTellsTheCode) {
    auto process = Process::Start({.command = {"sleep", "60"}}).value();
    EXPECT_FALSE(process->exit_code().has_value());
    EXPECT_EQ(process->Wait(10ms).error().code(), ErrorCode::kTimeout);
    process->Signal(SIGINT);
    EXPECT_EQ(process->Wait(20s).value(), 128 + SIGINT);
    EXPECT_EQ(process->exit_code(), 128 + SIGINT);
    process->Signal(SIGINT);
    EXPECT_EQ(Process::Start({.command = {"sh", "-c", "exit 7"}}).value()->Wait(20s).value(), 7);
}

TEST(Process, AppendsOutputToAFile) {
    std::string path = testing::TempDir() + "tarn_process_" + SystemEnv().random().Hex(8);
    for (const char* word : {"one", "two"}) {
        ProcessOptions options{.command = {"sh", "-c", fmt::format("echo {}; echo err >&2", word)},
                               .output_path = path};
        EXPECT_EQ(Process::Start(options).value()->Wait(20s).value(), 0);
    }
    EXPECT_EQ(ReadFile(SystemEnv(), path).value(), "one\nerr\ntwo\nerr\n");
    ASSERT_TRUE(SystemEnv().files().Remove(path).ok());
}

TEST(Process, IsKilledWithItsGroupWhenDestroyed) {
    std::string path = testing::TempDir() + "tarn_process_" + SystemEnv().random().Hex(8);
    // Ignores SIGTERM, and so does what it starts.
    ProcessOptions options{.command = {"sh", "-c", "trap '' TERM; sleep 60 & echo $!; wait"}, .output_path = path};
    auto process = Process::Start(options).value();
    std::string grandchild;
    for (int i = 0; i < 1000 && grandchild.empty(); i++) {
        SystemEnv().clock().Sleep(5ms);
        grandchild = ReadFile(SystemEnv(), path).value();
    }
    int pid = process->pid();
    process.reset();
    EXPECT_FALSE(IsAlive(pid));
    EXPECT_TRUE(DiesSoon(NumberIn(grandchild)));
    ASSERT_TRUE(SystemEnv().files().Remove(path).ok());
}

TEST(Process, OutlivesTheThreadThatStartedIt) {
    std::unique_ptr<Process> process;
    std::thread starter([&] { process = Process::Start({.command = {"sleep", "60"}}).value(); });
    starter.join();
    EXPECT_EQ(process->Wait(100ms).error().code(), ErrorCode::kTimeout);
}

// The program dies by kill -9, on a thread other than the one that started the child.
TEST(ProcessDeathTest, DiesWithTheProgram) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    std::string path = testing::TempDir() + "tarn_process_died";
    auto start_and_die = [&] {
        auto process = Process::Start({.command = {"sleep", "60"}}).value();
        (void)WriteFileDurably(SystemEnv(), path, fmt::to_string(process->pid()));
        ::kill(::getpid(), SIGKILL);
    };
    EXPECT_EXIT(start_and_die(), testing::KilledBySignal(SIGKILL), "");
    EXPECT_TRUE(DiesSoon(NumberIn(ReadFile(SystemEnv(), path).value())));
    ASSERT_TRUE(SystemEnv().files().Remove(path).ok());
}

TEST(Process, ManyAtOnce) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++) {
        threads.emplace_back([i] {
            for (int j = 0; j < 10; j++) EXPECT_EQ(Shell(fmt::format("echo {}", i)).value(), fmt::format("{}\n", i));
        });
    }
    for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace tarn
