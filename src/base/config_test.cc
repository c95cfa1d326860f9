#include "base/config.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace tarn {
namespace {

using namespace std::chrono_literals;

struct ListenConfig {
    std::string web = "127.0.0.1:8080";
    int backlog = 128;
    std::optional<int64_t> limit;
};
void Bind(ConfigBinder& binder, ListenConfig& config) {
    binder.Key("web", config.web, "Address of the web UI.");
    binder.Key("backlog", config.backlog, "Waiting connections.");
    binder.Key("limit", config.limit, "Connections at most.");
    binder.NotYet("quic", "HTTP/3 comes later");
}

struct SourceConfig {
    std::string url;
    std::vector<std::string> tags;
    SecretName password;
};
void Bind(ConfigBinder& binder, SourceConfig& config) {
    binder.Key("url", config.url, "Where it is.", ConfigBinder::Need::kRequired);
    binder.Key("tags", config.tags, "Words.");
    binder.Key("password", config.password, "Its password.");
}

struct TestConfig {
    std::string name;
    bool enabled = true;
    double ratio = 0.5;
    Duration every = 15min;
    ByteSize cache{64 << 20};
    std::string mode = "fast";
    Json extra;
    ListenConfig listen;
    std::optional<ListenConfig> admin;
    std::map<std::string, SourceConfig> sources;
    std::vector<SourceConfig> list;
};
void Bind(ConfigBinder& binder, TestConfig& config) {
    binder.Key("name", config.name, "Shown in the UI.");
    binder.Key("enabled", config.enabled, "On.");
    binder.Key("ratio", config.ratio, "A share.");
    binder.Key("every", config.every, "How often.");
    binder.Key("cache", config.cache, "Bytes of cache.");
    binder.Choice("mode", config.mode, {"fast", "careful"}, "How.");
    binder.Any("extra", config.extra, "Anything.");
    binder.Section("listen", config.listen, "Where Tarn listens.");
    binder.Section("admin", config.admin, "Where administrators go.");
    binder.Map("sources", config.sources, "Named sources.");
    binder.List("list", config.list, "More sources.");
    if (config.name == "forbidden") binder.Report("name", "\"name\" must not be \"forbidden\"");
}

TestConfig Load(std::string_view text) {
    auto config = LoadConfig<TestConfig>(text, "tarn.yaml");
    EXPECT_TRUE(config.ok()) << config.error().message();
    return config.ok() ? *config : TestConfig{};
}

std::string Issues(std::string_view text) {
    auto config = LoadConfig<TestConfig>(text, "f");
    return config.ok() ? "" : config.error().message();
}

TEST(Config, DefaultsStand) {
    for (const char* text : {"", "# nothing\n", "---\n", "listen:\n", "~"}) {
        TestConfig config = Load(text);
        EXPECT_EQ(config.listen.web, "127.0.0.1:8080");
        EXPECT_EQ(config.cache.bytes, 64 << 20);
        EXPECT_FALSE(config.admin.has_value());
        EXPECT_FALSE(config.listen.limit.has_value());
    }
}

TEST(Config, ReadsEverything) {
    TestConfig config = Load(R"(
name: Flights
enabled: off
ratio: 1e-1
every: 1h30m
cache: 1GB
mode: careful
extra: {a: [1, 2.5, true, ~, "1", 007, NO, 2026-01-02], b: {c: text}}
listen:
  web: "[::1]:80"
  backlog: -5
  limit: 9223372036854775807
admin: {}
sources:
  airports: {url: "https://example.org", tags: one, password: secret:airports.key}
  weather:
    url: x
    tags: [a, 1.10, yes]
list:
  - url: y
)");
    EXPECT_EQ(config.name, "Flights");
    EXPECT_FALSE(config.enabled);
    EXPECT_DOUBLE_EQ(config.ratio, 0.1);
    EXPECT_EQ(config.every, 90min);
    EXPECT_EQ(config.cache.bytes, 1'000'000'000);
    EXPECT_EQ(config.mode, "careful");
    EXPECT_EQ(config.extra, Json::parse(R"({"a":[1,2.5,true,null,"1","007","NO","2026-01-02"],"b":{"c":"text"}})"));
    EXPECT_EQ(config.listen.web, "[::1]:80");
    EXPECT_EQ(config.listen.backlog, -5);
    EXPECT_EQ(config.listen.limit, std::numeric_limits<int64_t>::max());
    EXPECT_TRUE(config.admin.has_value());
    EXPECT_EQ(config.sources.at("airports").tags, std::vector<std::string>{"one"});
    EXPECT_EQ(config.sources.at("airports").password.name, "airports.key");
    EXPECT_EQ(config.sources.at("weather").tags, (std::vector<std::string>{"a", "1.10", "yes"}));
    EXPECT_EQ(config.list.at(0).url, "y");
}

TEST(Config, YamlTrapsAreClosed) {
    EXPECT_EQ(Load("name: NO").name, "NO");
    EXPECT_EQ(Load("name: 1.10").name, "1.10");
    EXPECT_EQ(Load("name: 010").name, "010");
    EXPECT_EQ(Load("name: '~'").name, "~");
    EXPECT_EQ(Load("name: |\n  two\n  lines\n").name, "two\nlines\n");
    EXPECT_EQ(Issues("listen: {backlog: 010}"), "f:1:19: \"listen.backlog\" must be a whole number, got \"010\"");
    EXPECT_EQ(Issues("listen: {backlog: \"80\"}"),
              "f:1:19: \"listen.backlog\" must be a whole number, got the text \"80\": remove the quotes");
    EXPECT_EQ(Issues("enabled: 'no'"), "f:1:10: \"enabled\" must be yes or no, got the text \"no\"");
    EXPECT_EQ(Issues("enabled: 1"), "f:1:10: \"enabled\" must be yes or no, got \"1\"");
    for (const char* number : {"1_000", "0x10", "1.5", "1e3", "", "-", "+-1", "--1", " ", "1:30", "abc"}) {
        EXPECT_NE(Issues(fmt::format("listen: {{backlog: {}}}", number)), "") << number;
    }
    for (const char* number : {".inf", "nan", "inf", "1e999", "0x1p3", "01.5", "1.5.5"}) {
        EXPECT_NE(Issues(fmt::format("ratio: {}", number)), "") << number;
    }
    EXPECT_EQ(Issues("listen: {backlog: 3000000000}"), "f:1:19: \"listen.backlog\" is out of range: 3000000000");
    EXPECT_EQ(Load("ratio: 0.25").ratio, 0.25);
    EXPECT_EQ(Load("ratio: -3").ratio, -3);
}

TEST(Config, SuggestsTheNearestKey) {
    EXPECT_EQ(Issues("nmae: x"), "f:1:1: unknown key \"nmae\"; did you mean \"name\"?");
    EXPECT_EQ(Issues("listen:\n  wbe: x"), "f:2:3: unknown key \"wbe\" in \"listen\"; did you mean \"web\"?");
    EXPECT_EQ(Issues("zebra: x"), "f:1:1: unknown key \"zebra\"");
    EXPECT_EQ(Issues("mode: fasst"),
              "f:1:7: \"mode\" must be one of fast | careful, got \"fasst\"; did you mean \"fast\"?");
}

TEST(Config, ReportsAllIssuesInOrder) {
    EXPECT_EQ(Issues("every: soon\n"
                     "ünknown: [x]\n"
                     "list: [ä: 1, url: [x]]\n"
                     "name: [1]\n"
                     "listen: {quic: yes, web: {}}\n"
                     "sources:\n"
                     "  a:\n"
                     "  b: text\n"
                     "cache: 64M\n"),
              "f:1:8: \"every\" has a wrong value: \"soon\" is not a duration; write it like 500ms, 15m, 1h30m or 7d "
              "(units us ms s m h d w)\n"
              "f:2:1: unknown key \"ünknown\"\n"
              "f:3:8: \"list[0].url\" is missing\n"
              "f:3:8: unknown key \"ä\" in \"list[0]\"\n"
              "f:3:19: \"list[1].url\" must be text, got a list\n"
              "f:4:7: \"name\" must be text, got a list\n"
              "f:5:10: \"listen.quic\" is not supported yet: HTTP/3 comes later\n"
              "f:5:26: \"listen.web\" must be text, got a mapping\n"
              "f:7:3: \"sources.a.url\" is missing\n"
              "f:8:6: \"sources.b\" must be a mapping of keys, got \"text\"\n"
              "f:9:8: \"cache\" has a wrong value: \"64M\" is not a size; write it like 64MiB, 1GB or 4096");
}

TEST(Config, AddsTheFirstLine) {
    auto issues = ReadConfig("a: 1\nb: 2\n", "flow.sql", 10, [](ConfigBinder& binder) {
        int a = 0;
        binder.Key("a", a, "A.");
        EXPECT_EQ(binder.LineOf("a"), 10);
        EXPECT_EQ(binder.LineOf("b"), 11);
        EXPECT_EQ(binder.LineOf(""), 10);
        EXPECT_EQ(binder.file(), "flow.sql");
    });
    EXPECT_EQ(FormatIssues(issues), "flow.sql:11:1: unknown key \"b\"");
}

TEST(Config, BindMayReport) { EXPECT_EQ(Issues("# c\nname: forbidden"), "f:2:7: \"name\" must not be \"forbidden\""); }

TEST(Config, SecretsNeverStandInAFileOrMessage) {
    std::string issues = Issues("list: [{url: x, password: hunter2}]");
    EXPECT_NE(issues.find("f:1:27: \"list[0].password\" must be \"secret:\""), std::string::npos) << issues;
    EXPECT_EQ(issues.find("hunter2"), std::string::npos);
    for (const char* text : {"'secret:'", "'secret:a b'", "'Secret:a'", "[secret:a]", "~"}) {
        EXPECT_NE(Issues(fmt::format("list: [{{url: x, password: {}}}]", text)), "") << text;
    }
}

TEST(Config, RefusesWhatYamlHasTooMuchOf) {
    EXPECT_EQ(Issues("name: &a x\nmode: *a\n"),
              "f:1:7: anchors (&name) are not supported: write the value out\n"
              "f:2:7: aliases (*name) are not supported: write the value out");
    EXPECT_EQ(Issues("name: !!binary eA=="), "f:1:7: tags (!name) are not supported: quote what is meant as text");
    EXPECT_EQ(Issues("name: a\nname: b\n"), "f:2:1: the key \"name\" stands here again (first in line 1)");
    EXPECT_EQ(Issues("name: a\n---\nname: b\n"), "f:2:1: one file holds one document; a second one begins here");
    EXPECT_EQ(Issues("[a]: b"), "f:1:1: a key must be text");
    EXPECT_EQ(Issues("- a"), "f:1:1: the file must be a mapping of keys, got a list");
    EXPECT_EQ(Issues("name: \"a\\0b\""), "f:1:7: text must not contain a zero byte");
    EXPECT_EQ(Issues("name: \xff"), "f:1:1: the file is not UTF-8 text");
    for (const char* text : {"mode: fast\nname: 'a", "mode: fast\nname: 'a\n", "mode: fast\nname: 'a\nenabled: no\n",
                             "mode: fast\nname: \"a\nenabled: no\n\n"}) {
        EXPECT_EQ(Issues(text), "f:2:1: not YAML: a quote that is opened behind this is never closed");
    }
    EXPECT_EQ(Issues("name: a: b\n"), "f:1:8: not YAML: illegal map value");
    EXPECT_EQ(Issues("name:\n"), "f:1:1: \"name\" must be text, got nothing");
}

TEST(Config, HasLimits) {
    EXPECT_EQ(Issues(std::string((1 << 20) + 1, '#')), "f:1:1: the file is larger than 1048576 bytes");
    EXPECT_EQ(Issues("extra: " + std::string(40, '[') + std::string(40, ']')), "f:1:39: nested deeper than 32 levels");
    for (const char* opening : {"[", "{", "- ", "? ", "{a: ", "[a: ", "a: [", "\"", "!", "&a ", ": "}) {
        std::string text;
        while (text.size() < 100'000) text += opening;
        EXPECT_NE(Issues(text), "") << opening;
    }
    std::string many;
    for (int i = 0; i < 5000; i++) many += fmt::format("key{}: 1\n", i);
    EXPECT_EQ(Split(Issues(many), '\n').size(), 100u);
}

TEST(Config, Describes) {
    auto docs = DescribeConfig<TestConfig>();
    std::map<std::string, ConfigKeyDoc> by_path;
    for (const ConfigKeyDoc& doc : docs) by_path[doc.path] = doc;
    EXPECT_EQ(by_path.at("enabled").type, "yes or no");
    EXPECT_EQ(by_path.at("enabled").default_value, "yes");
    EXPECT_EQ(by_path.at("every").default_value, "15m");
    EXPECT_EQ(by_path.at("cache").default_value, "64MiB");
    EXPECT_EQ(by_path.at("mode").type, "one of fast | careful");
    EXPECT_EQ(by_path.at("listen").description, "Where Tarn listens.");
    EXPECT_EQ(by_path.at("listen.web").default_value, "127.0.0.1:8080");
    EXPECT_EQ(by_path.at("listen.limit").default_value, "");
    EXPECT_EQ(by_path.at("admin.backlog").default_value, "128");
    EXPECT_TRUE(by_path.at("sources.<name>.url").required);
    EXPECT_EQ(by_path.at("list[].tags").type, "list of text");
    EXPECT_FALSE(by_path.contains("listen.quic"));
}

struct TreeConfig {
    std::vector<TreeConfig> children;
};
void Bind(ConfigBinder& binder, TreeConfig& config) { binder.List("children", config.children, "Below."); }

TEST(Config, DescribingATypeInItselfEnds) {
    EXPECT_LT(DescribeConfig<TreeConfig>().size(), 20u);
    EXPECT_EQ(LoadConfig<TreeConfig>("children: [{children: []}, {}]", "f").value().children.size(), 2u);
}

}  // namespace
}  // namespace tarn
