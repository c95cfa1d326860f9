// The demo's fourth source: the year's departures, arrivals and cancellations, produced one after the other into a
 // topic.
#include <algorithm>
#include <atomic>
#include <thread>

#include "app/demo_sources.h"
#include "base/executor.h"
#include "base/number.h"
#include "base/text.h"
#include "ingestion/buffer/topics.h"

namespace tarn::app {
namespace {

constexpr const char* kTopic = "flight_events";
constexpr size_t kAtOnce = 5000;  // events of one append
constexpr int kMinutesADay = 24 * 60;
constexpr size_t kColumns = 19;
enum Column : size_t {
    kYear,
    kMonth,
    kDay,
    kDepTime,
    kSchedDepTime,
    kDepDelay,
    kArrTime,
    kSchedArrTime,
    kArrDelay,
    kCarrier,
    kFlight,
    kTailnum,
    kOrigin,
    kDest
};

enum class Kind : uint8_t { kDeparted, kArrived, kCancelled };

struct Event {
    int32_t minute = 0;  // since 1970, by the clocks of where it happens
    uint32_t flight = 0;
    Kind kind = Kind::kDeparted;
};
struct Flight {
    std::string carrier, flight, tailnum, origin, dest;
    std::optional<int64_t> dep_delay, arr_delay;
    int32_t scheduled = 0;
};

// "517" is 5:17.
int32_t MinuteOfDay(int64_t clock) { return static_cast<int32_t>(clock / 100 * 60 + clock % 100); }

int32_t MinuteOf(int64_t year, int64_t month, int64_t day, int64_t clock) {
    std::chrono::year_month_day date{std::chrono::year(static_cast<int>(year)),
                                     std::chrono::month(static_cast<unsigned>(month)),
                                     std::chrono::day(static_cast<unsigned>(day))};
    auto days = std::chrono::sys_days(date).time_since_epoch().count();
    return static_cast<int32_t>(days) * kMinutesADay + MinuteOfDay(clock);
}

struct Year {
    std::vector<Flight> flights;
    std::vector<Event> events;  // in the order in which they happened
};

void AddFlight(const std::vector<std::string>& cells, Year& year) {
    auto number = [&](Column column) { return ParseInteger(cells[column]); };
    auto index = static_cast<uint32_t>(year.flights.size());
    Flight& flight = year.flights.emplace_back();
    flight.carrier = cells[kCarrier];
    flight.flight = cells[kFlight];
    flight.tailnum = cells[kTailnum] == "NA" ? "" : cells[kTailnum];
    flight.origin = cells[kOrigin];
    flight.dest = cells[kDest];
    flight.dep_delay = number(kDepDelay);
    flight.arr_delay = number(kArrDelay);
    flight.scheduled = MinuteOf(number(kYear).value_or(0), number(kMonth).value_or(1), number(kDay).value_or(1),
                                number(kSchedDepTime).value_or(0));
    auto departed = number(kDepTime), arrived = number(kArrTime);
    if (!departed) {
        year.events.push_back({flight.scheduled, index, Kind::kCancelled});
        return;
    }
    int32_t left = flight.scheduled + static_cast<int32_t>(flight.dep_delay.value_or(0));
    year.events.push_back({left, index, Kind::kDeparted});
    if (!arrived) return;
    int32_t under_way = (MinuteOfDay(*arrived) - MinuteOfDay(*departed) + 2 * kMinutesADay) % kMinutesADay;
    year.events.push_back({left + under_way, index, Kind::kArrived});
}

Result<Year> ReadYear(Env& env, const std::string& csv_path) {
    Year year;
    auto reader = TRY(LineReader::Open(env, csv_path));
    std::string_view line;
    TRY(reader.Next(line));
    while (TRY(reader.Next(line))) {
        std::vector<std::string> cells = Split(line, ',');
        if (cells.size() != kColumns) return Error(ErrorCode::kCorruption, "{}: not {} columns", csv_path, kColumns);
        AddFlight(cells, year);
    }
    // Of one minute in the file's order: the same at every start.
    std::stable_sort(year.events.begin(), year.events.end(),
                     [](const Event& left, const Event& right) { return left.minute < right.minute; });
    return year;
}

std::string KeyOf(const Flight& flight) {
    std::string day = FormatTime(FromMicros(int64_t{flight.scheduled} * 60'000'000)).substr(0, 10);
    return fmt::format("{}/{}{}/{}", day, flight.carrier, flight.flight, flight.origin);
}

std::string TextOf(const Event& event, const Flight& flight) {
    constexpr const char* kNames[] = {"departed", "arrived", "cancelled"};
    std::string time = FormatTime(FromMicros(int64_t{event.minute} * 60'000'000));
    time.pop_back();  // local: no Z
    std::string text = fmt::format(R"({{"event":"{}","time":"{}","carrier":"{}","flight":{},"origin":"{}","dest":"{}")",
                                   kNames[static_cast<size_t>(event.kind)], time, flight.carrier, flight.flight,
                                   flight.origin, flight.dest);
    if (!flight.tailnum.empty()) text += fmt::format(R"(,"tailnum":"{}")", flight.tailnum);
    const auto& delay = event.kind == Kind::kDeparted ? flight.dep_delay : flight.arr_delay;
    if (event.kind != Kind::kCancelled && delay) text += fmt::format(R"(,"delay":{})", *delay);
    return text + "}";
}

class Replay final : public EventReplay {
  public:
    Replay(Env& env, buffer::Topics& topics, std::string csv_path, int64_t a_second)
        : env_(env), topics_(topics), csv_path_(std::move(csv_path)), a_second_(a_second), thread_([this] {
              outcome_ = Run();
              over_ = true;
          }) {}
    ~Replay() override {
        cancel_.Cancel();
        thread_.join();
    }
    bool over() const override { return over_; }
    Status outcome() const override { return over_ ? outcome_ : Ok(); }

