// Foreign code, in a sandbox.
#include <array>

#include "base/text.h"
#include "processing/jobs/job_task.h"
#include "processing/jobs/output.h"

namespace tarn::jobs {
namespace {

using orchestrator::TaskOutcome;

// The module `tarn` of python jobs. It lies beside the script, where Python looks first.
constexpr std::string_view kPythonModule =
#include "processing/jobs/tarn.py.inc"
    ;

constexpr std::array kProgramFolders = {"/usr/local/bin/", "/usr/bin/", "/bin/"};

Result<std::string> FindProgram(Files& files, const std::string& configured, const std::string& name,
                                const std::string& key) {
    if (!configured.empty()) {
        if (files.Exists(configured)) return configured;
        return Error(ErrorCode::kNotSupported, "there is no {}, which jobs.{} of tarn.yaml names", configured, key);
    }
    for (const char* folder : kProgramFolders) {
        if (files.Exists(folder + name)) return folder + name;
    }
    return Error(ErrorCode::kNotSupported, "{} is not installed on this machine", name)
        .WithHint(fmt::format("install it, or name it in tarn.yaml: jobs: {{{}: /path/to/{}}}", key, name));
}

// The interpreter that the script's first line names, else sh.
std::vector<std::string> ShellCommand(const std::string& script) {
    if (!script.starts_with("#!")) return {"/bin/sh", "-e", "main.sh"};
    std::vector<std::string> command;
    for (const std::string& word : Split(Trim(script.substr(2, script.find('\n') - 2)), ' ')) {
        if (!word.empty()) command.push_back(word);
    }
    if (command.empty()) command.push_back("/bin/sh");
    command.push_back("main.sh");
    return command;
}

Status AddCommand(const JobsConfig& config, Files& files, const JobDefinition& job, SandboxOptions& options) {
    if (job.kind == "shell") {
        options.command = ShellCommand(job.code);
        options.files["main.sh"] = job.code;
    } else if (job.kind == "python") {
        options.command = {TRY(FindProgram(files, config.python, "python3", "python")), "-u", "main.py"};
        options.files["main.py"] = job.code;
        options.files["tarn.py"] = kPythonModule;
    } else {
        options.command = {TRY(FindProgram(files, config.rscript, "Rscript", "rscript")), "--vanilla", "main.r"};
        options.files["main.r"] = job.code;
    }
    return Ok();
}

std::string Upper(std::string text) {
    for (char& character : text) {
        if (character >= 'a' && character <= 'z') character = static_cast<char>(character - 'a' + 'A');
    }
    return text;
}

Status AddEnvironment(JobsDependencies& dependencies, const JobRun& run, SandboxOptions& options, Redactor& redactor) {
    for (const auto& [name, value] : run.job.env) {
        options.environment[name] = TRY(Resolve(dependencies.secrets, value));
        if (!value.secret.empty()) redactor.Add(options.environment[name]);
    }
    for (const auto& [name, value] : run.run.parameters()) options.environment["TARN_PARAM_" + Upper(name)] = value;
    options.environment["TARN_RUN"] = run.run.run_id();
    options.environment["TARN_TOKEN"] = run.credentials.token;
    redactor.Add(run.credentials.token);
    // The address of outside is the one inside too, so that the API knows itself by its name.
    Address api = dependencies.api();
    options.environment["TARN_URL"] = fmt::format("http://127.0.0.1:{}", api.port);
    options.network.push_back({"127.0.0.1", api.port, api});
    for (const Address& granted : run.job.network) options.network.push_back({granted.host, granted.port, granted});
    return Ok();
}

Error FailureOf(const JobDefinition& job, const SandboxExit& end, const Redactor& redactor) {
    std::string last = redactor.Redact(LastLines(end.tail));
    std::string what;
    if (end.killed_for == "memory") {
        what = fmt::format("it was stopped, as it used more than its memory of {}", FormatSize(job.memory.bytes));
    } else if (end.killed_for == "cpu") {
        what = fmt::format("it was stopped, as it used more than its CPU time of {}", FormatDuration(job.cpu));
    } else if (end.code > 128) {
        what = fmt::format("it was ended by signal {}", end.code - 128);
    } else {
        what = fmt::format("it exited with {}", end.code);
    }
    return Error(ErrorCode::kUnavailable, "{}", last.empty() ? what : what + ": " + last);
}

}  // namespace

Result<TaskOutcome> RunCode(const JobsConfig& config, JobsDependencies& dependencies, const JobRun& run) {
    const JobDefinition& job = run.job;
    SandboxOptions options;
    Redactor redactor;
    options.memory_bytes_max = job.memory.bytes;
    options.scratch_bytes_max = job.scratch.bytes;
    options.cpu_max = job.cpu;
    options.read_only = config.paths;
    options.programs = dependencies.programs;
    TRY(AddCommand(config, dependencies.env.files(), job, options));
    TRY(AddEnvironment(dependencies, run, options, redactor));
    Lines lines(redactor, [&](const std::string& line) { run.run.Write(line); });
    SandboxExit end =
        TRY(dependencies.sandbox.Run(options, run.run.cancel(), [&](std::string_view piece) { lines.Add(piece); }));
    lines.End();
    if (end.output_dropped > 0) {
        run.run.Write(fmt::format("(the output was cut here: {} more were dropped)", FormatSize(end.output_dropped)));
    }
    run.run.Write(fmt::format("it used {:.2f} s of CPU time and {} of memory",
                              static_cast<double>(end.cpu.count()) / 1e6, FormatSize(end.memory_bytes)));
    if (end.code != 0 || !end.killed_for.empty()) return FailureOf(job, end, redactor);
    TaskOutcome outcome;
    outcome.changed = true;
    outcome.version = run.run.run_id();
    outcome.details = {{"cpu_seconds", static_cast<double>(end.cpu.count()) / 1e6}, {"memory_bytes", end.memory_bytes}};
    return outcome;
}

}  // namespace tarn::jobs
