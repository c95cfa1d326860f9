#include "base/net_tls.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "base/certificate.h"
#include "base/openssl_ptr.h"

namespace tarn {
namespace {

using SslContextPtr = OpenSslPtr<SSL_CTX, SSL_CTX_free>;
using SslPtr = OpenSslPtr<SSL, SSL_free>;
using KeyPtr = OpenSslPtr<EVP_PKEY, EVP_PKEY_free>;
using ExtensionPtr = OpenSslPtr<X509_EXTENSION, X509_EXTENSION_free>;
using BioMethodPtr = OpenSslPtr<BIO_METHOD, BIO_meth_free>;

constexpr size_t kRecordBytesMax = 16 << 10;
constexpr size_t kReadAheadBytes = 64 << 10;

// The oldest entry of this thread's queue: the cause, not its consequences. Empties the queue.
std::string TakeOpenSslError() {
    unsigned long code = ERR_get_error();
    ERR_clear_error();
    if (code == 0) return "unknown reason";
    const char* reason = ERR_reason_error_string(code);
    return reason ? reason : fmt::format("OpenSSL error {:x}", code);
}

class OpenSslContext final : public TlsContext {
  public:
    OpenSslContext(SslContextPtr context, bool is_server) : context_(std::move(context)), is_server_(is_server) {}
    // Shared with OpenSSL's sessions, which count their holders: a replaced one goes with its last connection.
    SslContextPtr Share() const {
        std::lock_guard lock(mutex_);
        SSL_CTX_up_ref(context_.get());
        return SslContextPtr(context_.get());
    }
    void Replace(SslContextPtr context) {
        std::lock_guard lock(mutex_);
        context_ = std::move(context);
    }
    bool is_server() const { return is_server_; }

  private:
    mutable std::mutex mutex_;  // of context_
    SslContextPtr context_;
    const bool is_server_;
};

Result<SslContextPtr> NewContext(const SSL_METHOD* method) {
    SslContextPtr context(SSL_CTX_new(method));
    if (!context) return Error(ErrorCode::kInternal, "cannot make a TLS context: {}", TakeOpenSslError());
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_options(context.get(),
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context.get(),
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    // Whole records, several at a time, with one system call; without it every record costs two.
    SSL_CTX_set_read_ahead(context.get(), 1);
    SSL_CTX_set_default_read_buffer_len(context.get(), kReadAheadBytes);
    // TLS 1.2 without forward secrecy (plain RSA) and CBC is left out; TLS 1.3 has its own list.
    if (SSL_CTX_set_cipher_list(context.get(), "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) {
        return Error(ErrorCode::kInternal, "cannot set TLS ciphers: {}", TakeOpenSslError());
    }
    return context;
}

BioPtr MemoryBio(std::string_view text) { return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

// Our keys have no passphrase; without this OpenSSL would ask on the terminal.
int NoPassphrase(char*, int, int, void*) { return 0; }

Status UseChain(SSL_CTX* context, std::string_view pem) {
    BioPtr bio = MemoryBio(pem);
    CertificatePtr leaf(PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr));
    if (!leaf) {
        return Error(ErrorCode::kInvalidArgument, "the certificate is not PEM: {}", TakeOpenSslError())
            .WithHint("it must begin with -----BEGIN CERTIFICATE-----, the server's own first, then its issuers");
    }
    if (SSL_CTX_use_certificate(context, leaf.get()) != 1) {
        return Error(ErrorCode::kInvalidArgument, "the certificate cannot be used: {}", TakeOpenSslError());
    }
    while (X509* issuer = PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr)) {
        if (SSL_CTX_add0_chain_cert(context, issuer) != 1) {
            X509_free(issuer);
            return Error(ErrorCode::kInvalidArgument, "a chain certificate cannot be used: {}", TakeOpenSslError());
        }
    }
    ERR_clear_error();  // the end of the text shows as an error
    return Ok();
}

Status UseKey(SSL_CTX* context, std::string_view pem) {
    BioPtr bio = MemoryBio(pem);
    KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr));
    if (!key) {
        return Error(ErrorCode::kInvalidArgument, "the private key is not PEM, or has a passphrase: {}",
                     TakeOpenSslError())
            .WithHint("it must begin with -----BEGIN PRIVATE KEY-----; remove a passphrase with `openssl pkey`");
    }
    if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
        return Error(ErrorCode::kInvalidArgument, "the private key does not belong to the certificate: {}",
                     TakeOpenSslError());
    }
    return Ok();
}