  private:
    Status Run() {
        auto self = security::Principal::System("demo");
        Year year = TRY(ReadYear(env_, csv_path_));
        Status made = topics_.Create(self, kTopic, 1, {{"retention.ms", "-1"}});
        if (!made.ok() && made.error().code() != ErrorCode::kAlreadyExists) return made;
        // One partition, one producer, one order: how many are there says which is next.
        auto next = static_cast<size_t>(TRY(topics_.Partitions(self, kTopic)).at(0).end);
        Duration begun = env_.clock().Monotonic();
        for (size_t sent = 0; next < year.events.size() && !cancel_.cancelled(); sent += kAtOnce, next += kAtOnce) {
            std::vector<std::string> texts;  // keys and values in turn
            size_t end = std::min(next + kAtOnce, year.events.size());
            for (size_t at = next; at < end; ++at) {
                const Flight& flight = year.flights[year.events[at].flight];
                texts.push_back(KeyOf(flight));
                texts.push_back(TextOf(year.events[at], flight));
            }
            std::vector<buffer::NewRecord> records(end - next);
            for (size_t at = 0; at < records.size(); ++at) {
                records[at].key = AsBytes(texts[2 * at]);
                records[at].value = AsBytes(texts[2 * at + 1]);
            }
            TRY(topics_.Append(self, kTopic, records));
            Pace(sent + kAtOnce, begun);
        }
        return Ok();
    }
    void Pace(size_t sent, Duration begun) {
        constexpr Duration kNap = std::chrono::milliseconds(50);
        auto due = begun + std::chrono::seconds(1) * static_cast<int64_t>(sent) / a_second_;
        while (!cancel_.cancelled() && env_.clock().Monotonic() < due) {
            env_.clock().Sleep(std::min(kNap, due - env_.clock().Monotonic()));
        }
    }

    Env& env_;
    buffer::Topics& topics_;
    const std::string csv_path_;
    const int64_t a_second_;
    CancelToken cancel_;
    std::atomic<bool> over_{false};
    Status outcome_;
    std::thread thread_;  // last: it uses all of the above
};

}  // namespace

std::unique_ptr<EventReplay> EventReplay::Start(Env& env, buffer::Topics& topics, const std::string& csv_path,
                                                int64_t a_second) {
    return std::make_unique<Replay>(env, topics, csv_path, a_second);
}

}  // namespace tarn::app
