// Where a database is and who logs in there: what sources and destinations say of a server, made ready for a client.
// Public to other components by DOORS.
#pragma once

#include <string>

#include "base/crypto.h"
#include "base/net.h"
#include "base/result.h"
#include "security/keys.h"

namespace tarn::connectors {

// As a file says it.
struct DatabaseServer {
    std::string name;  // of the source or the destination, for messages
    Address address;
    std::string database;
    std::string user;
    std::string password;  // a secret's name; empty: none
    std::string tls = "prefer";  // disable, prefer, require, verify-full
    std::string ca;  // PEM file, below the workspace unless absolute
};

// What a client needs: the address is checked, the password is there.
struct DatabaseLogin {
    Address address;
    std::string numeric;  // of the address, checked: what is connected to
    std::string database;
    std::string user;
    Secret password;
    std::string tls = "prefer";
    std::string ca_path;  // PEM; empty: the system's roots
};
Result<DatabaseLogin> ResolveLogin(const DatabaseServer& server, Dialer& dialer, security::SecretStore& secrets,
                                   const std::string& workspace_directory);

// A failure to connect, with whose database it is and what to do next.
Error CannotReach(const DatabaseServer& server, const Error& why);

}  // namespace tarn::connectors
