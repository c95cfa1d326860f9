// Kinds s3 and http: files of an object store, found by their names, and files at URLs; each once, a changed one again.
#include <algorithm>
#include <utility>

#include "base/text.h"
#include "ingestion/connectors/connector.h"
#include "ingestion/connectors/inference.h"
#include "ingestion/connectors/rest_client.h"
#include "ingestion/connectors/sift.h"
#include "wire/s3/client.h"

namespace tarn::connectors {
namespace {

constexpr size_t kFilesMax = 100000;
constexpr size_t kQuotedMax = 120;

struct RemoteFile {
    std::string name;  // "s3://bucket/key" or the URL
    std::string url;
    std::string etag;  // s3
    uint64_t bytes = 0;
};

// "*" and "?" within a part of the path, "**" any number of parts.
bool MatchesPath(const std::vector<std::string>& pattern, size_t at, const std::vector<std::string>& path,
                 size_t from) {
    if (at == pattern.size()) return from == path.size();
    if (pattern[at] == "**") {
        for (size_t next = from; next <= path.size(); ++next) {
            if (MatchesPath(pattern, at + 1, path, next)) return true;
        }
        return false;
    }
    return from < path.size() && MatchesWildcard(pattern[at], path[from]) &&
           MatchesPath(pattern, at + 1, path, from + 1);
}

// Takes the first piece of a body and no more.
class Start : public ByteWriter {
  public:
    Status Write(ByteSpan) override {
        if (std::exchange(seen_, true)) return Error(ErrorCode::kCancelled, "enough was seen");
        return Ok();
    }
    bool seen() const { return seen_; }

  private:
    bool seen_ = false;
};

// What the server says of the file, whatever is wrong with it.
std::string ToldBy(const HttpClientResponse& response) {
    std::string told = s3::DecodeErrorText(response.body);
    if (told.empty()) told = response.body.substr(0, kQuotedMax);
    return fmt::format("status {}{}{}", response.status, told.empty() ? "" : ": ", told);
}

Error Refused(const std::string& what, const HttpClientResponse& response) {
    bool credential = response.status == 401 || response.status == 403;
    bool gone = response.status == 404;
    ErrorCode code = credential ? ErrorCode::kPermissionDenied
                     : gone     ? ErrorCode::kNotFound
                                : ErrorCode::kInvalidArgument;
    return Error(code, "{} answers {}", what, ToldBy(response))
        .WithHint(credential ? "are the credentials right, and may they read it? `tarn secret set NAME` sets one again"
                             : "is the address right?");
}

class RemoteFiles : public Connector {
  public:
    explicit RemoteFiles(ConnectorsDependencies dependencies) : dependencies_(dependencies), access_(dependencies) {}
    Status Check(const SourceDefinition& source) override;
    Result<std::vector<DiscoveredStream>> Discover(const SourceDefinition& source) override {
        std::vector<DiscoveredStream> streams;
        for (const auto& [name, stream] : source.streams) streams.emplace_back().name = name;
        return streams;
    }
    Status Read(ReadContext& context) override;

  private:
    Result<std::vector<RemoteFile>> Find(ApiClient& client, const SourceDefinition& source,
                                         const StreamDefinition& stream, size_t files_max);
    Result<std::vector<RemoteFile>> ListBucket(ApiClient& client, const SourceDefinition& source,
                                               const std::string& glob, size_t files_max);
    Status ReadOne(ReadContext& context, ApiClient& client, const RemoteFile& file, const Json& known);
    Status Keep(ReadContext& context, const RemoteFile& file, const Json& known, const HttpClientResponse& response,
                lake::PutStream& stream);

