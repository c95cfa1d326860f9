// HTTP calls and waits: nothing foreign runs, so they are made here, under the person's rights.
#include <algorithm>

#include "base/number.h"
#include "base/text.h"
#include "processing/jobs/job_task.h"
#include "processing/jobs/output.h"

namespace tarn::jobs {
namespace {

using orchestrator::TaskOutcome;

constexpr size_t kAnswerBytesMax = 4 << 20;
constexpr size_t kAnswerShown = 2000;
constexpr Duration kLookTimeMax = std::chrono::seconds(10);

bool IsExpected(const HttpCall& call, int status) {
    if (call.expect.empty()) return status >= 200 && status < 300;
    return std::find(call.expect.begin(), call.expect.end(), std::to_string(status)) != call.expect.end();
}

struct Look {
    bool there = false;
    std::string what;  // it waits for, for people
};

Result<Look> LookAtDataset(JobsDependencies& dependencies, const JobRun& run) {
    const Wait& wait = run.job.wait;
    size_t dot = std::min(wait.dataset.find('.'), wait.dataset.size() - 1);
    auto dataset = dependencies.catalog.Describe(run.credentials.principal, wait.dataset.substr(0, dot),
                                                 wait.dataset.substr(dot + 1));
    if (!dataset.ok() && dataset.error().code() != ErrorCode::kNotFound) return std::move(dataset).error();
    bool there = dataset.ok() && !dataset->version.empty();
    if (!wait.fresh) return Look{there, fmt::format("a version of {}", wait.dataset)};
    Timestamp since = dependencies.env.clock().Now() - *wait.fresh;
    there = there && dataset->updated_at && *dataset->updated_at >= since;
    return Look{there, fmt::format("{} to be made within {}", wait.dataset, FormatDuration(*wait.fresh))};
}

Result<Look> LookAtUrl(JobsDependencies& dependencies, const JobRun& run) {
    HttpClientRequest request;
    request.url = FillIn(run.job.wait.url, run.run.parameters());
    request.timeout = kLookTimeMax;
    auto answer = dependencies.http.Send(request, kAnswerBytesMax);
    Look look{false, fmt::format("{} to answer", request.url)};
    // A wrong or forbidden address never answers: no use to wait for it.
    bool hopeless = !answer.ok() && (answer.error().code() == ErrorCode::kInvalidArgument ||
                                     answer.error().code() == ErrorCode::kPermissionDenied);
    if (hopeless) return std::move(answer).error();
    look.there = answer.ok() && answer->status >= 200 && answer->status < 300;
    return look;
}

Result<Look> LookAtFile(JobsDependencies& dependencies, const JobRun& run) {
    std::string name = FillIn(run.job.wait.file, run.run.parameters());
    size_t slash = name.find('/');
    auto found = dependencies.lake.Head(run.credentials.principal, {name.substr(0, slash), name.substr(slash + 1)});
    if (!found.ok() && found.error().code() != ErrorCode::kNotFound) return std::move(found).error();
    return Look{found.ok(), fmt::format("the file {}", name)};
}

Look LookAtClock(JobsDependencies& dependencies, const JobRun& run) {
    const std::string& time = run.job.wait.time;
    int64_t minutes = IntegerOrZero(time.substr(0, 2)) * 60 + IntegerOrZero(time.substr(3));
    // The first such time after the run was asked for.
    constexpr int64_t kDay = 86400ll * 1'000'000;
    int64_t asked = ToMicros(run.run.queued_at());
    int64_t target = asked / kDay * kDay + minutes * 60'000'000;
    if (target < asked) target += kDay;
    return {ToMicros(dependencies.env.clock().Now()) >= target, FormatTime(FromMicros(target))};
}

}  // namespace

Result<TaskOutcome> RunHttp(JobsDependencies& dependencies, const JobRun& run) {
    const HttpCall& call = run.job.http;
    Redactor redactor;
    HttpClientRequest request;
    request.method = call.method;
    request.url = FillIn(call.url, run.run.parameters());
    request.body = FillIn(call.body, run.run.parameters());
    request.timeout = run.run.spec().timing.timeout;
    if (call.json) request.headers.Set("Content-Type", "application/json");
    for (const auto& [name, value] : call.headers) {
        std::string text = TRY(Resolve(dependencies.secrets, value));
        if (!value.secret.empty()) redactor.Add(text);
        request.headers.Set(name, text);
    }
    HttpClientResponse answer = TRY(dependencies.http.Send(request, kAnswerBytesMax));
    std::string shown = redactor.Redact(answer.body.substr(0, std::min(answer.body.size(), kAnswerShown)));
    run.run.Write(fmt::format("{} {}: {}", call.method, request.url, answer.status));
    if (!IsExpected(call, answer.status)) {
        // What the server may mend by itself is worth another try.
        bool again = answer.status >= 500 || answer.status == 429 || answer.status == 408;
        return Error(again ? ErrorCode::kUnavailable : ErrorCode::kFailedPrecondition, "{} {} answered {}: {}",
                     call.method, request.url, answer.status, shown);
    }
    for (const std::string& line : Split(shown, '\n')) run.run.Write(line);
    TaskOutcome outcome;
    outcome.changed = true;
    outcome.version = run.run.run_id();
    outcome.details = {{"status", answer.status}};
    return outcome;
}

Result<TaskOutcome> RunWait(JobsDependencies& dependencies, const JobRun& run) {
    const Wait& wait = run.job.wait;
    Look look;
    if (!wait.dataset.empty()) look = TRY(LookAtDataset(dependencies, run));
    if (!wait.url.empty()) look = TRY(LookAtUrl(dependencies, run));
    if (!wait.file.empty()) look = TRY(LookAtFile(dependencies, run));
    if (!wait.time.empty()) look = LookAtClock(dependencies, run);
    TaskOutcome outcome;
    Duration waited = dependencies.env.clock().Now() - run.run.queued_at();
    if (look.there) {
        run.run.Write(fmt::format("{} is there after {}", look.what, FormatDuration(waited)));
        outcome.changed = true;
        outcome.version = run.run.run_id();
        return outcome;
    }
    Duration timeout = run.run.spec().timing.timeout;
    if (waited >= timeout) {
        return Error(ErrorCode::kFailedPrecondition, "it waited {}, its timeout, for {}", FormatDuration(timeout),
                     look.what);
    }
    outcome.again_after = std::min(wait.poll, timeout - waited);
    outcome.waits_for = look.what;
    return outcome;
}

}  // namespace tarn::jobs
