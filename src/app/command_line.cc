#include <CLI/CLI.hpp>

#include <algorithm>
#include <iostream>

#include "app/command.h"
#include "app/platform.h"
#include "base/text.h"

namespace tarn::app {
namespace {

constexpr const char* kFooter =
    "Start here:\n"
    "  tarn demo flights          a complete example with real data, running\n"
    "  tarn up my-workspace       the platform in a folder of your own\n"
    "  tarn COMMAND --help        what a command does, with an example\n\n"
    "Commands talk to the Tarn that runs in this folder (or --dir), or to the one that TARN_URL and TARN_TOKEN name.\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no Tarn reachable, 4 denied, 5 not found.\n";

// A command with the values that the parser found for it.
struct Parsed {
    Command command;
    CLI::App* app = nullptr;
    std::map<std::string, std::vector<std::string>> values;
};

std::vector<Command> AllCommands() {
    std::vector<Command> all;
    for (auto& list : {PlatformCommands(), StatusCommands(), WorkspaceCommands(), PullCommands(), SqlCommands(),
                       LakeCommands(), AlertCommands(), DashboardCommands(), SourceCommands(), TopicCommands(),
                       SchemaCommands(), PeopleCommands(), OfflineCommands(), BackupCommands(), DoctorCommands()}) {
        all.insert(all.end(), list.begin(), list.end());
    }
    for (Command& command : all) {
        if (command.remote) command.options.push_back({"--dir", "DIR", "The workspace; else this folder."});
        if (command.remote) command.options.push_back({"--json", nullptr, "Answer as JSON."});
    }
    return all;
}

// "--file" of "-f,--file".
std::string LongName(const CommandOption& option) {
    std::string name = option.name;
    return name.substr(name.find("--"));
}

void AddOptions(Parsed& parsed) {
    for (const CommandArgument& argument : parsed.command.arguments) {
        std::string name = argument.name;
        auto store = [&parsed, name](const std::string& value) { parsed.values[name] = {value}; };
        CLI::Option* option = argument.many
                                  ? parsed.app->add_option(name, parsed.values[name], argument.description)
                                  : parsed.app->add_option_function<std::string>(name, store, argument.description);
        option->type_name("")->required(argument.required);
    }
    for (const CommandOption& option : parsed.command.options) {
        std::string name = LongName(option);
        if (!option.value) {
            auto store = [&parsed, name](std::int64_t) { parsed.values[name] = {"true"}; };
            parsed.app->add_flag_function(option.name, store, option.description);
        } else if (option.many) {
            parsed.app->add_option(option.name, parsed.values[name], option.description)
                ->type_name(option.value)
                ->allow_extra_args(false);
        } else {
            auto store = [&parsed, name](const std::string& value) { parsed.values[name] = {value}; };
            parsed.app->add_option_function<std::string>(option.name, store, option.description)
                ->type_name(option.value);
        }
    }
}

CLI::App* AppOf(CLI::App& root, std::map<std::string, CLI::App*>& groups, const Command& command) {
    size_t space = command.name.find(' ');
    if (space == std::string::npos) return root.add_subcommand(command.name, command.summary);
    std::string group = command.name.substr(0, space);
    if (!groups.contains(group)) {
        groups[group] = root.add_subcommand(group, "");
        groups[group]->require_subcommand(1);
    }
    std::string verb = command.name.substr(space + 1);
    std::string verbs = groups[group]->get_description();
    groups[group]->description(verbs + (verbs.empty() ? "" : ", ") + verb);
    return groups[group]->add_subcommand(verb, command.summary);
}

void Build(CLI::App& root, std::vector<std::unique_ptr<Parsed>>& parsed) {
    std::map<std::string, CLI::App*> groups;
    root.require_subcommand(1);
    root.footer(kFooter);
    root.set_version_flag("--version", std::string("tarn ") + kVersion);
    for (Command& command : AllCommands()) {
        auto entry = std::make_unique<Parsed>();
        entry->command = std::move(command);
        entry->app = AppOf(root, groups, entry->command);
        std::string footer = entry->command.details;
        if (!footer.empty()) footer += "\n\n";
        entry->app->footer(footer + "Example:\n  " + entry->command.example);
        AddOptions(*entry);
        parsed.push_back(std::move(entry));
    }
}

std::string Suggestion(const std::string& word, const std::vector<std::string>& known) {
    std::string nearest = NearestWord(word, known);
    return nearest.empty() ? "" : ": did you mean " + nearest + "?";
}

// Words that no row has, with what was probably meant; empty when all are known.
std::string Misspelled(const std::vector<std::unique_ptr<Parsed>>& parsed, const std::vector<std::string>& words) {
    if (words.empty() || words[0].starts_with("-")) return "";
    std::vector<std::string> first;
    std::vector<std::string> second;
    const Command* command = nullptr;
    for (const auto& entry : parsed) {
        const std::string& name = entry->command.name;
        first.push_back(name.substr(0, name.find(' ')));
        if (name == words[0] || (words.size() > 1 && name == words[0] + " " + words[1])) command = &entry->command;
        if (name.starts_with(words[0] + " ")) second.push_back(name.substr(words[0].size() + 1));
    }
    if (std::find(first.begin(), first.end(), words[0]) == first.end()) {
        return fmt::format("there is no command {}{}", words[0], Suggestion(words[0], first));
    }
    if (!command && words.size() > 1 && !words[1].starts_with("-")) {
        return fmt::format("tarn {} has no {}{}", words[0], words[1], Suggestion(words[1], second));
    }
    if (!command) return "";
    std::vector<std::string> options = {"--help"};
    for (const CommandOption& option : command->options) options.push_back(LongName(option));
    for (const std::string& word : words) {
        if (word == "--") break;
        std::string name = word.substr(0, word.find('='));
        if (!name.starts_with("--") || std::find(options.begin(), options.end(), name) != options.end()) continue;
        return fmt::format("tarn {} has no option {}{}", command->name, name, Suggestion(name, options));
    }
    return "";
}

int ExitCodeOf(ErrorCode code) {
    switch (code) {
        case ErrorCode::kUnavailable:
        case ErrorCode::kTimeout:
            return kExitUnreachable;
        case ErrorCode::kUnauthenticated:
        case ErrorCode::kPermissionDenied:
            return kExitDenied;
        case ErrorCode::kNotFound:
            return kExitNotFound;
        default:
            return kExitFailure;
    }
}

int Fail(const Error& error, bool json) {
    if (error.message().empty()) return ExitCodeOf(error.code());  // AlreadyTold
    if (json) {
        Json body = {{"code", ErrorCodeName(error.code())}, {"message", error.message()}};
        if (!error.hint().empty()) body["hint"] = error.hint();
        std::cout << DumpJson({{"error", body}}) << "\n";
    } else {
        std::cerr << "tarn: " << error.message() << "\n";
        if (!error.hint().empty()) std::cerr << "hint: " << error.hint() << "\n";
    }
    return ExitCodeOf(error.code());
}

int Run(Env& env, Parsed& parsed) {
    std::erase_if(parsed.values, [](const auto& value) { return value.second.empty(); });
    Invocation invocation(env, parsed.values);
    Status done = parsed.command.run(invocation);
    std::cout << std::flush;
    return done.ok() ? kExitOk : Fail(done.error(), invocation.json());
}

}  // namespace

std::string Invocation::Get(const std::string& name) const { return Find(name).value_or(""); }

std::optional<std::string> Invocation::Find(const std::string& name) const {
    auto found = values_.find(name);
    if (found == values_.end() || found->second.empty()) return std::nullopt;
    return found->second.back();
}

std::vector<std::string> Invocation::All(const std::string& name) const {
    auto found = values_.find(name);
    return found == values_.end() ? std::vector<std::string>() : found->second;
}

int RunCommandLine(Env& env, int count, char** words) {
    CLI::App root("Tarn: a whole data platform in one program.", "tarn");
    std::vector<std::unique_ptr<Parsed>> parsed;
    Build(root, parsed);
    std::string wrong = Misspelled(parsed, {words + std::min(count, 1), words + count});
    if (!wrong.empty()) {
        std::cerr << "tarn: " << wrong << "\n";
        return kExitUsage;
    }
    if (count < 2) {
        std::cout << root.help();
        return kExitUsage;
    }
    try {
        root.parse(count, words);
    } catch (const CLI::ParseError& error) {
        int code = root.exit(error, std::cout, std::cerr);
        return code == 0 ? kExitOk : kExitUsage;
    }
    for (const auto& entry : parsed) {
        if (entry->app->parsed()) return Run(env, *entry);
    }
    return kExitUsage;
}

}  // namespace tarn::app
