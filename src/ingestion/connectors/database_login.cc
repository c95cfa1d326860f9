#include "ingestion/connectors/database_login.h"

namespace tarn::connectors {

Result<DatabaseLogin> ResolveLogin(const DatabaseServer& server, Dialer& dialer, security::SecretStore& secrets,
                                   const std::string& workspace_directory) {
    DatabaseLogin login;
    login.address = server.address;
    login.numeric = TRY(dialer.ResolveChecked(server.address, {}));
    login.database = server.database;
    login.user = server.user;
    if (!server.password.empty()) login.password = TRY(secrets.Get(server.password));
    login.tls = server.tls;
    login.ca_path = server.ca;
    if (!server.ca.empty() && !server.ca.starts_with("/")) login.ca_path = workspace_directory + "/" + server.ca;
    return login;
}

Error CannotReach(const DatabaseServer& server, const Error& why) {
    const char* hint = "is it running, and are host and port right?";
    if (why.code() == ErrorCode::kPermissionDenied) hint = "set the password again with `tarn secret set NAME`";
    if (why.code() == ErrorCode::kFailedPrecondition) hint = "see `tls` and `ca` of the connection";
    if (why.code() == ErrorCode::kInvalidArgument) hint = "see `database` of the connection";
    return Error(why.code(), "can't reach the database of {}: {}", server.name, why.message()).WithHint(hint);
}

}  // namespace tarn::connectors