Status TrustRoots(SSL_CTX* context, std::string_view pem) {
    if (pem.empty()) {
        if (SSL_CTX_set_default_verify_paths(context) == 1) return Ok();
        return Error(ErrorCode::kInternal, "cannot load the system's root certificates: {}", TakeOpenSslError());
    }
    BioPtr bio = MemoryBio(pem);
    X509_STORE* store = SSL_CTX_get_cert_store(context);
    int count = 0;
    while (X509* root = PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr)) {
        CertificatePtr owned(root);
        if (X509_STORE_add_cert(store, root) == 1) count++;
    }
    ERR_clear_error();
    if (count > 0) return Ok();
    return Error(ErrorCode::kInvalidArgument, "the CA bundle holds no certificate in PEM");
}

// ---- a BIO over a socket that does not raise SIGPIPE, as OpenSSL's own does

int BioFd(BIO* bio) { return static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio))); }

int BioRead(BIO* bio, char* buffer, int size) {
    BIO_clear_retry_flags(bio);
    int64_t got = ReceiveSome(BioFd(bio), {reinterpret_cast<uint8_t*>(buffer), static_cast<size_t>(size)});
    if (got == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    if (got < 0 && errno == EAGAIN) BIO_set_retry_read(bio);
    return static_cast<int>(got);
}

int BioWrite(BIO* bio, const char* data, int size) {
    BIO_clear_retry_flags(bio);
    ByteSpan piece{reinterpret_cast<const uint8_t*>(data), static_cast<size_t>(size)};
    int64_t sent = SendSome(BioFd(bio), std::span(&piece, 1));
    if (sent < 0 && errno == EAGAIN) BIO_set_retry_write(bio);
    return static_cast<int>(sent);
}

long BioControl(BIO* bio, int command, long, void*) {
    if (command == BIO_CTRL_FLUSH) return 1;
    if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    return 0;
}

const BIO_METHOD* SocketBioMethod() {
    static const BioMethodPtr method = [] {
        BioMethodPtr made(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tarn socket"));
        BIO_meth_set_read(made.get(), BioRead);
        BIO_meth_set_write(made.get(), BioWrite);
        BIO_meth_set_ctrl(made.get(), BioControl);
        return made;
    }();
    return method.get();
}

// ----

class TlsChannel final : public Channel {
  public:
    TlsChannel(Fd fd, SslPtr ssl) : Channel(std::move(fd)), ssl_(std::move(ssl)) {}

    IoOutcome Handshake() override {
        ERR_clear_error();
        int result = SSL_do_handshake(ssl_.get());
        if (result == 1) return {IoState::kDone};
        return Explain(result, "the TLS handshake failed");
    }

    IoOutcome Read(MutableByteSpan buffer) override {
        if (buffer.empty()) return {IoState::kDone, 0};
        ERR_clear_error();
        size_t total = 0;
        // One call gives one record of at most 16 KiB: gather what has come already.
        while (total < buffer.size()) {
            size_t got = 0;
            int result = SSL_read_ex(ssl_.get(), buffer.data() + total, buffer.size() - total, &got);
            if (result != 1) {
                if (total > 0) break;
                return Explain(result, "receiving over TLS failed");
            }
            total += got;
            if (!SSL_has_pending(ssl_.get())) break;
        }
        ERR_clear_error();
        return {IoState::kDone, total};
    }

    IoOutcome Write(std::span<const ByteSpan> pieces) override {
        ByteSpan next = NextRecord(pieces);
        if (next.empty()) return {IoState::kDone, 0};
        ERR_clear_error();
        size_t sent = 0;
        int result = SSL_write_ex(ssl_.get(), next.data(), next.size(), &sent);
        if (result == 1) return {IoState::kDone, sent};
        return Explain(result, "sending over TLS failed");
    }

    void FinishWriting() override {
        ERR_clear_error();
        if (SSL_is_init_finished(ssl_.get())) SSL_shutdown(ssl_.get());
        ERR_clear_error();
        ShutdownWriting(fd());
    }

    bool encrypted() const override { return true; }
    bool HasPending() const override { return SSL_has_pending(ssl_.get()) == 1; }

  private:
    // A small first piece (a head, a chunk's length) travels in one record with what follows it. A repeated call with
    // the same pieces gives the same bytes, which SSL_write demands.
    ByteSpan NextRecord(std::span<const ByteSpan> pieces) {
        while (!pieces.empty() && pieces[0].empty()) pieces = pieces.subspan(1);
        if (pieces.empty()) return {};
        if (pieces.size() == 1 || pieces[0].size() >= kRecordBytesMax / 4) return pieces[0];
        record_.clear();
        for (ByteSpan piece : pieces) {
            size_t room = kRecordBytesMax - record_.size();
            ByteSpan part = piece.first(std::min(room, piece.size()));
            record_.insert(record_.end(), part.begin(), part.end());
        }
        return record_;
    }

    IoOutcome Explain(int result, std::string_view doing) {
        int saved_errno = errno;
        switch (SSL_get_error(ssl_.get(), result)) {
            case SSL_ERROR_WANT_READ:
                return {IoState::kWantRead};
            case SSL_ERROR_WANT_WRITE:
                return {IoState::kWantWrite};
            case SSL_ERROR_ZERO_RETURN:
                return {IoState::kEnd};
            case SSL_ERROR_SYSCALL:
                if (ERR_peek_error() == 0) return Fail(saved_errno != 0 ? saved_errno : ECONNRESET, doing);
                break;
            default:
                break;
        }
        long verified = SSL_get_verify_result(ssl_.get());
        if (verified != X509_V_OK) {
            ERR_clear_error();
            return Fail(
                fmt::format("the server's certificate is not trusted: {}", X509_verify_cert_error_string(verified)));
        }
        return Fail(fmt::format("{}: {}", doing, TakeOpenSslError()));
    }

    SslPtr ssl_;
    Bytes record_;
};

Result<SslPtr> NewSsl(const TlsContext& context, int fd, bool is_server) {
    const auto* ours = dynamic_cast<const OpenSslContext*>(&context);
    if (!ours || ours->is_server() != is_server) {
        return Error(ErrorCode::kInternal, "a TLS context of the {} side is needed", is_server ? "server" : "client");
    }
    SslPtr ssl(SSL_new(ours->Share().get()));
    BIO* bio = BIO_new(SocketBioMethod());
    if (!ssl || !bio) return Error(ErrorCode::kInternal, "cannot make a TLS session: {}", TakeOpenSslError());
    BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(fd)));
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl.get(), bio, bio);
    return ssl;
}

