#include "app/lake_routes.h"

#include <algorithm>

#include "base/number.h"
#include "base/text.h"

namespace tarn::app {
namespace {

using security::AuditClass;
using security::HttpCall;
using security::JsonResponse;
using security::Route;

constexpr size_t kPieceBytes = 256 << 10;
constexpr uint64_t kUploadBytesMax = 5ull << 30;
// What Tarn itself commits to is written by nobody else: tables' logs and loads' manifests are commit points.
constexpr const char* kOwnBuckets[] = {"lakehouse", "raw"};

Status RefuseOwn(const std::string& bucket) {
    bool own = std::find(std::begin(kOwnBuckets), std::end(kOwnBuckets), bucket) != std::end(kOwnBuckets);
    if (!own) return Ok();
    return Error(ErrorCode::kPermissionDenied, "the bucket \"{}\" holds what Tarn commits; it can only be read", bucket)
        .WithHint("put files into another bucket");
}

Json ObjectJson(const lake::ObjectInfo& object) {
    return {{"key", object.name.key},
            {"bytes", object.bytes},
            {"etag", object.etag},
            {"modified_at", FormatTime(object.modified_at)}};
}

Result<HttpResponse> ListBuckets(lake::Lake& lake, HttpCall& call) {
    Json buckets = Json::array();
    for (const lake::BucketInfo& bucket : TRY(lake.ListBuckets(call.principal))) {
        buckets.push_back({{"name", bucket.name}, {"created_at", FormatTime(bucket.created_at)}});
    }
    return JsonResponse({{"buckets", std::move(buckets)}});
}

Result<HttpResponse> ListObjects(lake::Lake& lake, HttpCall& call) {
    lake::ListOptions options;
    options.prefix = call.request.Query("prefix").value_or("");
    options.delimiter = call.request.Query("delimiter").value_or("/");
    options.start_after = call.request.Query("after").value_or("");
    lake::ListPage page = TRY(lake.List(call.principal, call.parameters["bucket"], options));
    Json objects = Json::array();
    for (const lake::ObjectInfo& object : page.objects) objects.push_back(ObjectJson(object));
    call.call.rows = static_cast<int64_t>(objects.size());
    return JsonResponse({{"objects", std::move(objects)},
                         {"prefixes", page.common_prefixes},
                         {"next_after", page.truncated ? Json(page.next_start_after) : Json()}});
}

Result<HttpResponse> Download(lake::Lake& lake, HttpCall& call) {
    auto object = TRY(lake.Open(call.principal, {call.parameters["bucket"], call.parameters["key"]}));
    const lake::ObjectInfo& info = object->info();
    // Never shown as a page of ours: what is stored may be anybody's HTML.
    HttpHeaders headers = {{"Content-Type", "application/octet-stream"}, {"Content-Disposition", "attachment"}};
    ByteWriter* out = TRY(call.responder.Start(200, std::move(headers), info.bytes));
    Bytes piece(kPieceBytes);
    for (uint64_t offset = 0; offset < info.bytes;) {
        size_t count = TRY(object->ReadAt(offset, piece));
        TRY(out->Write({piece.data(), count}));
        offset += count;
        call.call.bytes += static_cast<int64_t>(count);
    }
    return HttpResponse{};
}

Result<HttpResponse> Upload(lake::Lake& lake, HttpCall& call) {
    const std::string& bucket = call.parameters["bucket"];
    TRY(RefuseOwn(bucket));
    Status made = lake.HeadBucket(call.principal, bucket).ok() ? Ok() : lake.CreateBucket(call.principal, bucket);
    if (!made.ok() && made.error().code() != ErrorCode::kAlreadyExists) return std::move(made).error();
    lake::ObjectInfo info = TRY(lake.Put(call.principal, {bucket, call.parameters["key"]}, *call.request.body, {}));
    call.call.bytes = static_cast<int64_t>(info.bytes);
    return JsonResponse(ObjectJson(info));
}

Result<HttpResponse> Remove(lake::Lake& lake, HttpCall& call) {
    TRY(RefuseOwn(call.parameters["bucket"]));
    TRY(lake.Delete(call.principal, {call.parameters["bucket"], call.parameters["key"]}));
    return JsonResponse(Json::object());
}

}  // namespace

// The rows let any logged-in person ask; the lake decides each object and listing (lake:* on "bucket/key").
std::vector<Route> LakeRoutes(lake::Lake& lake) {
    auto bound = [&lake](auto handler) { return [&lake, handler](HttpCall& call) { return handler(lake, call); }; };
    constexpr auto kRead = AuditClass::kRead;
    constexpr auto kChange = AuditClass::kChange;
    const std::string object = "{bucket}/{key}";
    return {
        {{"http", "GET /api/v1/lake", "self", "lake", kRead, {}}, "*", bound(ListBuckets)},
        {{"http", "GET /api/v1/lake/{bucket}", "self", "lake", kRead, {}}, "{bucket}/", bound(ListObjects)},
        {{"http", "GET /api/v1/lake/{bucket}/{key...}", "self", "lake", kRead, {}}, object, bound(Download)},
        {{"http", "PUT /api/v1/lake/{bucket}/{key...}", "self", "lake", kChange, {kUploadBytesMax, 16}},
         object,
         bound(Upload)},
        {{"http", "DELETE /api/v1/lake/{bucket}/{key...}", "self", "lake", kChange, {}}, object, bound(Remove)},
    };
}

}  // namespace tarn::app
