// The registry on a disk that loses, tears and reorders what was not synced: after any power cut all that was
// acknowledged is there, under the ids that were told, and no id ever meant two schemas.
#include <gtest/gtest.h>

#include <map>

#include "base/fault_disk.h"
#include "base/fault_env.h"
#include "base/seeds_for_test.h"
#include "ingestion/registry/service.h"
#include "security/fakes_for_test.h"

namespace tarn::registry {
namespace {

constexpr std::string_view kKey = "0123456789abcdef0123456789abcdef";

class Machine {
  public:
    explicit Machine(uint64_t seed) : env_(seed), numbers_(seed * 17) {
        admin_.kind = security::PrincipalKind::kUser;
        admin_.name = "admin";
        admin_.roles = {"admin"};
    }

    void Start() {
        auto database = metadata::Database::OpenSqlite(env_, "/m.db", Secret(kKey));
        ASSERT_TRUE(database.ok()) << database.error().ToString();
        database_ = std::move(*database);
        auto store = Store::Create(*database_);
        ASSERT_TRUE(store.ok()) << store.error().ToString();
        service_ = std::make_unique<Service>(RegistryDependencies{env_, *database_, gate_, metrics_}, *store);
        ASSERT_TRUE(service_->ChangeConfig(admin_, {}, {{"compatibility", "NONE"}}).ok());
        Check();
    }

    void RunUntilRefused(int steps) {
        for (int step = 0; step < steps; ++step) {
            bool went_on = numbers_.Below(4) > 0 ? Register() : Delete();
            if (!went_on) return;
        }
    }
    void Stop() {
        service_.reset();
        database_.reset();
    }
    FaultEnv& env() { return env_; }
    SeededNumbers& numbers() { return numbers_; }
    size_t told() const { return told_.size(); }

  private:
    Subject AnySubject() { return {std::string(kDefaultContext), fmt::format("s{}", numbers_.Below(4))}; }

    bool Register() {
        SchemaRequest request;
        request.schema.text = fmt::format(R"({{"type":"fixed","name":"f","size":{}}})", numbers_.Below(30));
        request.schema.id = -1;
        Subject subject = AnySubject();
        doubtful_.insert(subject);
        auto found = service_->Register(admin_, subject, request);
        if (!found.ok()) return false;
        doubtful_.erase(subject);
        auto [known, is_new] = told_.emplace(found->version.id, request.schema.text);
        EXPECT_EQ(known->second, request.schema.text) << "id " << found->version.id << " means two schemas";
        live_[subject][found->version.version] = found->version.id;
        return true;
    }

    bool Delete() {
        Subject subject = AnySubject();
        bool permanent = numbers_.Below(2) == 0;
        doubtful_.insert(subject);
        auto gone = service_->DeleteSubject(admin_, subject, false);
        if (gone.ok() && permanent) gone = service_->DeleteSubject(admin_, subject, true);
        if (!gone.ok() && gone.error().code() != ErrorCode::kNotFound) return false;
        doubtful_.erase(subject);
        live_[subject].clear();
        return true;
    }

    void Check() {
        for (auto& [subject, versions] : live_) {
            auto kept = service_->Versions(admin_, subject, Deleted::kHidden);
            std::vector<int> numbers = kept.ok() ? *kept : std::vector<int>();
            if (!doubtful_.contains(subject)) {
                EXPECT_EQ(numbers.size(), versions.size()) << subject.name;
            }
            versions.clear();
            for (int number : numbers) {
                auto found = service_->Get(admin_, subject, std::to_string(number), false);
                ASSERT_TRUE(found.ok()) << found.error().ToString();
                auto [known, is_new] = told_.emplace(found->version.id, found->schema.text);
                EXPECT_EQ(known->second, found->schema.text);
                versions[number] = found->version.id;
            }
        }
        doubtful_.clear();
    }

    FaultEnv env_;
    SeededNumbers numbers_;
    security::FakeGate gate_;
    Metrics metrics_;
    security::Principal admin_;
    std::unique_ptr<metadata::Database> database_;
    std::unique_ptr<Service> service_;
    std::map<int64_t, std::string> told_;  // what each id that somebody saw means
    std::map<Subject, std::map<int, int64_t>> live_;
    std::set<Subject> doubtful_;  // of the change that the power cut met
};

TEST(RegistryCrash, WhatWasAcknowledgedIsThereAndIdsKeepTheirMeaning) {
    size_t told = 0;
    ForSeeds(40, [&told](uint64_t seed) {
        Machine machine(seed);
        for (int life = 0; life < 4; ++life) {
            ASSERT_NO_FATAL_FAILURE(machine.Start());
            FaultEnv& env = machine.env();
            env.CrashAt(env.operations() + static_cast<int64_t>(machine.numbers().Below(400)));
            machine.RunUntilRefused(80);
            uint64_t chance = machine.numbers().Next();
            chance % 4 == 0 ? env.Kill() : env.PowerCut(chance);
            machine.Stop();
        }
        machine.Start();
        told += machine.told();
    });
    EXPECT_GT(told, 100u);
}

}  // namespace
}  // namespace tarn::registry
