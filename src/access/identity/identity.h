// Identity: who may log in, with what, and what each may do. Implements security::Gate and security::Authenticator.
//
// Does: users, groups, roles, policies; passwords (argon2id, and a SCRAM verifier kept in step), tokens, browser
// sessions, one-time login links, S3 keys. One person, many credentials; every one can be listed and revoked, and a
// revocation holds from the next call on. Never: keeps a password or token (only hashes; S3 secrets are sealed, SigV4
// needs them), tells an unknown user from a wrong password, lets a policy be half applied.
// Who: constructed by app after metadata and keys. Threads: any; decisions and token checks take no lock that a change
// holds while it writes. Password checks take 20-100 ms of a core: call them on an executor.
// State: tables `identity_*` in metadata, all of it in memory too; a change is durable, then visible. One program a
// database: another's changes are not seen. Fails: a change that could not be written has not happened.
//
//   auto identity = TRY(Identity::Create({}, {env, log, metrics, database, keys}));
//   if (identity->NeedsAdminLink()) std::string path = TRY(identity->AdminLink());  // "/login#link=..."
//   workspace.Register(identity->PolicyKind());
//   router.Add(identity->Routes());
//   Principal principal = TRY(identity->ByToken(token));
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "access/identity/config.h"
#include "access/identity/policy.h"
#include "access/identity/policy_case.h"
#include "base/env.h"
#include "base/log.h"
#include "base/metrics.h"
#include "metadata/metadata.h"
#include "security/authenticator.h"
#include "security/gate.h"
#include "security/keys.h"
#include "security/operation.h"
#include "security/role_store.h"
#include "security/router.h"
#include "security/table_facts.h"
#include "workspace/workspace.h"

namespace tarn::identity {

// The user that is there from the first start on.
inline constexpr std::string_view kFirstUser = "admin";

struct IdentityDependencies {
    Env& env;
    Log& log;
    Metrics& metrics;
    metadata::Database& database;
    security::KeyProvider& keys;
    // All rows of the program; with them a policy that names no existing service is refused. May be null.
    const security::OperationRegistry* operations = nullptr;
};

struct UserInfo {
    std::string name;
    std::vector<std::string> roles;
    std::vector<std::string> groups;
    bool has_password = false;
    Timestamp created_at;
    Timestamp last_login_at;  // 1970: never
};

struct RoleInfo {
    std::string name;
    std::string owner;  // "built-in", "workspace", "api"
    std::string file;   // "policies/analysts.yaml:3" of a workspace's role
    RoleDefinition definition;
    std::vector<std::string> users;  // who has it, through whatever
};

struct TokenInfo {
    std::string user;
    std::string name;
    Timestamp created_at;
    Timestamp expires_at;
    Timestamp last_used_at;  // 1970: never
};

struct SessionInfo {
    std::string id;
    std::string user;
    std::string method;
    std::string remote;
    Timestamp created_at;
    Timestamp seen_at;
    Timestamp expires_at;
};

struct S3KeyInfo {
    std::string access_key_id;
    std::string user;
    std::string description;
    Timestamp created_at;
    Timestamp last_used_at;
};

struct NewS3Key {
    std::string access_key_id;
    Secret secret_access_key;  // this once
};

struct NewSession {
    std::string cookie;  // this once
    security::Principal principal;
    Timestamp expires_at;
};

class Identity : public security::Gate, public security::Authenticator, public security::RoleStore {
  public:
    // The first start makes the user "admin", with role admin and no credential: a login link is its way in.
    static Result<std::unique_ptr<Identity>> Create(IdentityConfig config, IdentityDependencies dependencies);
    ~Identity() override;
    // Writes when what was last used; else up to a minute of it is lost at a stop.
    void Stop();
    Status Health() const;

    // ---- security::Gate. System principals may everything, others what their roles of this moment say.
    security::Decision Decide(const security::Principal& principal, std::string_view action,
                              const security::Resource& resource) const override;
    uint64_t epoch() const override;
    // What tables are tagged with, and a check of policies' expressions: known only to components that are made later.
    // Both are asked until the last call of this object.
    void SetTableFacts(const security::TableFacts& facts, SelectCheck select_check);

