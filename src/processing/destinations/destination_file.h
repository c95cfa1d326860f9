// What destinations/*.yaml says. Internal to the component.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "workspace/timing.h"
#include "workspace/workspace.h"

namespace tarn::destinations {

struct DatabaseAddress {
    std::string host = "127.0.0.1";
    int port = 0;  // 0: the usual one of the kind
    std::string database;
    std::string user;
    SecretName password;
    std::string schema = "public";  // postgresql
    std::string tls = "prefer";
    std::string ca;
};
void Bind(ConfigBinder& binder, DatabaseAddress& address);

struct S3Key {
    std::string id;
    SecretName secret;
};
void Bind(ConfigBinder& binder, S3Key& key);

// One table's way to the target.
struct TableDelivery {
    std::string name;
    std::string from;  // "shop.sales"
    std::string to;    // databases: the table; files, s3: the name without ending
    std::vector<std::string> columns;  // empty: all
    std::vector<std::string> key;
    bool take_over = false;  // databases, s3: of what that is there already
    workspace::TimingKeys timing;
};
void Bind(ConfigBinder& binder, TableDelivery& delivery);

struct Destination {
    std::string name;
    std::string file;
    std::string kind;  // postgresql, mysql, s3, http, files
    std::string description;
    std::string owner;
    DatabaseAddress connection;
    std::string url;
    SecretName bearer;
    bool private_network = false;
    int batch_rows = 1000;
    std::string endpoint;
    std::string bucket;
    std::string prefix;  // "" or "reports/"
    std::string region = "us-east-1";
    S3Key access_key;
    std::string path;
    std::string format = "csv";
    bool guard_formulas = false;
    Duration keep = std::chrono::hours(24 * 7);
    workspace::TimingKeys timing;
    std::vector<TableDelivery> tables;
    std::string hash;
    std::string home;  // the name that positions stand under: the first that it had
    bool IsDatabase() const { return kind == "postgresql" || kind == "mysql"; }
};
// "exactly once: ..." or "at least once: ...".
std::string GuaranteeOf(const Destination& destination);

std::vector<ConfigKeyDoc> DestinationKeys();
void ParseDestinationFile(workspace::Definition& definition, workspace::Issues& issues);
// Over all files: the tables that are delivered are there.
void ValidateDestinations(const std::vector<workspace::Definition>& all, workspace::Issues& issues);

}  // namespace tarn::destinations
