// The rows of identity in metadata: migrations, reading all of it at start, and the statements that change it.
// Internal. The functions that take a Transaction are called inside of Database::Write.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "metadata/metadata.h"
#include "security/authenticator.h"

namespace tarn::identity {

struct PasswordRecord {
    std::string hash;  // argon2id
    security::ScramVerifier scram;
};

struct UserRecord {
    std::string name;
    Timestamp created_at;
    Timestamp last_login_at;  // 1970: never
    std::optional<PasswordRecord> password;
    std::vector<std::string> granted;  // roles given by the API: admin, and roles that the API made
};

struct TokenRecord {
    std::string hash;
    std::string user;
    std::string name;
    bool minted = false;  // by the program for scripts, not by a person
    Timestamp created_at;
    Timestamp expires_at;
    Timestamp last_used_at;
};

struct SessionRecord {
    std::string hash;
    std::string user;
    std::string method;  // "password", "link"
    std::string remote;
    Timestamp created_at;
    Timestamp seen_at;
    Timestamp expires_at;
};

struct S3KeyRecord {
    std::string id;
    std::string user;
    std::string description;
    Bytes sealed;  // the secret key under the key of scope "identity", with the id as associated data
    Timestamp created_at;
    Timestamp last_used_at;
};

struct TextRecord {
    std::string name;
    std::string text;
};

struct StoredIdentity {
    std::vector<UserRecord> users;
    std::vector<TokenRecord> tokens;
    std::vector<SessionRecord> sessions;
    std::vector<S3KeyRecord> s3_keys;
    std::vector<TextRecord> policy_files;
    std::vector<TextRecord> api_roles;
};

namespace store {

Status Migrate(metadata::Database& database);
Result<StoredIdentity> Load(metadata::Database& database);

Status InsertUser(metadata::Transaction& transaction, const UserRecord& user);
Status DeleteUser(metadata::Transaction& transaction, const std::string& name);
Status SetPassword(metadata::Transaction& transaction, const std::string& user,
                   const std::optional<PasswordRecord>& password);
Status InsertGrant(metadata::Transaction& transaction, const std::string& user, const std::string& role);
Status DeleteGrant(metadata::Transaction& transaction, const std::string& user, const std::string& role);
Status InsertToken(metadata::Transaction& transaction, const TokenRecord& token);
Status DeleteToken(metadata::Transaction& transaction, const std::string& user, const std::string& name);
Status InsertSession(metadata::Transaction& transaction, const SessionRecord& session);
Status DeleteSession(metadata::Transaction& transaction, const std::string& hash);
Status DeleteSessionsOf(metadata::Transaction& transaction, const std::string& user, const std::string& but);
Status InsertS3Key(metadata::Transaction& transaction, const S3KeyRecord& key);
Status DeleteS3Key(metadata::Transaction& transaction, const std::string& id);
Status ReplaceLink(metadata::Transaction& transaction, const std::string& hash, Timestamp expires_at);
// Whether the link was there and had not expired; it is gone afterwards.
Result<bool> TakeLink(metadata::Transaction& transaction, const std::string& hash, Timestamp now);
Status ReplacePolicyFiles(metadata::Transaction& transaction, const std::vector<TextRecord>& files);
Status PutApiRole(metadata::Transaction& transaction, const TextRecord& role);
Status DeleteApiRole(metadata::Transaction& transaction, const std::string& name);

Status TouchUser(metadata::Transaction& transaction, const std::string& user, Timestamp at);
Status TouchToken(metadata::Transaction& transaction, const std::string& hash, Timestamp at);
Status TouchSession(metadata::Transaction& transaction, const std::string& hash, Timestamp at);
Status TouchS3Key(metadata::Transaction& transaction, const std::string& id, Timestamp at);

}  // namespace store
}  // namespace tarn::identity
