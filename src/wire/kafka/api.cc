#include "wire/kafka/api.h"

#include <algorithm>

namespace tarn::kafka {

const Api* FindApi(int16_t key) {
    std::span<const Api> apis = Apis();
    auto found = std::ranges::lower_bound(apis, key, {}, &Api::key);
    return found != apis.end() && found->key == key ? &*found : nullptr;
}

int16_t RequestHeaderVersion(int16_t api_key, int16_t api_version) {
    const Api* api = FindApi(api_key);
    return api && api_version >= api->flexible_since ? 2 : 1;
}

int16_t ResponseHeaderVersion(int16_t api_key, int16_t api_version) {
    const Api* api = FindApi(api_key);
    if (api_key == static_cast<int16_t>(ApiKey::kApiVersions)) return 0;
    return api && api_version >= api->flexible_since ? 1 : 0;
}

Result<RequestHeader> RequestHeader::Decode(Reader& reader) {
    RequestHeader header;
    reader.Read(header.api_key, "api_key");
    reader.Read(header.api_version, "api_version");
    reader.Read(header.correlation_id, "correlation_id");
    reader.set_flexible(false);  // the client's id has a long length in every version, so that any broker can read it
    reader.Read(header.client_id, "client_id", true);
    int16_t version = RequestHeaderVersion(header.api_key, header.api_version);
    if (version >= 2) reader.ReadTags([](uint32_t) { return false; });
    TRY(reader.Check("RequestHeader", version));
    return header;
}

void RequestHeader::Encode(Writer& writer) const {
    writer.Write(api_key);
    writer.Write(api_version);
    writer.Write(correlation_id);
    writer.set_flexible(false);
    writer.Write(client_id, true);
    if (RequestHeaderVersion(api_key, api_version) >= 2) writer.TagCount(0);
}

Result<ResponseHeader> ResponseHeader::Decode(Reader& reader, int16_t api_key, int16_t api_version) {
    ResponseHeader header;
    reader.Read(header.correlation_id, "correlation_id");
    int16_t version = ResponseHeaderVersion(api_key, api_version);
    if (version >= 1) reader.ReadTags([](uint32_t) { return false; });
    TRY(reader.Check("ResponseHeader", version));
    return header;
}

void ResponseHeader::Encode(Writer& writer, int16_t api_key, int16_t api_version) const {
    writer.Write(correlation_id);
    if (ResponseHeaderVersion(api_key, api_version) >= 1) writer.TagCount(0);
}

}  // namespace tarn::kafka
