// Kind rest: pages of JSON from an HTTP API, kept as received, with pagination, incremental reads, and streams that are
// asked for once for each record of another.
#include <algorithm>
#include <charconv>
#include <map>
#include <mutex>
#include <set>

#include "base/crypto.h"
#include "base/text.h"
#include "ingestion/connectors/connector.h"
#include "ingestion/connectors/gunzip.h"
#include "ingestion/connectors/inference.h"
#include "ingestion/connectors/rest_client.h"
#include "ingestion/connectors/rest_parents.h"

namespace tarn::connectors {
namespace {

constexpr int kPagesMax = 100000;
constexpr size_t kPageBytesMax = 128 << 20;
constexpr size_t kQuotedMax = 120;  // characters of an answer shown in an error

// "$.data.next" in an answer; null when it is not there.
const Json* AtPath(const Json& answer, std::string_view path) {
    const Json* at = &answer;
    if (path.starts_with("$")) path.remove_prefix(1);
    for (const std::string& part : Split(path, '.')) {
        if (part.empty()) continue;
        if (!at->is_object() || !at->contains(part)) return nullptr;
        at = &(*at)[part];
    }
    return at;
}

bool CursorLess(const Json& left, const Json& right) {
    if (left.is_number() && right.is_number()) return left < right;
    std::string one = left.is_string() ? left.get<std::string>() : left.dump();
    std::string other = right.is_string() ? right.get<std::string>() : right.dump();
    // Times of one moment may be written in several ways, with fractions or another offset.
    Result<Timestamp> one_time = ParseTime(one);
    Result<Timestamp> other_time = ParseTime(other);
    if (one_time.ok() && other_time.ok()) return *one_time < *other_time;
    return one < other;
}
bool CursorEqual(const Json& left, const Json& right) { return !CursorLess(left, right) && !CursorLess(right, left); }

// Records of one cursor value, in whatever order they come.
struct SameMoment {
    int64_t rows = 0;
    uint64_t digest = 0;
    void Add(const Json& record) {
        std::string hash = Sha256Hex(AsBytes(DumpJson(record))).substr(0, 16);
        uint64_t number = 0;
        std::from_chars(hash.data(), hash.data() + hash.size(), number, 16);
        digest += number;
        ++rows;
    }
    Json ToJson(const Json& cursor) const {
        return {{"cursor", cursor}, {"rows", rows}, {"digest", fmt::format("{:016x}", digest)}};
    }
};

std::string ScalarText(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

// Link: <https://...>; rel="first", <https://...?ids=1,2>; rel="next"
std::string NextLink(std::string_view header) {
    for (size_t open = header.find('<'); open != std::string_view::npos; open = header.find('<', open + 1)) {
        size_t close = header.find('>', open);
        if (close == std::string_view::npos) return "";
        std::string_view rest = header.substr(close, header.find('<', close) - close);
        bool next =
            rest.find("rel=\"next\"") != std::string_view::npos || rest.find("rel=next") != std::string_view::npos;
        if (next) return std::string(header.substr(open + 1, close - open - 1));
        open = close;
    }
    return "";
}

// A link of an answer, absolute or relative to the URL that was asked.
Result<std::string> ResolveLink(const std::string& asked, const std::string& link) {
    if (link.empty() || link.find("://") != std::string::npos) return link;
    Url at = TRY(ParseUrl(asked));
    std::string origin = at.scheme + "://" + at.address.ToString();
    if (link.starts_with("/")) return origin + link;
    std::string path = at.target.substr(0, at.target.find('?'));
    if (link.starts_with("?")) return origin + path + link;
    return origin + path.substr(0, path.rfind('/') + 1) + link;
}

// The URL without one of its query's parameters.
std::string WithoutParameter(const std::string& url, const std::string& name) {
    size_t query = url.find('?');
    if (query == std::string::npos) return url;
    std::vector<std::string> kept;
    for (std::string& part : Split(url.substr(query + 1), '&')) {
        if (part.substr(0, part.find('=')) != UrlEncode(name)) kept.push_back(std::move(part));
    }
    return url.substr(0, query) + (kept.empty() ? "" : "?" + Join(kept, "&"));
}

// One load's walk through the pages of a stream.
class PageWalk {
  public:
    PageWalk(ConnectorsDependencies& dependencies, ApiAccess& access, ReadContext& context)
        : dependencies_(dependencies),
          context_(context),
          settings_(context.stream.settings),
          pages_(settings_.value("pagination", Json::object())),
          client_(dependencies, access, context.source, context.cancel, [this](const std::string& note) {
              progress_.note = note;
              context_.progress(progress_);
          }) {}
    Status Run();

  private:
    Result<std::string> FirstUrl(const Json& parent);
    // All pages of one URL; those of a nested stream are of one record of the other.
    Status WalkPages(const Json& parent);
    Status WalkParents();
    // Unpacks the body, keeping the packed one for the store.
    Status Unpack(const std::string& url, HttpClientResponse& response);
    Result<Json> ReadAnswer(const std::string& url, const HttpClientResponse& response);
    Result<const Json*> RecordsOf(const std::string& url, const Json& answer);
    void Follow(const Json& records);
    // Whether what came is worth a load, as the cursor tells.
    bool HasNews();
    Status Store(const std::string& url, const Json& parent, const HttpClientResponse& response, size_t records);
    // Empty: that was the last page.
    Result<std::string> NextUrl(const std::string& url, const HttpClientResponse& response, const Json& answer,
                                size_t records);

    ConnectorsDependencies& dependencies_;
    ReadContext& context_;
    const Json& settings_;
    Json pages_;
    std::string base_;  // the stream's URL with all parameters that stay
    int64_t page_ = 0;
    int64_t offset_ = 0;
    ApiClient client_;
    int64_t asked_ = 0;  // pages, of all parents
    int64_t gone_ = 0;  // parents that the API does not know (any more)
    std::string packed_;  // the last answer as it came, if it was packed
    SameMoment at_after_;  // records of the cursor's value that the load started after
    SameMoment at_position_;  // and of the largest
    Json largest_;
    bool newer_ = false;  // there is one greater than `after`
    bool unplaced_ = false;  // there is one without a cursor's value
    std::string repeated_;  // the body before, to find servers that ignore the page's number
    LoadProgress progress_;
};

Result<std::string> PageWalk::FirstUrl(const Json& parent) {
    std::string base = context_.source.settings.value("base_url", "");
    while (base.ends_with("/")) base.pop_back();
    std::string path = TRY(FillTemplate(settings_.value("path", ""), parent, true));
    std::string url = base + (path.starts_with("/") ? "" : "/") + path;
    Parameters parameters;
    const Json given = settings_.value("params", Json::object());
    for (const auto& [name, value] : given.items()) {
        parameters.emplace_back(name, TRY(FillTemplate(ScalarText(value), parent, false)));
    }
    const Json& position = context_.writer.manifest().position;
    std::string since = settings_.value("since_param", "");
    if (!since.empty() && position.is_object() && position.contains("cursor")) {
        parameters.emplace_back(since, ScalarText(position["cursor"]));
    }
    std::string size = pages_.value("size_param", "");
    if (!size.empty()) parameters.emplace_back(size, std::to_string(pages_.value("size", int64_t{100})));
    base_ = WithParameters(url, parameters);
    page_ = pages_.value("start", int64_t{1});
    offset_ = 0;
    std::string page = pages_.value("page", "");
    std::string offset = pages_.value("offset", "");
    if (!page.empty()) return WithParameters(base_, {{page, std::to_string(page_)}});
    if (!offset.empty()) return WithParameters(base_, {{offset, "0"}});
    return base_;
}

Status PageWalk::Unpack(const std::string& url, HttpClientResponse& response) {
    packed_.clear();
    std::string encoding = ToLower(response.headers.Get("Content-Encoding"));
    if (encoding.empty() || encoding == "identity") return Ok();
    if (encoding != "gzip" && encoding != "x-gzip") {
        return Error(ErrorCode::kNotSupported, "{} answers with Content-Encoding {}, which it was not asked for", url,
                     encoding);
    }
    packed_ = std::move(response.body);
    response.body = TRY_CONTEXT(Gunzip(packed_, kPageBytesMax), url);
    return Ok();
}

Result<Json> PageWalk::ReadAnswer(const std::string& url, const HttpClientResponse& response) {
    std::string start = client_.Shown(response.body).substr(0, kQuotedMax);
    if (response.status == 401 || response.status == 403) {
        return Error(ErrorCode::kPermissionDenied, "{} refuses the credential (status {})", url, response.status)
            .WithHint("set the secret again with `tarn secret set NAME`");
    }
    if (response.status != 200) {
        return Error(ErrorCode::kInvalidArgument, "{} answers status {}: {}", url, response.status, start);
    }
    Result<Json> answer = ParseJson(response.body);
    if (answer.ok()) return answer;
    std::string type(response.headers.Get("Content-Type"));
    return Error(ErrorCode::kInvalidArgument, "{} answers no JSON (Content-Type {}): {}", url,
                 type.empty() ? "missing" : type, start)
        .WithHint("is `path` right, and does the API want another login?");
}

Result<const Json*> PageWalk::RecordsOf(const std::string& url, const Json& answer) {
    std::string path = settings_.value("records", "$");
    const Json* records = AtPath(answer, path);
    if (records && records->is_array()) return records;
    return Error(ErrorCode::kInvalidArgument, "{} has no list at {}: there is {}", url, path,
                 records ? records->type_name() : "nothing")
        .WithHint("`records` is the path of the list, as $.items");
}

// The position moves to the largest value of the cursor's field.
void PageWalk::Follow(const Json& records) {
    if (context_.stream.cursor.empty()) return;
    const Json& after = context_.writer.manifest().after;
    for (const Json& record : records) {
        const Json* value = record.is_object() ? AtPath(record, context_.stream.cursor) : nullptr;
        if (!value || value->is_null()) {
            unplaced_ = true;
            continue;
        }
        if (!after.is_null() && CursorEqual(after, *value)) at_after_.Add(record);
        newer_ = newer_ || after.is_null() || CursorLess(after, *value);
        if (largest_.is_null() || CursorLess(largest_, *value)) {
            largest_ = *value;
            at_position_ = {};
        }
        if (CursorEqual(largest_, *value)) at_position_.Add(record);
    }
}

// A server that sends the records of `after` itself shows those that came later; one that never does, or only some of
// them, changes nothing about what is known.
bool PageWalk::HasNews() {
    Manifest& manifest = context_.writer.manifest();
    if (context_.stream.cursor.empty()) return true;
    bool keyed = !context_.stream.key.empty();
    Json known = manifest.position.is_object() ? manifest.position : Json::object();
    bool changed = at_after_.rows > 0 && at_after_.ToJson(manifest.after)["digest"] != known.value("digest", "");
    bool all = known.contains("rows") && at_after_.rows >= known["rows"].get<int64_t>();
    manifest.again = !manifest.after.is_null() && !keyed && changed && all;
    bool news = newer_ || manifest.after.is_null() || manifest.again || (keyed && (changed || unplaced_));
    bool moves = !largest_.is_null() && (newer_ || (news && changed));
    if (moves) manifest.position = at_position_.ToJson(largest_);
    return news;
}

Status PageWalk::Store(const std::string& url, const Json& parent, const HttpClientResponse& response, size_t records) {
    LoadObject object;
    object.format = "json";
    object.rows = static_cast<int64_t>(records);
    Json headers = Json::object();
    for (const auto& [name, value] : response.headers.fields()) {
        // A session of ours at the source is a secret.
        if (!EqualsIgnoreCase(name, "Set-Cookie")) headers[name] = client_.Shown(value);
    }
    object.origin = {{"url", url}, {"status", response.status}, {"headers", std::move(headers)}};
    if (!parent.is_null()) object.origin["parent"] = parent;
    TRY(packed_.empty() ? context_.writer.PutBytes("page.json", AsBytes(response.body), std::move(object))
                        : context_.writer.PutBytes("page.json.gz", AsBytes(packed_), std::move(object)));
    ++progress_.objects;
    progress_.rows += static_cast<int64_t>(records);
    progress_.bytes += static_cast<int64_t>(response.body.size());
    progress_.note = fmt::format("page {}", progress_.objects);
    context_.progress(progress_);
    return Ok();
}

Result<std::string> PageWalk::NextUrl(const std::string& url, const HttpClientResponse& response, const Json& answer,
                                      size_t records) {
    int64_t size = pages_.value("size", int64_t{0});
    bool short_page = records == 0 || (size > 0 && static_cast<int64_t>(records) < size);
    if (std::string page = pages_.value("page", ""); !page.empty()) {
        return short_page ? std::string() : WithParameters(base_, {{page, std::to_string(++page_)}});
    }
    if (std::string offset = pages_.value("offset", ""); !offset.empty()) {
        offset_ += static_cast<int64_t>(records);
        return short_page ? std::string() : WithParameters(base_, {{offset, std::to_string(offset_)}});
    }
    if (std::string path = pages_.value("cursor", ""); !path.empty()) {
        const Json* cursor = AtPath(answer, path);
        if (!cursor || cursor->is_null() || *cursor == "" || *cursor == false) return std::string();
        return WithParameters(base_, {{pages_.value("param", "cursor"), ScalarText(*cursor)}});
    }
    std::string link = pages_.value("link", "");
    if (link.empty()) return std::string();
    std::string next;
    if (link == "header") {
        next = NextLink(response.headers.Get("Link"));
    } else if (const Json* found = AtPath(answer, link); found && found->is_string()) {
        next = found->get<std::string>();
    }
    next = TRY(ResolveLink(url, next));
    // Some servers repeat the whole query with our key in it: it is added to each request and kept nowhere.
    const Json& source = context_.source.settings;
    std::string query = source.contains("key") ? source["key"].value("query", "") : "";
    return query.empty() ? next : WithoutParameter(next, query);
}

Status PageWalk::WalkPages(const Json& parent) {
    std::set<std::string> seen;
    repeated_.clear();
    std::string url = TRY(FirstUrl(parent));
    while (!url.empty()) {
        if (asked_++ == kPagesMax) {
            return Error(ErrorCode::kResourceExhausted, "{} has more than {} pages", base_, kPagesMax);
        }
        if (!seen.insert(url).second) {
            return Error(ErrorCode::kInvalidArgument, "the pages go in a circle: {} was asked for already", url)
                .WithHint("is `pagination` right?");
        }
        HttpClientResponse response = TRY(client_.Get(url));
        if (response.status == 404 && !parent.is_null()) {
            ++gone_;
            return Ok();
        }
        TRY(Unpack(url, response));
        Json answer = TRY(ReadAnswer(url, response));
        const Json* records = TRY(RecordsOf(url, answer));
        if (!records->empty() && response.body == repeated_) {
            return Error(ErrorCode::kInvalidArgument, "{} answers the same as the page before", url)
                .WithHint("does the API know the parameters that `pagination` names?");
        }
        if (!records->empty()) TRY(Store(url, parent, response, records->size()));
        Follow(*records);
        url = TRY(NextUrl(url, response, answer, records->size()));
        repeated_ = std::move(response.body);
    }
    return Ok();
}

Status PageWalk::WalkParents() {
    Manifest& manifest = context_.writer.manifest();
    Parents parents = TRY(ReadParents(dependencies_, context_.source, context_.stream));
    for (const Json& parent : parents.records) {
        TRY(context_.CheckCancelled());
        TRY(WalkPages(parent));
    }
    manifest.format_options = {{"nested", true}};
    manifest.position = {{"parents", parents.version}};
    if (parents.incomplete > 0) {
        manifest.warnings.push_back(fmt::format("{} records of {} were left out: a field that the path names is null",
                                                parents.incomplete, settings_.value("for_each_of", "")));
    }
    if (gone_ > 0) {
        manifest.warnings.push_back(fmt::format("{} of {} records of {} are not known to the API (status 404)", gone_,
                                                parents.records.size(), settings_.value("for_each_of", "")));
    }
    return Ok();
}

Status PageWalk::Run() {
    Manifest& manifest = context_.writer.manifest();
    manifest.records = settings_.value("records", "$");
    if (manifest.mode == "incremental" && manifest.position.is_object() && manifest.position.contains("cursor")) {
        manifest.after = manifest.position["cursor"];
    }
    if (settings_.contains("for_each_of")) {
        TRY(WalkParents());
    } else {
        TRY(WalkPages(Json()));
    }
    if (!HasNews()) TRY(context_.writer.DropAfter(0));
    if (manifest.objects.empty()) {
        // No record at all: the columns are those of before.
        if (const Manifest* last = context_.state.last()) manifest.columns = last->columns;
        manifest.rows = 0;
        return Ok();
    }
    return InferColumns(dependencies_.engine, context_.state, manifest);
}

class RestConnector : public Connector {
  public:
    explicit RestConnector(ConnectorsDependencies dependencies) : dependencies_(dependencies), access_(dependencies) {}
    Status Check(const SourceDefinition& source) override;
    Result<std::vector<DiscoveredStream>> Discover(const SourceDefinition&) override {
        return Error(ErrorCode::kNotSupported, "a REST API does not tell its streams: name them under `streams`");
    }
    Status Read(ReadContext& context) override {
        if (!context.stream.settings.contains("for_each_of")) return PageWalk(dependencies_, access_, context).Run();
        std::string version = TRY(ParentsVersion(dependencies_, context.source, context.stream));
        if (version.empty()) {  // its first load starts this
            context.writer.manifest().warnings.push_back(
                fmt::format("{} has no load yet", context.stream.settings.value("for_each_of", "")));
            return Ok();
        }
        {
            std::lock_guard lock(mutex_);
            tried_[context.source.name + "." + context.stream.name] = version;
        }
        return PageWalk(dependencies_, access_, context).Run();
    }
    // A nested stream is read again when the other one changed.
    Result<bool> HasNew(const SourceDefinition& source, const StreamDefinition& stream,
                        const StreamState& state) override {
        if (!stream.settings.contains("for_each_of")) return false;
        std::string version = TRY(ParentsVersion(dependencies_, source, stream));
        const Manifest* last = state.last();
        std::string known = last && last->position.is_object() ? last->position.value("parents", "") : "";
        std::lock_guard lock(mutex_);
        return !version.empty() && version != known && version != tried_[source.name + "." + stream.name];
    }

  private:
    ConnectorsDependencies dependencies_;
    ApiAccess access_;
    std::mutex mutex_;  // guards tried_
    std::map<std::string, std::string> tried_;  // by nested stream the version of the other that was last read for
};

Status RestConnector::Check(const SourceDefinition& source) {
    Url url = TRY(ParseUrl(source.settings.value("base_url", "")));
    TRY_CONTEXT(dependencies_.dialer.Dial(url.address, {}), url.address.ToString());
    for (const char* name : {"bearer", "basic", "key"}) {
        if (!source.settings.contains(name)) continue;
        const Json& auth = source.settings[name];
        const Json& reference = auth.contains("secret")     ? auth["secret"]
                                : auth.contains("password") ? auth["password"]["secret"]
                                                            : auth["value"]["secret"];
        TRY(dependencies_.secrets.Get(reference.get<std::string>()));
    }
    if (source.settings.contains("oauth2")) TRY(access_.Token(source, dependencies_.http, ""));
    // The first page of a stream that needs no other, as it would be asked for; nothing is kept.
    for (const auto& [name, stream] : source.streams) {
        if (stream.settings.contains("for_each_of")) continue;
        std::string base = source.settings.value("base_url", "");
        while (base.ends_with("/")) base.pop_back();
        std::string path = stream.settings.value("path", "");
        Parameters parameters;
        const Json given = stream.settings.value("params", Json::object());
        for (const auto& [parameter, value] : given.items()) parameters.emplace_back(parameter, ScalarText(value));
        CancelToken never;
        ApiClient client(dependencies_, access_, source, never, [](const std::string&) {});
        std::string asked = WithParameters(base + (path.starts_with("/") ? "" : "/") + path, parameters);
        HttpClientResponse response = TRY(client.GetOnce(asked));
        if (response.status < 400) return Ok();
        return Error(
            response.status == 401 || response.status == 403 ? ErrorCode::kPermissionDenied : ErrorCode::kUnavailable,
            "{} answers status {}", asked, response.status);
    }
    return Ok();
}

}  // namespace

std::unique_ptr<Connector> MakeRestConnector(ConnectorsDependencies dependencies) {
    return std::make_unique<RestConnector>(dependencies);
}

}  // namespace tarn::connectors
