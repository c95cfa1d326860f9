// Schemas: what is in the registry, and what may follow it.
#include <array>
#include <iostream>

#include "app/client.h"
#include "app/command.h"
#include "app/output.h"
#include "base/text.h"

namespace tarn::app {
namespace {

constexpr uint64_t kSchemaFileBytesMax = 1 << 20;
const std::string kRegistry = "/schema-registry";

void PrintJson(const Json& json) { std::cout << DumpJson(json, 2) << "\n"; }

std::string PathOf(const std::string& subject) { return kRegistry + "/subjects/" + UrlEncode(subject); }

Status ListSchemas(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    std::string query = call.Has("--versions") ? "" : "&latestOnly=true";
    if (call.Has("--deleted")) query += "&deleted=true";
    std::string prefix = call.Get("PREFIX");
    std::string wanted = prefix.starts_with(':') ? prefix : ":*:" + prefix;
    Json answer = TRY(client.Get(kRegistry + "/schemas?subjectPrefix=" + UrlEncode(wanted) + query));
    if (call.json()) return PrintJson(answer), Ok();
    for (Json& one : answer) {
        if (!one.contains("schemaType")) one["schemaType"] = "AVRO";
        one["type"] = one["schemaType"];
    }
    PrintObjects(std::cout, answer, {"subject", "version", "id", "type"});
    return Ok();
}

Status GetSchema(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    std::string subject = call.Get("SUBJECT");
    bool by_id = call.Has("--id");
    std::string path = by_id ? kRegistry + "/schemas/ids/" + UrlEncode(subject)
                             : PathOf(subject) + "/versions/" + UrlEncode(call.Find("--version").value_or("latest"));
    Json answer = TRY(client.Get(path));
    if (call.json()) return PrintJson(answer), Ok();
    std::cout << answer.value("schema", "") << "\n";
    return Ok();
}

// By the file's ending, unless it is said.
Result<std::string> TypeOf(const Invocation& call) {
    static constexpr std::array<std::pair<const char*, const char*>, 4> kEndings = {
        {{".avsc", "AVRO"}, {".avro", "AVRO"}, {".proto", "PROTOBUF"}, {".json", "JSON"}}};
    if (auto said = call.Find("--type")) {
        std::string type = *said;
        for (char& c : type) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        return type;
    }
    std::string file = call.Get("FILE");
    for (const auto& [ending, type] : kEndings) {
        if (file.ends_with(ending)) return std::string(type);
    }
    return Error(ErrorCode::kInvalidArgument, "{} does not end in .avsc, .proto or .json: say --type", file);
}

Result<Json> BodyOf(const Invocation& call) {
    Json references = Json::array();
    for (const std::string& text : call.All("--references")) {
        for (const std::string& one : Split(text, ',')) {
            size_t last = one.rfind(':'), first = one.find(':');
            if (first == std::string::npos || first == last) {
                return Error(ErrorCode::kInvalidArgument, "a reference is NAME:SUBJECT:VERSION, not {}", one);
            }
            Json version = ParseJson(one.substr(last + 1)).value_or(Json());
            if (!version.is_number_integer()) {
                return Error(ErrorCode::kInvalidArgument, "the version of the reference {} is no number", one);
            }
            references.push_back({{"name", one.substr(0, first)},
                                  {"subject", one.substr(first + 1, last - first - 1)},
                                  {"version", version}});
        }
    }
    std::string text = TRY(ReadFile(call.env(), call.Get("FILE"), kSchemaFileBytesMax));
    return Json{{"schema", text}, {"schemaType", TRY(TypeOf(call))}, {"references", references}};
}

Status AddSchema(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    Json answer = TRY(client.Post(PathOf(call.Get("SUBJECT")) + "/versions", TRY(BodyOf(call))));
    if (call.json()) return PrintJson(answer), Ok();
    std::cout << call.Get("SUBJECT") << ": version " << answer.value("version", 0) << ", id " << answer.value("id", 0)
              << "\n";
    return Ok();
}

Status CheckSchema(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    std::string path = kRegistry + "/compatibility/subjects/" + UrlEncode(call.Get("SUBJECT")) + "/versions";
    if (auto version = call.Find("--version")) path += "/" + UrlEncode(*version);
    Json answer = TRY(client.Post(path + "?verbose=true", TRY(BodyOf(call))));
    bool compatible = answer.value("is_compatible", false);
    if (call.json()) {
        PrintJson(answer);
        return compatible ? Ok() : AlreadyTold(ErrorCode::kConflict);
    }
    if (compatible) return std::cout << "compatible\n", Ok();
    std::string reasons;
    for (const Json& message : answer["messages"]) reasons += "\n  " + CellText(message);
    return Error(ErrorCode::kConflict, "not compatible with {}:{}", call.Get("SUBJECT"), reasons);
}

Status DeleteSchema(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    std::string path = PathOf(call.Get("SUBJECT"));
    if (auto version = call.Find("--version")) path += "/versions/" + UrlEncode(*version);
    if (call.Has("--permanent")) path += "?permanent=true";
    Json answer = TRY(client.Delete(path));
    if (call.json()) return PrintJson(answer), Ok();
    std::cout << call.Get("SUBJECT") << ": deleted " << DumpJson(answer)
              << (call.Has("--permanent") ? "" : "; ids stay readable until --permanent") << "\n";
    return Ok();
}

const CommandArgument kSubject = {"SUBJECT", "A subject, as orders-value."};
const CommandArgument kFile = {"FILE", "The schema: .avsc, .proto or .json."};
const CommandOption kType = {"--type", "TYPE", "avro, protobuf or json, where the file's ending does not say it."};
const CommandOption kReferences = {"--references", "LIST", "NAME:SUBJECT:VERSION of what it refers to, with commas.",
                                   true};

}  // namespace

std::vector<Command> SchemaCommands() {
    return {
        {.name = "schema list",
         .summary = "Lists subjects with their latest version.",
         .example = "tarn schema list orders-",
         .arguments = {{"PREFIX", "Only subjects that begin so; :.team: for a context.", false}},
         .options = {{"--versions", nullptr, "All versions."}, {"--deleted", nullptr, "Deleted ones as well."}},
         .run = ListSchemas},
        {.name = "schema get",
         .summary = "Prints a schema.",
         .example = "tarn schema get orders-value --version 2",
         .arguments = {{"SUBJECT", "A subject, as orders-value; with --id an id."}},
         .options = {{"--version", "N", "Which version; the latest if not given."},
                     {"--id", nullptr, "SUBJECT is the id of a schema."}},
         .run = GetSchema},
        {.name = "schema add",
         .summary = "Registers a schema as the next version of a subject.",
         .details = "A version that breaks the subject's compatibility is refused, saying what breaks.",
         .example = "tarn schema add orders-value order.avsc",
         .arguments = {kSubject, kFile},
         .options = {kType, kReferences},
         .run = AddSchema},
        {.name = "schema check",
         .summary = "Says whether a schema could be the next version, and if not why.",
         .details = "Exit code 0 when it could, 1 when not.",
         .example = "tarn schema check orders-value order.avsc",
         .arguments = {kSubject, kFile},
         .options = {{"--version", "N", "Compared with this version only."}, kType, kReferences},
         .run = CheckSchema},
        {.name = "schema delete",
         .summary = "Deletes a subject, or one version.",
         .example = "tarn schema delete orders-value --version 1",
         .arguments = {kSubject},
         .options = {{"--version", "N", "Only this version."},
                     {"--permanent", nullptr, "What was deleted before goes for good, with its id."}},
         .run = DeleteSchema},
    };
}

}  // namespace tarn::app
