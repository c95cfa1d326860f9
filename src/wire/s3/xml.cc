#include "wire/s3/xml.h"

#include <charconv>
#include <pugixml.hpp>

#include "base/bytes.h"
#include "base/text.h"
#include "wire/s3/dates.h"

namespace tarn::s3 {
namespace {

constexpr const char* kNamespace = "http://s3.amazonaws.com/doc/2006-03-01/";
constexpr std::string_view kChecksumElements[] = {"ChecksumCRC32", "ChecksumCRC32C", "ChecksumCRC64NVME",
                                                  "ChecksumSHA1", "ChecksumSHA256"};

void Add(pugi::xml_node node, std::string_view name, std::string_view text) {
    node.append_child(std::string(name).c_str()).text().set(std::string(text).c_str());
}

void Add(pugi::xml_node node, std::string_view name, uint64_t number) { Add(node, name, std::to_string(number)); }
void Add(pugi::xml_node node, std::string_view name, int number) { Add(node, name, std::to_string(number)); }
void Add(pugi::xml_node node, std::string_view name, bool value) {
    Add(node, name, value ? std::string_view("true") : std::string_view("false"));
}
void Add(pugi::xml_node node, std::string_view name, const char* text) { Add(node, name, std::string_view(text)); }

void AddOwner(pugi::xml_node node, const char* element) {
    pugi::xml_node owner = node.append_child(element);
    Add(owner, "ID", kOwnerId);
    Add(owner, "DisplayName", kOwnerId);
}

void AddChecksums(pugi::xml_node node, const std::vector<ChecksumElement>& checksums) {
    for (const ChecksumElement& checksum : checksums) Add(node, "Checksum" + checksum.algorithm, checksum.value);
}

std::string Quoted(std::string_view etag) { return fmt::format("\"{}\"", etag); }

class Document {
  public:
    explicit Document(const char* root, bool with_namespace = true) {
        pugi::xml_node declaration = document_.append_child(pugi::node_declaration);
        declaration.append_attribute("version") = "1.0";
        declaration.append_attribute("encoding") = "UTF-8";
        root_ = document_.append_child(root);
        if (with_namespace) root_.append_attribute("xmlns") = kNamespace;
    }
    pugi::xml_node root() { return root_; }
    std::string Text() const {
        struct Writer : pugi::xml_writer {
            std::string text;
            void write(const void* data, size_t size) override { text.append(static_cast<const char*>(data), size); }
        } writer;
        document_.save(writer, "", pugi::format_raw, pugi::encoding_utf8);
        return std::move(writer.text);
    }

