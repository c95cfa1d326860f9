// The routes: Confluent's REST API below /schema-registry, each also below /contexts/{context}.
#include <algorithm>

#include "base/number.h"
#include "base/text.h"
#include "ingestion/registry/operations.h"
#include "security/hidden.h"

namespace tarn::registry {
namespace {

using security::AuditClass;
using security::HttpCall;
using security::Route;

constexpr std::string_view kPath = "/schema-registry";
constexpr const char* kMediaType = "application/vnd.schemaregistry.v1+json";

using Handler = Result<HttpResponse> (*)(Service&, HttpCall&);

HttpResponse Answer(const OrderedJson& body) {
    return {.status = 200,
            .headers = {{"Content-Type", kMediaType}},
            .body = body.dump(-1, ' ', false, OrderedJson::error_handler_t::replace)};
}

HttpResponse TextAnswer(const std::string& text) {
    return {.status = 200, .headers = {{"Content-Type", kMediaType}}, .body = text};
}

// ---- what is asked

// Of the path: ".team", as "team", ":.team:" and ".team" are written there.
std::string ContextOf(HttpCall& call) {
    auto found = call.parameters.find("context");
    if (found == call.parameters.end()) return std::string(kDefaultContext);
    std::string context = found->second;
    if (context.starts_with(':')) context.erase(0, 1);
    if (context.ends_with(':')) context.pop_back();
    return context.starts_with('.') ? context : "." + context;
}

Result<Subject> SubjectOf(HttpCall& call) {
    auto found = call.parameters.find("subject");
    return ParseSubjectIn(found == call.parameters.end() ? "" : found->second, ContextOf(call));
}

// A query parameter that names subjects: in the path's context unless it says another.
std::string InContext(HttpCall& call, const std::string& text) {
    std::string context = ContextOf(call);
    bool says = text.starts_with(":.") || text.starts_with(":*:");
    return says || context == kDefaultContext ? text : fmt::format(":{}:{}", context, text);
}

bool Flag(const HttpCall& call, std::string_view name) {
    return EqualsIgnoreCase(call.request.Query(name).value_or(""), "true");
}

Deleted DeletedOf(const HttpCall& call) {
    if (Flag(call, "deletedOnly")) return Deleted::kOnly;
    return Flag(call, "deleted") ? Deleted::kIncluded : Deleted::kHidden;
}

Result<int64_t> IdOf(HttpCall& call) {
    auto id = ParseInteger(call.parameters["id"]);
    if (id && *id > 0) return *id;
    return RegistryError(kSchemaNotFound, fmt::format("Schema {} not found", call.parameters["id"]));
}

template <typename T>
std::vector<T> Page(const HttpCall& call, std::vector<T> all) {
    int64_t count = static_cast<int64_t>(all.size());
    int64_t offset =
        std::clamp<int64_t>(ParseInteger(call.request.Query("offset").value_or("0")).value_or(0), 0, count);
    int64_t limit = ParseInteger(call.request.Query("limit").value_or("-1")).value_or(-1);
    int64_t end = limit < 0 ? count : std::min(count, offset + std::min(limit, count));
    return std::vector<T>(all.begin() + offset, all.begin() + end);
}

Result<std::vector<Reference>> ReferencesOf(const Json& body) {
    std::vector<Reference> references;
    auto list = body.find("references");
    if (list == body.end() || list->is_null()) return references;
    if (!list->is_array()) return RegistryError(kInvalidSchema, "references is a list");
    for (const Json& one : *list) {
        int64_t version = TRY(JsonInteger(one, "version"));
        if (version != -1 && (version < 1 || version > INT32_MAX)) {
            return RegistryError(kInvalidSchema, fmt::format("a reference has no version {}", version));
        }
        references.push_back(
            {TRY(JsonString(one, "name")), TRY(JsonString(one, "subject")), static_cast<int>(version)});
    }
    return references;
}

Result<SchemaRequest> RequestOf(HttpCall& call) {
    Json body = TRY(call.JsonBody());
    SchemaRequest request;
    std::string type = TRY(JsonStringOr(body, "schemaType", "AVRO"));
    auto known = SchemaTypeOf(type);
    if (!known) return RegistryError(kInvalidSchema, fmt::format("Invalid schema type {}", type));
    request.schema.type = *known;
    request.schema.text = TRY(JsonStringOr(body, "schema", ""));
    request.schema.references = TRY(ReferencesOf(body));
    request.schema.metadata = ObjectOrNull(body.value("metadata", Json()));
    request.schema.rules = ObjectOrNull(body.value("ruleSet", Json()));
    if (DumpJson(request.schema.metadata).size() + DumpJson(request.schema.rules).size() > kDataContractBytesMax) {
        return RegistryError(kInvalidRules,
                             fmt::format("metadata and ruleSet have at most {} bytes", kDataContractBytesMax));
    }
    for (const char* tags : {"schemaTagsToAdd", "schemaTagsToRemove"}) {
        if (!ObjectOrNull(Json{{"tags", body.value(tags, Json())}}).is_null()) {
            return RegistryError(kInvalidSchema,
                                 fmt::format("{} is not supported: put the tags into the schema", tags));
        }
    }
    request.schema.id = TRY(JsonIntegerOr(body, "id", -1));
    int64_t version = TRY(JsonIntegerOr(body, "version", 0));
    if (version > INT32_MAX) return RegistryError(kInvalidVersion, "a version has 31 bits");
    request.version = static_cast<int>(std::max<int64_t>(version, 0));
    request.normalize = Flag(call, "normalize");
    return request;
}

// ---- what is answered

OrderedJson SchemaJson(const SchemaRecord& schema, OrderedJson json = OrderedJson::object()) {
    // Avro goes without saying, as old clients expect it.
    if (schema.type != SchemaType::kAvro) json["schemaType"] = SchemaTypeName(schema.type);
    json["guid"] = schema.guid;
    if (!schema.references.empty()) {
        json["references"] = OrderedJson::array();
        for (const Reference& one : schema.references) {
            json["references"].push_back({{"name", one.name}, {"subject", one.subject}, {"version", one.version}});
        }
    }
    if (!schema.metadata.is_null()) json["metadata"] = schema.metadata;
    if (!schema.rules.is_null()) json["ruleSet"] = schema.rules;
    json["schema"] = schema.text;
    return json;
}

OrderedJson FoundJson(const Found& found) {
    return SchemaJson(
        found.schema,
        {{"subject", found.version.subject.Text()}, {"version", found.version.version}, {"id", found.version.id}});
}

// With `format` its text is written otherwise; with `referenceFormat=qualified` references say their context.
Result<SchemaRecord> AsAsked(Service& service, HttpCall& call, SchemaRecord schema) {
    schema.text = TRY(service.TextAs(schema, call.request.Query("format").value_or("")));
    if (call.request.Query("referenceFormat") != "qualified") return schema;
    for (Reference& one : schema.references) {
        one.subject = service.ReferenceText(one.subject, {schema.context, ""});
    }
    return schema;
}

// ---- handlers

Result<HttpResponse> Root(Service&, HttpCall&) { return Answer(OrderedJson::object()); }

Result<HttpResponse> Types(Service&, HttpCall&) { return Answer(SupportedTypes()); }

Result<HttpResponse> ServerId(Service&, HttpCall&) {
    return Answer(
        {{"scope", {{"path", OrderedJson::array()}, {"clusters", {{"schema-registry-cluster", "tarn"}}}}}, {"id", ""}});
}

Result<HttpResponse> ServerVersion(Service&, HttpCall&) {
    // Clients look for which of Confluent's APIs they may count on.
    return Answer({{"version", "7.9.0"}, {"commitId", "tarn"}});
}

Result<HttpResponse> ListSubjects(Service& service, HttpCall& call) {
    auto prefix = call.request.Query("subjectPrefix");
    std::string wanted = InContext(call, prefix.value_or(ContextOf(call) == kDefaultContext ? ":*:" : ""));
    auto names = TRY(service.Subjects(call.principal, wanted, DeletedOf(call)));
    return Answer(Page(call, std::move(names)));
}

Result<HttpResponse> ListVersions(Service& service, HttpCall& call) {
    auto versions = TRY(service.Versions(call.principal, TRY(SubjectOf(call)), DeletedOf(call)));
    return Answer(Page(call, std::move(versions)));
}

Result<Found> Version_(Service& service, HttpCall& call) {
    return service.Get(call.principal, TRY(SubjectOf(call)), call.parameters["version"], Flag(call, "deleted"));
}

Result<HttpResponse> GetVersion(Service& service, HttpCall& call) {
    Found found = TRY(Version_(service, call));
    found.schema = TRY(AsAsked(service, call, std::move(found.schema)));
    return Answer(FoundJson(found));
}

Result<HttpResponse> GetVersionText(Service& service, HttpCall& call) {
    return TextAnswer(TRY(AsAsked(service, call, TRY(Version_(service, call)).schema)).text);
}

Result<HttpResponse> ListReferrers(Service& service, HttpCall& call) {
    auto ids = TRY(
        service.ReferencedBy(call.principal, TRY(SubjectOf(call)), call.parameters["version"], Flag(call, "deleted")));
    return Answer(Page(call, std::move(ids)));
}

Result<HttpResponse> GetWithMetadata(Service& service, HttpCall& call) {
    std::vector<std::string> keys, values;
    for (const auto& [name, value] : call.request.query) {
        if (name == "key") keys.push_back(value);
        if (name == "value") values.push_back(value);
    }
    std::vector<std::pair<std::string, std::string>> wanted;
    for (size_t i = 0; i < std::min(keys.size(), values.size()); ++i) wanted.emplace_back(keys[i], values[i]);
    return Answer(
        FoundJson(TRY(service.WithMetadata(call.principal, TRY(SubjectOf(call)), wanted, Flag(call, "deleted")))));
}

Result<HttpResponse> LookUp(Service& service, HttpCall& call) {
    SchemaRequest request = TRY(RequestOf(call));
    Found found = TRY(service.LookUp(call.principal, TRY(SubjectOf(call)), request, Flag(call, "deleted")));
    found.schema = TRY(AsAsked(service, call, std::move(found.schema)));
    return Answer(FoundJson(found));
}

Result<HttpResponse> Register(Service& service, HttpCall& call) {
    SchemaRequest request = TRY(RequestOf(call));
    Found found = TRY(service.Register(call.principal, TRY(SubjectOf(call)), request));
    call.call.details["schema"] = {{"id", found.version.id}, {"version", found.version.version}};
    return Answer(SchemaJson(found.schema, {{"id", found.version.id}, {"version", found.version.version}}));
}

Result<HttpResponse> DeleteSubject(Service& service, HttpCall& call) {
    bool permanent = Flag(call, "permanent");
    auto versions = TRY(service.DeleteSubject(call.principal, TRY(SubjectOf(call)), permanent));
    call.call.details["schema"] = {{"versions", versions}, {"permanent", permanent}};
    return Answer(versions);
}

Result<HttpResponse> DeleteVersion(Service& service, HttpCall& call) {
    bool permanent = Flag(call, "permanent");
    int version =
        TRY(service.DeleteVersion(call.principal, TRY(SubjectOf(call)), call.parameters["version"], permanent));
    call.call.details["schema"] = {{"version", version}, {"permanent", permanent}};
    return Answer(version);
}

Result<HttpResponse> CheckCompatible(Service& service, HttpCall& call) {
    bool verbose = Flag(call, "verbose");
    SchemaRequest request = TRY(RequestOf(call));
    auto version = call.parameters.find("version");
    std::optional<std::string> one;
    if (version != call.parameters.end()) one = version->second;
    auto check = service.Compatible(call.principal, TRY(SubjectOf(call)), request, one);
    bool told = verbose && !check.ok() && check.error().detail_code() == std::to_string(kInvalidSchema);
    if (told) check = Check{false, {check.error().message()}};
    if (!check.ok()) return std::move(check).error();
    OrderedJson answer = {{"is_compatible", check->compatible}};
    if (verbose) answer["messages"] = check->messages;
    return Answer(answer);
}

Result<HttpResponse> ListSchemas(Service& service, HttpCall& call) {
    auto all = TRY(service.All(call.principal, InContext(call, call.request.Query("subjectPrefix").value_or("")),
                               Flag(call, "deleted"), Flag(call, "latestOnly")));
    OrderedJson answer = OrderedJson::array();
    for (const Found& found : TRY(service.WithSchemas(Page(call, std::move(all))))) answer.push_back(FoundJson(found));
    call.call.rows = static_cast<int64_t>(answer.size());
    return Answer(answer);
}

Result<SchemaRecord> Schema_(Service& service, HttpCall& call) {
    return service.ById(call.principal, TRY(IdOf(call)), InContext(call, call.request.Query("subject").value_or("")));
}

Result<HttpResponse> GetSchema(Service& service, HttpCall& call) {
    SchemaRecord schema = TRY(AsAsked(service, call, TRY(Schema_(service, call))));
    OrderedJson answer = SchemaJson(schema);
    if (Flag(call, "fetchMaxId")) answer["maxId"] = TRY(service.MaxId(schema.context));
    return Answer(answer);
}

Result<HttpResponse> GetSchemaText(Service& service, HttpCall& call) {
    return TextAnswer(TRY(AsAsked(service, call, TRY(Schema_(service, call)))).text);
}

Result<std::vector<Version>> VersionsOfId(Service& service, HttpCall& call) {
    return service.VersionsOfId(call.principal, TRY(IdOf(call)),
                                InContext(call, call.request.Query("subject").value_or("")), Flag(call, "deleted"));
}

Result<HttpResponse> ListVersionsOfId(Service& service, HttpCall& call) {
    OrderedJson answer = OrderedJson::array();
    for (const Version& one : Page(call, TRY(VersionsOfId(service, call)))) {
        answer.push_back({{"subject", one.subject.Text()}, {"version", one.version}});
    }
    return Answer(answer);
}

Result<HttpResponse> ListSubjectsOfId(Service& service, HttpCall& call) {
    std::vector<std::string> names;
    for (const Version& one : TRY(VersionsOfId(service, call))) {
        std::string name = one.subject.Text();
        if (names.empty() || names.back() != name) names.push_back(std::move(name));
    }
    return Answer(Page(call, std::move(names)));
}

Result<HttpResponse> GetByGuid(Service& service, HttpCall& call) {
    return Answer(SchemaJson(TRY(service.ByGuid(call.principal, call.parameters["guid"]))[0]));
}

Result<HttpResponse> ListIdsOfGuid(Service& service, HttpCall& call) {
    OrderedJson answer = OrderedJson::array();
    for (const SchemaRecord& one : TRY(service.ByGuid(call.principal, call.parameters["guid"]))) {
        answer.push_back({{"context", one.context}, {"id", one.id}});
    }
    return Answer(answer);
}

Result<HttpResponse> ListContexts(Service& service, HttpCall& call) {
    std::string prefix = call.request.Query("contextPrefix").value_or("");
    auto contexts = TRY(service.Contexts(call.principal));
    std::erase_if(contexts, [&](const std::string& one) { return !one.starts_with(prefix); });
    return Answer(Page(call, std::move(contexts)));
}

// ---- settings

Result<HttpResponse> GetConfig(Service& service, HttpCall& call) {
    return Answer(TRY(service.Config(call.principal, TRY(SubjectOf(call)), Flag(call, "defaultToGlobal"))));
}

Result<HttpResponse> PutConfig(Service& service, HttpCall& call) {
    Json config = TRY(service.ChangeConfig(call.principal, TRY(SubjectOf(call)), TRY(call.JsonBody())));
    call.call.details["config"] = config;
    // What goes in is called otherwise than what comes out.
    if (config.contains("compatibilityLevel")) config["compatibility"] = config["compatibilityLevel"];
    config.erase("compatibilityLevel");
    return Answer(config);
}

Result<HttpResponse> DeleteConfig(Service& service, HttpCall& call) {
    return Answer(TRY(service.DeleteConfig(call.principal, TRY(SubjectOf(call)))));
}

Result<HttpResponse> GetMode(Service& service, HttpCall& call) {
    return Answer({{"mode", TRY(service.Mode(call.principal, TRY(SubjectOf(call)), Flag(call, "defaultToGlobal")))}});
}

Result<HttpResponse> PutMode(Service& service, HttpCall& call) {
    Json body = TRY(call.JsonBody());
    std::string mode = TRY(JsonStringOr(body, "mode", ""));
    std::transform(mode.begin(), mode.end(), mode.begin(), [](unsigned char c) { return std::toupper(c); });
    TRY(service.SetMode(call.principal, TRY(SubjectOf(call)), mode, Flag(call, "force")));
    call.call.details["mode"] = mode;
    return Answer({{"mode", mode}});
}

Result<HttpResponse> DeleteMode(Service& service, HttpCall& call) {
    return Answer({{"mode", TRY(service.DeleteMode(call.principal, TRY(SubjectOf(call)), Flag(call, "recursive")))}});
}

// ---- rows

constexpr std::string_view kAnyOne = "self";  // each subject is asked for below
constexpr AuditClass kReads = AuditClass::kRead;
constexpr AuditClass kChanges = AuditClass::kChange;
constexpr uint64_t kBodyBytesMax = 4 << 20;

struct Row {
    std::string_view method;
    std::string_view path;
    std::string_view action;
    AuditClass audit_class;
    Handler handler;
    bool in_context = true;  // also below /contexts/{context}
};

constexpr Row kRows[] = {
    {"GET", "", kAnyOne, kReads, Root, false},
    {"GET", "/schemas/types", kAnyOne, kReads, Types},
    {"GET", "/schemas", kAnyOne, kReads, ListSchemas},
    {"GET", "/schemas/ids/{id}", kAnyOne, kReads, GetSchema},
    {"GET", "/schemas/ids/{id}/schema", kAnyOne, kReads, GetSchemaText},
    {"GET", "/schemas/ids/{id}/subjects", kAnyOne, kReads, ListSubjectsOfId},
    {"GET", "/schemas/ids/{id}/versions", kAnyOne, kReads, ListVersionsOfId},
    {"GET", "/schemas/guids/{guid}", kAnyOne, kReads, GetByGuid, false},
    {"GET", "/schemas/guids/{guid}/ids", kAnyOne, kReads, ListIdsOfGuid, false},
    {"GET", "/subjects", kAnyOne, kReads, ListSubjects},
    {"POST", "/subjects/{subject}", "schema:Read", kReads, LookUp},
    {"DELETE", "/subjects/{subject}", "schema:Delete", kChanges, DeleteSubject},
    {"GET", "/subjects/{subject}/metadata", "schema:Read", kReads, GetWithMetadata},
    {"GET", "/subjects/{subject}/versions", "schema:Describe", kReads, ListVersions},
    {"POST", "/subjects/{subject}/versions", "schema:Write", kChanges, Register},
    {"GET", "/subjects/{subject}/versions/{version}", "schema:Read", kReads, GetVersion},
    {"DELETE", "/subjects/{subject}/versions/{version}", "schema:Delete", kChanges, DeleteVersion},
    {"GET", "/subjects/{subject}/versions/{version}/schema", "schema:Read", kReads, GetVersionText},
    {"GET", "/subjects/{subject}/versions/{version}/referencedby", "schema:Describe", kReads, ListReferrers},
    {"POST", "/compatibility/subjects/{subject}/versions", "schema:Read", kReads, CheckCompatible},
    {"POST", "/compatibility/subjects/{subject}/versions/{version}", "schema:Read", kReads, CheckCompatible},
    {"GET", "/config", kAnyOne, kReads, GetConfig},
    {"PUT", "/config", "schema:Alter", kChanges, PutConfig},
    {"DELETE", "/config", "schema:Alter", kChanges, DeleteConfig},
    {"GET", "/config/{subject}", "schema:Describe", kReads, GetConfig},
    {"PUT", "/config/{subject}", "schema:Alter", kChanges, PutConfig},
    {"DELETE", "/config/{subject}", "schema:Alter", kChanges, DeleteConfig},
    {"GET", "/mode", kAnyOne, kReads, GetMode},
    {"PUT", "/mode", "schema:Alter", kChanges, PutMode},
    {"DELETE", "/mode", "schema:Alter", kChanges, DeleteMode},
    {"GET", "/mode/{subject}", "schema:Describe", kReads, GetMode},
    {"PUT", "/mode/{subject}", "schema:Alter", kChanges, PutMode},
    {"DELETE", "/mode/{subject}", "schema:Alter", kChanges, DeleteMode},
    {"GET", "/contexts", kAnyOne, kReads, ListContexts, false},
    {"GET", "/v1/metadata/id", kAnyOne, kReads, ServerId, false},
    {"GET", "/v1/metadata/version", kAnyOne, kReads, ServerVersion, false},
};

struct NamedRow {
    const Row* row;
    std::string name;
    std::string resource;
};

// Made once: the registry of operations keeps views of their names.
const std::vector<NamedRow>& NamedRows() {
    static const std::vector<NamedRow> kNamed = [] {
        std::vector<NamedRow> rows;
        for (const Row& row : kRows) {
            bool has_subject = row.path.find("{subject}") != std::string_view::npos;
            rows.push_back(
                {&row, fmt::format("{} /schema-registry{}", row.method, row.path), has_subject ? "{subject}" : "*"});
            if (!row.in_context) continue;
            rows.push_back({&row, fmt::format("{} /schema-registry/contexts/{{context}}{}", row.method, row.path),
                            has_subject ? ":{context}:{subject}" : ":{context}:"});
        }
        return rows;
    }();
    return kNamed;
}

// Writes the errors of the whole program, which the router answers, in Confluent's form.
class ConfluentResponder : public HttpResponder {
  public:
    explicit ConfluentResponder(HttpResponder& inner) : inner_(inner) {}
    Status Send(HttpResponse response) override {
        auto body = response.status >= 400 ? ParseJson(response.body) : Json();
        bool is_error = body.ok() && body->is_object() && body->value("error", Json()).is_object();
        if (is_error) Rewrite(response, (*body)["error"]);
        return inner_.Send(std::move(response));
    }
    Result<ByteWriter*> Start(int status, HttpHeaders headers, std::optional<uint64_t> content_length) override {
        return inner_.Start(status, std::move(headers), content_length);
    }
    bool started() const override { return inner_.started(); }

