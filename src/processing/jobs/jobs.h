// Jobs: use_cases/<use_case>/<name>.job.yaml, for whatever is not a SELECT: python, shell, R, an HTTP call, a wait.
//
// Does: registers the workspace kinds `job` and the script files beside them, gives the orchestrator a task a job and
// runs it for a person: its `owner`, else who started it. Code runs in a sandbox (base/process_sandbox.h) that reaches
// the platform only through its API, with a token of that person which is void when the run ends. HTTP calls and waits
// are no foreign code and run here, through the one dialer and under the person's rights.
// Never: runs code in this process; gives a run a right that its person has not; writes a secret into a log.
// Who: constructed by app. Threads: any. State: none. At least once: a run that a crash cut is started again.
//
//   auto jobs = TRY(Jobs::Create(config, {env, dialer, http, secrets, catalog, lake, log, credentials, api}));
//   orchestrator.RegisterKind("job", jobs->AsTaskKind());
//   batch.AddTasks([&](const auto& all) { return jobs->Activate(all); });
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/http.h"
#include "base/json.h"
#include "base/log.h"
#include "base/net.h"
#include "base/process_sandbox.h"
#include "base/result.h"
#include "engine/engine.h"
#include "ingestion/orchestrator/orchestrator.h"
#include "processing/jobs/config.h"
#include "security/keys.h"
#include "security/principal.h"
#include "storage/catalog/catalog.h"
#include "storage/lake/lake.h"
#include "workspace/timing.h"
#include "workspace/workspace.h"

namespace tarn::jobs {

// A value as written or `secret:name`.
struct JobValue {
    std::string text;
    std::string secret;  // its name; empty: `text` is the value
};

struct HttpCall {
    std::string method = "GET";
    std::string url;
    std::map<std::string, JobValue> headers;
    std::string body;
    bool json = false;  // the body was written as YAML
    std::vector<std::string> expect;  // statuses; empty: 200 to 299
};

struct Wait {
    std::string dataset;
    std::optional<Duration> fresh;  // of the dataset: made within so long
    std::string url;
    std::string file;  // "bucket/key"
    std::string time;  // "06:30", UTC
    Duration poll = std::chrono::seconds(10);
};

// A run for each item of a list.
struct ForEach {
    std::vector<std::string> items;
    std::string sql;  // in place of items: one column
    int parallel = 1;
};

struct JobDefinition {
    std::string name;  // "delays.refresh"
    std::string kind;  // python | shell | r | http | wait_for
    std::string code;
    std::string code_file;  // "refresh.py": a file beside the job's, in place of `code`
    HttpCall http;
    Wait wait;
    std::string owner;
    std::string description;
    std::vector<std::string> tags;
    std::vector<std::string> reads;  // datasets
    std::vector<std::string> after;  // as written: jobs or tables of the use case, or whole names
    workspace::TimingKeys timing;
    workspace::Parameters parameters;
    std::optional<workspace::Partition> partition;
    std::string when;  // SQL of one truth value; empty: always
    std::optional<ForEach> for_each;
    std::string after_outcome = "success";
    std::vector<std::string> asks;  // datasets that `when` and `for_each` read
    ByteSize memory{512 << 20};
    ByteSize scratch{256 << 20};
    Duration cpu = std::chrono::hours(1);
    std::vector<Address> network;
    std::map<std::string, JobValue> env;
    std::string file;
    std::string hash;  // of the job's file and its script
};

// What a run has of its person: void once `hold` is gone.
struct RunCredentials {
    security::Principal principal;
    std::string token;
    std::shared_ptr<void> hold;  // shared with nobody: it only ends the token
};
using Credentials = std::function<Result<RunCredentials>(const std::string& user, const std::string& run, Duration)>;

struct JobsDependencies {
    Env& env;
    Dialer& dialer;
    HttpClient& http;
    security::SecretStore& secrets;
    catalog::Catalog& catalog;
    lake::Lake& lake;
    Log& log;
    Sandbox& sandbox;
    engine::Engine& engine;
    Credentials credentials;
    std::function<Address()> api;  // the platform's API, plain HTTP on loopback
    std::map<std::string, std::string> programs;  // the command line: files of this machine -> names in the sandbox
};

// The tasks of the jobs among these definitions, whether they are applied or not.
std::vector<orchestrator::TaskSpec> TasksOf(const std::vector<workspace::Definition>& all);

class Jobs {
  public:
    static std::unique_ptr<Jobs> Create(JobsConfig config, JobsDependencies dependencies);
    virtual ~Jobs() = default;
    virtual std::vector<workspace::Kind> WorkspaceKinds() = 0;
    virtual orchestrator::TaskKind& AsTaskKind() = 0;
    // Takes the jobs of an applied workspace over; their tasks.
    virtual std::vector<orchestrator::TaskSpec> Activate(const std::vector<workspace::Definition>& all) = 0;
    virtual std::vector<JobDefinition> All() const = 0;
    // For whom a run is: the job's owner, else the person that started it; empty: for nobody, then it fails.
    virtual std::string PersonOf(const orchestrator::TaskRun& run) const = 0;
    // Fails where jobs are defined that this machine can give no sandbox.
    virtual Status Health() = 0;
};

}  // namespace tarn::jobs