// ---- self-signed certificates

Status AddExtension(X509* certificate, int id, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str()));
    if (!extension || X509_add_ext(certificate, extension.get(), -1) != 1) {
        return Error(ErrorCode::kInvalidArgument, "cannot put \"{}\" into a certificate: {}", value,
                     TakeOpenSslError());
    }
    return Ok();
}

Status SetSerialAndDates(X509* certificate) {
    unsigned char serial[16];
    if (RAND_bytes(serial, sizeof(serial)) != 1) return Error(ErrorCode::kInternal, "no randomness from OpenSSL");
    serial[0] &= 0x7f;  // serial numbers are positive
    OpenSslPtr<BIGNUM, BN_free> number(BN_bin2bn(serial, sizeof(serial), nullptr));
    BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate));
    constexpr long kHour = 3600;
    X509_gmtime_adj(X509_getm_notBefore(certificate), -kHour);  // clocks differ a little
    X509_gmtime_adj(X509_getm_notAfter(certificate), 365 * 24 * kHour);
    return Ok();
}

Result<std::string> AlternativeNames(const std::vector<std::string>& hosts) {
    std::string names;
    for (const std::string& host : hosts) {
        bool strange = host.empty() || host.find_first_of(",\n\r\\\" ") != std::string::npos;
        if (strange) return Error(ErrorCode::kInvalidArgument, "\"{}\" is not a host for a certificate", host);
        names += fmt::format("{}{}:{}", names.empty() ? "" : ",", ParseEndpoint(host, 0) ? "IP" : "DNS", host);
    }
    if (names.empty()) return Error(ErrorCode::kInvalidArgument, "a certificate needs at least one host");
    return names;
}

