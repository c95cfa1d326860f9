#include <gtest/gtest.h>

#include "ingestion/registry/service.h"
#include "metadata/store_for_test.h"
#include "security/fakes_for_test.h"

namespace tarn::registry {
namespace {

std::string Record(const std::string& fields, const std::string& name = "r") {
    return fmt::format(R"({{"type":"record","name":"{}","fields":[{}]}})", name, fields);
}
const std::string kOne = Record(R"({"name":"a","type":"int"})");
const std::string kTwo = Record(R"({"name":"a","type":"int"},{"name":"b","type":"int","default":0})");
const std::string kOther = Record(R"({"name":"c","type":"int"})");

class RegistryTest : public testing::TestWithParam<metadata::StoreKind> {
  protected:
    void SetUp() override {
        files_ = metadata::TestStore::Create(GetParam());
        if (!files_) GTEST_SKIP() << "PostgreSQL is not installed";
        database_ = files_->Open();
        Open();
        admin_.kind = ann_.kind = security::PrincipalKind::kUser;
        admin_.name = "admin";
        admin_.roles = {"admin"};
        ann_.name = "ann";
    }
    void Open() {
        auto store = Store::Create(*database_);
        ASSERT_TRUE(store.ok()) << store.error().ToString();
        service_ = std::make_unique<Service>(RegistryDependencies{env_.env, *database_, gate_, metrics_}, *store);
    }

    static Subject Of(const std::string& text) { return ParseSubject(text).value(); }
    static SchemaRequest Request(const std::string& text, std::vector<Reference> references = {}) {
        SchemaRequest request;
        request.schema.text = text;
        request.schema.references = std::move(references);
        request.schema.id = -1;
        return request;
    }
    // "3/2": id and version, or the error's code.
    template <typename T>
    static std::string Shown(const Result<T>& result) {
        if (!result.ok()) return result.error().detail_code();
        if constexpr (std::is_same_v<T, Found>) {
            return fmt::format("{}/{}", result.value().version.id, result.value().version.version);
        } else {
            return fmt::format("{}", Json(result.value()).dump());
        }
    }
    std::string Register(const std::string& subject, const std::string& text, std::vector<Reference> references = {}) {
        return Shown(service_->Register(admin_, Of(subject), Request(text, std::move(references))));
    }
    std::string LookUp(const std::string& subject, const std::string& text, bool deleted = false) {
        return Shown(service_->LookUp(admin_, Of(subject), Request(text), deleted));
    }
    std::string DeleteSubject(const std::string& subject, bool permanent) {
        return Shown(service_->DeleteSubject(admin_, Of(subject), permanent));
    }
    std::string DeleteVersion(const std::string& subject, const std::string& version, bool permanent) {
        return Shown(service_->DeleteVersion(admin_, Of(subject), version, permanent));
    }
    std::string Configure(const std::string& subject, const Json& change) {
        return Shown(service_->ChangeConfig(admin_, Of(subject), change));
    }

