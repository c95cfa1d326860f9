// Each fence by something that leans against it. The keeper is this test program itself: SandboxKeeperOfTests.Serves.
#include "base/process_sandbox.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "base/env.h"
#include "base/process.h"
#include "base/process_sandbox_for_test.h"
#include "base/text.h"

namespace tarn {
namespace {

using namespace std::chrono_literals;

class SandboxTest : public testing::Test {
  protected:
    void SetUp() override {
        auto fences = sandbox_->Probe();
        if (!fences.ok()) GTEST_SKIP() << fences.error().ToString();
    }
    Result<SandboxExit> Try(const std::string& script) {
        options_.command = {"/bin/sh", "-c", script};
        output_.clear();
        return sandbox_->Run(options_, cancel_, [this](std::string_view piece) { output_ += piece; });
    }
    // What the script printed; its exit code when that is not 0.
    std::string Output(const std::string& script) {
        auto end = Try(script);
        if (!end.ok()) return "error: " + end.error().ToString();
        return end->code == 0 ? output_ : fmt::format("exit {} {}: {}", end->code, end->killed_for, output_);
    }
    std::unique_ptr<Dialer> dialer_ = Dialer::Create();
    std::unique_ptr<Sandbox> sandbox_ = Sandbox::Create(KeeperForTests(), *dialer_, NullLog());
    SandboxOptions options_;
    CancelToken cancel_;
    std::string output_;
};

TEST_F(SandboxTest, RunsWithWhatItIsGivenAndNothingElse) {
    ::setenv("TARN_TEST_SECRET", "hidden", 1);
    options_.environment = {{"GIVEN", "yes"}};
    options_.files = {{"main.sh", "echo from a file"}, {"deep/er.txt", "x"}};
    EXPECT_EQ(Output("echo out; echo err >&2; cat"), "out\nerr\n");
    EXPECT_EQ(Output("sh main.sh; pwd; cat deep/er.txt"), "from a file\n/job\nx");
    std::string environment = Output("env | sort | cut -d= -f1");
    EXPECT_EQ(environment, "GIVEN\nHOME\nLANG\nPATH\nPWD\n");
    std::string root = Output("id -u; ls /; ls -d /root /home /sys /old 2>/dev/null");
    EXPECT_EQ(root.find("exit 2 : 1000\nbin\n"), 0u) << root;
    for (const char* name : {"root", "home", "var", "sys", "old", "srv", "mnt"}) {
        EXPECT_EQ(root.find(fmt::format("\n{}\n", name)), std::string::npos) << root;
    }
    EXPECT_EQ(Output("exit 7"), "exit 7 : ");
    EXPECT_EQ(Output("kill -9 $$"), "exit 137 : ");
    EXPECT_EQ(Output("ls /proc/self/fd | tr '\\n' ' '"), "0 1 2 3 ");
    options_.command = {"/no/such"};
    EXPECT_EQ(sandbox_->Run(options_, cancel_, [](std::string_view) {}).error().message(),
              "cannot execute /no/such: No such file or directory");
    auto fences = sandbox_->Probe();
    ASSERT_TRUE(fences.ok()) << fences.error().ToString();
    EXPECT_TRUE(fences->proc);
    EXPECT_EQ(fences->root, ::geteuid() == 0);
}

TEST_F(SandboxTest, WritesOnlyInItsScratch) {
    EXPECT_EQ(Output("echo x > a && echo y > /tmp/b && echo z > /dev/shm/c && cat a /tmp/b /dev/shm/c"), "x\ny\nz\n");
    EXPECT_EQ(Output("ls -A /tmp /dev/shm"), "/dev/shm:\n\n/tmp:\n") << "of the run before nothing is left";
    for (const char* path : {"/x", "/etc/x", "/usr/x", "/dev/x", "/proc/x", "/opt/tarn/x"}) {
        EXPECT_TRUE(Output(fmt::format("echo 2>/dev/null x > {} || echo refused", path)).ends_with("refused\n"))
            << path;
    }
    EXPECT_EQ(Output("echo 0 2>/dev/null > /proc/self/oom_score_adj || cat /proc/self/oom_score_adj").find("1000\n"),
              0u);
    options_.scratch_bytes_max = 1 << 20;
    EXPECT_NE(Output("head -c 3000000 /dev/zero > big").find("exit"), std::string::npos);
}

TEST_F(SandboxTest, SeesNoOtherProcessAndNoPrivilege) {
    EXPECT_EQ(Output("ls /proc | grep -c '^[0-9]'"), "4\n") << "the first one, sh, ls and grep";
    EXPECT_EQ(Output("kill -9 1; kill -STOP 1; kill -9 -1 2>/dev/null; echo alive"), "alive\n");
    std::string status = Output("grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status");
    for (const char* line : {"CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000",
                             "NoNewPrivs:\t1", "Seccomp:\t2"}) {
        EXPECT_NE(status.find(line), std::string::npos) << status;
    }
    EXPECT_NE(Output("cat /proc/1/environ").find("Permission denied"), std::string::npos);
    EXPECT_NE(Output("ls /proc/1/root/").find("Permission denied"), std::string::npos);
    EXPECT_NE(Output("ls -l /proc/1/fd").find("Permission denied"), std::string::npos);
    EXPECT_NE(Output("unshare -U true 2>&1").find("Operation not permitted"), std::string::npos);
    EXPECT_NE(Output("mount -t tmpfs x /job 2>&1").find("exit"), std::string::npos);
}

TEST_F(SandboxTest, EndsWithEverythingItStarted) {
    ASSERT_EQ(Output("(setsid sh -c 'setsid sleep 600.77 &' &) ; echo left"), "left\n");
    std::thread stopper([this] {
        SystemEnv().clock().Sleep(300ms);
        cancel_.Cancel();
    });
    Duration before = SystemEnv().clock().Monotonic();
    auto end = Try("trap '' TERM INT HUP; (setsid sh -c 'trap \"\" TERM; sleep 600.77 & wait' &); sleep 600.77");
    stopper.join();
    ASSERT_FALSE(end.ok());
    EXPECT_EQ(end.error().code(), ErrorCode::kCancelled);
    EXPECT_LT(SystemEnv().clock().Monotonic() - before, 5s);
    auto left = RunCommand({.command = {"sh", "-c", "grep -la '^sleep.600.77' /proc/[0-9]*/cmdline 2>/dev/null"}}, 10s);
    EXPECT_FALSE(left.ok()) << *left;
}

TEST_F(SandboxTest, LimitsMemoryOfAllProcessesTogether) {
    options_.memory_bytes_max = 64 << 20;
    std::string one = Output("head -c 200000000 /dev/zero | tail -c 150000000 | wc -c");
    EXPECT_TRUE(one.starts_with("exit") || one.find("exhausted") != std::string::npos || one == "0\n") << one;
    auto many = Try("for i in 1 2 3 4 5 6; do (head -c 40000000 /dev/zero | tail -c 30000000 | sleep 5) & done; wait");
    ASSERT_TRUE(many.ok());
    EXPECT_EQ(many->killed_for, "memory");
    auto scratch = Try("head -c 100000000 /dev/zero > /tmp/x; sleep 5");
    ASSERT_TRUE(scratch.ok());
    EXPECT_EQ(scratch->killed_for, "memory");
}

TEST_F(SandboxTest, LimitsCpuTimeOfAllProcessesTogether) {
    options_.cpu_max = 500ms;
    Duration before = SystemEnv().clock().Monotonic();
    auto end = Try("for i in 1 2 3; do (while :; do :; done) & done; wait");
    ASSERT_TRUE(end.ok()) << end.error().ToString();
    EXPECT_EQ(end->killed_for, "cpu");
    EXPECT_LT(SystemEnv().clock().Monotonic() - before, 10s);
    auto renewed = Try("while :; do sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done'; done");
    ASSERT_TRUE(renewed.ok());
    EXPECT_EQ(renewed->killed_for, "cpu");
}

TEST_F(SandboxTest, LimitsProcesses) {
    options_.processes_max = 20;
    options_.cpu_max = 3s;
    auto end = Try("bomb() { bomb | bomb & }; bomb; sleep 1; echo over");
    ASSERT_TRUE(end.ok()) << end.error().ToString();
    EXPECT_EQ(Output("for i in $(seq 30); do sleep 3 & done 2>&1; ls /proc | grep -c '^[0-9]'").find("30"),
              std::string::npos);
}

TEST_F(SandboxTest, CutsOutput) {
    options_.output_bytes_max = 10000;
    std::thread stopper([this] {
        SystemEnv().clock().Sleep(500ms);
        cancel_.Cancel();
    });
    EXPECT_EQ(Try("yes 'much ado'").error().code(), ErrorCode::kCancelled) << "it does not end by itself";
    stopper.join();
    EXPECT_EQ(output_.size(), 10000u);
    cancel_ = CancelToken();
    auto last = Try("seq 100000; echo the end");
    ASSERT_TRUE(last.ok());
    EXPECT_EQ(last->code, 0);
    EXPECT_GT(last->output_dropped, 500'000);
    EXPECT_TRUE(last->tail.ends_with("99999\n100000\nthe end\n"));
}

TEST_F(SandboxTest, HasOnlyTheNetworkThatItIsGranted) {
    auto server = StreamServer::Create(
                      {.listen = {"127.0.0.1", 0}}, NullLog(),
                      [](Stream& stream) {
                          std::array<uint8_t, 100> bytes;
                          auto count = stream.Read(bytes);
                          std::string answer = "heard: ";
                          if (count.ok()) answer += AsText(ByteSpan(bytes).first(*count));
                          (void)stream.Write(AsBytes(answer));
                      },
                      [](Stream&) {})
                      .value();
    std::string client =
        "python3 -c \"import socket,sys\nfor host in sys.argv[2:]:\n"
        "    try:\n"
        "        s = socket.create_connection((host, int(sys.argv[1])), 3); s.sendall(b'hello')\n"
        "        s.shutdown(socket.SHUT_WR); print(host, s.recv(100).decode())\n"
        "    except OSError as e: print(host, type(e).__name__)\" ";
    std::string ask = client + fmt::format("{} 127.0.0.1 granted.example 10.9.8.7 other.example 169.254.169.254",
                                           server->address().port);
    std::string nothing = Output(ask);
    EXPECT_EQ(nothing.find("heard"), std::string::npos) << nothing;
    int port = server->address().port;
    options_.network = {{"127.0.0.1", port, server->address()},
                        {"granted.example", port, server->address()},
                        {"10.9.8.7", port, server->address()}};
    std::string granted = Output(ask);
    EXPECT_TRUE(
        granted.starts_with("127.0.0.1 heard: hello\ngranted.example heard: hello\n10.9.8.7 heard: hello\n"
                            "other.example gaierror\n169.254.169.254 OSError"))
        << granted;
}

TEST_F(SandboxTest, ManyAtOnce) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++) {
        threads.emplace_back([this, i] {
            for (int j = 0; j < 5; j++) {
                SandboxOptions options;
                options.command = {"/bin/sh", "-c", fmt::format("echo {} {}", i, j)};
                std::string text;
                auto end = sandbox_->Run(options, CancelToken(), [&](std::string_view piece) { text += piece; });
                EXPECT_TRUE(end.ok()) << end.error().ToString();
                EXPECT_EQ(text, fmt::format("{} {}\n", i, j));
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace tarn