Status FillCertificate(X509* certificate, EVP_PKEY* key, const std::vector<std::string>& hosts) {
    std::string names = TRY(AlternativeNames(hosts));
    X509_set_version(certificate, X509_VERSION_3);
    TRY(SetSerialAndDates(certificate));
    X509_set_pubkey(certificate, key);
    X509_NAME* name = X509_get_subject_name(certificate);
    // A common name is at most 64 characters; clients look at the alternative names only.
    std::string common_name = hosts[0].substr(0, 64);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(common_name.c_str()),
                               -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    TRY(AddExtension(certificate, NID_basic_constraints, "critical,CA:FALSE"));
    TRY(AddExtension(certificate, NID_key_usage, "critical,digitalSignature"));
    TRY(AddExtension(certificate, NID_ext_key_usage, "serverAuth"));
    TRY(AddExtension(certificate, NID_subject_alt_name, names));
    TRY(AddExtension(certificate, NID_subject_key_identifier, "hash"));
    TRY(AddExtension(certificate, NID_authority_key_identifier, "keyid:always"));
    if (X509_sign(certificate, key, EVP_sha256()) == 0) {
        return Error(ErrorCode::kInternal, "cannot sign a certificate: {}", TakeOpenSslError());
    }
    return Ok();
}

std::string TextOf(BIO* bio) {
    char* data = nullptr;
    long size = BIO_get_mem_data(bio, &data);
    return std::string(data, static_cast<size_t>(size));
}

}  // namespace

namespace {

Result<SslContextPtr> NewServerContext(std::string_view certificate_pem, std::string_view key_pem) {
    SslContextPtr context = TRY(NewContext(TLS_server_method()));
    TRY(UseChain(context.get(), certificate_pem));
    TRY(UseKey(context.get(), key_pem));
    constexpr unsigned char kSessions[] = "tarn";
    SSL_CTX_set_session_id_context(context.get(), kSessions, sizeof(kSessions) - 1);
    return context;
}

}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::Server(std::string_view certificate_pem, std::string_view key_pem) {
    return std::shared_ptr<TlsContext>(
        std::make_shared<OpenSslContext>(TRY(NewServerContext(certificate_pem, key_pem)), true));
}

Status ReplaceCertificate(TlsContext& context, std::string_view certificate_pem, std::string_view key_pem) {
    auto* ours = dynamic_cast<OpenSslContext*>(&context);
    if (!ours || !ours->is_server()) {
        return Error(ErrorCode::kInternal, "a TLS context of the server side is needed");
    }
    ours->Replace(TRY(NewServerContext(certificate_pem, key_pem)));
    return Ok();
}

Result<std::shared_ptr<TlsContext>> TlsContext::Client(std::string_view ca_pem) {
    SslContextPtr context = TRY(NewContext(TLS_client_method()));
    TRY(TrustRoots(context.get(), ca_pem));
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    return std::shared_ptr<TlsContext>(std::make_shared<OpenSslContext>(std::move(context), false));
}

Result<std::pair<std::string, std::string>> MakeSelfSignedCertificate(const std::vector<std::string>& hosts) {
    KeyPtr key(EVP_EC_gen("P-256"));
    CertificatePtr certificate(X509_new());
    if (!key || !certificate) return Error(ErrorCode::kInternal, "cannot make a key: {}", TakeOpenSslError());
    TRY(FillCertificate(certificate.get(), key.get(), hosts));
    BioPtr certificate_text(BIO_new(BIO_s_mem()));
    BioPtr key_text(BIO_new(BIO_s_secmem()));
    if (PEM_write_bio_X509(certificate_text.get(), certificate.get()) != 1 ||
        PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
        return Error(ErrorCode::kInternal, "cannot write a certificate as PEM: {}", TakeOpenSslError());
    }
    return std::make_pair(TextOf(certificate_text.get()), TextOf(key_text.get()));
}

Result<std::unique_ptr<Channel>> TlsServerChannel(Fd&& fd, const TlsContext& context) {
    SslPtr ssl = TRY(NewSsl(context, fd.get(), true));
    SSL_set_accept_state(ssl.get());
    return std::unique_ptr<Channel>(std::make_unique<TlsChannel>(std::move(fd), std::move(ssl)));
}

Result<std::unique_ptr<Channel>> TlsClientChannel(Fd&& fd, const TlsContext& context, const std::string& host) {
    SslPtr ssl = TRY(NewSsl(context, fd.get(), false));
    SSL_set_connect_state(ssl.get());
    bool named;
    if (ParseEndpoint(host, 0)) {
        named = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), host.c_str()) == 1;
    } else {
        SSL_set_hostflags(ssl.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        named = SSL_set1_host(ssl.get(), host.c_str()) == 1 && SSL_set_tlsext_host_name(ssl.get(), host.c_str()) == 1;
    }
    if (!named) return Error(ErrorCode::kInvalidArgument, "\"{}\" is no host that TLS can check", host);
    return std::unique_ptr<Channel>(std::make_unique<TlsChannel>(std::move(fd), std::move(ssl)));
}

}  // namespace tarn
