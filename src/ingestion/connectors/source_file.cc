#include "ingestion/connectors/source_file.h"

#include <set>

#include "base/number.h"
#include "base/text.h"
#include "ingestion/connectors/rest_parents.h"
#include "ingestion/connectors/sift.h"

namespace tarn::connectors {
namespace {

constexpr const char* kKinds[] = {"postgresql", "mysql", "sqlite", "rest", "files", "s3", "http", "push", "kafka"};

// Kinds whose streams are made of files.
bool HasFiles(const std::string& kind) { return kind == "files" || kind == "s3" || kind == "http"; }
// Kinds that are asked by HTTP.
bool IsAsked(const std::string& kind) { return kind == "rest" || kind == "s3" || kind == "http"; }

Json SecretJson(const SecretName& secret) { return {{"secret", secret.name}}; }

// Which kinds a key belongs to is checked here, so that a key of another kind is an error and not silence.
class KindKeys {
  public:
    KindKeys(ConfigBinder& binder, const std::string& kind, Json& settings)
        : binder_(binder), kind_(kind), settings_(settings) {}
    template <typename T>
    void Key(std::set<std::string> kinds, const char* name, T value, const char* doc, bool required = false) {
        bool mine = kinds.contains(kind_);
        bool given = binder_.Has(name);
        // Mine also when it is not given, so that a misspelled one finds it.
        if (given || mine || binder_.describing()) binder_.Key(name, value, doc);
        if (given && !mine) {
            binder_.Report(name, fmt::format("\"{}\" is a key of kind {}, not of {}", name,
                                             Join({kinds.begin(), kinds.end()}, ", "), kind_));
        }
        if (mine && required && !given) binder_.Report("", fmt::format("kind {} needs \"{}\"", kind_, name));
        if (mine && (given || !IsEmpty(value))) settings_[name] = ToJson(value);
    }

