// The text forms of credentials, and what is kept of them. Pure.
//
// A token is "tarn_", 40 random letters and digits (238 bits), and 6 that are the CRC-32C of what stands before them: a
// scanner finds it in a text, and a typing error is told from a token that does not hold. Only its SHA-256 is kept.
#pragma once

#include <string>
#include <string_view>

#include "base/env.h"

namespace tarn::identity {

inline constexpr std::string_view kTokenPrefix = "tarn_";
inline constexpr std::string_view kS3KeyPrefix = "TARN";

std::string MakeToken(Random& random);
// Prefix, length, alphabet and checksum are right; whether it is anybody's token is another matter.
bool IsToken(std::string_view text);

// 256 random bits as URL-safe text: cookies and one-time links.
std::string MakeOpaque(Random& random);
// "TARN" and 16 upper-case letters or digits.
std::string MakeS3KeyId(Random& random);
// 40 characters, as S3 clients expect.
std::string MakeS3Secret(Random& random);

// What is kept and looked up: SHA-256 in hex. The secret has enough entropy of its own, so no salt and no slow hash.
std::string HashOf(std::string_view credential);

// A name people may choose for a user ("alice", "bob@example.org") or a token.
bool IsUserName(std::string_view name);
bool IsCredentialName(std::string_view name);

}  // namespace tarn::identity