    // ---- security::Authenticator
    Result<security::Principal> ByToken(std::string_view token) override;
    Result<security::Principal> BySession(std::string_view cookie) override;
    Result<security::Principal> ByPassword(std::string_view user, std::string_view password) override;
    Result<security::Principal> ByPasswordFrom(std::string_view remote, std::string_view user,
                                               std::string_view password) override;
    Status MayAttempt(std::string_view remote, std::string_view user) override;
    void NoteAttempt(std::string_view remote, std::string_view user, bool succeeded) override;
    security::ScramVerifier ScramOf(std::string_view user) override;
    Result<security::Principal> AfterScram(std::string_view user) override;
    bool HasPassword(std::string_view user) override;
    Result<security::S3Key> ByS3KeyId(std::string_view access_key_id) override;
    Result<security::Principal> Refresh(const security::Principal& principal) override;

    // ---- users and roles. Removing the last admin is kFailedPrecondition.
    Status CreateUser(const std::string& name, const std::vector<std::string>& roles = {});
    Status DeleteUser(const std::string& name);  // with all credentials
    // Ends the user's browser sessions, but for the one with this id. An empty password removes it.
    Status SetPassword(const std::string& user, std::string_view password, const std::string& keep_session = {});
    // Of admin and of roles that the API made; a workspace file's role is kFailedPrecondition naming the file.
    Status GrantRole(const std::string& user, const std::string& role);
    Status RevokeRole(const std::string& user, const std::string& role);
    std::vector<UserInfo> Users() const;
    Result<UserInfo> FindUser(std::string_view name) const;
    std::vector<RoleInfo> Roles() const;
    // `definition` is a role as it stands in a policy file: {"description", "members", "allow", "deny"}.
    Status PutApiRole(const std::string& name, const Json& definition);
    Status DeleteApiRole(const std::string& name);

    // ---- security::RoleStore: the same roles
    std::vector<security::StoredRole> StoredRoles() const override;
    Status PutRole(const security::StoredRole& role) override;
    Status RemoveRole(const std::string& name) override { return DeleteApiRole(name); }

    // ---- policies of the workspace: all files at once, or none; the same files again cost nothing.
    Status SetPolicies(std::vector<PolicyFile> files);
    std::vector<ConfigIssue> CheckPolicies(const std::vector<PolicyFile>& files) const;
    workspace::Kind PolicyKind();
    // What the renames would open to anybody, by the policies of these definitions; `facts` are those after them.
    void CheckRenames(const workspace::LoadedWorkspace& loaded, const security::TableFacts& facts,
                      workspace::Issues& issues) const;
    // Tests of policies, `policies/*.test.yaml`. `support` is asked until the last call of this object.
    workspace::Kind PolicyTestKind(PolicyTestSupport support);
    // Why the gate would say what; kNotFound for an unknown user. `who` is "alice", "user:alice" or "system:x".
    Result<security::Decision> Explain(std::string_view who, std::string_view action,
                                       const security::Resource& resource) const;

    // ---- tokens. The token is returned once. A ttl of zero is the configured one.
    Result<std::string> CreateToken(const std::string& user, const std::string& name, Duration ttl = {});
    // As CreateToken, for the program's own use (admin_token_file): replaces a token of that name, may live longer.
    Result<std::string> MintToken(const std::string& user, const std::string& name, Duration ttl = {});
    Status DeleteToken(const std::string& user, const std::string& name);
    // A token for a run of a job, as whom its calls are made (credential "run:<run>"). It is nowhere but in memory:
    // void after EndRun, after `ttl`, when the user goes, and with the program.
    Result<std::string> StartRun(const std::string& user, const std::string& run, Duration ttl);
    void EndRun(const std::string& run);
    std::vector<TokenInfo> Tokens(std::string_view user) const;  // empty: everybody's

    // ---- browser sessions and the one-time link
    Result<NewSession> Login(std::string_view user, std::string_view password, const std::string& remote);
    Result<NewSession> LoginByLink(std::string_view link, const std::string& remote);
    Status Logout(std::string_view cookie);
    Status EndSession(const std::string& user, const std::string& id);
    std::vector<SessionInfo> Sessions(std::string_view user) const;
    // True while no admin has a password or a token of their own.
    bool NeedsAdminLink() const;
    // The path of a new link, the former one is void: "/login#link=<secret>". Behind '#', so that no server or proxy
    // logs it; the page sends it to POST /api/v1/login/link. Logs in as an admin, once.
    Result<std::string> AdminLink();

    // ---- S3 keys
    Result<NewS3Key> CreateS3Key(const std::string& user, const std::string& description);
    Status DeleteS3Key(const std::string& access_key_id);
    std::vector<S3KeyInfo> S3Keys(std::string_view user) const;

    // The rows of the HTTP API: operations.cc.
    std::vector<security::Route> Routes();

    struct State;

  private:
    explicit Identity(std::unique_ptr<State> state);
    Env& environment() const;
    std::unique_ptr<State> state_;
};

}  // namespace tarn::identity
