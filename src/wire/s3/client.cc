#include "wire/s3/client.h"

#include <algorithm>

#include <pugixml.hpp>

#include "base/number.h"
#include "base/text.h"
#include "wire/s3/sigv4.h"
#include "wire/s3/xml.h"

namespace tarn::s3 {
namespace {

Status Parse(std::string_view text, pugi::xml_document& document, std::string_view root) {
    unsigned options = pugi::parse_default | pugi::parse_ws_pcdata_single;
    auto parsed = document.load_buffer(text.data(), text.size(), options, pugi::encoding_utf8);
    std::string_view name = document.document_element().name();
    if (parsed && name.substr(name.find(':') + 1) == root) return Ok();
    return Error(ErrorCode::kUnavailable, "the store's answer is no <{}>", root)
        .WithHint("is it an S3 endpoint? see `endpoint`");
}

// What the server will read: the same request from its side.
Result<HttpRequest> AsReceived(const HttpClientRequest& request, const std::string& target) {
    HttpRequest received;
    received.method = request.method;
    received.target = target;
    size_t mark = target.find('?');
    received.path = target.substr(0, mark);
    if (mark != std::string::npos) {
        for (const std::string& pair : Split(std::string_view(target).substr(mark + 1), '&')) {
            size_t equals = pair.find('=');
            std::string name = pair.substr(0, equals);
            std::string value = equals == std::string::npos ? "" : pair.substr(equals + 1);
            received.query.emplace_back(TRY(UrlDecode(name)), TRY(UrlDecode(value)));
        }
    }
    received.headers = request.headers;
    return received;
}

}  // namespace

Status SignRequest(HttpClientRequest& request, const AccessKey& key, Timestamp now) {
    Url url = TRY(ParseUrl(request.url));
    bool usual = url.address.port == (url.scheme == "https" ? 443 : 80);
    std::string host = url.address.ToString();
    if (usual) host.resize(host.rfind(':'));
    Signature signature;
    signature.access_key_id = key.id;
    signature.region = key.region;
    signature.service = "s3";
    signature.time = FormatSignatureTime(now);
    signature.day = signature.time.substr(0, 8);
    signature.payload_hash = Sha256Hex(AsBytes(request.body));
    request.headers.Set("Host", host);
    request.headers.Set("x-amz-date", signature.time);
    request.headers.Set("x-amz-content-sha256", signature.payload_hash);
    for (const auto& [name, value] : request.headers.fields()) signature.signed_headers.push_back(ToLower(name));
    std::sort(signature.signed_headers.begin(), signature.signed_headers.end());
    HttpRequest received = TRY(AsReceived(request, url.target));
    Secret signing_key = SigningKey(key.secret.text(), signature);
    request.headers.Set(
        "Authorization",
        fmt::format("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}", key.id, signature.Scope(),
                    Join(signature.signed_headers, ";"), ExpectedSignature(signing_key, received, signature)));
    return Ok();
}

Result<FoundPage> DecodeFoundPage(std::string_view xml) {
    pugi::xml_document document;
    TRY(Parse(xml, document, "ListBucketResult"));
    FoundPage page;
    pugi::xml_node root = document.document_element();
    bool encoded = std::string_view(root.child("EncodingType").text().get()) == "url";
    for (pugi::xml_node node : root.children("Contents")) {
        FoundObject object;
        object.key = node.child("Key").text().get();
        if (encoded) object.key = TRY(UrlDecode(object.key, true));
        object.etag = Unquote(node.child("ETag").text().get());
        auto modified = ParseTime(node.child("LastModified").text().get());
        if (object.key.empty() || !modified.ok()) {
            return Error(ErrorCode::kUnavailable, "the store lists an object without key or time");
        }
        object.modified_at = *modified;
        object.bytes = static_cast<uint64_t>(std::max<int64_t>(0, IntegerOrZero(node.child("Size").text().get())));
        page.objects.push_back(std::move(object));
    }
    if (std::string_view(root.child("IsTruncated").text().get()) == "true") {
        page.next = root.child("NextContinuationToken").text().get();
        if (page.next.empty()) return Error(ErrorCode::kUnavailable, "the store cuts a listing without going on");
    }
    return page;
}

Result<std::string> DecodeUploadId(std::string_view xml) {
    pugi::xml_document document;
    TRY(Parse(xml, document, "InitiateMultipartUploadResult"));
    std::string id = document.document_element().child("UploadId").text().get();
    if (id.empty()) return Error(ErrorCode::kUnavailable, "the store begins an upload without an id");
    return id;
}

Result<std::vector<FoundUpload>> DecodeFoundUploads(std::string_view xml) {
    pugi::xml_document document;
    TRY(Parse(xml, document, "ListMultipartUploadsResult"));
    std::vector<FoundUpload> uploads;
    for (pugi::xml_node node : document.document_element().children("Upload")) {
        uploads.push_back({node.child("Key").text().get(), node.child("UploadId").text().get()});
    }
    return uploads;
}

std::string EncodeComplete(const std::vector<std::string>& etags) {
    pugi::xml_document document;
    pugi::xml_node root = document.append_child("CompleteMultipartUpload");
    for (size_t i = 0; i < etags.size(); ++i) {
        pugi::xml_node part = root.append_child("Part");
        part.append_child("PartNumber").text().set(static_cast<unsigned long long>(i + 1));
        part.append_child("ETag").text().set(etags[i].c_str());
    }
    struct : pugi::xml_writer {
        std::string text;
        void write(const void* data, size_t size) override { text.append(static_cast<const char*>(data), size); }
    } writer;
    document.save(writer, "", pugi::format_raw);
    return writer.text;
}

std::string DecodeErrorText(std::string_view xml) {
    pugi::xml_document document;
    if (!Parse(xml, document, "Error").ok()) return "";
    pugi::xml_node root = document.document_element();
    return fmt::format("{}: {}", root.child("Code").text().get(), root.child("Message").text().get());
}

}  // namespace tarn::s3
