// People and their credentials: user, role, policy, token, s3-key, secret.
#include <iostream>

#include "app/client.h"
#include "app/command.h"
#include "app/output.h"
#include "app/terminal.h"
#include "base/text.h"

namespace tarn::app {
namespace {

void PrintJson(const Json& json) { std::cout << DumpJson(json, 2) << "\n"; }

// GET `path` and show the list under `member`.
Status List(const Invocation& call, const std::string& path, const char* member, const std::vector<std::string>& keys) {
    Client client = TRY(Client::Find(call));
    Json answer = TRY(client.Get(path));
    if (call.json()) return PrintJson(answer), Ok();
    PrintObjects(std::cout, answer[member], keys);
    return Ok();
}

Status Delete(const Invocation& call, const std::string& path, const std::string& what) {
    Client client = TRY(Client::Find(call));
    Json answer = TRY(client.Delete(path));
    if (call.json()) return PrintJson(answer), Ok();
    std::cout << what << " is gone\n";
    return Ok();
}

Status CreateUser(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    Json body = {{"name", call.Get("NAME")}};
    if (call.Has("--role")) body["roles"] = call.All("--role");
    Json answer = TRY(client.Post("/api/v1/users", body));
    if (call.json()) return PrintJson(answer), Ok();
    std::cout << "user " << call.Get("NAME") << " is there; give it a password with `tarn user password "
              << call.Get("NAME") << "` or a token with `tarn token create --user " << call.Get("NAME") << "`\n";
    return Ok();
}

Status LoginLink(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    Json answer = TRY(client.Post("/api/v1/login-links", Json::object()));
    std::string url = client.url() + answer.value("path", "");
    if (call.json()) return PrintJson({{"url", url}}), Ok();
    std::cout << url << "\nIt logs in as an admin, once, within the hour; a link from before is void.\n";
    return Ok();
}

// From the terminal twice, from a pipe once: never as an argument, which everybody on the machine can read.
Result<std::string> AskSecret(const std::string& what) {
    auto first = ReadHidden(what + ": ");
    if (!first || first->empty()) return Error(ErrorCode::kInvalidArgument, "nothing was typed");
    if (!IsTerminal(0)) return *first;
    auto again = ReadHidden("once more: ");
    if (again != first) return Error(ErrorCode::kInvalidArgument, "the two are not the same");
    return *first;
}

Status SetPassword(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    std::string password = TRY(AskSecret("new password of " + call.Get("NAME")));
    TRY(client.Put("/api/v1/users/" + UrlEncode(call.Get("NAME")) + "/password", {{"password", password}}));
    if (call.json()) return PrintJson({{"user", call.Get("NAME")}, {"set", true}}), Ok();
    std::cout << "set\n";
    return Ok();
}

Status CreateToken(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    Json body = Json::object();
    body["name"] = call.Find("--name").value_or("cli-" + call.env().random().Hex(4));
    if (auto user = call.Find("--user")) body["user"] = *user;
    if (auto time = call.Find("--ttl")) body["ttl"] = *time;
    Json answer = TRY(client.Post("/api/v1/tokens", body));
    if (call.json()) return PrintJson(answer), Ok();
    std::cout << answer.value("token", "") << "\n";
    return Ok();
}

Status CreateS3Key(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    Json body = {{"description", call.Find("--description").value_or("made by the command line")}};
    if (auto user = call.Find("--user")) body["user"] = *user;
    Json answer = TRY(client.Post("/api/v1/s3-keys", body));
    if (call.json()) return PrintJson(answer), Ok();
    // With the address, so that every AWS client works at once.
    Json overview = TRY(client.Get("/api/v1/overview"));
    std::string scheme = client.url().substr(0, client.url().find(':'));
    std::cout << "export AWS_ENDPOINT_URL=" << scheme << "://" << overview["listeners"].value("s3", "") << "\n"
              << "export AWS_REGION=us-east-1\n"
              << "export AWS_ACCESS_KEY_ID=" << answer.value("access_key_id", "") << "\n"
              << "export AWS_SECRET_ACCESS_KEY=" << answer.value("secret_access_key", "") << "\n";
    return Ok();
}

Status SetSecret(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    std::string value = TRY(AskSecret("value of " + call.Get("NAME")));
    TRY(client.Put("/api/v1/secrets/" + UrlEncode(call.Get("NAME")), {{"value", value}}));
    if (call.json()) return PrintJson({{"secret", call.Get("NAME")}, {"set", true}}), Ok();
    std::cout << "set\n";
    return Ok();
}

Status ListSecrets(const Invocation& call) { return List(call, "/api/v1/secrets", "secrets", {"name", "updated_at"}); }

// "rows where ...; tailnum shows NULL", or nothing.
std::string RestrictionText(const Json& restrictions) {
    std::vector<std::string> parts;
    std::string filter = restrictions.value("row_filter", "");
    if (!filter.empty()) parts.push_back("only rows where " + filter);
    for (const auto& [column, expression] : restrictions["masks"].items()) {
        parts.push_back(fmt::format("{} shows {}", column, expression.get<std::string>()));
    }
    return Join(parts, "; ");
}

Status ExplainPolicy(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    Json body = {{"principal", call.Get("WHO")}, {"action", call.Get("ACTION")}, {"resource", call.Get("RESOURCE")}};
    Json answer = TRY(client.Post("/api/v1/policy/explain", body));
    if (call.json()) return PrintJson(answer), Ok();
    std::cout << fmt::format("{} {} {} on {}\n{}\n", call.Get("WHO"),
                             answer.value("allowed", false) ? "may" : "may not", call.Get("ACTION"),
                             call.Get("RESOURCE"), answer.value("reason", ""));
    std::string restrictions = RestrictionText(answer["restrictions"]);
    if (!restrictions.empty()) std::cout << restrictions << "\n";
    return Ok();
}

Status WhoCan(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    Json answer = TRY(
        client.Post("/api/v1/policy/who-can", {{"action", call.Get("ACTION")}, {"resource", call.Get("RESOURCE")}}));
    if (call.json()) return PrintJson(answer), Ok();
    Json users = answer["users"];
    for (Json& user : users) user["restrictions"] = RestrictionText(user["restrictions"]);
    PrintObjects(std::cout, users, {"user", "reason", "restrictions"});
    return Ok();
}

std::vector<Command> PolicyCommands() {
    const CommandArgument action = {"ACTION", "What is done, as table:Read."};
    const CommandArgument resource = {"RESOURCE", "What it is done to, as delays.flights."};
    return {
        {.name = "policy explain",
         .summary = "Says whether somebody may do something, which statement decides, and what is filtered or masked.",
         .example = "tarn policy explain alice table:Read delays.flights",
         .arguments = {{"WHO", "A user's name."}, action, resource},
         .run = ExplainPolicy},
        {.name = "policy who-can",
         .summary = "Lists everybody who may do something, and what is filtered or masked for each.",
         .example = "tarn policy who-can table:Read delays.flights",
         .arguments = {action, resource},
         .run = WhoCan},
    };
}

std::vector<Command> UserCommands() {
    return {
        {.name = "user create",
         .summary = "Makes a user.",
         .example = "tarn user create alice",
         .arguments = {{"NAME", "The user's name."}},
         .options = {{"--role", "ROLE", "A role to give (admin, or one made by the API)."}},
         .run = CreateUser},
        {.name = "user list",
         .summary = "Lists users and their roles.",
         .example = "tarn user list",
         .run =
             [](const Invocation& call) {
                 return List(call, "/api/v1/users", "users",
                             {"name", "roles", "groups", "has_password", "last_login_at"});
             }},
        {.name = "user delete",
         .summary = "Removes a user with all its credentials.",
         .example = "tarn user delete alice",
         .arguments = {{"NAME", "The user's name."}},
         .run =
             [](const Invocation& call) {
                 std::string name = call.Get("NAME");
                 return Delete(call, "/api/v1/users/" + UrlEncode(name), "user " + name);
             }},
        {.name = "user password",
         .summary = "Sets a user's password; it is asked for, or read from standard input.",
         .example = "tarn user password alice",
         .arguments = {{"NAME", "The user's name."}},
         .run = SetPassword},
        {.name = "login-link",
         .summary = "Makes a link that logs a browser in as an admin, once.",
         .details = "For who runs Tarn on this machine, or has an admin's token in TARN_TOKEN.",
         .example = "tarn login-link",
         .run = LoginLink},
        {.name = "role list",
         .summary = "Lists roles, who has them and which file they come from.",
         .example = "tarn role list",
         .run =
             [](const Invocation& call) {
                 return List(call, "/api/v1/roles", "roles", {"name", "owner", "file", "users"});
             }},
    };
}

std::vector<Command> CredentialCommands() {
    return {
        {.name = "token create",
         .summary = "Makes a token, for yourself or (as admin) for another user. It is shown once.",
         .example = "tarn token create --user alice --json",
         .options = {{"--user", "NAME", "Whose it is; yours if not given."},
                     {"--name", "NAME", "What it is called in lists."},
                     {"--ttl", "TIME", "How long it is valid, as 30d."}},
         .run = CreateToken},
        {.name = "token list",
         .summary = "Lists your tokens.",
         .example = "tarn token list",
         .run =
             [](const Invocation& call) {
                 return List(call, "/api/v1/tokens", "tokens", {"user", "name", "expires_at", "last_used_at"});
             }},
        {.name = "token delete",
         .summary = "Revokes a token of yours at once.",
         .example = "tarn token delete ci",
         .arguments = {{"NAME", "The token's name."}},
         .run =
             [](const Invocation& call) {
                 std::string name = call.Get("NAME");
                 return Delete(call, "/api/v1/tokens/" + UrlEncode(name), "token " + name);
             }},
        {.name = "s3-key create",
         .summary = "Makes an S3 key and prints it as a shell takes it. The secret is shown once.",
         .example = "eval \"$(tarn s3-key create)\"",
         .options = {{"--user", "NAME", "Whose it is; yours if not given."},
                     {"--description", "TEXT", "What it is for."}},
         .run = CreateS3Key},
        {.name = "s3-key list",
         .summary = "Lists your S3 keys.",
         .example = "tarn s3-key list",
         .run =
             [](const Invocation& call) {
                 return List(call, "/api/v1/s3-keys", "s3_keys",
                             {"access_key_id", "user", "description", "last_used_at"});
             }},
        {.name = "s3-key delete",
         .summary = "Revokes an S3 key at once.",
         .example = "tarn s3-key delete TARN0123456789ABCDEF",
         .arguments = {{"ID", "The access key id."}},
         .run =
             [](const Invocation& call) {
                 return Delete(call, "/api/v1/s3-keys/" + UrlEncode(call.Get("ID")), "S3 key " + call.Get("ID"));
             }},
        {.name = "secret set",
         .summary = "Stores a secret for `secret:NAME` in the workspace; it is asked for, or read from standard input.",
         .example = "tarn secret set registry",
         .arguments = {{"NAME", "The secret's name."}},
         .run = SetSecret},
        {.name = "secret list",
         .summary = "Lists the names of secrets; values are never shown.",
         .example = "tarn secret list",
         .run = ListSecrets},
        {.name = "secret delete",
         .summary = "Removes a secret.",
         .example = "tarn secret delete registry",
         .arguments = {{"NAME", "The secret's name."}},
         .run =
             [](const Invocation& call) {
                 std::string name = call.Get("NAME");
                 return Delete(call, "/api/v1/secrets/" + UrlEncode(name), "secret " + name);
             }},
    };
}

}  // namespace

std::vector<Command> PeopleCommands() {
    std::vector<Command> commands = UserCommands();
    for (Command& command : PolicyCommands()) commands.push_back(std::move(command));
    for (Command& command : CredentialCommands()) commands.push_back(std::move(command));
    return commands;
}

}  // namespace tarn::app