  private:
    static bool IsEmpty(const std::string& value) { return value.empty(); }
    static bool IsEmpty(const std::vector<std::string>& value) { return value.empty(); }
    static bool IsEmpty(int64_t) { return false; }
    static bool IsEmpty(bool) { return false; }
    static bool IsEmpty(const Json& value) { return value.is_null(); }
    template <typename T>
    static Json ToJson(const T& value) {
        return Json(value);
    }
    ConfigBinder& binder_;
    const std::string& kind_;
    Json& settings_;
};

struct Connection {
    std::string host = "127.0.0.1";
    std::optional<int64_t> port;
    std::string database;
    std::string user;
    SecretName password;
    std::string schema = "public";
    std::string tls = "prefer";
    std::string ca;
    std::string path;
    bool given = false;
};
void Bind(ConfigBinder& binder, Connection& connection) {
    connection.given = true;
    binder.Key("host", connection.host, "postgresql, mysql: the server's name or address.");
    binder.Key("port", connection.port, "postgresql, mysql: its port; 5432, of mysql 3306.");
    binder.Key("database", connection.database, "postgresql, mysql: the database.");
    binder.Key("user", connection.user, "postgresql, mysql: who reads; needs SELECT on the tables.");
    binder.Key("password", connection.password, "postgresql, mysql: `secret:NAME`, set by `tarn secret set NAME`.");
    binder.Key("schema", connection.schema, "postgresql: schema of tables that are named without one.");
    binder.Choice("tls", connection.tls, {"disable", "prefer", "require", "verify-full"},
                  "postgresql, mysql: use of TLS; only verify-full knows who answers.");
    binder.Key("ca", connection.ca, "postgresql, mysql: PEM file of who signs the server's certificate.");
    binder.Key("path", connection.path, "sqlite: the database file, relative to the workspace.");
}

struct Basic {
    std::string user;
    SecretName password;
};
void Bind(ConfigBinder& binder, Basic& basic) {
    binder.Key("user", basic.user, "User name.");
    binder.Key("password", basic.password, "`secret:NAME`.");
}
struct ApiKey {
    std::string header;
    std::string query;
    SecretName value;
};
void Bind(ConfigBinder& binder, ApiKey& key) {
    binder.Key("header", key.header, "Header that carries the key.");
    binder.Key("query", key.query, "Query parameter that carries the key.");
    binder.Key("value", key.value, "`secret:NAME`.");
}
struct OAuth {
    std::string token_url;
    std::string client_id;
    SecretName client_secret;
    SecretName refresh_token;
    std::vector<std::string> scopes;
    std::string client_auth = "body";
    Json params;
};
void Bind(ConfigBinder& binder, OAuth& oauth) {
    binder.Key("token_url", oauth.token_url, "OAuth 2.0: where access tokens are given.",
               ConfigBinder::Need::kRequired);
    binder.Key("client_id", oauth.client_id, "OAuth 2.0: who asks.", ConfigBinder::Need::kRequired);
    binder.Key("client_secret", oauth.client_secret, "OAuth 2.0: `secret:NAME`.");
    binder.Key("refresh_token", oauth.refresh_token,
               "OAuth 2.0: `secret:NAME` of a refresh token; without one the client's own credentials are the grant.");
    binder.Key("scopes", oauth.scopes, "OAuth 2.0: what is asked for.");
    binder.Choice("client_auth", oauth.client_auth, {"body", "basic"},
                  "OAuth 2.0: where the client's id and secret stand, in the form or in HTTP Basic.");
    binder.Any("params", oauth.params, "OAuth 2.0: further fields of the form, as {audience: \"https://api\"}.");
    if (binder.describing()) return;
    if (!oauth.token_url.starts_with("http")) {
        binder.Report("token_url", "token_url starts with https:// (or http://)");
    }
    if (oauth.client_secret.name.empty() && oauth.refresh_token.name.empty()) {
        binder.Report("", "oauth2 needs client_secret, refresh_token, or both");
    }
    bool is_right = oauth.params.is_null() || oauth.params.is_object();
    if (!is_right) binder.Report("params", "params maps names to texts");
}
Json OAuthJson(const OAuth& oauth) {
    Json json = {{"token_url", oauth.token_url}, {"client_id", oauth.client_id}, {"client_auth", oauth.client_auth}};
    if (!oauth.client_secret.name.empty()) json["client_secret"] = SecretJson(oauth.client_secret);
    if (!oauth.refresh_token.name.empty()) json["refresh_token"] = SecretJson(oauth.refresh_token);
    if (!oauth.scopes.empty()) json["scopes"] = oauth.scopes;
    if (oauth.params.is_object()) json["params"] = oauth.params;
    return json;
}

struct Retry {
    std::optional<Duration> budget;
    std::optional<int64_t> attempts;
};
void Bind(ConfigBinder& binder, Retry& retry) {
    binder.Key("budget", retry.budget,
               "How long the requests of one load may wait together before they are tried again.");
    binder.Key("attempts", retry.attempts, "How often one request is tried.");
    if (retry.attempts && (*retry.attempts < 1 || *retry.attempts > 100)) {
        binder.Report("attempts", "attempts is 1 to 100");
    }
}

// "10/s", "600/m", "5000/h" as the time between two requests.
std::optional<Duration> ParseRate(std::string_view text) {
    size_t slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    std::optional<int64_t> count = ParseInteger(text.substr(0, slash));
    std::string_view unit = text.substr(slash + 1);
    Duration time = unit == "s"   ? Duration(std::chrono::seconds(1))
                    : unit == "m" ? Duration(std::chrono::minutes(1))
                    : unit == "h" ? Duration(std::chrono::hours(1))
                                  : Duration(0);
    if (!count || *count < 1 || time == Duration(0)) return std::nullopt;
    return time / *count;
}

struct Auth {
    SecretName bearer;
    std::optional<OAuth> oauth2;
    std::optional<Basic> basic;
    std::optional<ApiKey> key;
};
void Bind(ConfigBinder& binder, Auth& auth) {
    binder.Key("bearer", auth.bearer, "Bearer token: `secret:NAME`.");
    binder.Section("basic", auth.basic, "HTTP Basic.");
    binder.Section("key", auth.key, "An API key in a header or the query.");
    binder.Section("oauth2", auth.oauth2, "OAuth 2.0: by the client's credentials, or by a refresh token.");
}

struct Pagination {
    std::string page;
    std::string offset;
    std::string cursor;
    std::string link;
    std::string param;
    std::string size_param;
    int64_t size = 0;
    int64_t start = 1;
};
void Bind(ConfigBinder& binder, Pagination& pages) {
    binder.Key("page", pages.page, "Page numbers: the query parameter that carries them.");
    binder.Key("start", pages.start, "Page numbers: the first one.");
    binder.Key("offset", pages.offset, "Offsets: the query parameter that carries them.");
    binder.Key("cursor", pages.cursor, "Cursors: path of the next cursor in the answer, as `$.next`.");
    binder.Key("param", pages.param, "Cursors: the query parameter that carries the cursor back.");
    binder.Key("link", pages.link, "Links: `header` (Link: rel=next) or the path of the next URL in the answer.");
    binder.Key("size_param", pages.size_param, "Query parameter for the page's size.");
    binder.Key("size", pages.size, "Records a page; a shorter page is the last (page numbers and offsets).");
    if (binder.describing()) return;
    int kinds = !pages.page.empty() + !pages.offset.empty() + !pages.cursor.empty() + !pages.link.empty();
    if (kinds != 1) binder.Report("", "pagination has one of page, offset, cursor, link");
    if (!pages.cursor.empty() && pages.param.empty()) binder.Report("cursor", "pagination by cursor needs \"param\"");
}

Json PaginationJson(const Pagination& pages) {
    return {{"page", pages.page}, {"offset", pages.offset},         {"cursor", pages.cursor}, {"param", pages.param},
            {"link", pages.link}, {"size_param", pages.size_param}, {"size", pages.size},     {"start", pages.start}};
}

struct StreamFile {
    StreamDefinition stream;
};
std::string* CurrentKind(std::string* set = nullptr) {
    // The kind of the source whose streams are being bound: binders of nested mappings take no context.
    thread_local std::string* kind = nullptr;
    if (set) kind = set;
    return kind;
}

void BindColumnTags(ConfigBinder& binder, StreamDefinition& stream) {
    Json tags;
    binder.Any("column_tags", tags, "Tags of columns that policies refer to, as {tailnum: [identifying]}.");
    if (tags.is_null()) return;
    bool is_right = tags.is_object();
    for (const auto& [column, list] : is_right ? tags.items() : Json::object().items()) {
        is_right = is_right && list.is_array();
        for (const Json& tag : is_right ? list : Json::array()) {
            is_right = is_right && tag.is_string();
            if (tag.is_string()) stream.column_tags[column].push_back(tag.get<std::string>());
        }
    }
    if (!is_right)
        binder.Report("column_tags", "column_tags maps a column to a list of tags: {tailnum: [identifying]}");
}

// What a record has to be.
void BindRecordRules(ConfigBinder& binder, StreamDefinition& stream) {
    binder.Key("broken_max", stream.broken_max,
               "files, push: records that may be broken, as 100 or 1%; they go to quarantine. Otherwise the load or "
               "push fails.");
    Json types;
    binder.Any("types", types,
               "files, push, kafka: types of columns, as {price: \"DECIMAL(10,2)\"}; others are found.");
    Result<BrokenLimit> limit = ParseBrokenLimit(stream.broken_max);
    if (!limit.ok()) binder.Report("broken_max", limit.error().message());
    if (types.is_null()) return;
    // The engine's spelling, so that a type found and one declared are the same text.
    static const std::set<std::string> kTypes = {
        "BOOLEAN", "TINYINT", "SMALLINT",  "INTEGER", "BIGINT",  "HUGEINT", "FLOAT",
        "DOUBLE",  "DATE",    "TIMESTAMP", "TIME",    "VARCHAR", "UUID",    "TIMESTAMP WITH TIME ZONE"};
    bool is_right = types.is_object();
    for (const auto& [column, type] : is_right ? types.items() : Json::object().items()) {
        std::string text = type.is_string() ? type.get<std::string>() : "";
        is_right = is_right && (kTypes.contains(text) || (text.starts_with("DECIMAL(") && text.ends_with(")")));
    }
    if (!is_right) {
        binder.Report("types", fmt::format("types maps columns to one of {}, DECIMAL(p,s)",
                                           Join({kTypes.begin(), kTypes.end()}, ", ")));
    }
    stream.settings["types"] = types;
}

void CheckNested(ConfigBinder& binder, const StreamDefinition& stream) {
    bool nested = stream.settings.contains("for_each_of");
    bool fields = !TemplateFields(stream).empty();
    if (nested && !fields)
        binder.Report("for_each_of", "for_each_of goes with a path that names a field, as /orders/{id}");
    if (nested && !stream.cursor.empty()) {
        binder.Report("cursor", "a stream with for_each_of is read as a whole; it takes no cursor");
    }
}

void BindTopicKeys(KindKeys& keys) {
    keys.Key({"kafka"}, "topic", std::string(), "kafka: the topic, if its name is not the stream's.");
    keys.Key({"kafka"}, "values", std::string("json"),
             "kafka: json: the members of each value are columns; bytes: `_value` is one.");
    keys.Key({"kafka"}, "dead_letter", std::string(),
             "kafka: a topic for records whose values are no JSON objects; without one they go to quarantine.");
}

void CheckTopicKeys(ConfigBinder& binder, const StreamDefinition& stream) {
    std::string values = stream.settings.value("values", "json"), letters = stream.settings.value("dead_letter", "");
    if (values != "json" && values != "bytes") binder.Report("values", "values is json or bytes");
    if (letters.empty()) return;
    if (values != "json") binder.Report("dead_letter", "dead_letter goes with values: json; bytes are never broken");
    if (letters == stream.settings.value("topic", "")) {
        binder.Report("dead_letter", "dead_letter is another topic than the one that is read");
    }
}

// After the cursor was read.
void BindKeepLoads(ConfigBinder& binder, StreamDefinition& stream) {
    binder.Key("keep_loads", stream.keep_loads,
               "Without a cursor: how long a complete load stays when another took its place, 30d; 0s: for ever.");
    bool too_short = stream.keep_loads && *stream.keep_loads != Duration(0) && *stream.keep_loads < kKeepLoadsMin;
    if (too_short) binder.Report("keep_loads", "keep_loads is 0s (for ever) or at least 1h: runs read them meanwhile");
    const std::string kind = CurrentKind() ? *CurrentKind() : "";
    bool whole = kind == "postgresql" || kind == "mysql" || kind == "sqlite" || kind == "rest";
    if (stream.keep_loads && (!stream.cursor.empty() || !whole)) {
        binder.Report(
            "keep_loads",
            "keep_loads goes with streams of databases and REST that have no cursor: here all loads are the data");
    }
}

void Bind(ConfigBinder& binder, StreamFile& file) {
    StreamDefinition& stream = file.stream;
    BindColumnTags(binder, stream);
    binder.Key("cursor", stream.cursor, "Column or field that grows: only what is newer is read.");
    binder.Key("key", stream.key, "Columns that identify a row: of several with one key the newest is shown.");
    workspace::BindRenamedFrom(binder, stream.renamed_from);
    BindKeepLoads(binder, stream);
    workspace::BindTiming(binder, stream.timing);
    binder.Choice("on_drift", stream.on_drift, {"accept", "freeze", "quarantine"},
                  "When columns are new, gone or of another type: take it, fail, or keep what came apart.");
    BindRecordRules(binder, stream);
    std::string none;
    const std::string& kind = CurrentKind() ? *CurrentKind() : none;
    KindKeys keys(binder, kind, stream.settings);
    keys.Key({"postgresql", "mysql", "sqlite"}, "table", std::string(), "The table, if its name is not the stream's.");
    keys.Key({"postgresql", "mysql", "sqlite"}, "columns", std::vector<std::string>(), "Only these columns.");
    keys.Key({"postgresql", "mysql"}, "parallel", int64_t{0},
             "Connections that read the table at once; 0: postgresql by its size and the cores, mysql one.");
    keys.Key({"rest", "files", "s3"}, "path", std::string(),
             "rest: path below base_url. files: glob of this stream's files, if the source has none. s3: glob of keys.",
             kind == "rest" || kind == "s3");
    keys.Key({"http"}, "urls", std::vector<std::string>(), "http: where the files are, or paths below base_url.",
             kind == "http");
    keys.Key({"rest"}, "records", std::string("$"), "Path of the list of records in the answer, as `$.items`.");
    keys.Key({"rest"}, "for_each_of", std::string(),
             "Another stream: `path` and `params` name its fields as {id}, and are asked for once for each.");
    keys.Key({"rest"}, "since_param", std::string(), "Query parameter that carries the cursor's last value.");

    keys.Key({"files", "s3", "http"}, "format", std::string("csv"), "csv, json, parquet, or any (kept, not read).");
    keys.Key({"files", "s3", "http"}, "null", std::vector<std::string>(), "csv: texts that mean no value.");
    keys.Key({"files", "s3", "http"}, "delimiter", std::string(), "csv: the separator; found by itself if not given.");
    keys.Key({"files", "s3", "http"}, "header", true, "csv: the first line has the columns' names.");
    BindTopicKeys(keys);
    if (binder.Has("pagination") || binder.describing()) {
        Pagination pages;
        binder.Section("pagination", pages, "rest: how the next page is asked for.");
        stream.settings["pagination"] = PaginationJson(pages);
    }
    Json parameters;
    if (binder.Has("params") || binder.describing()) {
        binder.Any("params", parameters, "rest: query parameters sent with every request.");
        if (parameters.is_object()) stream.settings["params"] = parameters;
    }
    if (binder.describing()) return;
    auto refuse = [&](const char* name, bool mine) {
        if (binder.Has(name) && !mine) binder.Report(name, fmt::format("\"{}\" is no key of kind {}", name, kind));
    };
    bool unions = HasFiles(kind) || kind == "push" || kind == "kafka";  // all that came is shown
    refuse("cursor", !unions);
    refuse("key", !unions);
    refuse("pagination", kind == "rest");
    refuse("params", kind == "rest");
    refuse("broken_max", unions && kind != "kafka");
    refuse("types", unions);
    if (!stream.key.empty() && stream.cursor.empty()) {
        binder.Report("key", "key goes with cursor: without one, every load is complete and replaces the one before");
    }
    CheckNested(binder, stream);
    constexpr int64_t kParallelMax = 16;
    int64_t parallel = stream.settings.value("parallel", int64_t{0});
    if (parallel < 0 || parallel > kParallelMax) binder.Report("parallel", "parallel is 0 to 16");
    CheckTopicKeys(binder, stream);
    if (HasFiles(kind)) {
        std::string format = stream.settings.value("format", "csv");
        static const std::set<std::string> kFormats = {"csv", "json", "parquet", "any"};
        if (!kFormats.contains(format)) binder.Report("format", "format is one of csv, json, parquet, any");
    }
}

struct ObjectStore {
    std::string endpoint;
    std::string region = "us-east-1";
    std::string bucket;
    std::string access_key;
    SecretName secret_key;
};
void BindStore(ConfigBinder& binder, const std::string& kind, ObjectStore& store) {
    bool mine = kind == "s3";
    for (const char* key : {"endpoint", "region", "bucket", "access_key", "secret_key"}) {
        if (!mine && !binder.describing() && binder.Has(key)) {
            binder.Report(key, fmt::format("\"{}\" is no key of kind {}", key, kind));
        }
    }
    binder.Key("endpoint", store.endpoint, "s3: the server, as https://s3.example:9000; that of AWS if not given.");
    binder.Key("region", store.region, "s3: its region.");
    binder.Key("bucket", store.bucket, "s3: the bucket.");
    binder.Key("access_key", store.access_key, "s3: the access key's id; without one, requests are not signed.");
    binder.Key("secret_key", store.secret_key, "s3: `secret:NAME` of the secret access key.");
    if (!mine || binder.describing()) return;
    if (store.bucket.empty()) binder.Report("", "kind s3 needs \"bucket\"");
    if (store.access_key.empty() != store.secret_key.name.empty()) {
        binder.Report("access_key", "access_key and secret_key go together");
    }
    if (!store.endpoint.empty() && !store.endpoint.starts_with("http")) {
        binder.Report("endpoint", "endpoint starts with https:// (or http://)");
    }
}
Json StoreJson(const ObjectStore& store) {
    Json json = {{"bucket", store.bucket}, {"region", store.region}};
    if (!store.access_key.empty()) json["access_key"] = store.access_key;
    if (!store.access_key.empty()) json["secret_key"] = SecretJson(store.secret_key);
    return json;
}

struct SourceFile {
    std::string kind;
    std::string description;
    std::string owner;
    std::string renamed_from;
    std::vector<std::string> tags;
    std::string base_url;
    std::string rate_limit;
    std::optional<Retry> retry;
    ObjectStore store;
    std::string path;
    Connection connection;
    Auth auth;
    workspace::TimingKeys timing;
    std::map<std::string, StreamFile> streams;
};

void BindConnections(ConfigBinder& binder, SourceFile& file) {
    bool server = file.kind == "postgresql" || file.kind == "mysql";
    bool relational = server || file.kind == "sqlite";
    bool all = binder.describing();
    auto refuse = [&](const char* key, bool mine) {
        if (!mine && !all && binder.Has(key)) {
            binder.Report(key, fmt::format("\"{}\" is no key of kind {}", key, file.kind));
        }
    };
    refuse("connection", relational);
    bool pages = file.kind == "rest" || file.kind == "http";
    refuse("base_url", pages);
    refuse("auth", pages);
    refuse("rate_limit", IsAsked(file.kind));
    refuse("retry", IsAsked(file.kind));
    refuse("path", file.kind == "files");
    if (binder.Has("connection") || all) binder.Section("connection", file.connection, "Where the database is.");
    binder.Key("base_url", file.base_url, "rest, http: what all paths start with.");
    binder.Section("auth", file.auth, "rest, http: how requests to base_url prove who asks.");
    binder.Key("rate_limit", file.rate_limit,
               "rest, s3, http: how many requests the source's streams may make, as 10/s, 600/m, 5000/h.");
    binder.Section("retry", file.retry,
                   "rest, s3, http: how long a load tries again what may pass (429, 5xx, broken connections).");
    binder.Key("path", file.path, "files: glob relative to the workspace, as ./inbox/*.csv.gz.");
    BindStore(binder, file.kind, file.store);
    if (all) return;
    if (relational && !file.connection.given) binder.Report("", "a relational source needs \"connection\"");
    if (file.kind == "sqlite" && file.connection.path.empty()) binder.Report("connection", "sqlite needs \"path\"");
    if (server && file.connection.database.empty()) {
        binder.Report("connection", fmt::format("{} needs \"database\"", file.kind));
    }
    bool verifies = file.connection.tls == "require" || file.connection.tls == "verify-full";
    if (!file.connection.ca.empty() && !verifies) {
        binder.Report("connection", "\"ca\" goes with tls: verify-full");
    }
    if (!file.rate_limit.empty() && !ParseRate(file.rate_limit)) {
        binder.Report("rate_limit",
                      "rate_limit is a number of requests a second, minute or hour, as 10/s, 600/m, 5000/h");
    }
    if (file.kind == "rest" && !file.base_url.starts_with("http")) {
        binder.Report("base_url", "kind rest needs a base_url that starts with http:// or https://");
    }
}

void Bind(ConfigBinder& binder, SourceFile& file) {
    binder.Choice("kind", file.kind, {std::begin(kKinds), std::end(kKinds)}, "What the source is.",
                  ConfigBinder::Need::kRequired);
    binder.Key("description", file.description, "What comes from it.");
    binder.Key("owner", file.owner, "Who answers for it.");
    workspace::BindRenamedFrom(binder, file.renamed_from);
    binder.Key("tags", file.tags, "Tags of its datasets.");
    workspace::BindTiming(binder, file.timing);  // for streams that say nothing themselves
    BindConnections(binder, file);
    CurrentKind(&file.kind);
    binder.Map("streams", file.streams, "The streams, by name: each becomes the dataset raw_<source>.<stream>.");
    if (file.streams.empty() && !binder.describing()) binder.Report("", "a source needs \"streams\"");
}

Json SettingsOf(const SourceFile& file) {
    Json settings = Json::object();
    if (file.kind == "postgresql" || file.kind == "mysql") {
        const Connection& connection = file.connection;
        int64_t port = connection.port.value_or(file.kind == "mysql" ? 3306 : 5432);
        settings = {{"host", connection.host},
                    {"port", port},
                    {"database", connection.database},
                    {"user", connection.user},
                    {"schema", connection.schema},
                    {"tls", connection.tls},
                    {"ca", connection.ca}};
        if (!connection.password.name.empty()) settings["password"] = SecretJson(connection.password);
    } else if (file.kind == "sqlite") {
        settings["path"] = file.connection.path;
    } else if (file.kind == "files") {
        settings["path"] = file.path;
    } else if (IsAsked(file.kind)) {
        if (!file.base_url.empty()) settings["base_url"] = file.base_url;
        if (file.kind == "s3") {
            std::string server = file.store.endpoint;
            if (server.empty()) server = "https://s3." + file.store.region + ".amazonaws.com";
            while (server.ends_with("/")) server.pop_back();
            settings["base_url"] = server + "/" + file.store.bucket;
            settings["s3"] = StoreJson(file.store);
        }
        if (auto rate = ParseRate(file.rate_limit)) settings["apart_us"] = rate->count();
        if (file.retry && file.retry->budget) settings["retry_budget_us"] = file.retry->budget->count();
        if (file.retry && file.retry->attempts) settings["retry_attempts"] = *file.retry->attempts;
        if (file.auth.oauth2) settings["oauth2"] = OAuthJson(*file.auth.oauth2);
        if (!file.auth.bearer.name.empty()) settings["bearer"] = SecretJson(file.auth.bearer);
        if (file.auth.basic) {
            settings["basic"] = {{"user", file.auth.basic->user}, {"password", SecretJson(file.auth.basic->password)}};
        }
        if (file.auth.key) {
            settings["key"] = {{"header", file.auth.key->header},
                               {"query", file.auth.key->query},
                               {"value", SecretJson(file.auth.key->value)}};
        }
    }
    return settings;
}

// A nested stream names another one of the source, and none comes to stand below itself.
void CheckParents(const SourceDefinition& source, const std::string& file, workspace::Issues& issues) {
    for (const auto& [name, stream] : source.streams) {
        std::string at = stream.settings.value("for_each_of", "");
        for (size_t steps = 0; !at.empty(); ++steps) {
            auto found = source.streams.find(at);
            if (found == source.streams.end()) {
                issues.push_back(
                    {file, 0, 0, fmt::format("stream {}: for_each_of names {}, which is no stream", name, at)});
                break;
            }
            if (steps > source.streams.size()) {
                issues.push_back({file, 0, 0, fmt::format("stream {}: for_each_of goes in a circle", name)});
                break;
            }
            at = found->second.settings.value("for_each_of", "");
        }
    }
}

// Its streams come along, each under the name that it had.
void AskForRenames(const std::string& renamed_from, const SourceDefinition& source_definition,
                   workspace::Definition& definition) {
    workspace::AskForRename(definition, renamed_from);
    workspace::Renames source = definition.renames;
    for (const auto& [name, stream] : source_definition.streams) {
        std::string to = definition.name + "." + name;
        definition.parts.emplace_back("stream", to);
        if (source.empty() && stream.renamed_from.empty()) continue;
        std::string old_source = source.empty() ? definition.name : source.front().from;
        std::string old_name = stream.renamed_from.empty() ? name : stream.renamed_from;
        definition.renames.push_back({"stream", old_source + "." + old_name, to, definition.file, 1});
    }
}

}  // namespace

std::vector<ConfigKeyDoc> SourceKeys() { return DescribeConfig<SourceFile>(); }

void ParseSourceFile(workspace::Definition& definition, workspace::Issues& issues) {
    SourceFile file;
    auto found = ReadConfig(definition.text, definition.file, 1, [&](ConfigBinder& binder) { Bind(binder, file); });
    issues.insert(issues.end(), found.begin(), found.end());
    definition.description = file.description;
    definition.owner = file.owner;
    definition.tags = file.tags;
    SourceDefinition source;
    source.name = definition.name;
    source.kind = file.kind;
    source.description = file.description;
    source.timing = file.timing;
    source.settings = SettingsOf(file);
    for (auto& [name, stream] : file.streams) {
        Status named = workspace::CheckName("stream", name);
        if (!named.ok()) issues.push_back({definition.file, 0, 0, named.error().message()});
        stream.stream.name = name;
        if (stream.stream.settings.is_null()) stream.stream.settings = Json::object();
        bool has_path = stream.stream.settings.contains("path") || !file.path.empty();
        if (file.kind == "files" && !has_path) {
            issues.push_back({definition.file, 0, 0, fmt::format("stream {} needs a \"path\"", name)});
        }
        source.streams.emplace(name, std::move(stream.stream));
    }
    CheckParents(source, definition.file, issues);
    AskForRenames(file.renamed_from, source, definition);
    definition.value = std::move(source);
}

}  // namespace tarn::connectors
