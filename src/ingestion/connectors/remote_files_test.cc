// Files at URLs and in object stores, against a server that behaves as each test says.
#include "ingestion/connectors/rest_for_test.h"

namespace tarn::connectors {
namespace {

class RemoteFilesTest : public RestFixture {
  protected:
    void Apply(const std::string& yaml) { ASSERT_EQ(sources_.Apply({{"api", yaml}}), ""); }
    static HttpResponse File(std::string body, const std::string& etag = "") {
        HttpResponse response{.status = 200, .headers = {{"Content-Type", "text/csv"}}, .body = std::move(body)};
        if (!etag.empty()) response.headers.Set("ETag", etag);
        return response;
    }
    struct Stored {
        std::string body;
        std::string etag;
    };
    // A bucket "in" that tells two keys a page.
    void HasBucket() {
        Answers([this](HttpRequest& request) {
            if (request.path != "/v1/in") return Object(request);
            std::string prefix = request.Query("prefix").value_or("");
            std::string after = request.Query("continuation-token").value_or("");
            std::string items, next;
            int count = 0;
            for (const auto& [key, stored] : bucket_) {
                if (!key.starts_with(prefix) || key <= after) continue;
                if (count++ == 2) {
                    items += fmt::format("<NextContinuationToken>{}</NextContinuationToken>", next);
                    break;
                }
                next = key;
                items += fmt::format(
                    "<Contents><Key>{}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
                    "<ETag>&quot;{}&quot;</ETag><Size>{}</Size></Contents>",
                    UrlEncode(key, true), stored.etag, stored.body.size());
            }
            return Text(
                fmt::format("<?xml version=\"1.0\"?><ListBucketResult><EncodingType>url</EncodingType>"
                            "<IsTruncated>{}</IsTruncated>{}</ListBucketResult>",
                            count > 2, items));
        });
    }
    HttpResponse Object(HttpRequest& request) {
        std::string key = UrlDecode(request.path.substr(7)).value();
        auto found = bucket_.find(key);
        if (found == bucket_.end()) return Text("<Error><Code>NoSuchKey</Code><Message>no</Message></Error>", 404);
        if (request.headers.Get("If-Match") != "\"" + found->second.etag + "\"") return Text("", 412);
        return File(found->second.body, "\"" + found->second.etag + "\"");
    }
    std::map<std::string, Stored> bucket_;
};

TEST_F(RemoteFilesTest, UrlsAreReadOnceUntilTheyChange) {
    Apply(fmt::format("kind: http\nstreams: {{rows: {{urls: ['{0}/a.csv?v=1', '{0}/b.csv']}}}}\n", Url()));
    std::string version = "\"1\"";
    int sent = 0;
    Answers([&](HttpRequest& request) {
        if (request.path == "/v1/b.csv") return File("id\n7\n");  // knows no conditions
        if (request.headers.Get("If-None-Match") == version) return HttpResponse{.status = 304};
        ++sent;
        return File(version == "\"1\"" ? "id\n1\n2\n" : "id\n1\n2\n3\n", version);
    });
    EXPECT_EQ(Load(), "load 1: 3 rows");
    EXPECT_EQ(Ids(), (Texts{"1", "2", "7"}));
    EXPECT_EQ(Load(), "nothing");
    version = "\"2\"";
    EXPECT_EQ(Load(), "load 2: 3 rows");
    EXPECT_EQ(sent, 2);
    EXPECT_EQ(Ids(), (Texts{"1", "2", "3", "7"}));
    EXPECT_EQ(sources_.Query("SELECT DISTINCT _origin FROM raw_api.rows WHERE id = 7"), Texts{Url() + "/b.csv"});
}

TEST_F(RemoteFilesTest, PathsBelowBaseUrlCarryTheCredentialAndNoOtherDoes) {
    Apply(
        fmt::format("kind: http\nbase_url: {}\nauth: {{bearer: secret:token}}\nstreams: {{rows: {{urls: [a.csv, "
                    "'http://localhost:{}/v1/b.csv']}}}}\n",
                    Url(), server_->address().port));
    std::map<std::string, std::string> seen;
    Answers([&](HttpRequest& request) {
        seen[request.path] = request.headers.Get("Authorization");
        return File("id\n" + std::to_string(request.path.size() + seen.size()) + "\n");
    });
    EXPECT_EQ(Load(), "load 1: 2 rows");
    EXPECT_EQ(seen, (std::map<std::string, std::string>{{"/v1/a.csv", "Bearer s3cr3t-canary"}, {"/v1/b.csv", ""}}));
    ExpectNoSecret("");
}

TEST_F(RemoteFilesTest, AFileThatIsCutOrGoneIsSaid) {
    Apply(fmt::format("kind: http\nstreams: {{rows: {{urls: ['{}/a.csv']}}}}\n", Url()));
    int calls = 0;
    Answers([&](HttpRequest&) {
        if (++calls > 1) return File("id\n1\n");
        return HttpResponse{.status = 0, .body = "id\n1\n2"};
    });
    EXPECT_EQ(Load(), "load 1: 1 rows");
    EXPECT_EQ(calls, 2);
    Answers([](HttpRequest&) { return Text("gone", 404); });
    EXPECT_EQ(Load(), Url() + "/a.csv answers status 404: gone | is the address right?");
    Answers([](HttpRequest&) { return Text("", 503); });
    EXPECT_NE(Load().find("failed 6 times: status 503"), std::string::npos);
    EXPECT_EQ(Ids(), Texts{"1"});
}

TEST_F(RemoteFilesTest, ABucketIsListedByItsGlobAndReadByEtag) {
    Apply(
        fmt::format("kind: s3\nendpoint: {}\nbucket: in\naccess_key: KEY\nsecret_key: secret:token\n"
                    "streams: {{rows: {{path: 'day/**/*.csv'}}}}\n",
                    Url()));
    HasBucket();
    bucket_ = {{"day/1/a b+ü.csv", {"id\n1\n", "e1"}},
               {"day/2/b.csv", {"id\n2\n", "e2"}},
               {"day/2/note.txt", {"x", "e3"}},
               {"day/3/x/c.csv", {"id\n3\n", "e4"}},
               {"other.csv", {"id\n9\n", "e5"}}};
    EXPECT_EQ(Load(), "load 1: 3 rows");
    EXPECT_EQ(Ids(), (Texts{"1", "2", "3"}));
    EXPECT_EQ(Load(), "nothing");
    bucket_["day/2/b.csv"] = {"id\n4\n", "e6"};
    bucket_["day/9.csv"] = {"id\n5\n", "e7"};
    EXPECT_EQ(Load(), "load 2: 2 rows");
    EXPECT_EQ(Ids(), (Texts{"1", "3", "4", "5"}));
    EXPECT_EQ(sources_.Query("SELECT _origin FROM raw_api.rows WHERE id = 1"), Texts{"s3://in/day/1/a b+ü.csv"});
    ExpectNoSecret("");
    Answers([](HttpRequest&) { return Text("<Error><Code>AccessDenied</Code><Message>No.</Message></Error>", 403); });
    std::string refused = Load();
    EXPECT_TRUE(refused.starts_with("the listing of bucket in answers status 403: AccessDenied: No.")) << refused;
}

TEST_F(RemoteFilesTest, WhatChangesBetweenListingAndReadingIsReadNextTime) {
    Apply(fmt::format("kind: s3\nendpoint: {}\nbucket: in\nstreams: {{rows: {{path: '*.csv'}}}}\n", Url()));
    HasBucket();
    bucket_ = {{"a.csv", {"id\n1\n", "e1"}}, {"b.csv", {"id\n2\n", "e2"}}};
    sources_.on_progress = [this](const LoadProgress& progress) {
        if (progress.note == "s3://in/b.csv" && bucket_["b.csv"].etag == "e2") bucket_["b.csv"] = {"id\n3\n", "e3"};
    };
    EXPECT_EQ(Load(), "load 1: 1 rows; s3://in/b.csv changed while it was read; the next load reads what is there");
    EXPECT_EQ(Load(), "load 2: 1 rows");
    EXPECT_EQ(Ids(), (Texts{"1", "3"}));
}

TEST_F(RemoteFilesTest, KeysOfAKindAreItsOwn) {
    auto wrong = [&](const std::string& yaml) { return sources_.Apply({{"api", yaml}}); };
    EXPECT_NE(wrong("kind: s3\nstreams: {a: {path: '*'}}\n"), "");
    EXPECT_NE(wrong("kind: s3\nbucket: b\naccess_key: k\nstreams: {a: {path: '*'}}\n"), "");
    EXPECT_NE(wrong("kind: s3\nbucket: b\nstreams: {a: {}}\n"), "");
    EXPECT_NE(wrong("kind: http\nbucket: b\nstreams: {a: {urls: ['http://a']}}\n"), "");
    EXPECT_NE(wrong("kind: http\nstreams: {a: {}}\n"), "");
    EXPECT_EQ(wrong("kind: s3\nbucket: b\nstreams: {a: {path: '*.json', format: json}}\n"), "");
}

}  // namespace
}  // namespace tarn::connectors