  private:
    static void Rewrite(HttpResponse& response, const Json& error) {
        std::string detail = error.value("detail_code", ""), hint = error.value("hint", "");
        int code = static_cast<int>(ParseInteger(detail).value_or(0));
        if (code >= 40'000 && code < 60'000) {
            response.status = code / 100;
        } else {
            code = response.status;
            if (code == 401) code = 40101;
            if (code == 403) code = 40301;
            if (code == 500) code = 50001;
            if (detail == security::kHiddenDetailCode) code = kSchemaNotFound;
        }
        std::string message = error.value("message", "");
        if (!hint.empty()) message += fmt::format(" ({})", hint);
        response.body = Answer({{"error_code", code}, {"message", message}}).body;
        response.headers.Set("Content-Type", kMediaType);
        if (response.status == 401) response.headers.Set("WWW-Authenticate", "Basic realm=\"tarn\"");
    }
    HttpResponder& inner_;
};

}  // namespace

std::vector<Route> RegistryRoutes(Service& service) {
    std::vector<Route> routes;
    for (const NamedRow& named : NamedRows()) {
        Handler handler = named.row->handler;
        security::Operation operation{
            "http", named.name, named.row->action, "schema", named.row->audit_class, {kBodyBytesMax, 64}};
        routes.push_back(
            {operation, named.resource, [&service, handler](HttpCall& call) { return handler(service, call); }});
    }
    return routes;
}

bool IsBelow(std::string_view path) { return path == kPath || path.starts_with(std::string(kPath) + "/"); }

Status Serve(security::Router& router, HttpRequest& request, HttpResponder& responder) {
    ConfluentResponder confluent(responder);
    return router.Serve(request, confluent);
}

}  // namespace tarn::registry
