#include "wire/pgwire/scram.h"

#include "base/crypto.h"
#include "base/text.h"

namespace tarn::wire {
namespace {

Error Malformed(const char* what) {
    return Error(ErrorCode::kInvalidArgument, "malformed SCRAM message: {}", what).WithDetailCode("08P01");
}

// The value of attribute `name` in "n=..,r=..".
Result<std::string_view> Attribute(std::string_view message, char name) {
    while (!message.empty()) {
        size_t end = std::min(message.find(','), message.size());
        std::string_view part = message.substr(0, end);
        if (part.size() >= 2 && part[0] == name && part[1] == '=') return part.substr(2);
        message.remove_prefix(std::min(end + 1, message.size()));
    }
    return Malformed("an attribute is missing");
}

}  // namespace

ScramServer::ScramServer(Random& random, ScramKeys keys) : keys_(std::move(keys)) {
    Bytes nonce(18);
    random.Fill(nonce);
    nonce_ = Base64Encode(nonce);
}

Result<std::string> ScramServer::First(std::string_view client_first) {
    // gs2-header: "n,," or "y,," (no channel binding); "p=..." asks for one that was not offered.
    if (client_first.size() < 3 || (client_first[0] != 'n' && client_first[0] != 'y') || client_first[1] != ',') {
        return Malformed("channel binding is not supported");
    }
    size_t bare = client_first.find(',', 2);
    if (bare == std::string_view::npos) return Malformed("no header");
    gs2_header_ = std::string(client_first.substr(0, bare + 1));
    client_first_bare_ = std::string(client_first.substr(bare + 1));
    nonce_ = std::string(TRY(Attribute(client_first_bare_, 'r'))) + nonce_;
    server_first_ = fmt::format("r={},s={},i={}", nonce_, Base64Encode(AsBytes(keys_.salt)), keys_.iterations);
    return server_first_;
}

Result<std::string> ScramServer::Final(std::string_view client_final) {
    size_t proof_at = client_final.rfind(",p=");
    if (proof_at == std::string_view::npos) return Malformed("no proof");
    std::string_view without_proof = client_final.substr(0, proof_at);
    if (TRY(Attribute(without_proof, 'c')) != Base64Encode(AsBytes(gs2_header_))) return Malformed("channel binding");
    if (TRY(Attribute(without_proof, 'r')) != nonce_) return Malformed("the nonce is another one");
    Bytes proof = TRY(Base64Decode(client_final.substr(proof_at + 3)));
    if (proof.size() != 32) return Malformed("the proof's length");

    std::string message = fmt::format("{},{},{}", client_first_bare_, server_first_, without_proof);
    Sha256Digest signature = HmacSha256(AsBytes(keys_.stored_key), AsBytes(message));
    for (size_t index = 0; index < proof.size(); ++index) proof[index] ^= signature[index];
    Sha256Digest stored = Sha256(proof);
    if (!ConstantTimeEquals(AsText(stored), keys_.stored_key)) {
        return Error(ErrorCode::kUnauthenticated, "wrong user name or password").WithDetailCode("28P01");
    }
    return "v=" + Base64Encode(HmacSha256(AsBytes(keys_.server_key), AsBytes(message)));
}

}  // namespace tarn::wire
