#include "access/encryption/encryption.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "access/encryption/key_file.h"
#include "access/monitoring/http_for_test.h"
#include "base/fault_env.h"
#include "metadata/store_for_test.h"

namespace tarn::access {
namespace {

using metadata::StateDirectory;

constexpr const char* kRootFile = "/config/tarn/keys/root.key";

// A platform on a disk in memory (its metadata excepted, which SQLite keeps in a temporary directory).
class Platform {
  public:
    explicit Platform(Env& env) : env_(env) {}
    Status Open() {
        encryption_.reset();
        state_.reset();
        state_ = TRY(StateDirectory::Open(env_, "/state"));
        encryption_ =
            TRY(Encryption::Create({.root_key_file = kRootFile}, {.env = env_, .state = *state_, .metrics = metrics_}));
        return Ok();
    }
    Encryption& encryption() { return *encryption_; }

  private:
    Env& env_;
    Metrics metrics_;
    std::unique_ptr<StateDirectory> state_;
    std::unique_ptr<Encryption> encryption_;
};

TEST(EncryptionTest, KeysStayTheSame) {
    FaultEnv env;
    Platform platform(env);
    ASSERT_TRUE(platform.Open().ok());
    Secret raw = *platform.encryption().KeyOf("bucket:raw");
    Secret audit = *platform.encryption().KeyOf("audit");
    EXPECT_EQ(raw.bytes().size(), kKeyBytes);
    EXPECT_NE(raw.text(), audit.text());
    EXPECT_EQ(platform.encryption().KeyOf("bucket:raw")->text(), raw.text());
    ASSERT_TRUE(platform.Open().ok());
    EXPECT_EQ(platform.encryption().KeyOf("bucket:raw")->text(), raw.text());
    EXPECT_EQ(platform.encryption().KeyOf("audit")->text(), audit.text());
    EXPECT_EQ(platform.encryption().KeyOf("").error().code(), ErrorCode::kInvalidArgument);
    std::string stored = *ReadFile(env, "/state/keys.json");
    EXPECT_EQ(stored.find(HexEncode(raw.bytes())), std::string::npos);
    EXPECT_EQ(stored.find(Base64Encode(raw.bytes())), std::string::npos);
}

TEST(EncryptionTest, AMissingRootKeyIsNeverReplaced) {
    FaultEnv env;
    Platform platform(env);
    ASSERT_TRUE(platform.Open().ok());
    std::string content = *ReadFile(env, kRootFile);
    ASSERT_TRUE(env.files().Remove(kRootFile).ok());
    Status status = platform.Open();
    EXPECT_EQ(status.error().code(), ErrorCode::kFailedPrecondition);
    EXPECT_NE(status.error().message().find(kRootFile), std::string::npos);
    EXPECT_FALSE(env.files().Exists(kRootFile));
    ASSERT_TRUE(WriteFileDurably(env, kRootFile, content).ok());
    EXPECT_TRUE(platform.Open().ok());
}

TEST(EncryptionTest, AnotherRootKeyAndDamageAreRefused) {
    FaultEnv env;
    Platform platform(env);
    ASSERT_TRUE(platform.Open().ok());
    ASSERT_TRUE(platform.encryption().KeyOf("audit").ok());
    std::string good = *ReadFile(env, kRootFile);
    std::string other = good;
    other[other.size() - 2] = other[other.size() - 2] == '0' ? '1' : '0';
    ASSERT_TRUE(WriteFileDurably(env, kRootFile, other).ok());
    EXPECT_EQ(platform.Open().error().code(), ErrorCode::kFailedPrecondition);
    ASSERT_TRUE(WriteFileDurably(env, kRootFile, "tarn-root-key-v1:1234").ok());
    EXPECT_EQ(platform.Open().error().code(), ErrorCode::kCorruption);
    ASSERT_TRUE(WriteFileDurably(env, kRootFile, good).ok());

    std::string keys = *ReadFile(env, "/state/keys.json");
    std::string renamed = keys;
    renamed.replace(renamed.find("\"audit\""), 7, "\"other\"");
    ASSERT_TRUE(WriteFileDurably(env, "/state/keys.json", renamed).ok());
    ASSERT_TRUE(platform.Open().ok());
    EXPECT_EQ(platform.encryption().KeyOf("other").error().code(), ErrorCode::kCorruption);
    ASSERT_TRUE(WriteFileDurably(env, "/state/keys.json", keys.substr(0, keys.size() / 2)).ok());
    EXPECT_EQ(platform.Open().error().code(), ErrorCode::kCorruption);
}

TEST(EncryptionTest, MissingKeysOfAPlatformWithDataAreNotMadeAnew) {
    FaultEnv env;
    Platform platform(env);
    ASSERT_TRUE(platform.Open().ok());
    ASSERT_TRUE(WriteFileDurably(env, "/state/metadata.db", "x").ok());
    ASSERT_TRUE(env.files().Remove("/state/keys.json").ok());
    EXPECT_EQ(platform.Open().error().code(), ErrorCode::kFailedPrecondition);
    EXPECT_FALSE(env.files().Exists("/state/keys.json"));
}

// A crash at every operation of a first start: what was handed out is the same afterwards, and a start succeeds.
TEST(EncryptionTest, EveryCrashOfTheFirstStartIsSurvived) {
    for (bool power : {true, false}) {
        for (int64_t crash = 0;; ++crash) {
            FaultEnv env(crash + 1);
            Platform platform(env);
            env.CrashAt(crash);
            Result<Secret> before = Error(ErrorCode::kIo, "not asked");
            if (platform.Open().ok()) before = platform.encryption().KeyOf("metadata");
            bool finished = env.operations() <= crash;
            power ? env.PowerCut(crash + 7) : env.Kill();
            Platform again(env);
            Status opened = again.Open();
            ASSERT_TRUE(opened.ok()) << crash << ": " << opened.error().ToString();
            auto after = again.encryption().KeyOf("metadata");
            ASSERT_TRUE(after.ok()) << after.error().ToString();
            if (before.ok()) {
                EXPECT_EQ(before->text(), after->text()) << crash;
            }
            if (finished) break;
        }
    }
}

TEST(EncryptionTest, TheRootKeysPlaceComesFromTheEnvironment) {
    FaultEnv env;
    ASSERT_TRUE(env.files().CreateDirectories("/proc/self").ok());
    auto place = [&](std::string variables) {
        std::replace(variables.begin(), variables.end(), ' ', '\0');
        EXPECT_TRUE(WriteFileDurably(env, "/proc/self/environ", variables).ok());
        return DefaultRootKeyFile(env, "p1").value_or("none");
    };
    EXPECT_EQ(place("XDG_CONFIG_HOME=/xdg HOME=/home/alice "), "/xdg/tarn/keys/p1.key");
    EXPECT_EQ(place("XDG_CONFIG_HOME= HOME=/home/alice "), "/home/alice/.config/tarn/keys/p1.key");
    EXPECT_EQ(place("HOME=/home/alice TARN_ROOT_KEY_FILE=/media/stick/key "), "/media/stick/key");
    EXPECT_EQ(place("PATH=/bin "), "none");
    EXPECT_TRUE(DefaultRootKeyFile(SystemEnv(), "p1").ok());
}

class SecretsTest : public testing::Test {
  protected:
    void SetUp() override {
        ASSERT_TRUE(platform_.Open().ok());
        auto opened = metadata::Database::OpenSqlite(SystemEnv(), directory_.path() + "/metadata.db",
                                                     *platform_.encryption().KeyOf("metadata"));
        ASSERT_TRUE(opened.ok()) << opened.error().ToString();
        database_ = std::move(opened).value();
        ASSERT_TRUE(secrets().Start(*database_).ok());
    }
    Encryption& secrets() { return platform_.encryption(); }

