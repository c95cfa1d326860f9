// The task that runs a job.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "processing/jobs/jobs.h"

namespace tarn::jobs {

// One run of a job: whose it is, and what it was told.
struct JobRun {
    const JobDefinition& job;
    orchestrator::TaskRun& run;
    const RunCredentials& credentials;
};

// Each gives the outcome of one run (run_code.cc, run_calls.cc).
Result<orchestrator::TaskOutcome> RunCode(const JobsConfig& config, JobsDependencies& dependencies, const JobRun& job);
Result<orchestrator::TaskOutcome> RunHttp(JobsDependencies& dependencies, const JobRun& job);
Result<orchestrator::TaskOutcome> RunWait(JobsDependencies& dependencies, const JobRun& job);

// A value, or the secret that it names.
Result<std::string> Resolve(security::SecretStore& secrets, const JobValue& value);
// `{name}` is replaced by the value of the parameter of that name.
std::string FillIn(const std::string& text, const workspace::ParameterValues& parameters);

}  // namespace tarn::jobs