    ConnectorsDependencies dependencies_;
    ApiAccess access_;
};

Result<std::vector<RemoteFile>> RemoteFiles::ListBucket(ApiClient& client, const SourceDefinition& source,
                                                        const std::string& glob, size_t files_max) {
    std::string base = source.settings.value("base_url", "");
    std::string bucket = source.settings["s3"].value("bucket", "");
    std::string prefix = glob.substr(0, glob.find_first_of("*?"));
    std::vector<std::string> pattern = Split(glob, '/');
    std::vector<RemoteFile> files;
    std::string token;
    do {
        Parameters parameters = {{"list-type", "2"}, {"encoding-type", "url"}, {"prefix", prefix}};
        if (!token.empty()) parameters.emplace_back("continuation-token", token);
        HttpClientResponse response = TRY(client.Send({.url = WithParameters(base, parameters)}));
        if (response.status != 200) return Refused("the listing of bucket " + bucket, response);
        s3::FoundPage page = TRY_CONTEXT(s3::DecodeFoundPage(response.body), "the listing of bucket " + bucket);
        for (s3::FoundObject& object : page.objects) {
            if (object.key.ends_with("/") || !MatchesPath(pattern, 0, Split(object.key, '/'), 0)) continue;
            if (files.size() == files_max) {
                return Error(ErrorCode::kResourceExhausted, "more than {} objects match; narrow `path`", files_max);
            }
            files.push_back({"s3://" + bucket + "/" + object.key, base + "/" + UrlEncode(object.key, true), object.etag,
                             object.bytes});
        }
        token = page.next;
    } while (!token.empty());
    return files;
}

Result<std::vector<RemoteFile>> RemoteFiles::Find(ApiClient& client, const SourceDefinition& source,
                                                  const StreamDefinition& stream, size_t files_max) {
    if (source.kind == "s3") return ListBucket(client, source, stream.settings.value("path", ""), files_max);
    std::vector<RemoteFile> files;
    std::string base = source.settings.value("base_url", "");
    while (base.ends_with("/")) base.pop_back();
    for (const std::string& given : stream.settings.value("urls", std::vector<std::string>())) {
        bool whole = given.find("://") != std::string::npos;
        std::string url = whole ? given : base + (given.starts_with("/") ? "" : "/") + given;
        files.push_back({url, url, "", 0});
    }
    return files;
}

Status RemoteFiles::Check(const SourceDefinition& source) {
    CancelToken never;
    for (const auto& [name, stream] : source.streams) {
        ApiClient client(dependencies_, access_, source, never, [](const std::string&) {});
        std::vector<RemoteFile> files = TRY(Find(client, source, stream, kFilesMax));
        if (files.empty()) return Error(ErrorCode::kNotFound, "stream {}: no object matches its path", name);
        // Not HEAD: some servers and signed addresses know only GET.
        Start start;
        ApiRequest request{.url = files[0].url, .headers = {{"Range", "bytes=0-0"}}};
        request.sink = [&]() -> Result<ByteWriter*> { return &start; };
        Result<HttpClientResponse> response = client.SendOnce(request);
        if (!response.ok() && start.seen()) continue;
        if (!response.ok()) return std::move(response).error();
        bool empty = response->status == 416;
        if (response->status >= 300 && !empty) return Refused(files[0].name, *response);
    }
    return Ok();
}

Status RemoteFiles::Keep(ReadContext& context, const RemoteFile& file, const Json& known,
                         const HttpClientResponse& response, lake::PutStream& stream) {
    Manifest& manifest = context.writer.manifest();
    LoadObject object;
    object.format = context.stream.settings.value("format", "csv");
    std::string etag(response.headers.Get("ETag"));
    std::string modified(response.headers.Get("Last-Modified"));
    object.origin = {{"file", file.name}, {"etag", etag}, {"last_modified", modified}};
    lake::ObjectInfo info = TRY(context.writer.FinishObject(stream, std::move(object)));
    // A server that knows no conditions sends the same again and again.
    if (known.value("md5", "") == info.etag) return context.writer.DropLast();
    manifest.position[file.name] = {{"etag", etag}, {"last_modified", modified}, {"md5", info.etag}};
    if (!file.etag.empty()) {
        manifest.position[file.name] = {{"etag", file.etag}, {"bytes", file.bytes}, {"md5", info.etag}};
    }
    return Ok();
}

Status RemoteFiles::ReadOne(ReadContext& context, ApiClient& client, const RemoteFile& file, const Json& known) {
    std::string path = file.url.substr(0, file.url.find('?'));
    std::string name = path.substr(path.rfind('/') + 1);
    if (file.name.starts_with("s3://")) name = file.name.substr(file.name.rfind('/') + 1);
    std::unique_ptr<lake::PutStream> stream;
    ApiRequest request;
    request.url = file.url;
    request.sink = [&]() -> Result<ByteWriter*> {
        stream = TRY(context.writer.StartObject(name));
        return stream.get();
    };
    if (!file.etag.empty()) {
        request.headers.Set("If-Match", "\"" + file.etag + "\"");
    } else {
        std::string etag = known.value("etag", "");
        std::string modified = known.value("last_modified", "");
        if (!etag.empty()) request.headers.Set("If-None-Match", etag);
        if (!modified.empty()) request.headers.Set("If-Modified-Since", modified);
    }
    HttpClientResponse response = TRY(client.Send(request));
    if (response.status == 304) return Ok();
    bool changed = !file.etag.empty() && (response.status == 412 || response.status == 404);
    if (changed) {
        context.writer.manifest().warnings.push_back(
            fmt::format("{} changed while it was read; the next load reads what is there", file.name));
        return Ok();
    }
    if (response.status != 200) return Refused(file.name, response);
    std::string packing = ToLower(response.headers.Get("Content-Encoding"));
    if (!packing.empty() && packing != "identity") {
        return Error(ErrorCode::kNotSupported, "{} comes with Content-Encoding {}, which it was not asked for",
                     file.name, packing);
    }
    return Keep(context, file, known, response, *stream);
}

Status RemoteFiles::Read(ReadContext& context) {
    Manifest& manifest = context.writer.manifest();
    if (!manifest.position.is_object()) manifest.position = Json::object();
    SetFormatOptions(context.stream, manifest);
    LoadProgress progress;
    ApiClient client(dependencies_, access_, context.source, context.cancel, [&](const std::string& note) {
        progress.note = note;
        context.progress(progress);
    });
    for (const RemoteFile& file : TRY(Find(client, context.source, context.stream, kFilesMax))) {
        TRY(context.CheckCancelled());
        Json known = manifest.position.value(file.name, Json::object());
        bool same = !file.etag.empty() && known.value("etag", "") == file.etag &&
                    known.value("bytes", uint64_t{0}) == file.bytes;
        if (same) continue;
        progress.note = file.name;
        context.progress(progress);
        TRY(ReadOne(context, client, file, known));
        progress.objects = static_cast<int64_t>(manifest.objects.size());
        progress.bytes = static_cast<int64_t>(manifest.bytes);
    }
    if (manifest.objects.empty()) return Ok();
    return InferOrSift(dependencies_.engine, context.state, context.writer,
                       TRY(ParseBrokenLimit(context.stream.broken_max)), context.stream.on_drift);
}

}  // namespace

std::unique_ptr<Connector> MakeRemoteFiles(ConnectorsDependencies dependencies) {
    return std::make_unique<RemoteFiles>(dependencies);
}

}  // namespace tarn::connectors
