#include "processing/destinations/destination_file.h"

#include <algorithm>
#include <map>

#include "base/http.h"
#include "base/text.h"
#include "processing/destinations/destinations.h"

namespace tarn::destinations {
namespace {

constexpr int kBatchRowsMax = 10'000;
constexpr size_t kNameBytesMax = 63;  // PostgreSQL cuts longer ones

// "table" or "schema.table", of letters, digits and '_'.
bool IsTableName(const std::string& text) {
    std::vector<std::string> parts = Split(text, '.');
    return parts.size() <= 2 && std::all_of(parts.begin(), parts.end(), [](const std::string& part) {
               bool letters = std::all_of(part.begin(), part.end(), [](unsigned char letter) {
                   return letter == '_' || (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'z') ||
                          (letter >= 'A' && letter <= 'Z');
               });
               return letters && !part.empty() && part.size() <= kNameBytesMax;
           });
}

// Below the workspace, and in no folder whose name begins with a dot: the state lies in one.
bool IsPathBelow(const std::string& path) {
    if (path.empty() || path.starts_with("/")) return false;
    for (const std::string& part : Split(path, '/')) {
        if (part != "." && part.starts_with(".")) return false;
    }
    return true;
}

struct Auth {
    SecretName bearer;
};
void Bind(ConfigBinder& binder, Auth& auth) { binder.Key("bearer", auth.bearer, "Bearer token: `secret:NAME`."); }

struct DestinationFile {
    Destination destination;
    std::string renamed_from;
    std::vector<std::string> tags;
    Auth auth;
    std::map<std::string, TableDelivery> tables;
};

// Reports each key that is there and is of other kinds.
void CheckKeys(ConfigBinder& binder, const std::string& kind) {
    static const std::map<const char*, std::vector<std::string>> kKinds = {{"connection", {"postgresql", "mysql"}},
                                                                           {"url", {"http"}},
                                                                           {"auth", {"http"}},
                                                                           {"private_network", {"http", "s3"}},
                                                                           {"batch_rows", {"http"}},
                                                                           {"endpoint", {"s3"}},
                                                                           {"bucket", {"s3"}},
                                                                           {"prefix", {"s3"}},
                                                                           {"region", {"s3"}},
                                                                           {"access_key", {"s3"}},
                                                                           {"path", {"files"}},
                                                                           {"format", {"files", "s3"}},
                                                                           {"guard_formulas", {"files", "s3"}},
                                                                           {"keep", {"s3"}}};
    for (const auto& [key, kinds] : kKinds) {
        if (!binder.Has(key) || std::find(kinds.begin(), kinds.end(), kind) != kinds.end()) continue;
        binder.Report(key, fmt::format("\"{}\" is a key of kind {}, not of {}", key, Join(kinds, " and "), kind));
    }
}

bool IsBucketName(const std::string& name) {
    return name.size() >= 3 && name.size() <= kNameBytesMax &&
           name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") == std::string::npos;
}

void CheckKind(ConfigBinder& binder, const Destination& destination) {
    const std::string& kind = destination.kind;
    CheckKeys(binder, kind);
    if (destination.IsDatabase() && destination.connection.database.empty()) {
        binder.Report("connection", fmt::format("kind {} needs \"connection\" with \"database\"", kind));
    }
    if (kind == "http" && !ParseUrl(destination.url).ok()) {
        binder.Report("url", "kind http needs \"url\": an http:// or https:// address without a password");
    }
    if (kind == "files" && destination.format == "delta") {
        binder.Report("format", "delta is a format of kind s3: tables of the workspace are Delta tables already");
    }
    if (kind == "files" && !IsPathBelow(destination.path)) {
        binder.Report("path", "kind files needs \"path\": a folder below the workspace, as ./out");
    }
    if (kind == "s3") {
        auto url = ParseUrl(destination.endpoint);
        if (!url.ok() || url->target != "/") {
            binder.Report("endpoint",
                          "kind s3 needs \"endpoint\": https://s3.eu-central-1.amazonaws.com, without a path");
        }
        if (!IsBucketName(destination.bucket)) binder.Report("bucket", "kind s3 needs \"bucket\": its name");
        if (!destination.prefix.empty() && !IsPathBelow(destination.prefix)) {
            binder.Report("prefix", "prefix is a folder of the bucket, as reports/daily");
        }
        if (destination.access_key.id.empty() || destination.access_key.secret.name.empty()) {
            binder.Report("access_key", "kind s3 needs \"access_key\" with \"id\" and \"secret\"");
        }
    }
    if (destination.batch_rows < 1 || destination.batch_rows > kBatchRowsMax) {
        binder.Report("batch_rows", fmt::format("batch_rows is 1 to {}", kBatchRowsMax));
    }
}

void Bind(ConfigBinder& binder, DestinationFile& file) {
    Destination& destination = file.destination;
    binder.Choice("kind", destination.kind, {"postgresql", "mysql", "s3", "http", "files"}, "What the target is.",
                  ConfigBinder::Need::kRequired);
    binder.Key("description", destination.description, "What it is for.");
    binder.Key("owner", destination.owner, "A user: what they may read is delivered.", ConfigBinder::Need::kRequired);
    workspace::BindRenamedFrom(binder, file.renamed_from);
    binder.Key("tags", file.tags, "Tags.");
    binder.Section("connection", destination.connection, "postgresql, mysql: where the database is.");
    binder.Key("url", destination.url, "http: where each batch is posted.");
    binder.Section("auth", file.auth, "http: how requests prove who asks.");
    binder.Key("private_network", destination.private_network,
               "http, s3: it may be on this machine or in a private network; otherwise such an address is refused.");
    binder.Key("batch_rows", destination.batch_rows, "http: rows of a request, 1 to 10000.");
    binder.Key("path", destination.path, "files: a folder below the workspace, as ./out.");
    binder.Key("endpoint", destination.endpoint, "s3: where the store is, as https://s3.eu-central-1.amazonaws.com.");
    binder.Key("bucket", destination.bucket, "s3: the bucket; it is there already.");
    binder.Key("prefix", destination.prefix, "s3: a folder of the bucket, as reports/daily.");
    binder.Key("region", destination.region, "s3: what requests are signed for.");
    binder.Section("access_key", destination.access_key, "s3: who writes.");
    binder.Choice("format", destination.format, {"csv", "json", "parquet", "delta"},
                  "files, s3: csv, JSON with one row a line, or Parquet; s3: a Delta table.");
    binder.Key("keep", destination.keep, "s3, delta: how long readers may use the files of an older version.");
    binder.Key("guard_formulas", destination.guard_formulas,
               "files, s3: in csv, a quote before text that a spreadsheet would take for a formula.");
    workspace::BindTiming(binder, destination.timing);
    binder.Map("tables", file.tables, "What is delivered, by name: the task is destination:<destination>.<name>.");
    destination.bearer = file.auth.bearer;
    if (binder.describing()) return;
    CheckKind(binder, destination);
    if (file.tables.empty()) binder.Report("", "a destination needs \"tables\"");
}

}  // namespace

void Bind(ConfigBinder& binder, DatabaseAddress& address) {
    binder.Key("host", address.host, "The server's name or address.");
    binder.Key("port", address.port, "Its port; 0: 5432, for mysql 3306.");
    binder.Key("database", address.database, "The database.");
    binder.Key("user", address.user, "Who writes; may create tables in the schema.");
    binder.Key("password", address.password, "`secret:NAME`, set by `tarn secret set NAME`.");
    binder.Key("schema", address.schema,
               "postgresql: where _tarn_positions lies, and tables that are named without a schema.");
    binder.Choice("tls", address.tls, {"disable", "prefer", "require", "verify-full"}, "Use of TLS.");
    binder.Key("ca", address.ca, "verify-full: PEM file of the authority, if it is no public one.");
}

void Bind(ConfigBinder& binder, S3Key& key) {
    binder.Key("id", key.id, "The access key's id.");
    binder.Key("secret", key.secret, "`secret:NAME`: its secret, set by `tarn secret set NAME`.");
}

void Bind(ConfigBinder& binder, TableDelivery& delivery) {
    binder.Key("from", delivery.from, "The table, as shop.sales.", ConfigBinder::Need::kRequired);
    binder.Key("to", delivery.to,
               "Databases: the table there; files, s3: the name, without ending. If it is not the name here.");
    binder.Key("columns", delivery.columns, "Only these columns.");
    binder.Key("key", delivery.key, "Columns that identify a row: only what changed is written.");
    binder.Key("take_over", delivery.take_over, "Databases, s3: replace what is there already and is not ours.");
    workspace::BindTiming(binder, delivery.timing);
    if (binder.describing()) return;
    if (Split(delivery.from, '.').size() != 2) binder.Report("from", "from is a table, as shop.sales");
    if (!delivery.to.empty() && !IsTableName(delivery.to)) {
        binder.Report("to", "to is a name of letters, digits and '_', as sales or reports.sales");
    }
}

std::string GuaranteeOf(const Destination& destination) {
    if (destination.IsDatabase()) {
        return "exactly once: rows and position are one transaction of the target";
    }
    if (destination.kind == "s3" && destination.format == "delta") {
        return "exactly once: the version's file and the position are one entry of the Delta log";
    }
    if (destination.kind == "s3") return "exactly once: an object is replaced whole by that of the newest version";
    if (destination.kind == "files") return "exactly once: a file is replaced whole by that of the newest version";
    return "at least once: a batch that comes again has the same Idempotency-Key";
}

std::string GuaranteeOf(const workspace::Definition& definition) {
    const auto* destination = std::any_cast<Destination>(&definition.value);
    return destination ? GuaranteeOf(*destination) : "";
}

std::vector<ConfigKeyDoc> DestinationKeys() { return DescribeConfig<DestinationFile>(); }

void ParseDestinationFile(workspace::Definition& definition, workspace::Issues& issues) {
    DestinationFile file;
    auto found = ReadConfig(definition.text, definition.file, 1, [&](ConfigBinder& binder) { Bind(binder, file); });
    issues.insert(issues.end(), found.begin(), found.end());
    Destination& destination = file.destination;
    destination.name = definition.name;
    destination.file = definition.file;
    destination.hash = definition.hash;
    if (!destination.prefix.empty() && !destination.prefix.ends_with('/')) destination.prefix += '/';
    definition.description = destination.description;
    definition.owner = destination.owner;
    workspace::AskForRename(definition, file.renamed_from);
    definition.tags = file.tags;
    for (auto& [name, delivery] : file.tables) {
        Status named = workspace::CheckName("delivery", name);
        if (!named.ok()) issues.push_back({definition.file, 0, 0, named.error().message()});
        delivery.name = name;
        if (delivery.to.empty()) delivery.to = name;
        bool dotted = delivery.to.find('.') != std::string::npos;
        const DatabaseAddress& address = destination.connection;
        if (destination.kind == "postgresql" && !dotted) delivery.to = address.schema + "." + delivery.to;
        if (destination.kind == "mysql" && !dotted) delivery.to = address.database + "." + delivery.to;
        bool named_file = destination.kind == "files" || destination.kind == "s3";
        if (named_file && dotted) {
            issues.push_back({definition.file, 0, 0, fmt::format("{}: to is a file's name without its ending", name)});
        }
        destination.tables.push_back(std::move(delivery));
    }
    definition.value = std::move(destination);
}

void ValidateDestinations(const std::vector<workspace::Definition>& all, workspace::Issues& issues) {
    std::vector<std::string> tables;
    std::map<std::string, std::string> new_names;
    for (const workspace::Definition& definition : all) {
        if (definition.kind == "table") tables.push_back(definition.name);
        for (const auto& [from, to] : workspace::NewNames(definition.renames).Datasets()) new_names[from] = to;
    }
    for (const workspace::Definition& definition : all) {
        const auto* destination = std::any_cast<Destination>(&definition.value);
        if (!destination) continue;
        std::map<std::string, std::string> targets;
        for (const TableDelivery& delivery : destination->tables) {
            auto [place, fresh] = targets.emplace(delivery.to, delivery.name);
            if (!fresh) {
                issues.push_back({definition.file, 0, 0,
                                  fmt::format("{} and {} both go to {}", place->second, delivery.name, delivery.to)});
            }
            if (std::find(tables.begin(), tables.end(), delivery.from) != tables.end()) continue;
            std::string nearest = NearestWord(delivery.from, tables);
            std::string instead = nearest.empty() ? "" : "; did you mean " + nearest + "?";
            auto renamed = new_names.find(delivery.from);
            if (renamed != new_names.end()) instead = "; it is renamed to " + renamed->second;
            issues.push_back({definition.file, 0, 0,
                              fmt::format("{}: there is no table {}{}", delivery.name, delivery.from, instead)});
        }
    }
}

}  // namespace tarn::destinations
