// Command: a verb of the command line. Each is one row of a table at the foot of its file; command_line.cc makes a
// parser, --help and suggestions from the rows.
//
//   std::vector<Command> RunCommands() {
//       return {{.name = "why", .summary = "Says why something is not running.", .example = "tarn why delays.flights",
//                .arguments = {{"TARGET", "A task, dataset or glob."}}, .run = Why}};
//   }
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/json.h"
#include "base/result.h"

namespace tarn::app {

// What the shell sees. Documented by `tarn --help`.
enum ExitCode : int {
    kExitOk = 0,
    kExitFailure = 1,
    kExitUsage = 2,
    kExitUnreachable = 3,
    kExitDenied = 4,
    kExitNotFound = 5,
};

struct CommandArgument {
    const char* name;
    const char* description;
    bool required = true;
    bool many = false;
};

struct CommandOption {
    const char* name;         // "--dir", "-f,--file"
    const char* value;        // "DIR"; nullptr: a switch
    const char* description;
    bool many = false;  // may stand several times
};

// One call of a command, with what was typed.
class Invocation {
  public:
    Invocation(Env& env, std::map<std::string, std::vector<std::string>> values)
        : env_(env), values_(std::move(values)) {}
    Env& env() const { return env_; }
    bool Has(const std::string& name) const { return values_.contains(name); }
    // Empty when it was not given.
    std::string Get(const std::string& name) const;
    std::optional<std::string> Find(const std::string& name) const;
    std::vector<std::string> All(const std::string& name) const;
    bool json() const { return Has("--json"); }

  private:
    Env& env_;
    std::map<std::string, std::vector<std::string>> values_;
};

struct Command {
    std::string name;  // "up", "user create"
    std::string summary;
    std::string details;  // shown by --help below the summary
    std::string example;
    std::vector<CommandArgument> arguments;
    std::vector<CommandOption> options;
    bool remote = true;  // talks to a running Tarn: gets --dir
    std::function<Status(const Invocation&)> run;
};

// For a command whose JSON says already what is wrong: only the exit code is missing. One answer is one document.
inline Error AlreadyTold(ErrorCode code) { return Error(code, ""); }

std::vector<Command> PlatformCommands();  // up, demo
std::vector<Command> PullCommands();       // pull
std::vector<Command> WorkspaceCommands();  // plan, apply, run, runs, why
std::vector<Command> SqlCommands();
std::vector<Command> LakeCommands();
std::vector<Command> AlertCommands();
std::vector<Command> DashboardCommands();
std::vector<Command> SchemaCommands();
std::vector<Command> SourceCommands();
std::vector<Command> TopicCommands();    // topic, group
std::vector<Command> RecordCommands();   // topic consume, topic produce
std::vector<Command> PeopleCommands();
std::vector<Command> BackupCommands();   // backup, restore
std::vector<Command> OfflineCommands();  // export, verify
std::vector<Command> StatusCommands();
std::vector<Command> DoctorCommands();   // doctor, reload

// Parses and runs; returns the exit code.
int RunCommandLine(Env& env, int count, char** words);

}  // namespace tarn::app
