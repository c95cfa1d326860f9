#include "analysis/query/pg_login.h"

#include "wire/pgwire/scram.h"

namespace tarn::query {
namespace {

constexpr int kStartPacketsMax = 4;  // SSL and GSS requests before the real one
constexpr std::string_view kTokenPrefix = "token:";
constexpr std::string_view kDatabase = "tarn";

enum Authentication : int32_t { kCleartext = 3, kSasl = 10, kSaslContinue = 11, kSaslFinal = 12 };

Error WrongCredential() {
    return Error(ErrorCode::kUnauthenticated, "wrong user name, password or token").WithDetailCode("28P01");
}

}  // namespace

Status LoginExchange::SendAuthentication(int32_t code, std::string_view body) {
    wire::PgFrameWriter writer;
    writer.Begin('R');
    writer.Int32(code);
    writer.Bytes(body);
    writer.End();
    return stream_.Write(AsBytes(writer.buffer()));
}

Result<std::string> LoginExchange::ReadAnswer() {
    wire::PgFrame frame = TRY(reader_.Read(kUntrustedBytesMax));
    if (frame.type != 'p') {
        return Error(ErrorCode::kInvalidArgument, "expected a password message").WithDetailCode("08P01");
    }
    return std::move(frame.body);
}

Status LoginExchange::AnswerSslRequest() {
    const char answer = config_.tls ? 'S' : 'N';
    TRY(stream_.Write(AsBytes(std::string_view(&answer, 1))));
    if (!config_.tls) return Ok();
    // Bytes that came before the handshake were not protected by it: they are not taken as if they had been.
    if (reader_.HasBuffered()) {
        return Error(ErrorCode::kInvalidArgument, "data before the TLS handshake").WithDetailCode("08P01");
    }
    return stream_.StartTlsServer(config_.tls);
}

Result<std::map<std::string, std::string>> LoginExchange::ReadParameters(wire::PgFieldReader& fields) {
    std::map<std::string, std::string> parameters;
    while (!fields.AtEnd()) {
        std::string name = TRY(fields.Text());
        if (name.empty()) break;
        parameters[name] = TRY(fields.Text());
    }
    return parameters;
}

Result<Start> LoginExchange::Run() {
    for (int packet = 0; packet < kStartPacketsMax; ++packet) {
        wire::PgFrame frame = TRY(reader_.ReadStart(kUntrustedBytesMax));
        wire::PgFieldReader fields(frame.body);
        int32_t code = TRY(fields.Int32());
        if (code == wire::kPgSslRequest) {
            TRY(AnswerSslRequest());
            continue;
        }
        if (code == wire::kPgGssRequest) {
            TRY(stream_.Write(AsBytes("N")));
            continue;
        }
        Start start;
        if (code == wire::kPgCancelRequest) {
            CancelKey key;
            key.process = TRY(fields.Int32());
            key.secret = TRY(fields.Int32());
            start.cancel = key;
            return start;
        }
        if (code >> 16 != 3) {
            return Error(ErrorCode::kNotSupported, "protocol {}.{} is not supported; this is PostgreSQL protocol 3.0",
                         code >> 16, code & 0xffff)
                .WithDetailCode("08P01");
        }
        start.login.emplace();
        start.login->parameters = TRY(ReadParameters(fields));
        const std::string& user = start.login->parameters["user"];
        const std::string& database = start.login->parameters["database"];
        user_ = user;
        start.login->principal = TRY(Authenticate(user));
        if (!database.empty() && database != kDatabase && database != user) {
            return Error(ErrorCode::kNotFound, "there is no database \"{}\"", database)
                .WithDetailCode("3D000")
                .WithHint("the database is called tarn");
        }
        return start;
    }
    return Error(ErrorCode::kInvalidArgument, "too many start packets").WithDetailCode("08P01");
}

Result<security::Principal> LoginExchange::Authenticate(const std::string& user) {
    if (user.empty()) return WrongCredential();
    if (!stream_.encrypted() && !stream_.remote().IsLoopback()) {
        return Error(ErrorCode::kUnauthenticated, "this server takes no login without TLS here")
            .WithDetailCode("28000")
            .WithHint("connect with sslmode=require");
    }
    bool token = user.starts_with(kTokenPrefix);
    security::Authenticator& authenticator = dependencies_.authenticator;
    TRY(authenticator.MayAttempt(stream_.remote().host, user));
    bool scram = !token && authenticator.HasPassword(user);
    auto principal = scram ? ByScram(user) : ByClearText(token ? user.substr(kTokenPrefix.size()) : user);
    bool wrong = !principal.ok() && principal.error().code() == ErrorCode::kUnauthenticated;
    if (principal.ok() || wrong) authenticator.NoteAttempt(stream_.remote().host, user, principal.ok());
    return principal;
}

Result<security::Principal> LoginExchange::ByClearText(const std::string& user) {
    TRY(SendAuthentication(kCleartext, ""));
    std::string answer = TRY(ReadAnswer());
    Result<security::Principal> principal = dependencies_.authenticator.ByToken(answer.substr(0, answer.find('\0')));
    if (!principal.ok()) return WrongCredential();
    // A token belongs to somebody: it does not log in under another name.
    if (principal->name != user) return WrongCredential();
    return principal;
}

Result<security::Principal> LoginExchange::ByScram(const std::string& user) {
    TRY(SendAuthentication(kSasl, std::string_view("SCRAM-SHA-256\0\0", 15)));
    std::string initial = TRY(ReadAnswer());
    wire::PgFieldReader fields(initial);
    if (TRY(fields.Text()) != "SCRAM-SHA-256") {
        return Error(ErrorCode::kNotSupported, "only SCRAM-SHA-256 is offered").WithDetailCode("08P01");
    }
    int32_t length = TRY(fields.Int32());
    std::string_view client_first = TRY(fields.Bytes(static_cast<size_t>(std::max(length, 0))));
    security::ScramVerifier verifier = dependencies_.authenticator.ScramOf(user);
    wire::ScramServer scram(dependencies_.env.random(),
                            {verifier.salt, verifier.iterations, verifier.stored_key, verifier.server_key});
    TRY(SendAuthentication(kSaslContinue, TRY(scram.First(client_first))));
    Result<std::string> server_final = scram.Final(TRY(ReadAnswer()));
    if (!server_final.ok()) {
        if (server_final.error().code() == ErrorCode::kUnauthenticated) return WrongCredential();
        return std::move(server_final).error();
    }
    if (!verifier.known) return WrongCredential();
    Result<security::Principal> principal = dependencies_.authenticator.AfterScram(user);
    if (!principal.ok()) return WrongCredential();
    TRY(SendAuthentication(kSaslFinal, *server_final));
    return principal;
}

}  // namespace tarn::query
