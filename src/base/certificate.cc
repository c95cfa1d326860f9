#include "base/certificate.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <ctime>

#include "base/bytes.h"
#include "base/openssl_ptr.h"

namespace tarn {
namespace {

using NamesPtr = OpenSslPtr<GENERAL_NAMES, GENERAL_NAMES_free>;

Result<Timestamp> TimeOf(const ASN1_TIME* time) {
    std::tm parts{};
    if (ASN1_TIME_to_tm(time, &parts) != 1) {
        return Error(ErrorCode::kInvalidArgument, "the certificate's time of validity is no time");
    }
    return ParseTime(fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                                 parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec));
}

std::string HostOf(const GENERAL_NAME& name) {
    if (name.type != GEN_DNS && name.type != GEN_IPADD) return {};
    const ASN1_STRING* text = name.type == GEN_DNS ? name.d.dNSName : name.d.iPAddress;
    const unsigned char* bytes = ASN1_STRING_get0_data(text);
    int length = ASN1_STRING_length(text);
    if (name.type == GEN_DNS) return {reinterpret_cast<const char*>(bytes), static_cast<size_t>(length)};
    if (length == 4) return fmt::format("{}.{}.{}.{}", bytes[0], bytes[1], bytes[2], bytes[3]);
    return length == 16 ? HexEncode({bytes, 16}) : std::string();
}

std::vector<std::string> HostsOf(X509* certificate) {
    std::vector<std::string> hosts;
    NamesPtr names(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
        std::string host = HostOf(*sk_GENERAL_NAME_value(names.get(), i));
        if (!host.empty()) hosts.push_back(std::move(host));
    }
    return hosts;
}

}  // namespace

Result<CertificateInfo> ReadCertificate(std::string_view pem) {
    BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    auto no_passphrase = [](char*, int, int, void*) { return 0; };
    CertificatePtr certificate(PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr));
    if (!certificate) {
        return Error(ErrorCode::kInvalidArgument, "the certificate is not PEM")
            .WithHint("it must begin with -----BEGIN CERTIFICATE-----");
    }
    CertificateInfo info;
    info.valid_from = TRY(TimeOf(X509_get0_notBefore(certificate.get())));
    info.valid_until = TRY(TimeOf(X509_get0_notAfter(certificate.get())));
    info.hosts = HostsOf(certificate.get());
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    if (X509_digest(certificate.get(), EVP_sha256(), digest, &length) != 1) {
        return Error(ErrorCode::kInternal, "the certificate has no fingerprint");
    }
    info.fingerprint = HexEncode({digest, length});
    return info;
}

}  // namespace tarn
