// Manifests and the raw zone's commits.
#include "ingestion/connectors/load_store.h"

#include <gtest/gtest.h>

#include "ingestion/connectors/connectors_for_test.h"
#include "ingestion/connectors/raw_provider.h"

namespace tarn::connectors {
namespace {

using Texts = std::vector<std::string>;

Manifest Filled(int64_t load) {
    Manifest manifest;
    manifest.load = load;
    manifest.source = "registry";
    manifest.stream = "planes";
    manifest.kind = "postgresql";
    manifest.mode = "incremental";
    manifest.run_id = "12";
    manifest.position = {{"cursor", "2013-01-01"}};
    manifest.after = "2012-12-31";
    manifest.columns = {{"id", "BIGINT", true, ""}, {"wéird \"name\"", "DECIMAL(12,2)", true, ""}};
    manifest.source_types = {{"id", "bigint"}};
    manifest.rows = 7;
    manifest.bytes = 1234;
    manifest.warnings = {"new column x"};
    manifest.records = "$.items";
    manifest.format_options = {{"null", {"NA", ""}}};
    manifest.key = {"id"};
    manifest.cursor = "updated_at";
    LoadObject object;
    object.key = "registry/planes/00000000000000000001/a.parquet";
    object.bytes = 1234;
    object.rows = 7;
    object.format = "parquet";
    object.origin = {{"table", "public.planes"}};
    object.columns = manifest.columns;
    manifest.objects.push_back(object);
    return manifest;
}

class LoadStoreTest : public testing::Test {
  protected:
    TestSources sources_;
    LoadStore store_{sources_.lake(), SystemEnv()};
};

TEST_F(LoadStoreTest, ManifestsRoundTrip) {
    Manifest manifest = Filled(1);
    manifest.committed_at = "2026-01-01T00:00:00Z";
    auto again = ManifestFromJson(ParseJson(DumpJson(ToJson(manifest))).value());
    ASSERT_TRUE(again.ok()) << again.error().ToString();
    EXPECT_EQ(ToJson(*again), ToJson(manifest));
    Json future = ToJson(manifest);
    future["format"] = 2;
    auto refused = ManifestFromJson(future);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code(), ErrorCode::kNotSupported);
}

TEST_F(LoadStoreTest, BrokenManifestsAreErrorsAndNeverExceptions) {
    Json whole = ToJson(Filled(1));
    whole["committed_at"] = "2026-01-01T00:00:00Z";
    ASSERT_TRUE(ManifestFromJson(whole).ok());
    for (const auto& [name, value] : whole.items()) {
        for (const Json& other : {Json(7), Json("x"), Json::array({1, Json::object()}), Json::object(), Json()}) {
            Json broken = whole;
            broken[name] = other;
            (void)ManifestFromJson(broken).ok();  // an error or not, but it returns
        }
    }
}

TEST_F(LoadStoreTest, NumbersHaveNoGaps) {
    for (int64_t load = 1; load <= 3; ++load) {
        ASSERT_TRUE(store_.Commit(Filled(load)).ok());
        auto state = store_.Read("registry", "planes");
        ASSERT_TRUE(state.ok()) << state.error().ToString();
        EXPECT_EQ((*state)->next_load(), load + 1);
    }
    ASSERT_TRUE(store_.Commit(Filled(5)).ok());
    auto state = store_.Read("registry", "planes");
    ASSERT_FALSE(state.ok());
    EXPECT_EQ(state.error().code(), ErrorCode::kCorruption);
    EXPECT_NE(state.error().message().find("load 4 is missing"), std::string::npos) << state.error().message();
}

TEST_F(LoadStoreTest, OneNumberIsCommittedOnce) {
    ASSERT_TRUE(store_.Commit(Filled(1)).ok());
    Manifest other = Filled(1);
    other.run_id = "13";
    Status second = store_.Commit(other);
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code(), ErrorCode::kConflict);
    EXPECT_EQ(store_.Read("registry", "planes").value()->loads[0].run_id, "12");
}

TEST_F(LoadStoreTest, GarbageIsRemovedAndCommittedLoadsStay) {
    auto put = [&](const std::string& key) {
        auto done = sources_.lake().PutBytes(sources_.alice, {kRawBucket, key}, AsBytes("x"));
        ASSERT_TRUE(done.ok()) << done.error().ToString();
    };
    ASSERT_TRUE(store_.Commit(Filled(1)).ok());
    put("registry/planes/00000000000000000001/000000-zzz");
    put("registry/planes/00000000000000000002/000000-a");
    put("registry/planes/00000000000000000002/000001-b");
    put("registry/planes/00000000000000000017/000000-c");
    put("registry/planes_more/00000000000000000001/000000-a");
    ASSERT_TRUE(store_.RemoveGarbage("registry", "planes", 2).ok());
    EXPECT_EQ(sources_.Keys(), (Texts{"registry/planes/00000000000000000001/000000-zzz",
                                      "registry/planes/_loads/00000000000000000001.json",
                                      "registry/planes_more/00000000000000000001/000000-a"}));
    EXPECT_EQ(store_.Sources().value(), Texts{"registry"});
    EXPECT_EQ(store_.Streams("registry").value(), (Texts{"planes", "planes_more"}));
}

// What a version shows, by its mode.
class LiveTest : public testing::Test {
  protected:
    void Add(const std::string& mode, const std::vector<std::string>& files, Json after = Json()) {
        Manifest manifest;
        manifest.load = state_.next_load();
        manifest.mode = mode;
        manifest.after = std::move(after);
        for (const std::string& file : files) {
            LoadObject object;
            object.key = fmt::format("{}/{}", manifest.load, file);
            object.origin = {{"file", file}};
            manifest.objects.push_back(object);
        }
        state_.loads.push_back(manifest);
    }
    Texts Live(int64_t load) {
        Texts keys;
        for (const LiveObject& live : LiveObjects(state_, load)) keys.push_back(live.object->key);
        return keys;
    }
    StreamState state_;
};

TEST_F(LiveTest, ACompleteLoadShowsItselfAlone) {
    Add("full", {"a", "b"});
    Add("full", {"c"});
    Add("full", {});
    EXPECT_EQ(Live(1), (Texts{"1/a", "1/b"}));
    EXPECT_EQ(Live(2), Texts{"2/c"});
    EXPECT_EQ(Live(3), Texts{});
}

TEST_F(LiveTest, FilesReplaceTheirEarlierSelves) {
    Add("files", {"a", "b"});
    Add("files", {"b", "c"});
    EXPECT_EQ(Live(2), (Texts{"1/a", "2/b", "2/c"}));
    EXPECT_EQ(Live(1), (Texts{"1/a", "1/b"}));
}

TEST_F(LiveTest, IncrementsAddUpFromTheirStart) {
    Add("incremental", {"a"});
    Add("incremental", {"b"}, 5);
    EXPECT_EQ(Live(2), (Texts{"1/a", "2/b"}));
    // One that began anew, after `cursor` was changed, holds everything itself.
    Add("incremental", {"c"});
    Add("incremental", {"d"}, 9);
    EXPECT_EQ(Live(4), (Texts{"3/c", "4/d"}));
}

TEST_F(LiveTest, AChangedKindOfSourceStartsAgain) {
    Add("files", {"a", "b"});
    Add("full", {"t"});
    Add("files", {"a"});
    EXPECT_EQ(Live(2), Texts{"2/t"});
    EXPECT_EQ(Live(3), Texts{"3/a"});
}

}  // namespace
}  // namespace tarn::connectors