    FaultEnv env_;
    Platform platform_{env_};
    metadata::TestDirectory directory_;
    std::unique_ptr<metadata::Database> database_;
};

TEST_F(SecretsTest, AreKeptReplacedAndRemoved) {
    EXPECT_EQ(secrets().Get("s3").error().code(), ErrorCode::kNotFound);
    EXPECT_NE(secrets().Get("s3").error().hint().find("tarn secret set s3"), std::string::npos);
    ASSERT_TRUE(secrets().Set("s3", Secret(std::string_view("one"))).ok());
    ASSERT_TRUE(secrets().Set("s3", Secret(std::string_view("two"))).ok());
    ASSERT_TRUE(secrets().Set("db.main", Secret(std::string_view("\0binary\xff", 8))).ok());
    EXPECT_EQ(secrets().Get("s3")->text(), "two");
    EXPECT_EQ(secrets().Get("db.main")->bytes().size(), 8u);
    EXPECT_EQ(*secrets().Names(), (std::vector<std::string>{"db.main", "s3"}));
    EXPECT_EQ(secrets().SummaryOf("s3")->updated_at, env_.clock().Now());
    ASSERT_TRUE(secrets().Remove("s3").ok());
    EXPECT_EQ(secrets().Remove("s3").error().code(), ErrorCode::kNotFound);
    EXPECT_EQ(secrets().Get("s3").error().code(), ErrorCode::kNotFound);
}

TEST_F(SecretsTest, BadNamesAndValuesAreRefused) {
    for (std::string_view name : {"", ".x", "a/b", "a b", "\xff", "a\n"}) {
        EXPECT_EQ(secrets().Set(name, Secret(std::string_view("x"))).error().code(), ErrorCode::kInvalidArgument);
    }
    EXPECT_FALSE(secrets().Set(std::string(129, 'a'), Secret(std::string_view("x"))).ok());
    EXPECT_FALSE(secrets().Set("empty", Secret()).ok());
    EXPECT_FALSE(secrets().Set("long", Secret(std::string(65537, 'x'))).ok());
}

TEST_F(SecretsTest, ASwappedRowIsFound) {
    ASSERT_TRUE(secrets().Set("low", Secret(std::string_view("cheap"))).ok());
    ASSERT_TRUE(secrets().Set("high", Secret(std::string_view("precious"))).ok());
    ASSERT_TRUE(database_
                    ->Write([](metadata::Transaction& transaction) -> Status {
                        TRY(
                            transaction.Execute("UPDATE secrets SET sealed = "
                                                "(SELECT sealed FROM secrets WHERE name = 'high') WHERE name = 'low'"));
                        return Ok();
                    })
                    .ok());
    EXPECT_EQ(secrets().Get("low").error().code(), ErrorCode::kCorruption);
}

TEST_F(SecretsTest, OverHttpValuesGoInAndNeverComeOut) {
    TestHttp http(secrets().Routes());
    EXPECT_EQ(http.CallJson("PUT", "/api/v1/secrets/s3", R"({"value": "pr3cious"})")["name"], "s3");
    EXPECT_EQ(secrets().Get("s3")->text(), "pr3cious");
    EXPECT_EQ(http.Call("PUT", "/api/v1/secrets/s3", R"({"value": 7})").status, 400);
    EXPECT_EQ(http.Call("PUT", "/api/v1/secrets/.s3", R"({"value": "x"})").status, 400);
    EXPECT_EQ(http.CallJson("GET", "/api/v1/secrets")["secrets"][0]["name"], "s3");
    EXPECT_EQ(http.CallJson("GET", "/api/v1/secrets/s3")["name"], "s3");
    EXPECT_EQ(http.Call("GET", "/api/v1/secrets/none").status, 404);
    EXPECT_EQ(http.Call("GET", "/api/v1/secrets", "", "bob").status, 403);
    EXPECT_EQ(http.Call("GET", "/api/v1/secrets", "", "").status, 401);
    EXPECT_EQ(http.Call("GET", "/api/v1/secrets").body.find("pr3cious"), std::string::npos);
    EXPECT_EQ(http.Call("DELETE", "/api/v1/secrets/s3").status, 204);
    EXPECT_EQ(http.Call("DELETE", "/api/v1/secrets/s3").status, 404);
    for (const auto& [event, durability] : http.audit().events) {
        EXPECT_EQ(DumpJson(event.details).find("pr3cious"), std::string::npos);
    }
}

TEST_F(SecretsTest, BeforeTheStartTheyAreNotThere) {
    Platform platform(env_);
    FaultEnv other;
    Platform fresh(other);
    ASSERT_TRUE(fresh.Open().ok());
    EXPECT_EQ(fresh.encryption().Get("x").error().code(), ErrorCode::kFailedPrecondition);
}

}  // namespace
}  // namespace tarn::access
