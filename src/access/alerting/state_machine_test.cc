#include "access/alerting/state_machine.h"

#include <gtest/gtest.h>

#include <set>

#include "access/alerting/channel.h"
#include "access/alerting/signals.h"
#include "base/seeds_for_test.h"

namespace tarn::alerting {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

// A rule that is looked at by hand: time passes, and the wall clock may jump.
class Simulation {
  public:
    explicit Simulation(Timing timing) : timing_(timing) {}
    Outcome Look(std::vector<Labels> wrong, Duration elapsed, bool complete = true) {
        wall_ += elapsed;
        Observation observation;
        observation.complete = complete;
        for (Labels& labels : wrong) observation.wrong.push_back({std::move(labels), 1.0, "wrong"});
        return Advance("a.rule", timing_,
                       {.observation = observation,
                        .now = wall_,
                        .elapsed = elapsed,
                        .silenced = [this](const Labels& labels) { return silenced_.contains(labels); }},
                       instances_);
    }
    void Jump(Duration by) { wall_ += by; }
    void Restart(Duration down) {
        wall_ += down;
        for (auto& [fingerprint, instance] : instances_) Restore(instance, wall_);
    }
    Instances& instances() { return instances_; }
    std::set<Labels>& silenced() { return silenced_; }

  private:
    Timing timing_;
    Timestamp wall_ = FromMicros(1'800'000'000'000'000);
    Instances instances_;
    std::set<Labels> silenced_;
};

const Labels kPen = {{"name", "pen"}};
const Labels kInk = {{"name", "ink"}};

std::string Said(const Outcome& outcome) {
    std::string text;
    for (const Transition& transition : outcome.transitions) text += std::string(ChangeName(transition.change)) + " ";
    for (const Notice& notice : outcome.notices) text += "!" + std::string(ReasonName(notice.reason)) + " ";
    return text;
}

TEST(StateMachine, FiresAtOnceRepeatsAndResolves) {
    Simulation rule({Duration(0), hours(4)});
    EXPECT_EQ(Said(rule.Look({}, seconds(0))), "");
    EXPECT_EQ(Said(rule.Look({kPen}, minutes(1))), "firing !firing ");
    EXPECT_EQ(Said(rule.Look({kPen}, hours(3))), "");
    EXPECT_EQ(Said(rule.Look({kPen}, hours(1))), "!repeat ");
    EXPECT_EQ(Said(rule.Look({}, minutes(1))), "resolved !resolved ");
    EXPECT_EQ(Said(rule.Look({}, hours(9))), "");
}

TEST(StateMachine, WaitsForAsLongAsItSaysAndForgetsWhatPasses) {
    Simulation rule({minutes(5), hours(4)});
    EXPECT_EQ(Said(rule.Look({kPen}, minutes(1))), "pending ");
    EXPECT_EQ(Said(rule.Look({kPen}, minutes(4))), "");
    EXPECT_EQ(Said(rule.Look({}, seconds(30))), "cleared ");
    EXPECT_EQ(Said(rule.Look({kPen}, minutes(10))), "pending ");
    EXPECT_EQ(Said(rule.Look({kPen, kInk}, minutes(5))), "firing pending !firing ");
    EXPECT_EQ(rule.instances().size(), 2u);
}

TEST(StateMachine, AClockThatJumpsChangesNothing) {
    Simulation rule({minutes(5), hours(4)});
    EXPECT_EQ(Said(rule.Look({kPen}, minutes(1))), "pending ");
    rule.Jump(hours(1000));
    EXPECT_EQ(Said(rule.Look({kPen}, minutes(1))), "");
    rule.Jump(-hours(2000));
    EXPECT_EQ(Said(rule.Look({kPen}, minutes(3))), "");
    EXPECT_EQ(Said(rule.Look({kPen}, minutes(1))), "firing !firing ");
    rule.Jump(hours(1000));
    EXPECT_EQ(Said(rule.Look({kPen}, hours(3))), "");
    rule.Jump(-hours(5000));
    EXPECT_EQ(Said(rule.Look({kPen}, hours(1))), "!repeat ");
}

TEST(StateMachine, WhatIsNotKnownStaysAsItWas) {
    Simulation rule({Duration(0), hours(4)});
    rule.Look({kPen}, minutes(1));
    EXPECT_EQ(Said(rule.Look({}, minutes(1), false)), "");
    EXPECT_EQ(Said(rule.Look({kInk}, minutes(1), false)), "firing !firing ");
    EXPECT_EQ(Said(rule.Look({}, minutes(1))), "resolved resolved !resolved !resolved ");
}

TEST(StateMachine, ASilenceHoldsBackButForgetsNothing) {
    Simulation rule({Duration(0), hours(4)});
    rule.silenced() = {kPen};
    EXPECT_EQ(Said(rule.Look({kPen, kInk}, minutes(1))), "firing firing !firing ");
    EXPECT_EQ(Said(rule.Look({kPen, kInk}, hours(5))), "!repeat ");
    // Nobody was told that it fires, so nobody hears of its end.
    EXPECT_EQ(Said(rule.Look({kInk}, minutes(1))), "resolved ");
    EXPECT_EQ(Said(rule.Look({kPen, kInk}, minutes(1))), "firing ");
    rule.silenced().clear();
    EXPECT_EQ(Said(rule.Look({kPen, kInk}, minutes(1))), "!firing ");
}

TEST(StateMachine, AStartCountsTheTimeBetweenButNeverLessThanNothing) {
    Simulation rule({minutes(5), hours(4)});
    rule.Look({kPen}, minutes(1));
    rule.Restart(minutes(10));
    EXPECT_EQ(Said(rule.Look({kPen}, seconds(0))), "firing !firing ");
    rule.Restart(-hours(100));
    EXPECT_EQ(Said(rule.Look({kPen}, seconds(0))), "");
    EXPECT_EQ(Said(rule.Look({kPen}, hours(4))), "!repeat ");
}

// Whatever happens: a notice that it fires comes before one that it is over, and between two ends lies a beginning.
TEST(StateMachine, NoticesAlternateWhateverHappens) {
    ForSeeds(200, [](uint64_t seed) {
        uint64_t state = seed * 77;
        auto pick = [&state](uint64_t below) {
            state = state * 6364136223846793005ULL + 1442695040888963407ULL;
            return (state >> 33) % below;
        };
        Simulation rule({seconds(pick(3) * 60), hours(pick(2))});
        std::map<std::string, bool> told;
        for (int look = 0; look < 300; ++look) {
            std::vector<Labels> wrong;
            for (const Labels& labels : {kPen, kInk}) {
                if (pick(3) > 0) wrong.push_back(labels);
            }
            if (pick(10) == 0) rule.Jump(hours(static_cast<int64_t>(pick(100)) - 50));
            if (pick(20) == 0) rule.Restart(minutes(pick(30)));
            rule.silenced() = pick(4) == 0 ? std::set<Labels>{kPen} : std::set<Labels>{};
            for (const Notice& notice : rule.Look(wrong, seconds(pick(600)), pick(8) > 0).notices) {
                bool& is_told = told[notice.instance.fingerprint];
                EXPECT_EQ(notice.reason != Reason::kFiring, is_told);
                is_told = notice.reason != Reason::kResolved;
            }
            // What is gone without a word (it was silenced then) begins anew.
            for (auto& [fingerprint, is_told] : told) is_told = is_told && rule.instances().contains(fingerprint);
        }
    });
}

TEST(Rate, GrowsASecondAndSurvivesACounterThatBeginsAgain) {
    RateWindow rate(seconds(100));
    EXPECT_FALSE(rate.PerSecond());
    rate.Add(seconds(0), 1000);
    rate.Add(seconds(10), 1010);
    EXPECT_FALSE(rate.PerSecond()) << "less than half of the window is known";
    rate.Add(seconds(60), 1060);
    EXPECT_DOUBLE_EQ(*rate.PerSecond(), 1.0);
    rate.Add(seconds(80), 40);  // restarted, then 40 more
    EXPECT_DOUBLE_EQ(*rate.PerSecond(), 100.0 / 80);
    for (int at = 81; at <= 400; ++at) rate.Add(seconds(at), 40 + (at - 80) * 2);
    EXPECT_NEAR(*rate.PerSecond(), 2.0, 0.05);
}

TEST(Pause, DoublesUpToTenMinutesAndEndsWithItsBudget) {
    EXPECT_EQ(PauseAfter(1, hours(24)), seconds(5));
    EXPECT_EQ(PauseAfter(2, hours(24)), seconds(10));
    EXPECT_EQ(PauseAfter(30, hours(24)), minutes(10));
    EXPECT_FALSE(PauseAfter(1, Duration(0)));
    int attempts = 1;
    Duration waited{0};
    while (auto pause = PauseAfter(attempts, hours(24))) {
        waited += *pause;
        ++attempts;
    }
    EXPECT_GT(waited, hours(23));
    EXPECT_LE(waited, hours(24));
}

}  // namespace
}  // namespace tarn::alerting