  private:
    pugi::xml_document document_;
    pugi::xml_node root_;
};

Error Malformed(std::string_view what) {
    return Error(ErrorCode::kSyntax, "the XML of the request is not what is wanted: {}", what)
        .WithDetailCode("MalformedXML");
}

Status Parse(std::string_view text, pugi::xml_document& document, std::string_view root) {
    // Whitespace counts in keys, so it is kept where an element holds nothing else.
    unsigned options = pugi::parse_default | pugi::parse_ws_pcdata_single;
    pugi::xml_parse_result result = document.load_buffer(text.data(), text.size(), options, pugi::encoding_utf8);
    if (!result) return Malformed(result.description());
    std::string_view name = document.document_element().name();
    if (name.substr(name.find(':') + 1) != root) return Malformed(fmt::format("<{}> is wanted", root));
    return Ok();
}

// Keys, prefixes and markers of a listing, encoded if the client wants it so.
struct KeyText {
    bool url_encoded;
    std::string operator()(std::string_view key) const { return url_encoded ? UrlEncode(key, true) : std::string(key); }
};

void AddCommonPrefixes(pugi::xml_node root, const std::vector<std::string>& prefixes, KeyText text) {
    for (const std::string& prefix : prefixes) Add(root.append_child("CommonPrefixes"), "Prefix", text(prefix));
}

void AddParts(pugi::xml_node node, const ObjectAttributes& attributes) {
    Add(node, "PartsCount", attributes.parts_count);
    Add(node, "PartNumberMarker", attributes.part_marker);
    Add(node, "NextPartNumberMarker", attributes.parts.empty() ? 0 : attributes.parts.back().number);
    Add(node, "MaxParts", attributes.parts_max);
    Add(node, "IsTruncated", attributes.truncated);
    for (const ObjectAttributes::Part& part : attributes.parts) {
        pugi::xml_node child = node.append_child("Part");
        Add(child, "PartNumber", part.number);
        Add(child, "Size", part.bytes);
        AddChecksums(child, part.checksums);
    }
}

}  // namespace

std::string EncodeError(const ErrorBody& error) {
    Document document("Error", false);
    Add(document.root(), "Code", error.code);
    Add(document.root(), "Message", error.message);
    if (!error.resource.empty()) Add(document.root(), "Resource", error.resource);
    Add(document.root(), "RequestId", error.request_id);
    return document.Text();
}

std::string EncodeBuckets(const std::vector<NamedBucket>& buckets) {
    Document document("ListAllMyBucketsResult");
    AddOwner(document.root(), "Owner");
    pugi::xml_node list = document.root().append_child("Buckets");
    for (const NamedBucket& bucket : buckets) {
        pugi::xml_node node = list.append_child("Bucket");
        Add(node, "Name", bucket.name);
        Add(node, "CreationDate", FormatXmlDate(bucket.created_at));
    }
    return document.Text();
}

std::string EncodeLocation(std::string_view region) {
    Document document("LocationConstraint");
    if (!region.empty()) document.root().text().set(std::string(region).c_str());
    return document.Text();
}

std::string EncodeVersioningOff() { return Document("VersioningConfiguration").Text(); }

std::string EncodeObjects(const ObjectListing& listing) {
    Document document("ListBucketResult");
    pugi::xml_node root = document.root();
    KeyText text{listing.url_encoded};
    Add(root, "Name", listing.bucket);
    // Clients decode this one in answers of version 2 only.
    Add(root, "Prefix", listing.version == 1 ? listing.prefix : text(listing.prefix));
    if (!listing.delimiter.empty()) Add(root, "Delimiter", text(listing.delimiter));
    Add(root, "MaxKeys", listing.keys_max);
    if (listing.url_encoded) Add(root, "EncodingType", "url");
    Add(root, "IsTruncated", listing.truncated);
    if (listing.version == 1) {
        Add(root, "Marker", text(listing.start_after));
        if (!listing.next.empty()) Add(root, "NextMarker", text(listing.next));
    } else {
        Add(root, "KeyCount", uint64_t{listing.objects.size() + listing.common_prefixes.size()});
        if (listing.has_continuation_token) Add(root, "ContinuationToken", listing.continuation_token);
        if (!listing.start_after.empty()) Add(root, "StartAfter", text(listing.start_after));
        if (!listing.next.empty()) Add(root, "NextContinuationToken", listing.next);
    }
    for (const ListedObject& object : listing.objects) {
        pugi::xml_node node = root.append_child("Contents");
        Add(node, "Key", text(object.key));
        Add(node, "LastModified", FormatXmlDate(object.modified_at));
        Add(node, "ETag", Quoted(object.etag));
        Add(node, "Size", object.bytes);
        Add(node, "StorageClass", "STANDARD");
        if (listing.with_owner) AddOwner(node, "Owner");
    }
    AddCommonPrefixes(root, listing.common_prefixes, text);
    return document.Text();
}

std::string EncodeVersions(const ObjectListing& listing) {
    Document document("ListVersionsResult");
    pugi::xml_node root = document.root();
    KeyText text{listing.url_encoded};
    Add(root, "Name", listing.bucket);
    Add(root, "Prefix", text(listing.prefix));
    Add(root, "KeyMarker", text(listing.start_after));
    Add(root, "VersionIdMarker", "");
    if (!listing.next.empty()) {
        Add(root, "NextKeyMarker", text(listing.next));
        Add(root, "NextVersionIdMarker", "null");
    }
    if (!listing.delimiter.empty()) Add(root, "Delimiter", text(listing.delimiter));
    Add(root, "MaxKeys", listing.keys_max);
    if (listing.url_encoded) Add(root, "EncodingType", "url");
    Add(root, "IsTruncated", listing.truncated);
    for (const ListedObject& object : listing.objects) {
        pugi::xml_node node = root.append_child("Version");
        Add(node, "Key", text(object.key));
        Add(node, "VersionId", "null");
        Add(node, "IsLatest", true);
        Add(node, "LastModified", FormatXmlDate(object.modified_at));
        Add(node, "ETag", Quoted(object.etag));
        Add(node, "Size", object.bytes);
        Add(node, "StorageClass", "STANDARD");
        AddOwner(node, "Owner");
    }
    AddCommonPrefixes(root, listing.common_prefixes, text);
    return document.Text();
}

std::string EncodeAttributes(const ObjectAttributes& attributes) {
    Document document("GetObjectAttributesResponse");
    pugi::xml_node root = document.root();
    if (attributes.etag) Add(root, "ETag", *attributes.etag);
    if (attributes.with_checksums && !attributes.checksums.empty()) {
        pugi::xml_node node = root.append_child("Checksum");
        AddChecksums(node, attributes.checksums);
        Add(node, "ChecksumType", attributes.checksum_type);
    }
    if (attributes.with_parts) AddParts(root.append_child("ObjectParts"), attributes);
    if (attributes.storage_class) Add(root, "StorageClass", "STANDARD");
    if (attributes.bytes) Add(root, "ObjectSize", *attributes.bytes);
    return document.Text();
}

std::string EncodePrivateAcl() {
    Document document("AccessControlPolicy");
    AddOwner(document.root(), "Owner");
    pugi::xml_node grant = document.root().append_child("AccessControlList").append_child("Grant");
    pugi::xml_node grantee = grant.append_child("Grantee");
    grantee.append_attribute("xmlns:xsi") = "http://www.w3.org/2001/XMLSchema-instance";
    grantee.append_attribute("xsi:type") = "CanonicalUser";
    Add(grantee, "ID", kOwnerId);
    Add(grantee, "DisplayName", kOwnerId);
    Add(grant, "Permission", "FULL_CONTROL");
    return document.Text();
}

std::string EncodeEncryption() {
    Document document("ServerSideEncryptionConfiguration");
    pugi::xml_node rule = document.root().append_child("Rule");
    Add(rule.append_child("ApplyServerSideEncryptionByDefault"), "SSEAlgorithm", "AES256");
    Add(rule, "BucketKeyEnabled", false);
    return document.Text();
}

std::string EncodeTags(const Tags& tags) {
    Document document("Tagging");
    pugi::xml_node set = document.root().append_child("TagSet");
    for (const auto& [key, value] : tags) {
        pugi::xml_node tag = set.append_child("Tag");
        Add(tag, "Key", key);
        Add(tag, "Value", value);
    }
    return document.Text();
}

std::string EncodeCopied(std::string_view element, std::string_view etag, Timestamp modified_at,
                         const std::vector<ChecksumElement>& checksums) {
    Document document(std::string(element).c_str());
    Add(document.root(), "LastModified", FormatXmlDate(modified_at));
    Add(document.root(), "ETag", Quoted(etag));
    AddChecksums(document.root(), checksums);
    return document.Text();
}

std::string EncodeUploadStarted(std::string_view bucket, std::string_view key, std::string_view upload_id) {
    Document document("InitiateMultipartUploadResult");
    Add(document.root(), "Bucket", bucket);
    Add(document.root(), "Key", key);
    Add(document.root(), "UploadId", upload_id);
    return document.Text();
}

std::string EncodeUploadCompleted(const CompletedUpload& completed) {
    Document document("CompleteMultipartUploadResult");
    Add(document.root(), "Location", completed.location);
    Add(document.root(), "Bucket", completed.bucket);
    Add(document.root(), "Key", completed.key);
    Add(document.root(), "ETag", Quoted(completed.etag));
    AddChecksums(document.root(), completed.checksums);
    if (!completed.checksum_type.empty()) Add(document.root(), "ChecksumType", completed.checksum_type);
    return document.Text();
}

std::string EncodeParts(const PartListing& listing) {
    Document document("ListPartsResult");
    pugi::xml_node root = document.root();
    Add(root, "Bucket", listing.bucket);
    Add(root, "Key", listing.key);
    Add(root, "UploadId", listing.upload_id);
    AddOwner(root, "Initiator");
    AddOwner(root, "Owner");
    Add(root, "StorageClass", "STANDARD");
    Add(root, "PartNumberMarker", listing.marker);
    Add(root, "NextPartNumberMarker", listing.next_marker);
    Add(root, "MaxParts", listing.parts_max);
    Add(root, "IsTruncated", listing.truncated);
    for (const ListedPart& part : listing.parts) {
        pugi::xml_node node = root.append_child("Part");
        Add(node, "PartNumber", part.number);
        Add(node, "LastModified", FormatXmlDate(part.modified_at));
        Add(node, "ETag", Quoted(part.etag));
        Add(node, "Size", part.bytes);
        AddChecksums(node, part.checksums);
    }
    return document.Text();
}

std::string EncodeUploads(const UploadListing& listing) {
    Document document("ListMultipartUploadsResult");
    pugi::xml_node root = document.root();
    KeyText text{listing.url_encoded};
    Add(root, "Bucket", listing.bucket);
    Add(root, "KeyMarker", text(listing.key_marker));
    Add(root, "UploadIdMarker", listing.upload_id_marker);
    if (listing.truncated) {
        Add(root, "NextKeyMarker", text(listing.next_key_marker));
        Add(root, "NextUploadIdMarker", listing.next_upload_id_marker);
    }
    Add(root, "Prefix", text(listing.prefix));
    if (!listing.delimiter.empty()) Add(root, "Delimiter", text(listing.delimiter));
    if (listing.url_encoded) Add(root, "EncodingType", "url");
    Add(root, "MaxUploads", listing.uploads_max);
    Add(root, "IsTruncated", listing.truncated);
    for (const ListedUpload& upload : listing.uploads) {
        pugi::xml_node node = root.append_child("Upload");
        Add(node, "Key", text(upload.key));
        Add(node, "UploadId", upload.upload_id);
        AddOwner(node, "Initiator");
        AddOwner(node, "Owner");
        Add(node, "StorageClass", "STANDARD");
        Add(node, "Initiated", FormatXmlDate(upload.started_at));
    }
    AddCommonPrefixes(root, listing.common_prefixes, text);
    return document.Text();
}

std::string EncodeDeleted(const std::vector<std::string>& deleted, const std::vector<DeleteFailure>& failures) {
    Document document("DeleteResult");
    for (const std::string& key : deleted) Add(document.root().append_child("Deleted"), "Key", key);
    for (const DeleteFailure& failure : failures) {
        pugi::xml_node node = document.root().append_child("Error");
        Add(node, "Key", failure.key);
        Add(node, "Code", failure.code);
        Add(node, "Message", failure.message);
    }
    return document.Text();
}

// ---- requests

Result<DeleteRequest> DecodeDelete(std::string_view text) {
    pugi::xml_document document;
    TRY(Parse(text, document, "Delete"));
    DeleteRequest request;
    pugi::xml_node root = document.document_element();
    request.quiet = EqualsIgnoreCase(root.child("Quiet").text().get(), "true");
    for (pugi::xml_node object : root.children("Object")) {
        if (!object.child("Key")) return Malformed("an <Object> has no <Key>");
        request.keys.push_back({object.child("Key").text().get(), object.child("VersionId").text().get(),
                                Unquote(object.child("ETag").text().get())});
        if (request.keys.size() > 1000) return Malformed("at most 1000 keys are deleted at once");
    }
    if (request.keys.empty()) return Malformed("there is no <Object>");
    return request;
}

Result<std::vector<CompletePart>> DecodeComplete(std::string_view text) {
    pugi::xml_document document;
    TRY(Parse(text, document, "CompleteMultipartUpload"));
    std::vector<CompletePart> parts;
    for (pugi::xml_node node : document.document_element().children("Part")) {
        CompletePart part;
        std::string_view number = Trim(node.child("PartNumber").text().get());
        auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), part.number);
        if (error != std::errc() || end != number.data() + number.size()) {
            return Malformed("a <PartNumber> is no number");
        }
        part.etag = Unquote(node.child("ETag").text().get());
        if (part.etag.empty()) return Malformed("a <Part> has no <ETag>");
        for (std::string_view element : kChecksumElements) {
            pugi::xml_node checksum = node.child(std::string(element).c_str());
            if (!checksum) continue;
            part.checksums.push_back({std::string(element.substr(sizeof("Checksum") - 1)), checksum.text().get()});
        }
        parts.push_back(std::move(part));
        if (parts.size() > 10'000) return Malformed("an upload has at most 10000 parts");
    }
    if (parts.empty()) return Malformed("there is no <Part>");
    return parts;
}

Result<Tags> DecodeTags(std::string_view text) {
    constexpr size_t kTagsReadMax = 1000;  // far above what any caller takes
    pugi::xml_document document;
    TRY(Parse(text, document, "Tagging"));
    pugi::xml_node set = document.document_element().child("TagSet");
    if (!set) return Malformed("there is no <TagSet>");
    Tags tags;
    for (pugi::xml_node tag : set.children("Tag")) {
        if (!tag.child("Key") || !tag.child("Value")) return Malformed("a <Tag> has no <Key> or no <Value>");
        tags.emplace_back(tag.child("Key").text().get(), tag.child("Value").text().get());
        if (tags.size() > kTagsReadMax) return Malformed("there are too many tags");
    }
    return tags;
}

Result<std::string> DecodeCreateBucket(std::string_view text) {
    if (Trim(text).empty()) return std::string();
    pugi::xml_document document;
    TRY(Parse(text, document, "CreateBucketConfiguration"));
    return std::string(document.document_element().child("LocationConstraint").text().get());
}

std::string Unquote(std::string_view etag) {
    etag = Trim(etag);
    if (etag.starts_with("W/")) etag.remove_prefix(2);
    if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
    return std::string(etag);
}

}  // namespace tarn::s3
