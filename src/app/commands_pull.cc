// tarn pull: what was made over the API or in the browser, as files of the workspace.
#include <iostream>

#include "app/client.h"
#include "app/command.h"
#include "app/config.h"
#include "base/file_stream.h"
#include "base/text.h"

namespace tarn::app {
namespace {

constexpr size_t kFileBytesMax = 1 << 20;

struct Pulled {
    std::string what;  // "role pilot"
    std::string file;
    std::string text;
};

// JSON is YAML, and leaves no doubt what is a text.
std::string Quoted(const Json& value) { return DumpJson(value); }

void AddStatements(const char* effect, const Json& statements, std::string& text) {
    if (statements.empty()) return;
    text += fmt::format("    {}:\n", effect);
    for (const Json& statement : statements) {
        text += fmt::format("      - {{actions: {}, resources: {}}}\n", Quoted(statement["actions"]),
                            Quoted(statement["resources"]));
    }
}

std::string FileNameOf(const std::string& role) {
    std::string name;
    for (char letter : ToLower(role)) {
        bool fits = (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') || letter == '_';
        name += fits ? letter : '_';
    }
    return name;
}

Pulled RoleFile(const Json& role) {
    std::string name = role.value("name", "");
    std::string text = fmt::format("roles:\n  {}:\n", Quoted(name));
    if (!role.value("description", "").empty()) {
        text += fmt::format("    description: {}\n", Quoted(role["description"]));
    }
    text += fmt::format("    members: {}\n", Quoted(role["members"]));
    AddStatements("allow", role["allow"], text);
    AddStatements("deny", role["deny"], text);
    return {"role " + name, "policies/" + FileNameOf(name) + ".yaml", text};
}

Result<std::vector<Pulled>> FromApi(Client& client) {
    std::vector<Pulled> all;
    Json roles = TRY(client.Get("/api/v1/roles"));
    for (const Json& role : roles["roles"]) {
        if (role.value("owner", "") == "api") all.push_back(RoleFile(role));
    }
    Json dashboards = TRY(client.Get("/api/v1/dashboards"));
    for (const Json& summary : dashboards["dashboards"]) {
        if (summary.value("owned_by", "") == "workspace") continue;
        std::string use_case = summary.value("use_case", "");
        std::string name = summary.value("name", "");
        Json dashboard = TRY(client.Get(fmt::format("/api/v1/dashboards/{}/{}", UrlEncode(use_case), UrlEncode(name))));
        all.push_back({fmt::format("dashboard {}.{}", use_case, name),
                       fmt::format("use_cases/{}/{}.dashboard.yaml", use_case, name), dashboard.value("text", "")});
    }
    return all;
}

// True: it was written. A file that is there and says something else is not touched.
Result<bool> Write(const Invocation& call, const std::string& directory, const Pulled& pulled) {
    Files& files = call.env().files();
    std::string path = directory + "/" + pulled.file;
    if (files.Exists(path)) {
        if (TRY(ReadFile(call.env(), path, kFileBytesMax)) == pulled.text) return false;
        return Error(ErrorCode::kAlreadyExists, "{} is there and is not what the API has as {}", pulled.file,
                     pulled.what)
            .WithHint("move the file away and pull again, or delete what the API has");
    }
    TRY(files.CreateDirectories(path.substr(0, path.rfind('/'))));
    auto file = TRY(FileReplacement::Create(files, path, 0644));
    TRY(file->Write(AsBytes(pulled.text)));
    TRY(file->Finish());
    return true;
}

Status Pull(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    std::string directory = WorkspaceDirectory(call);
    Json written = Json::array();
    for (const Pulled& pulled : TRY(FromApi(client))) {
        if (!TRY(Write(call, directory, pulled))) continue;
        written.push_back({{"what", pulled.what}, {"file", pulled.file}});
        if (!call.json()) std::cout << "+ " << pulled.file << "  (" << pulled.what << ")\n";
    }
    if (call.json()) {
        std::cout << DumpJson({{"written", written}}, 2) << "\n";
    } else if (written.empty()) {
        std::cout << "nothing to write: the workspace's files hold all that there is\n";
    } else {
        std::cout << "`tarn apply` makes them the workspace's; until then they are the API's\n";
    }
    return Ok();
}

}  // namespace

std::vector<Command> PullCommands() {
    return {{.name = "pull",
             .summary = "Writes what was made over the API or in the browser as files of the workspace.",
             .details =
                 "Roles, with whom they were granted to, and dashboards. `tarn apply` then takes them over: a file\n"
                 "that says just what the API has becomes its owner. A file that is there already is not touched.",
             .example = "tarn pull",
             .run = Pull}};
}

}  // namespace tarn::app
