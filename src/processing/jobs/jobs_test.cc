// What a job's file may say, whose rights its run has, what its log shows. Runs of whole jobs: tests/functional.
#include "processing/jobs/jobs.h"

#include <gtest/gtest.h>

#include "ingestion/connectors/connectors_for_test.h"
#include "processing/jobs/job_file.h"
#include "processing/jobs/job_task.h"
#include "processing/jobs/output.h"

namespace tarn::jobs {
namespace {

using workspace::Definition;

Definition Job(const std::string& name, const std::string& text, workspace::Issues& issues) {
    Definition definition;
    definition.kind = "job";
    definition.name = name;
    definition.file = "use_cases/shop/" + name.substr(name.find('.') + 1) + ".job.yaml";
    definition.text = text;
    definition.hash = text;
    static connectors::TestSources sources;  // for its engine, which reads what SQL says
    ParseJobFile(sources.engine(), definition, issues);
    return definition;
}

std::string IssuesOf(const std::string& text) {
    workspace::Issues issues;
    std::vector<Definition> all = {Job("shop.a", text, issues)};
    ValidateJobs(all, issues);
    return FormatIssues(issues);
}

TEST(JobFile, ListsAndConditionsAreRead) {
    workspace::Issues issues;
    Definition definition =
        Job("shop.a",
            "owner: alice\nafter: b\nafter_outcome: any\nwhen: SELECT $day > DATE '2024-01-01' FROM "
            "x\nparameters: {day: {type: date}}\nfor_each: {items: [a, 7, 'null'], parallel: 3}\n"
            "shell: 'true'\n",
            issues);
    ASSERT_TRUE(issues.empty()) << FormatIssues(issues);
    const auto& job = std::any_cast<const JobDefinition&>(definition.value);
    EXPECT_EQ(job.for_each->items, (std::vector<std::string>{"a", "7", "null"}));
    EXPECT_EQ(job.asks, std::vector<std::string>{"shop.x"});
    auto tasks = TasksOf({job}, {definition});
    EXPECT_TRUE(tasks[0].fans_out && tasks[0].after_any && !tasks[0].after_failure);
    EXPECT_EQ(tasks[0].parts_parallel, 3);
    EXPECT_NE(IssuesOf("owner: a\nwhen: SELECT x FROM nothing\nshell: 'true'\n").find(":2:"), std::string::npos);
    EXPECT_NE(IssuesOf("for_each: {items: [[a]]}\nshell: 'true'\n").find("item 1 is no text"), std::string::npos);
}

TEST(JobFile, ReadsWhatItSays) {
    workspace::Issues issues;
    Definition definition =
        Job("shop.a",
            "owner: alice\nreads: [raw_x.y]\nafter: b\nevery: 1h\nmemory: 64MiB\n"
            "network: ['db.example:5432']\nenv: {A: text, N: 7, S: secret:key}\nshell: |\n  echo hi\n",
            issues);
    ASSERT_TRUE(issues.empty()) << FormatIssues(issues);
    const auto& job = std::any_cast<const JobDefinition&>(definition.value);
    EXPECT_EQ(job.kind, "shell");
    EXPECT_EQ(job.code, "echo hi\n");
    EXPECT_EQ(job.env.at("A").text, "text");
    EXPECT_EQ(job.env.at("N").text, "7");
    EXPECT_EQ(job.env.at("S").secret, "key");
    EXPECT_EQ(job.network.at(0).ToString(), "db.example:5432");
    EXPECT_EQ(job.memory.bytes, 64 << 20);
    EXPECT_EQ(definition.owner, "alice");
}

TEST(JobFile, RefusesByNameWithTheNearestKey) {
    EXPECT_EQ(IssuesOf("shel: x\n"),
              "use_cases/shop/a.job.yaml:1:1: a job has one of python, shell, r, http, wait_for\n"
              "use_cases/shop/a.job.yaml:1:1: unknown key \"shel\"; did you mean \"shell\"?");
    EXPECT_NE(IssuesOf("shell: x\npython: y\n").find("a job has one of"), std::string::npos);
    EXPECT_NE(IssuesOf("every: 1h\nshell: x\n").find("needs `owner`"), std::string::npos);
    EXPECT_NE(IssuesOf("shell: run.sh\n").find(":1:1: there is no file use_cases/shop/run.sh"), std::string::npos);
    EXPECT_NE(IssuesOf("shell: ../run.sh\n").find("without a folder"), std::string::npos);
    EXPECT_NE(IssuesOf("shell: x\nnetwork: [nowhere]\n").find("is no host:port"), std::string::npos);
    EXPECT_NE(IssuesOf("shell: x\nenv: {TARN_TOKEN: x}\n").find("can't be a name"), std::string::npos);
    EXPECT_NE(IssuesOf("wait_for: {time: '6'}\n").find("as 06:30"), std::string::npos);
    EXPECT_NE(IssuesOf("wait_for: {time: '06:30', url: 'http://x'}\n").find("one of dataset"), std::string::npos);
    EXPECT_NE(IssuesOf("http: {url: 'file:///etc/passwd'}\n").find("begins with http"), std::string::npos);
    EXPECT_NE(IssuesOf("http: {url: 'http://x'}\nmemory: 1GiB\n").find("belongs to python"), std::string::npos);
    EXPECT_NE(IssuesOf("owner: a\nshell: x\nafter: [a]\n").find("in a circle: job:shop.a -> job:shop.a"),
              std::string::npos);
    EXPECT_NE(IssuesOf("owner: a\nshell: x\nafter: [b]\n").find("nothing defines the job or table b"),
              std::string::npos);
}

TEST(JobFile, FindsScriptsAndWhatItFollows) {
    workspace::Issues issues;
    Definition script;
    script.name = "shop.run";
    script.file = "use_cases/shop/run.py";
    script.text = "print(1)";
    script.hash = "1";
    ParseScriptFile(script, issues);
    std::vector<Definition> all = {Job("shop.a", "owner: x\npython: run.py\nafter: [b, 'job:shop.b']\n", issues),
                                   Job("shop.b", "shell: 'true'\n", issues), script};
    ValidateJobs(all, issues);
    ASSERT_TRUE(issues.empty()) << FormatIssues(issues);
    std::vector<JobDefinition> jobs = CollectJobs(all);
    ASSERT_EQ(jobs.size(), 2u);
    EXPECT_EQ(jobs[0].code, "print(1)");
    std::vector<orchestrator::TaskSpec> tasks = TasksOf(jobs, all);
    EXPECT_EQ(tasks[0].id, "job:shop.a");
    EXPECT_EQ(tasks[0].after, (std::vector<std::string>{"job:shop.b", "job:shop.b"}));
    EXPECT_FALSE(tasks[0].eager);
    EXPECT_EQ(tasks[0].timing.retries, 0);
    all[2].hash = "2";
    EXPECT_NE(TasksOf(CollectJobs(all), all)[0].fingerprint, tasks[0].fingerprint) << "the script changed";
}

TEST(Output, HidesSecretsWhereverTheyAreCut) {
    Redactor redactor;
    redactor.Add("hunter22");
    redactor.Add("first line\nsecond line\n");
    redactor.Add("abc");
    EXPECT_EQ(redactor.Redact("it is hunter22hunter22, abc; second line"), "it is ******, abc; ***");
    std::vector<std::string> lines;
    Lines output(redactor, [&](const std::string& line) { lines.push_back(line); });
    for (const char* piece : {"one hun", "ter22", "\ntwo\n\nlast hunter", "22"}) output.Add(piece);
    output.End();
    EXPECT_EQ(lines, (std::vector<std::string>{"one ***", "two", "", "last ***"}));
}

TEST(Output, IsCutAndSaysSo) {
    Redactor redactor;
    std::vector<std::string> lines;
    Lines output(redactor, [&](const std::string& line) { lines.push_back(line); });
    for (int i = 0; i < 20000; i++) output.Add("line\n");
    EXPECT_EQ(lines.size(), Lines::kLinesMax);
    EXPECT_EQ(lines.back(), "(the output was cut here: 8000 lines are kept)");
    lines.clear();
    Lines wide(redactor, [&](const std::string& line) { lines.push_back(line); });
    wide.Add(std::string(100'000, 'x'));
    wide.End();
    size_t bytes = 0;
    for (const std::string& line : lines) bytes += line.size();
    EXPECT_EQ(bytes, 100'000u);
    EXPECT_GT(lines.size(), 5u);
    EXPECT_EQ(LastLines("1\n2\n3\n"), "1\n2\n3");
    std::string many;
    for (int i = 0; i < 50; i++) many += fmt::format("{}\n", i);
    EXPECT_TRUE(LastLines(many).starts_with("30\n31\n")) << LastLines(many);
}

TEST(Parameters, AreFilledIn) {
    EXPECT_EQ(FillIn("http://x/{day}?{other}&{", {{"day", "2024-01-01"}}), "http://x/2024-01-01?{other}&{");
    EXPECT_EQ(FillIn("{\"a\":{\"b\":\"{v}\"}}", {{"v", "{v}"}}), "{\"a\":{\"b\":\"{v}\"}}");
}

}  // namespace
}  // namespace tarn::jobs
