// ApiVersions, and who a client is: SASL PLAIN, SCRAM-SHA-256 and OAUTHBEARER over Tarn's own users and tokens.
#include "ingestion/buffer/handlers.h"
#include "wire/kafka/messages/api_versions.h"
#include "wire/kafka/messages/sasl_authenticate.h"
#include "wire/kafka/messages/sasl_handshake.h"
#include "wire/pgwire/scram.h"

namespace tarn::buffer {
namespace {

constexpr const char* kMechanisms[] = {"PLAIN", "SCRAM-SHA-256", "OAUTHBEARER"};
constexpr std::pair<const char*, int16_t> kFeatures[] = {
    {"group.version", 1},        // groups' newer protocol (KIP-848)
    {"transaction.version", 2},  // KIP-890
};
constexpr std::string_view kTokenStart = "tarn_";

Error Wrong() {
    return Error(ErrorCode::kUnauthenticated, "Authentication failed: wrong user name, password or token");
}

Result<security::Principal> ByPassword(Session& session, const std::string& user, std::string_view password) {
    Broker& broker = session.broker();
    const std::string& remote = session.connection().remote().host;
    if (!password.starts_with(kTokenStart)) return broker.authenticator.ByPasswordFrom(remote, user, password);
    TRY(broker.authenticator.MayAttempt(remote, user));
    Result<security::Principal> principal = broker.authenticator.ByToken(password);
    // A token belongs to somebody: it does not log in under another name.
    bool right = principal.ok() && principal->name == user;
    broker.authenticator.NoteAttempt(remote, user, right);
    return right ? std::move(principal) : Wrong();
}

// RFC 4616: authorization id, NUL, user, NUL, password.
Result<security::Principal> Plain(Session& session, std::string_view message) {
    size_t first = message.find('\0');
    size_t second = first == std::string_view::npos ? first : message.find('\0', first + 1);
    if (second == std::string_view::npos) {
        return Error(ErrorCode::kInvalidArgument, "a PLAIN message is \"\\0user\\0password\"");
    }
    std::string user(message.substr(first + 1, second - first - 1));
    std::string_view act_as = message.substr(0, first);
    if (!act_as.empty() && act_as != user) return Wrong();
    return ByPassword(session, user, message.substr(second + 1));
}

// RFC 7628: "n,a=...,\1auth=Bearer <token>\1...\1\1".
Result<security::Principal> Bearer(Session& session, std::string_view message) {
    constexpr std::string_view kStart = "\1auth=Bearer ";
    size_t begin = message.find(kStart);
    if (begin == std::string_view::npos) {
        return Error(ErrorCode::kInvalidArgument, "an OAUTHBEARER message has a part \"auth=Bearer ...\"");
    }
    begin += kStart.size();
    size_t end = message.find('\1', begin);
    Result<security::Principal> principal = session.broker().authenticator.ByToken(message.substr(begin, end - begin));
    return principal.ok() ? std::move(principal) : Wrong();
}

// Of SCRAM: "=2C" and "=3D" stand for ',' and '=' (RFC 5802, 5.1).
std::string UnescapeName(std::string_view escaped) {
    std::string name;
    for (size_t at = 0; at < escaped.size(); ++at) {
        std::string_view three = escaped.substr(at, 3);
        bool is_escape = three == "=2C" || three == "=3D";
        name += three == "=2C" ? ',' : escaped[at];
        if (is_escape) at += 2;
    }
    return name;
}

// One round of SCRAM; a principal when it was the last.
Result<std::optional<security::Principal>> Scram(Session& session, std::string_view message, std::string& answer) {
    security::Authenticator& authenticator = session.broker().authenticator;
    const std::string& remote = session.connection().remote().host;
    Session::Login& login = session.login;
    if (!login.scram) {
        size_t name = message.find("n=");
        size_t end = message.find(',', name);
        if (name == std::string_view::npos || end == std::string_view::npos) {
            return Error(ErrorCode::kInvalidArgument, "a first SCRAM message has a user name");
        }
        login.user = UnescapeName(message.substr(name + 2, end - name - 2));
        TRY(authenticator.MayAttempt(remote, login.user));
        security::ScramVerifier verifier = authenticator.ScramOf(login.user);
        login.scram = std::make_unique<wire::ScramServer>(
            session.broker().env.random(),
            wire::ScramKeys{verifier.salt, verifier.iterations, verifier.stored_key, verifier.server_key});
        answer = TRY(login.scram->First(message));
        return std::optional<security::Principal>();
    }
    Result<std::string> last = login.scram->Final(message);
    bool known = authenticator.ScramOf(login.user).known;
    authenticator.NoteAttempt(remote, login.user, last.ok() && known);
    if (!last.ok() || !known) return Wrong();
    answer = *std::move(last);
    return std::optional(TRY(authenticator.AfterScram(login.user)));
}

Result<std::optional<security::Principal>> Step(Session& session, std::string_view message, std::string& answer) {
    if (session.login.mechanism == "SCRAM-SHA-256") return Scram(session, message, answer);
    bool plain = session.login.mechanism == "PLAIN";
    return std::optional(TRY(plain ? Plain(session, message) : Bearer(session, message)));
}

}  // namespace

void HandleApiVersions(const ExchangePtr& exchange) {
    kafka::ApiVersionsResponse answer;
    for (const ApiRow& row : ApiRows()) {
        int16_t least = row.advertised_min >= 0 ? row.advertised_min : row.version_min;
        answer.api_keys.push_back({static_cast<int16_t>(row.key), least, row.version_max});
    }
    // Who asks for too new a version is told so in a form that every client understands (KIP-511).
    if (exchange->version() > exchange->row().version_max) {
        answer.error_code = CodeOf(KafkaError::kUnsupportedVersion);
        return exchange->AnswerAs(0, answer);
    }
    auto request = exchange->Decode<kafka::ApiVersionsRequest>();
    if (!request) return;
    // Clients look for them here, not only for the APIs. Those before version 4 do not understand one that begins at 0.
    answer.finalized_features_epoch = 0;
    for (const auto& [name, version] : kFeatures) {
        if (exchange->version() >= 4) answer.supported_features.push_back({name, 0, version});
        answer.finalized_features.push_back({name, version, version});
    }
    exchange->Answer(answer);
}

void HandleSaslHandshake(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::SaslHandshakeRequest>();
    if (!request) return;
    kafka::SaslHandshakeResponse answer;
    bool known = false;
    for (const char* mechanism : kMechanisms) {
        answer.mechanisms.emplace_back(mechanism);
        known = known || request->mechanism == mechanism;
    }
    exchange->session().login = {};
    if (known) {
        exchange->session().login.mechanism = request->mechanism;
    } else {
        answer.error_code = CodeOf(KafkaError::kUnsupportedSaslMechanism);
    }
    exchange->Answer(answer);
}

void HandleSaslAuthenticate(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::SaslAuthenticateRequest>();
    if (!request) return;
    exchange->OnExecutor([exchange, message = std::move(request->auth_bytes)] {
        Session& session = exchange->session();
        kafka::SaslAuthenticateResponse answer;
        answer.error_message.reset();
        if (session.login.mechanism.empty()) {
            answer.error_code = CodeOf(KafkaError::kIllegalSaslState);
            answer.error_message = "SaslHandshake comes first";
            return exchange->Answer(answer);
        }
        std::string bytes;
        Result<std::optional<security::Principal>> done = Step(session, AsText(message), bytes);
        answer.auth_bytes = Bytes(bytes.begin(), bytes.end());
        Status audited = Ok();
        if (done.ok() && *done) {
            session.LogIn(**std::move(done));
            audited = exchange->Run("platform", "*", [&](security::Call& call) {
                call.details["mechanism"] = session.login.mechanism;
                return Ok();
            });
        } else if (!done.ok()) {
            audited = exchange->Run("platform", "*", [&](security::Call& call) -> Status {
                call.details["mechanism"] = session.login.mechanism;
                return done.error();
            });
        }
        if (!done.ok() || !audited.ok()) {
            answer.error_code = CodeOf(KafkaError::kSaslAuthenticationFailed);
            answer.error_message = done.ok() ? audited.error().message() : done.error().message();
            answer.auth_bytes.clear();
        }
        exchange->Answer(answer);
        if (answer.error_code != 0) session.connection().Close();
    });
}

}  // namespace tarn::buffer
