// Owners of OpenSSL's objects, for the files that use it.
#pragma once

#include <openssl/bio.h>
#include <openssl/x509.h>

#include <memory>

namespace tarn {

// By the function that frees them.
template <auto kFree>
struct OpenSslFreer {
    template <typename T>
    void operator()(T* pointer) const {
        kFree(pointer);
    }
};
template <typename T, auto kFree>
using OpenSslPtr = std::unique_ptr<T, OpenSslFreer<kFree>>;
using BioPtr = OpenSslPtr<BIO, BIO_free>;
using CertificatePtr = OpenSslPtr<X509, X509_free>;

}  // namespace tarn
