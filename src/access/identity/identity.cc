#include "access/identity/identity.h"

#include <algorithm>
#include <thread>

#include "access/identity/credential.h"
#include "access/identity/rename_check.h"
#include "access/identity/state.h"
#include "base/text.h"

namespace tarn::identity {
namespace {

constexpr std::string_view kKeyScope = "identity";
constexpr int64_t kSaveUseEveryMicros = 60'000'000;
constexpr std::string_view kApiFile = "api";

Result<PolicyFile> ParseApiRole(const std::string& name, const Json& definition) {
    std::string text = DumpJson({{"roles", {{name, definition}}}});
    // JSON is YAML, so one parser and one set of rules serve both.
    return ParsePolicyFile(text, std::string(kApiFile));
}

// A role of the API as it holds: with those to whom the API granted it.
RoleDefinition AsItHolds(const Directory& now, const std::string& name, RoleDefinition role) {
    for (const auto& [user, account] : now.accounts()) {
        const std::vector<std::string>& granted = account.user.granted;
        std::string member = "user:" + user;
        bool is_new = std::find(role.members.begin(), role.members.end(), member) == role.members.end();
        if (is_new && std::find(granted.begin(), granted.end(), name) != granted.end()) role.members.push_back(member);
    }
    std::sort(role.members.begin(), role.members.end());
    return role;
}

bool SameStatements(const std::vector<Statement>& left, const std::vector<Statement>& right) {
    return std::equal(left.begin(), left.end(), right.begin(), right.end(), [](const auto& one, const auto& other) {
        return one.actions == other.actions && one.resources == other.resources;
    });
}

// Roles of the API that these files define just as they hold: the files take them over.
std::set<std::string> TakenOver(const Directory& now, const std::vector<PolicyFile>& files) {
    std::set<std::string> taken;
    for (const PolicyFile& api : now.policies().api_roles) {
        for (const auto& [name, definition] : api.roles) {
            RoleDefinition role = AsItHolds(now, name, definition);
            for (const PolicyFile& file : files) {
                auto found = file.roles.find(name);
                if (found == file.roles.end()) continue;
                std::vector<std::string> members = found->second.members;
                std::sort(members.begin(), members.end());
                bool same = members == role.members && SameStatements(role.allow, found->second.allow) &&
                            SameStatements(role.deny, found->second.deny);
                if (same) taken.insert(name);
            }
        }
    }
    return taken;
}

std::vector<PolicyFile> Without(std::vector<PolicyFile> api_roles, const std::set<std::string>& names) {
    std::erase_if(api_roles, [&](const PolicyFile& file) {
        return std::any_of(names.begin(), names.end(), [&](const auto& name) { return file.roles.contains(name); });
    });
    return api_roles;
}

}  // namespace

std::string PasswordCredential(const PasswordRecord& password) {
    return "password:" + HashOf(password.scram.salt).substr(0, 8);
}

Identity::State::State(IdentityConfig config_in, IdentityDependencies dependencies_in)
    : config(config_in),
      env(dependencies_in.env),
      log(dependencies_in.log),
      database(dependencies_in.database),
      keys(dependencies_in.keys),
      operations(dependencies_in.operations),
      metrics(dependencies_in.metrics),
      attempts(env.clock()),
      password_slots(static_cast<int>(std::thread::hardware_concurrency()) / 2),
      decoy_hash(MakeDecoyHash(env.random())) {}

void Identity::State::Publish(std::vector<UserRecord> users, std::shared_ptr<const Policies> policies) {
    auto before = Now();
    // From the clock at first, so that an epoch does not come again after a restart.
    uint64_t epoch = before ? before->epoch() + 1 : static_cast<uint64_t>(ToMicros(env.clock().Now()));
    metrics.users.Set(static_cast<double>(users.size()));
    metrics.statements.Set(static_cast<double>(policies->statements()));
    std::shared_ptr<const Directory> made =
        std::make_shared<const Directory>(std::move(users), std::move(policies), epoch, facts.load());
    std::unique_lock lock(directory_mutex);
    // Swapped, so that the old one is destroyed after the lock is gone.
    directory.swap(made);
}

Status Identity::State::Write(const std::function<Status(metadata::Transaction&)>& work) {
    TRY(database.Write(work));
    metrics.changes.Add();
    return Ok();
}

Result<security::Principal> Identity::State::PrincipalOf(std::string_view user, std::string credential) const {
    auto now = Now();
    const Account* account = now->Find(user);
    if (!account) return Error(ErrorCode::kUnauthenticated, "the credential is not valid");
    security::Principal principal;
    principal.kind = security::PrincipalKind::kUser;
    principal.name = account->user.name;
    principal.roles = account->roles;
    principal.groups = account->groups;
    principal.credential = std::move(credential);
    return principal;
}

Result<UserRecord> Identity::State::UserOf(std::string_view name) const {
    auto now = Now();
    const Account* account = now->Find(name);
    if (!account) return Error(ErrorCode::kNotFound, "there is no user {}", name);
    return account->user;
}

void Identity::State::LoadS3Keys(std::vector<S3KeyRecord> records) {
    for (S3KeyRecord& record : records) {
        auto secret = Open(sealing_key.bytes(), AsBytes(record.id), record.sealed);
        if (!secret.ok()) {
            // Only this key is lost; its owner makes another.
            log.Error("an S3 key cannot be unsealed and is ignored", {{"access_key_id", record.id}});
            continue;
        }
        std::string id = record.id;
        Timestamp used_at = record.last_used_at;
        s3_keys[id] = std::make_unique<UsedS3Key>(std::move(record), used_at, Secret(*std::move(secret)));
    }
}

Status Identity::State::LoadAll() {
    TRY(store::Migrate(database));
    sealing_key = TRY_CONTEXT(keys.KeyOf(kKeyScope), "the key of identity");
    decoy_key = DeriveKey(sealing_key.bytes(), "scram-decoy");
    StoredIdentity stored = TRY(store::Load(database));
    std::vector<PolicyFile> files;
    for (const TextRecord& file : stored.policy_files) {
        // A policy that cannot be read any more must not be left out: it may be the one that denies.
        files.push_back(TRY_CONTEXT(ParsePolicyFile(file.text, file.name), "stored policies"));
    }
    std::vector<PolicyFile> api_roles;
    for (const TextRecord& role : stored.api_roles) {
        api_roles.push_back(TRY_CONTEXT(ParsePolicyFile(role.text, std::string(kApiFile)), "stored roles"));
    }
    if (stored.users.empty()) {
        UserRecord first{.name = std::string(kFirstUser), .created_at = env.clock().Now()};
        first.granted = {std::string(kAdminRole)};
        TRY(Write([&](metadata::Transaction& transaction) { return store::InsertUser(transaction, first); }));
        stored.users.push_back(std::move(first));
    }
    for (const UserRecord& user : stored.users) last_logins[user.name] = user.last_login_at;
    for (TokenRecord& token : stored.tokens) {
        token_names[{token.user, token.name}] = token.hash;
        std::string hash = token.hash;
        Timestamp used_at = token.last_used_at;
        tokens[hash] = std::make_unique<Used<TokenRecord>>(std::move(token), used_at);
    }
    for (SessionRecord& session : stored.sessions) {
        std::string hash = session.hash;
        Timestamp seen_at = session.seen_at;
        sessions[hash] = std::make_unique<Used<SessionRecord>>(std::move(session), seen_at);
    }
    LoadS3Keys(std::move(stored.s3_keys));
    Publish(std::move(stored.users), CompilePolicies(std::move(files), std::move(api_roles)));
    CountCredentials();
    return Ok();
}

void Identity::State::CountCredentials() {
    std::shared_lock lock(mutex);
    metrics.tokens.Set(static_cast<double>(tokens.size()));
    metrics.sessions.Set(static_cast<double>(sessions.size()));
    metrics.s3_keys.Set(static_cast<double>(s3_keys.size()));
}

void Identity::State::SaveUse(bool at_once) {
    int64_t now = ToMicros(env.clock().Now());
    int64_t last = use_saved_at.load(std::memory_order_relaxed);
    if (!at_once && now - last < kSaveUseEveryMicros) return;
    // Of many callers that find it due, one does it.
    if (!use_saved_at.compare_exchange_strong(last, now)) return;
    std::vector<std::function<Status(metadata::Transaction&)>> touches;
    auto collect = [&](auto& records, auto touch) {
        for (auto& [key, record] : records) {
            int64_t used = record->used.load(std::memory_order_relaxed);
            if (record->saved.exchange(used) == used) continue;
            touches.push_back(
                [touch, id = key, at = FromMicros(used)](auto& transaction) { return touch(transaction, id, at); });
        }
    };
    {
        std::shared_lock lock(mutex);
        collect(tokens, store::TouchToken);
        collect(sessions, store::TouchSession);
        collect(s3_keys, store::TouchS3Key);
    }
    if (touches.empty()) return;
    Status status = database.Write([&](metadata::Transaction& transaction) -> Status {
        for (const auto& touch : touches) TRY(touch(transaction));
        return Ok();
    });
    // A time of last use is worth no failed call.
    if (!status.ok()) log.Warning("times of last use were not written", {{"error", status.error().ToString()}});
}

Error Identity::State::Refused() {
    metrics.credentials_refused.Add();
    return Error(ErrorCode::kUnauthenticated, "the credential is not valid");
}

Identity::Identity(std::unique_ptr<State> state) : state_(std::move(state)) {}
Identity::~Identity() = default;

Env& Identity::environment() const { return state_->env; }

Result<std::unique_ptr<Identity>> Identity::Create(IdentityConfig config, IdentityDependencies dependencies) {
    auto state = std::make_unique<State>(config, dependencies);
    TRY_CONTEXT(state->LoadAll(), "identity");
    return std::unique_ptr<Identity>(new Identity(std::move(state)));
}

void Identity::Stop() { state_->SaveUse(true); }
Status Identity::Health() const { return Ok(); }

// ---- Gate

security::Decision Identity::Decide(const security::Principal& principal, std::string_view action,
                                    const security::Resource& resource) const {
    // Before what it stands for: the decision may then be newer than it says, never older.
    uint64_t of_facts = state_->FactsEpoch();
    auto now = state_->Now();
    uint64_t at = now->epoch() + of_facts;
    switch (principal.kind) {
        case security::PrincipalKind::kSystem:
            return {.allowed = true, .reason = "allowed: the program itself", .epoch = at};
        case security::PrincipalKind::kAnonymous:
            return {.allowed = false, .reason = "nobody is logged in", .epoch = at};
        case security::PrincipalKind::kUser:
            break;
    }
    // By the name, not by the roles that the principal carries: those may be older than a revocation.
    const Account* account = now->Find(principal.name);
    if (!account) return {.allowed = false, .reason = "there is no such user any more", .epoch = at};
    // Or a job could make its owner's rights last longer than its run.
    bool login = action.starts_with("token:") || action.starts_with("user:") || action.starts_with("session:") ||
                 action.starts_with("role:");
    if (login && principal.credential.starts_with("run:") && !action.ends_with(":Read")) {
        return {.allowed = false, .reason = "the run of a job makes and changes no logins", .epoch = at};
    }
    security::Decision decision = now->Decide(*account, action, resource);
    decision.epoch = at;
    return decision;
}

uint64_t Identity::epoch() const { return state_->Now()->epoch() + state_->FactsEpoch(); }

void Identity::SetTableFacts(const security::TableFacts& facts, SelectCheck select_check) {
    std::lock_guard change(state_->change_mutex);
    state_->facts.store(&facts);
    state_->select_check = std::move(select_check);
    state_->Publish(state_->Now()->Users(), state_->Now()->shared_policies());
}

Result<security::Decision> Identity::Explain(std::string_view who, std::string_view action,
                                             const security::Resource& resource) const {
    if (who.starts_with("system:")) {
        return Decide(security::Principal::System(std::string(who.substr(7))), action, resource);
    }
    if (who == "anonymous") return Decide(security::Principal::Anonymous(), action, resource);
    if (who.starts_with("user:")) who.remove_prefix(5);
    UserRecord user = TRY(state_->UserOf(who));
    return Decide(TRY(state_->PrincipalOf(user.name, "explain")), action, resource);
}

// ---- policies

std::vector<ConfigIssue> Identity::CheckPolicies(const std::vector<PolicyFile>& files) const {
    std::set<std::string> services;
    if (state_->operations) {
        // Doors below the protocols ask for actions of these, which no row names.
        services = {"lake", "table", "source", "run", "workspace", "audit", "user", "role", "token", "secret"};
        for (const security::Operation& operation : state_->operations->operations()) {
            size_t colon = operation.action.find(':');
            if (colon != std::string_view::npos) services.emplace(operation.action.substr(0, colon));
        }
    }
    auto now = state_->Now();
    std::vector<PolicyFile> all = Without(now->policies().api_roles, TakenOver(*now, files));
    all.insert(all.end(), files.begin(), files.end());
    return CheckPolicyFiles(all, services, state_->select_check);
}

Status Identity::SetPolicies(std::vector<PolicyFile> files) {
    std::lock_guard change(state_->change_mutex);
    std::sort(files.begin(), files.end(), [](const auto& left, const auto& right) { return left.file < right.file; });
    auto now = state_->Now();
    auto same = [](const PolicyFile& left, const PolicyFile& right) {
        return left.file == right.file && left.text == right.text;
    };
    const std::vector<PolicyFile>& current = now->policies().files;
    if (std::equal(files.begin(), files.end(), current.begin(), current.end(), same)) return Ok();
    std::vector<ConfigIssue> issues = CheckPolicies(files);
    if (!issues.empty()) return Error(ErrorCode::kInvalidArgument, "{}", FormatIssues(issues));
    std::vector<TextRecord> texts;
    for (const PolicyFile& file : files) texts.push_back({.name = file.file, .text = file.text});
    std::set<std::string> taken = TakenOver(*now, files);
    TRY(state_->Write([&](metadata::Transaction& transaction) -> Status {
        for (const std::string& role : taken) TRY(store::DeleteApiRole(transaction, role));
        return store::ReplacePolicyFiles(transaction, texts);
    }));
    std::vector<UserRecord> users = now->Users();
    for (UserRecord& user : users) std::erase_if(user.granted, [&](const auto& role) { return taken.contains(role); });
    state_->Publish(std::move(users), CompilePolicies(std::move(files), Without(now->policies().api_roles, taken)));
    return Ok();
}

namespace {

std::vector<PolicyFile> PolicyFilesOf(const std::vector<workspace::Definition>& all) {
    std::vector<PolicyFile> files;
    for (const workspace::Definition& definition : all) {
        const auto* file = definition.kind == "policy" ? std::any_cast<PolicyFile>(&definition.value) : nullptr;
        if (file) files.push_back(*file);
    }
    return files;
}

}  // namespace

void Identity::CheckRenames(const workspace::LoadedWorkspace& loaded, const security::TableFacts& facts,
                            workspace::Issues& issues) const {
    // Doors below the protocols ask for these, which no row names.
    std::set<std::string> actions = {"table:Read", "table:Describe", "table:Write", "table:Drop", "run:Run",
                                     "run:Read",   "run:Cancel",     "run:Approve", "alert:Read", "alert:Silence"};
    if (state_->operations) {
        for (const security::Operation& operation : state_->operations->operations()) {
            actions.emplace(operation.action);
        }
    }
    auto now = state_->Now();
    RightsWorld before{now->policies().files, now->policies().api_roles, state_->facts.load()};
    std::vector<PolicyFile> files = PolicyFilesOf(loaded.definitions);
    RightsWorld after{files, Without(now->policies().api_roles, TakenOver(*now, files)), &facts};
    auto found = CheckRenamedRights(loaded.renames, now->Users(), before, after, actions);
    issues.insert(issues.end(), found.begin(), found.end());
}

workspace::Kind Identity::PolicyKind() {
    auto parse = [](workspace::Definition& definition, workspace::Issues& issues) {
        PolicyFile file = ParsePolicyFile(definition.text, definition.file, issues);
        definition.description = file.description;
        definition.owner = file.owner;
        definition.value = std::move(file);
    };
    workspace::Kind kind;
    kind.name = "policy";
    kind.folder = "policies";
    kind.suffix = ".yaml";
    kind.description = "Roles, groups, and what they may do.";
    kind.parse = parse;
    kind.validate = [this](const std::vector<workspace::Definition>& all, workspace::Issues& issues) {
        auto found = CheckPolicies(PolicyFilesOf(all));
        issues.insert(issues.end(), found.begin(), found.end());
    };
    kind.activate = [this](const std::vector<workspace::Definition>& all) { return SetPolicies(PolicyFilesOf(all)); };
    kind.keys = DescribePolicyFile();
    return kind;
}

workspace::Kind Identity::PolicyTestKind(PolicyTestSupport support) {
    workspace::Kind kind;
    kind.name = "policy_test";
    kind.folder = "policies";
    kind.suffix = ".test.yaml";
    kind.description = "Tests of policies: what a person may do, and what it sees. Run by `tarn test`.";
    kind.parse = ParsePolicyTests;
    kind.activate = [](const std::vector<workspace::Definition>&) { return Ok(); };
    kind.keys = PolicyTestKeys();
    kind.test = [this, support = std::move(support)](
                    const security::Principal&, const std::vector<workspace::Definition>& all,
                    const workspace::TestOptions& options) -> Result<std::vector<workspace::TestResult>> {
        auto now = state_->Now();
        auto facts = support.facts(all);
        PolicyTestWorld world{now->Users(), PolicyFilesOf(all), now->policies().api_roles, facts.get(), &support};
        std::vector<workspace::TestResult> results;
        for (const workspace::Definition& definition : all) {
            const auto* file = std::any_cast<PolicyTestFile>(&definition.value);
            if (!file) continue;
            for (const PolicyTest& test : file->tests) {
                std::string name = fmt::format("{}: {}", definition.name, test.name);
                if (!options.Wants(name)) continue;
                auto wrong = RunPolicyTest(test, world);
                std::string message = wrong.ok() ? *wrong : wrong.error().message();
                std::string state = message.empty() ? "passed" : "failed";
                results.push_back({"policy", name, test.file, test.line, state, message});
            }
        }
        return results;
    };
    return kind;
}

// ---- roles

std::vector<RoleInfo> Identity::Roles() const {
    auto now = state_->Now();
    const Policies& policies = now->policies();
    std::vector<RoleInfo> roles;
    RoleInfo admin{.name = std::string(kAdminRole), .owner = "built-in"};
    admin.definition.description = "May everything.";
    roles.push_back(std::move(admin));
    for (const PolicyFile& file : policies.files) {
        for (const auto& [name, definition] : file.roles) {
            roles.push_back(
                {.name = name, .owner = "workspace", .file = policies.FileOf(name), .definition = definition});
        }
    }
    for (const PolicyFile& file : policies.api_roles) {
        for (const auto& [name, definition] : file.roles) {
            roles.push_back(
                {.name = name, .owner = "api", .file = {}, .definition = AsItHolds(*now, name, definition)});
        }
    }
    for (RoleInfo& role : roles) {
        for (const auto& [name, account] : now->accounts()) {
            const auto& held = account.roles;
            if (std::find(held.begin(), held.end(), role.name) != held.end()) role.users.push_back(name);
        }
        std::sort(role.users.begin(), role.users.end());
    }
    std::sort(roles.begin(), roles.end(), [](const auto& left, const auto& right) { return left.name < right.name; });
    return roles;
}

Status Identity::PutApiRole(const std::string& name, const Json& definition) {
    std::lock_guard change(state_->change_mutex);
    auto now = state_->Now();
    std::string file = now->policies().FileOf(name);
    if (!file.empty()) {
        return Error(ErrorCode::kFailedPrecondition, "role {} is defined in {}: change it there and apply", name, file);
    }
    PolicyFile role = TRY(ParseApiRole(name, definition));
    std::vector<PolicyFile> roles = now->policies().api_roles;
    std::erase_if(roles, [&](const PolicyFile& other) { return other.roles.contains(name); });
    TextRecord text{.name = name, .text = role.text};
    roles.push_back(std::move(role));
    std::vector<PolicyFile> all = now->policies().files;
    all.insert(all.end(), roles.begin(), roles.end());
    std::vector<ConfigIssue> issues = CheckPolicyFiles(all);
    if (!issues.empty()) return Error(ErrorCode::kInvalidArgument, "{}", FormatIssues(issues));
    TRY(state_->Write([&](metadata::Transaction& transaction) { return store::PutApiRole(transaction, text); }));
    state_->Publish(now->Users(), CompilePolicies(now->policies().files, std::move(roles)));
    return Ok();
}

Status Identity::DeleteApiRole(const std::string& name) {
    std::lock_guard change(state_->change_mutex);
    auto now = state_->Now();
    std::string file = now->policies().FileOf(name);
    if (!file.empty()) {
        return Error(ErrorCode::kFailedPrecondition, "role {} is defined in {}: remove it there and apply", name, file);
    }
    if (name == kAdminRole) return Error(ErrorCode::kFailedPrecondition, "role admin is built in");
    std::vector<PolicyFile> roles = now->policies().api_roles;
    size_t removed = std::erase_if(roles, [&](const PolicyFile& other) { return other.roles.contains(name); });
    if (removed == 0) return Error(ErrorCode::kNotFound, "there is no role {}", name);
    TRY(state_->Write([&](metadata::Transaction& transaction) { return store::DeleteApiRole(transaction, name); }));
    std::vector<UserRecord> users = now->Users();
    for (UserRecord& user : users) std::erase(user.granted, name);
    state_->Publish(std::move(users), CompilePolicies(now->policies().files, std::move(roles)));
    return Ok();
}

std::vector<security::StoredRole> Identity::StoredRoles() const {
    auto statements = [](const std::vector<Statement>& list) {
        std::vector<security::RoleStatement> copies;
        for (const Statement& one : list) copies.push_back({one.actions, one.resources});
        return copies;
    };
    std::vector<security::StoredRole> stored;
    for (RoleInfo& role : Roles()) {
        stored.push_back({role.name, role.file, role.definition.description, role.definition.members, role.users,
                          statements(role.definition.allow), statements(role.definition.deny)});
    }
    return stored;
}

Status Identity::PutRole(const security::StoredRole& role) {
    auto statements = [](const std::vector<security::RoleStatement>& list) {
        Json copies = Json::array();
        for (const auto& one : list) copies.push_back({{"actions", one.actions}, {"resources", one.resources}});
        return copies;
    };
    return PutApiRole(role.name, {{"description", role.description},
                                  {"members", role.members},
                                  {"allow", statements(role.allow)},
                                  {"deny", statements(role.deny)}});
}

}  // namespace tarn::identity
