#include "access/identity/store.h"

#include <map>
#include <utility>

namespace tarn::identity::store {
namespace {

using metadata::Parameters;
using metadata::Row;
using metadata::Transaction;

constexpr const char* kTables = R"(
CREATE TABLE identity_users (
    name TEXT PRIMARY KEY, created_at INTEGER NOT NULL, last_login_at INTEGER NOT NULL, password TEXT,
    scram_salt BLOB, scram_iterations INTEGER, scram_stored_key BLOB, scram_server_key BLOB);
CREATE TABLE identity_grants (
    user_name TEXT NOT NULL REFERENCES identity_users (name) ON DELETE CASCADE, role TEXT NOT NULL,
    PRIMARY KEY (user_name, role));
CREATE TABLE identity_tokens (
    hash TEXT PRIMARY KEY, user_name TEXT NOT NULL REFERENCES identity_users (name) ON DELETE CASCADE,
    name TEXT NOT NULL, minted INTEGER NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL, UNIQUE (user_name, name));
CREATE TABLE identity_sessions (
    hash TEXT PRIMARY KEY, user_name TEXT NOT NULL REFERENCES identity_users (name) ON DELETE CASCADE,
    method TEXT NOT NULL, remote TEXT NOT NULL, created_at INTEGER NOT NULL, seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL);
CREATE TABLE identity_s3_keys (
    id TEXT PRIMARY KEY, user_name TEXT NOT NULL REFERENCES identity_users (name) ON DELETE CASCADE,
    description TEXT NOT NULL, sealed BLOB NOT NULL, created_at INTEGER NOT NULL, last_used_at INTEGER NOT NULL);
CREATE TABLE identity_links (hash TEXT PRIMARY KEY, expires_at INTEGER NOT NULL);
CREATE TABLE identity_policy_files (file TEXT PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE identity_roles (name TEXT PRIMARY KEY, text TEXT NOT NULL)
)";

Status Execute(Transaction& transaction, const char* sql, const Parameters& parameters) {
    TRY(transaction.Execute(sql, parameters));
    return Ok();
}

metadata::Value Micros(Timestamp time) { return ToMicros(time); }
Timestamp TimeOf(const metadata::Value& value) { return FromMicros(value.integer()); }
metadata::Value BlobOf(const std::string& raw) { return Bytes(raw.begin(), raw.end()); }

std::string RawOf(const metadata::Value& value) {
    Bytes bytes = value.blob();
    return std::string(AsText(bytes));
}

UserRecord UserOf(const Row& row) {
    UserRecord user{.name = row[0].text(), .created_at = TimeOf(row[1]), .last_login_at = TimeOf(row[2])};
    if (row[3].is_null()) return user;
    PasswordRecord password;
    password.hash = row[3].text();
    password.scram = {.salt = RawOf(row[4]),
                      .iterations = static_cast<int>(row[5].integer()),
                      .stored_key = RawOf(row[6]),
                      .server_key = RawOf(row[7]),
                      .known = true};
    user.password = std::move(password);
    return user;
}

Status LoadUsers(metadata::Database& database, StoredIdentity& stored) {
    TRY(
        database.Scan("SELECT name, created_at, last_login_at, password, scram_salt, scram_iterations, "
                      "scram_stored_key, scram_server_key FROM identity_users ORDER BY name",
                      {}, [&](const Row& row) { return stored.users.push_back(UserOf(row)), true; }));
    std::map<std::string, std::vector<std::string>> grants;
    TRY(database.Scan("SELECT user_name, role FROM identity_grants ORDER BY user_name, role", {},
                      [&](const Row& row) { return grants[row[0].text()].push_back(row[1].text()), true; }));
    for (UserRecord& user : stored.users) user.granted = std::move(grants[user.name]);
    return Ok();
}

Status LoadCredentials(metadata::Database& database, StoredIdentity& stored) {
    TRY(database.Scan("SELECT hash, user_name, name, minted, created_at, expires_at, last_used_at FROM identity_tokens",
                      {}, [&](const Row& row) {
                          stored.tokens.push_back({.hash = row[0].text(),
                                                   .user = row[1].text(),
                                                   .name = row[2].text(),
                                                   .minted = row[3].integer() != 0,
                                                   .created_at = TimeOf(row[4]),
                                                   .expires_at = TimeOf(row[5]),
                                                   .last_used_at = TimeOf(row[6])});
                          return true;
                      }));
    TRY(database.Scan("SELECT hash, user_name, method, remote, created_at, seen_at, expires_at FROM identity_sessions",
                      {}, [&](const Row& row) {
                          stored.sessions.push_back({.hash = row[0].text(),
                                                     .user = row[1].text(),
                                                     .method = row[2].text(),
                                                     .remote = row[3].text(),
                                                     .created_at = TimeOf(row[4]),
                                                     .seen_at = TimeOf(row[5]),
                                                     .expires_at = TimeOf(row[6])});
                          return true;
                      }));
    return database.Scan("SELECT id, user_name, description, sealed, created_at, last_used_at FROM identity_s3_keys",
                         {}, [&](const Row& row) {
                             stored.s3_keys.push_back({.id = row[0].text(),
                                                       .user = row[1].text(),
                                                       .description = row[2].text(),
                                                       .sealed = row[3].blob(),
                                                       .created_at = TimeOf(row[4]),
                                                       .last_used_at = TimeOf(row[5])});
                             return true;
                         });
}

Status LoadTexts(metadata::Database& database, const char* sql, std::vector<TextRecord>& texts) {
    return database.Scan(
        sql, {}, [&](const Row& row) { return texts.push_back({.name = row[0].text(), .text = row[1].text()}), true; });
}

}  // namespace

Status Migrate(metadata::Database& database) { return database.Migrate("identity", {{1, kTables}}); }

Result<StoredIdentity> Load(metadata::Database& database) {
    StoredIdentity stored;
    TRY(LoadUsers(database, stored));
    TRY(LoadCredentials(database, stored));
    TRY(LoadTexts(database, "SELECT file, text FROM identity_policy_files ORDER BY file", stored.policy_files));
    TRY(LoadTexts(database, "SELECT name, text FROM identity_roles ORDER BY name", stored.api_roles));
    return stored;
}

Status InsertUser(Transaction& transaction, const UserRecord& user) {
    TRY(Execute(transaction, "INSERT INTO identity_users (name, created_at, last_login_at) VALUES ($1, $2, $3)",
                {user.name, Micros(user.created_at), Micros(user.last_login_at)}));
    for (const std::string& role : user.granted) TRY(InsertGrant(transaction, user.name, role));
    if (user.password) TRY(SetPassword(transaction, user.name, user.password));
    return Ok();
}

Status DeleteUser(Transaction& transaction, const std::string& name) {
    return Execute(transaction, "DELETE FROM identity_users WHERE name = $1", {name});
}

Status SetPassword(Transaction& transaction, const std::string& user, const std::optional<PasswordRecord>& password) {
    Parameters parameters = {user, nullptr, nullptr, nullptr, nullptr, nullptr};
    if (password) {
        const security::ScramVerifier& scram = password->scram;
        parameters = {user,
                      password->hash,
                      BlobOf(scram.salt),
                      int64_t{scram.iterations},
                      BlobOf(scram.stored_key),
                      BlobOf(scram.server_key)};
    }
    return Execute(transaction,
                   "UPDATE identity_users SET password = $2, scram_salt = $3, scram_iterations = $4, "
                   "scram_stored_key = $5, scram_server_key = $6 WHERE name = $1",
                   parameters);
}

Status InsertGrant(Transaction& transaction, const std::string& user, const std::string& role) {
    return Execute(transaction,
                   "INSERT INTO identity_grants (user_name, role) VALUES ($1, $2) "
                   "ON CONFLICT (user_name, role) DO NOTHING",
                   {user, role});
}

Status DeleteGrant(Transaction& transaction, const std::string& user, const std::string& role) {
    return Execute(transaction, "DELETE FROM identity_grants WHERE user_name = $1 AND role = $2", {user, role});
}

Status InsertToken(Transaction& transaction, const TokenRecord& token) {
    return Execute(transaction,
                   "INSERT INTO identity_tokens (hash, user_name, name, minted, created_at, expires_at, last_used_at) "
                   "VALUES ($1, $2, $3, $4, $5, $6, $7)",
                   {token.hash, token.user, token.name, token.minted ? 1 : 0, Micros(token.created_at),
                    Micros(token.expires_at), Micros(token.last_used_at)});
}

Status DeleteToken(Transaction& transaction, const std::string& user, const std::string& name) {
    return Execute(transaction, "DELETE FROM identity_tokens WHERE user_name = $1 AND name = $2", {user, name});
}

Status InsertSession(Transaction& transaction, const SessionRecord& session) {
    return Execute(transaction,
                   "INSERT INTO identity_sessions (hash, user_name, method, remote, created_at, seen_at, expires_at) "
                   "VALUES ($1, $2, $3, $4, $5, $6, $7)",
                   {session.hash, session.user, session.method, session.remote, Micros(session.created_at),
                    Micros(session.seen_at), Micros(session.expires_at)});
}

Status DeleteSession(Transaction& transaction, const std::string& hash) {
    return Execute(transaction, "DELETE FROM identity_sessions WHERE hash = $1", {hash});
}

Status DeleteSessionsOf(Transaction& transaction, const std::string& user, const std::string& but) {
    return Execute(transaction, "DELETE FROM identity_sessions WHERE user_name = $1 AND hash <> $2", {user, but});
}

Status InsertS3Key(Transaction& transaction, const S3KeyRecord& key) {
    return Execute(transaction,
                   "INSERT INTO identity_s3_keys (id, user_name, description, sealed, created_at, last_used_at) "
                   "VALUES ($1, $2, $3, $4, $5, $6)",
                   {key.id, key.user, key.description, key.sealed, Micros(key.created_at), Micros(key.last_used_at)});
}

Status DeleteS3Key(Transaction& transaction, const std::string& id) {
    return Execute(transaction, "DELETE FROM identity_s3_keys WHERE id = $1", {id});
}

Status ReplaceLink(Transaction& transaction, const std::string& hash, Timestamp expires_at) {
    TRY(Execute(transaction, "DELETE FROM identity_links", {}));
    return Execute(transaction, "INSERT INTO identity_links (hash, expires_at) VALUES ($1, $2)",
                   {hash, Micros(expires_at)});
}

Result<bool> TakeLink(Transaction& transaction, const std::string& hash, Timestamp now) {
    auto rows = TRY(transaction.Query("SELECT expires_at FROM identity_links WHERE hash = $1", {hash}));
    if (rows.empty()) return false;
    TRY(Execute(transaction, "DELETE FROM identity_links WHERE hash = $1", {hash}));
    return TimeOf(rows[0][0]) > now;
}

Status ReplacePolicyFiles(Transaction& transaction, const std::vector<TextRecord>& files) {
    TRY(Execute(transaction, "DELETE FROM identity_policy_files", {}));
    for (const TextRecord& file : files) {
        TRY(Execute(transaction, "INSERT INTO identity_policy_files (file, text) VALUES ($1, $2)",
                    {file.name, file.text}));
    }
    return Ok();
}

Status PutApiRole(Transaction& transaction, const TextRecord& role) {
    return Execute(transaction,
                   "INSERT INTO identity_roles (name, text) VALUES ($1, $2) "
                   "ON CONFLICT (name) DO UPDATE SET text = excluded.text",
                   {role.name, role.text});
}

Status DeleteApiRole(Transaction& transaction, const std::string& name) {
    TRY(Execute(transaction, "DELETE FROM identity_grants WHERE role = $1", {name}));
    return Execute(transaction, "DELETE FROM identity_roles WHERE name = $1", {name});
}

Status TouchUser(Transaction& transaction, const std::string& user, Timestamp at) {
    return Execute(transaction, "UPDATE identity_users SET last_login_at = $2 WHERE name = $1", {user, Micros(at)});
}

Status TouchToken(Transaction& transaction, const std::string& hash, Timestamp at) {
    return Execute(transaction, "UPDATE identity_tokens SET last_used_at = $2 WHERE hash = $1", {hash, Micros(at)});
}

Status TouchSession(Transaction& transaction, const std::string& hash, Timestamp at) {
    return Execute(transaction, "UPDATE identity_sessions SET seen_at = $2 WHERE hash = $1", {hash, Micros(at)});
}

Status TouchS3Key(Transaction& transaction, const std::string& id, Timestamp at) {
    return Execute(transaction, "UPDATE identity_s3_keys SET last_used_at = $2 WHERE id = $1", {id, Micros(at)});
}

}  // namespace tarn::identity::store