    security::FakeEnv env_;
    security::FakeGate gate_;
    Metrics metrics_;
    std::unique_ptr<metadata::TestStore> files_;
    std::unique_ptr<metadata::Database> database_;
    std::unique_ptr<Service> service_;
    security::Principal admin_;
    security::Principal ann_;
};

TEST_P(RegistryTest, TheSameSchemaHasTheSameIdWhereverItIsRegistered) {
    EXPECT_EQ(Register("s", kOne), "1/1");
    EXPECT_EQ(Register("s", "  " + kOne), "1/1");
    EXPECT_EQ(Register("t", kOne), "1/1");
    EXPECT_EQ(Register("t", kTwo), "2/2");
    EXPECT_EQ(Register("s", kTwo), "2/2");
    EXPECT_EQ(Register("s", kOne), "1/1");
    EXPECT_EQ(LookUp("s", kTwo), "2/2");
    EXPECT_EQ(LookUp("s", kOther), "40403");
    EXPECT_EQ(LookUp("nobody", kOne), "40401");
    EXPECT_EQ(Shown(service_->Get(admin_, Of("s"), "latest", false)), "2/2");
    EXPECT_EQ(Shown(service_->Get(admin_, Of("s"), "3", false)), "40402");
    EXPECT_EQ(Shown(service_->Get(admin_, Of("x"), "1", false)), "40401");
    EXPECT_EQ(Shown(service_->Get(admin_, Of("s"), "0", false)), "42202");
    EXPECT_EQ(Register("s", "{"), "42201");
    EXPECT_EQ(Register("s", " "), "42201");
    EXPECT_EQ(Register(":.ctx:", kOne), "42208");
    Open();  // as after a start
    EXPECT_EQ(Register("u", kOther), "3/1");
    EXPECT_EQ(service_->ById(admin_, 2, "").value().text, kTwo);
}

TEST_P(RegistryTest, CompatibilityIsThatOfTheSubjectOrTheGlobalOne) {
    EXPECT_EQ(Register("s", kOne), "1/1");
    EXPECT_EQ(Register("s", kOther), "40901");
    EXPECT_EQ(Configure("s", {{"compatibility", "sideways"}}), "42203");
    EXPECT_EQ(Configure("s", {{"compatibility", "none"}}), R"({"compatibilityLevel":"NONE"})");
    EXPECT_EQ(Register("s", kOther), "2/2");
    EXPECT_EQ(Configure("", {{"compatibility", "FORWARD"}}), R"({"compatibilityLevel":"FORWARD"})");
    EXPECT_EQ(Register("t", kTwo), "3/1");
    EXPECT_EQ(Register("t", kOther), "40901");
    EXPECT_EQ(Register("t", kOne), "1/2");  // who has kTwo has a default for b
    EXPECT_EQ(Configure("s", {{"compatibility", "BACKWARD_TRANSITIVE"}}),
              R"({"compatibilityLevel":"BACKWARD_TRANSITIVE"})");
    auto check = service_->Compatible(admin_, Of("s"), Request(kOther), std::nullopt);
    ASSERT_TRUE(check.ok());
    EXPECT_FALSE(check->compatible);
    ASSERT_EQ(check->messages.size(), 4u);
    EXPECT_NE(check->messages[0].find("READER_FIELD_MISSING_DEFAULT_VALUE"), std::string::npos);
    EXPECT_EQ(check->messages[1], "{oldSchemaVersion: 1}");
    EXPECT_TRUE(service_->Compatible(admin_, Of("s"), Request(kOther), "latest").value().compatible);
    EXPECT_TRUE(service_->Compatible(admin_, Of("nobody"), Request(kOther), "latest").value().compatible);
    EXPECT_EQ(service_->Compatible(admin_, Of("s"), Request(kOther), "9").error().detail_code(), "40402");
    EXPECT_EQ(Shown(service_->Config(admin_, Of("t"), false)), "40408");
    EXPECT_EQ(Shown(service_->Config(admin_, Of("t"), true)), R"({"compatibilityLevel":"FORWARD"})");
    EXPECT_EQ(Shown(service_->DeleteConfig(admin_, Of("s"))), R"({"compatibilityLevel":"BACKWARD_TRANSITIVE"})");
    EXPECT_EQ(Shown(service_->DeleteConfig(admin_, Of("s"))), "40401");
}

TEST_P(RegistryTest, WhatIsDeletedComesBackUnderItsId) {
    EXPECT_EQ(Register("s", kOne), "1/1");
    EXPECT_EQ(Register("s", kTwo), "2/2");
    EXPECT_EQ(DeleteVersion("s", "1", true), "40407");
    EXPECT_EQ(DeleteVersion("s", "1", false), "1");
    EXPECT_EQ(DeleteVersion("s", "1", false), "40406");
    EXPECT_EQ(Shown(service_->Versions(admin_, Of("s"), Deleted::kHidden)), "[2]");
    EXPECT_EQ(Shown(service_->Versions(admin_, Of("s"), Deleted::kIncluded)), "[1,2]");
    EXPECT_EQ(Shown(service_->Versions(admin_, Of("s"), Deleted::kOnly)), "[1]");
    EXPECT_EQ(LookUp("s", kOne), "40403");
    EXPECT_EQ(LookUp("s", kOne, true), "1/1");
    EXPECT_TRUE(service_->ById(admin_, 1, "").ok());
    EXPECT_EQ(Register("s", kOne), "1/3");
    EXPECT_EQ(Shown(service_->Versions(admin_, Of("s"), Deleted::kIncluded)), "[2,3]");
    EXPECT_EQ(DeleteSubject("s", true), "40405");
    EXPECT_EQ(DeleteSubject("s", false), "[2,3]");
    EXPECT_EQ(DeleteSubject("s", false), "40404");
    EXPECT_EQ(Shown(service_->Subjects(admin_, ":*:", Deleted::kHidden)), "[]");
    EXPECT_EQ(Shown(service_->Subjects(admin_, ":*:", Deleted::kOnly)), R"(["s"])");
    EXPECT_EQ(DeleteSubject("s", true), "[2,3]");
    EXPECT_EQ(DeleteSubject("s", true), "40401");
    EXPECT_EQ(service_->ById(admin_, 1, "").error().detail_code(), "40403");
    EXPECT_EQ(Register("s", kOne), "3/1");  // an id is not given twice
}

TEST_P(RegistryTest, ReferencesHoldWhatTheyReferTo) {
    std::string outer = Record(R"({"name":"i","type":"r"})", "outer");
    EXPECT_EQ(Register("outer", outer), "42201");
    EXPECT_EQ(Register("outer", outer, {{"r", "inner", 1}}), "42201");
    EXPECT_EQ(Register("inner", kOne), "1/1");
    EXPECT_EQ(Register("outer", outer, {{"r", "inner", 1}}), "2/1");
    EXPECT_EQ(Register("outer", outer, {{"r", "inner", -1}}), "2/1");
    EXPECT_EQ(Shown(service_->ReferencedBy(admin_, Of("inner"), "1", false)), "[2]");
    EXPECT_EQ(DeleteVersion("inner", "1", false), "42206");
    EXPECT_EQ(DeleteSubject("inner", false), "42206");
    EXPECT_EQ(DeleteSubject("outer", false), "[1]");
    EXPECT_EQ(Shown(service_->ReferencedBy(admin_, Of("inner"), "1", false)), "[]");
    EXPECT_EQ(DeleteSubject("inner", false), "[1]");
    EXPECT_EQ(DeleteSubject("inner", true), "42206");  // the deleted one could come back
    EXPECT_EQ(DeleteSubject("outer", true), "[1]");
    EXPECT_EQ(DeleteSubject("inner", true), "[1]");
}

TEST_P(RegistryTest, ContextsHaveIdsOfTheirOwn) {
    EXPECT_EQ(Register("s", kOne), "1/1");
    EXPECT_EQ(Register(":.team:s", kOther), "1/1");
    EXPECT_EQ(Register(":.team:only", kTwo), "2/1");
    EXPECT_EQ(Register(":.:t", kOne), "1/1");
    EXPECT_EQ(Shown(service_->Subjects(admin_, ":*:", Deleted::kHidden)), R"(["s","t",":.team:only",":.team:s"])");
    EXPECT_EQ(Shown(service_->Subjects(admin_, ":.team:", Deleted::kHidden)), R"([":.team:only",":.team:s"])");
    EXPECT_EQ(Shown(service_->Subjects(admin_, "", Deleted::kHidden)), R"(["s","t"])");
    EXPECT_EQ(service_->ById(admin_, 1, "").value().text, kOne);
    EXPECT_EQ(service_->ById(admin_, 1, ":.team:").value().text, kOther);
    EXPECT_EQ(service_->ById(admin_, 2, "only").value().text, kTwo);
    EXPECT_EQ(Shown(service_->Get(admin_, Of("only"), "latest", false)), "2/1");
    EXPECT_EQ(LookUp("only", kTwo), "2/1");
    EXPECT_EQ(Shown(service_->Contexts(admin_)), R"([".",".team"])");
    EXPECT_EQ(Configure(":.team:", {{"compatibility", "NONE"}}), R"({"compatibilityLevel":"NONE"})");
    EXPECT_EQ(Register(":.team:s", kOne), "3/2");
    EXPECT_EQ(Register("s", kOther), "40901");
    auto guid = service_->ById(admin_, 1, "").value().guid;
    EXPECT_EQ(service_->ByGuid(admin_, guid).value().size(), 2u);
}

TEST_P(RegistryTest, ModesSayWhoMayRegister) {
    auto set = [&](const std::string& subject, const std::string& mode, bool force = false) {
        Status status = service_->SetMode(admin_, Of(subject), mode, force);
        return status.ok() ? "" : status.error().detail_code();
    };
    SchemaRequest imported = Request(kOne);
    imported.schema.id = 77;
    imported.version = 5;
    EXPECT_EQ(Shown(service_->Register(admin_, Of("s"), imported)), "42205");
    EXPECT_EQ(set("s", "SOMETIMES"), "42204");
    EXPECT_EQ(set("s", "IMPORT"), "");
    EXPECT_EQ(Register("s", kOne), "42205");
    EXPECT_EQ(Shown(service_->Register(admin_, Of("s"), imported)), "77/5");
    imported.schema.text = kOther;
    EXPECT_EQ(Shown(service_->Register(admin_, Of("s"), imported)), "42205");  // the id is another's
    EXPECT_EQ(set("s", "READWRITE"), "");
    EXPECT_EQ(Register("s", kTwo), "78/6");
    EXPECT_EQ(set("s", "IMPORT"), "42205");
    EXPECT_EQ(set("s", "IMPORT", true), "");
    EXPECT_EQ(set("s", "READONLY"), "");
    EXPECT_EQ(Register("s", kOne), "42205");
    EXPECT_EQ(DeleteSubject("s", false), "42205");
    EXPECT_EQ(Configure("s", {{"compatibility", "NONE"}}), "42205");
    EXPECT_EQ(Shown(service_->DeleteMode(admin_, Of("s"), false)), "\"READONLY\"");
    EXPECT_EQ(Shown(service_->DeleteMode(admin_, Of("s"), false)), "40401");
    EXPECT_EQ(Shown(service_->Mode(admin_, Of("s"), false)), "40409");
    EXPECT_EQ(Shown(service_->Mode(admin_, Of("s"), true)), "\"READWRITE\"");
    EXPECT_EQ(set("", "READONLY"), "");
    EXPECT_EQ(Register("new", kOne), "42205");
}

TEST_P(RegistryTest, MetadataAndRulesArePartOfASchema) {
    SchemaRequest owned = Request(kOne);
    owned.schema.metadata = {{"properties", {{"owner", "ann"}}}};
    EXPECT_EQ(Shown(service_->Register(admin_, Of("s"), owned)), "1/1");
    EXPECT_EQ(Register("s", kOne), "1/1");  // it takes over the latest's
    EXPECT_EQ(LookUp("s", kOne), "1/1");
    EXPECT_EQ(Register("t", kOne), "2/1");
    EXPECT_EQ(Shown(service_->WithMetadata(admin_, Of("s"), {{"owner", "ann"}}, false)), "1/1");
    EXPECT_EQ(Shown(service_->WithMetadata(admin_, Of("s"), {{"owner", "bob"}}, false)), "40403");
}

TEST_P(RegistryTest, EverySubjectIsAskedFor) {
    EXPECT_EQ(Register("mine", kOne), "1/1");
    EXPECT_EQ(Register("theirs", kTwo), "2/1");
    EXPECT_EQ(Register(":.team:hers", kTwo), "1/1");
    gate_.allowed = {"user:ann schema:Read mine", "user:ann schema:Describe mine"};
    EXPECT_EQ(Shown(service_->Subjects(ann_, ":*:", Deleted::kIncluded)), R"(["mine"])");
    EXPECT_EQ(service_->All(ann_, "", true, false).value().size(), 1u);
    EXPECT_TRUE(service_->ById(ann_, 1, "").ok());
    EXPECT_EQ(service_->ById(ann_, 2, "").error().code(), ErrorCode::kPermissionDenied);
    auto denied = [](const auto& result) {
        return !result.ok() && result.error().code() == ErrorCode::kPermissionDenied;
    };
    EXPECT_TRUE(denied(service_->Register(ann_, Of("mine"), Request(kTwo))));
    EXPECT_TRUE(denied(service_->Get(ann_, Of(":.:theirs"), "latest", false)));
    EXPECT_TRUE(denied(service_->DeleteSubject(ann_, Of("mine"), false)));
    EXPECT_TRUE(denied(service_->ChangeConfig(ann_, Of("mine"), {{"compatibility", "NONE"}})));
    EXPECT_TRUE(denied(service_->SetMode(ann_, Of(""), "READONLY", false)));
    // Neither through a name that is found in another context, nor through a reference.
    gate_.allowed.insert("user:ann schema:Read hers");
    EXPECT_TRUE(denied(service_->Get(ann_, Of("hers"), "latest", false)));
    gate_.allowed.insert("user:ann schema:Write mine");
    auto stolen = Request(Record(R"({"name":"i","type":"r"})", "o"), {{"r", "theirs", 1}});
    EXPECT_TRUE(denied(service_->Register(ann_, Of("mine"), stolen)));
}

TEST_P(RegistryTest, LimitsHold) {
    EXPECT_EQ(Register("s", "\"" + std::string(kSchemaBytesMax, 'x') + "\""), "42209");
    EXPECT_EQ(ParseSubject(std::string(kSubjectBytesMax + 1, 'x')).error().detail_code(), "42208");
    EXPECT_EQ(ParseSubject("__GLOBAL").error().detail_code(), "42208");
    EXPECT_EQ(ParseSubject("a\nb").error().detail_code(), "42208");
    // Each refers to the one before it.
    EXPECT_EQ(Register("d0", Record(R"({"name":"x","type":"int"})", "d0")), "1/1");
    std::string last;
    for (int i = 1; i <= kReferenceDepthMax + 1; ++i) {
        std::string before = fmt::format("d{}", i - 1);
        last = Register(fmt::format("d{}", i),
                        Record(fmt::format(R"({{"name":"x","type":"{}"}})", before), fmt::format("d{}", i)),
                        {{before, before, 1}});
    }
    EXPECT_EQ(last, "42201");
}

INSTANTIATE_TEST_SUITE_P(Stores, RegistryTest,
                         testing::Values(metadata::StoreKind::kSqlite, metadata::StoreKind::kPostgres),
                         [](const auto& test) {
                             return test.param == metadata::StoreKind::kSqlite ? "Sqlite" : "Postgres";
                         });

}  // namespace
}  // namespace tarn::registry
