#include "ingestion/orchestrator/decide.h"

#include <algorithm>
#include <utility>

#include "base/number.h"
#include "base/text.h"

namespace tarn::orchestrator {
namespace {

constexpr Duration kClockJump = std::chrono::hours(24);

bool RunsByItself(const TaskSpec& spec) { return !spec.timing.paused && workspace::RunsWithoutValues(spec.parameters); }
bool RunsOnNewData(const TaskSpec& spec) { return RunsByItself(spec) && !spec.partition; }

bool IsNew(const std::map<std::string, std::string>& tried, const std::string& name, const std::string& now) {
    auto seen = tried.find(name);
    return !now.empty() && (seen == tried.end() || seen->second != now);
}

bool IsLate(const TaskSpec& spec, const Run& run, Timestamp now) {
    return spec.timing.sla && !run.late && now >= run.queued_at + *spec.timing.sla;
}

}  // namespace

bool Moves(const TaskMemory& memory) { return memory.current && memory.current->state != RunState::kWaitingApproval; }

bool WaitsOutside(const TaskMemory& memory) {
    return memory.current && memory.current->state == RunState::kWaitingRetry && memory.waits;
}

bool PartsMove(const State& state, const std::string& task) {
    auto parts = state.parts.find(task);
    return parts != state.parts.end() && parts->second.Move();
}

bool EndedWell(const Run& run) { return run.state == RunState::kSucceeded || run.state == RunState::kUnchanged; }

const TaskMemory& MemoryOf(const State& state, const std::string& task) {
    static const TaskMemory kNone;
    auto found = state.memory.find(task);
    return found == state.memory.end() ? kNone : found->second;
}

const TaskSpec* ProducerOf(const State& state, const std::string& dataset) {
    auto found = state.producer.find(dataset);
    return found == state.producer.end() ? nullptr : &state.specs.at(found->second);
}

const TaskSpec* TaskOf(const State& state, const std::string& name) {
    auto found = state.specs.find(name);
    return found == state.specs.end() ? ProducerOf(state, name) : &found->second;
}

std::optional<Timestamp> NextScheduled(const State& state, const TaskSpec& spec, Timestamp now) {
    const workspace::Timing& timing = spec.timing;
    const TaskMemory& memory = MemoryOf(state, spec.id);
    if (timing.every) {
        if (!memory.queued_at) return std::nullopt;
        // A clock that was set back must not keep it waiting for what it showed before.
        if (*memory.queued_at > now + *timing.every) return now;
        return *memory.queued_at + *timing.every;
    }
    if (!timing.schedule) return std::nullopt;
    Timestamp after = memory.scheduled_for.value_or(memory.queued_at.value_or(state.up_since));
    if (after > now + kClockJump) after = state.up_since;  // the clock was set back
    if (timing.catch_up == workspace::CatchUp::kNo) after = std::max(after, state.up_since);
    std::optional<Timestamp> next = timing.schedule->Next(after);
    if (!next || *next > now || timing.catch_up == workspace::CatchUp::kAll) return next;
    return timing.schedule->Last(after, now);
}

std::optional<workspace::Part> NextPart(const State& state, const TaskSpec& spec, Timestamp now) {
    auto parts = state.parts.find(spec.id);
    if (parts == state.parts.end() || parts->second.newest.empty()) return spec.partition->NewestEnded(now);
    Result<workspace::Part> newest = spec.partition->Parse(parts->second.newest);
    // Of another unit, or before another start: it begins anew.
    if (!newest.ok() || newest->key != parts->second.newest) return spec.partition->NewestEnded(now);
    return spec.partition->After(*newest);
}

void Places::Take(const TaskSpec& spec) {
    ++taken;
    if (!spec.timing.pool.empty()) ++of_pool[spec.timing.pool];
}

std::string Places::WaitsFor(const State& state, const TaskSpec& spec) const {
    if (taken >= state.places) return "a free place";
    const std::string& pool = spec.timing.pool;
    auto known = state.pools.find(pool);
    auto used = of_pool.find(pool);
    int places = known == state.pools.end() ? 1 : known->second;
    bool full = !pool.empty() && used != of_pool.end() && used->second >= places;
    if (!full) return "";
    return fmt::format("a place in pool {}{}", pool,
                       known == state.pools.end() ? " (one, for tarn.yaml does not say how many)" : "");
}

Places PlacesOf(const State& state) {
    Places places;
    for (const std::string& task : state.agenda.running) places.Take(state.specs.at(task));
    for (const std::string& task : state.agenda.by_part) {
        auto spec = state.specs.find(task);
        if (spec == state.specs.end()) continue;
        for (size_t run = 0; run < state.parts.at(task).running.size(); ++run) places.Take(spec->second);
    }
    return places;
}

std::map<std::string, std::string> InputVersions(const State& state, const TaskSpec& spec) {
    std::map<std::string, std::string> versions;
    for (const std::string& input : spec.inputs) {
        const TaskSpec* producer = ProducerOf(state, input);
        if (producer) versions[input] = MemoryOf(state, producer->id).version;
    }
    return versions;
}

void TellPart(Event& event, const workspace::Part& part) {
    event.part = part.key;
    for (auto& [name, value] : workspace::ToldOf(part)) event.parameters[name] = value;
}

std::map<std::string, std::string> AfterRuns(const State& state, const TaskSpec& spec) {
    std::map<std::string, std::string> runs;
    for (const std::string& name : spec.after) {
        const TaskSpec* before = TaskOf(state, name);
        const TaskMemory* memory = before ? &MemoryOf(state, before->id) : nullptr;
        if (memory && memory->last) runs[name] = memory->last->id;
    }
    return runs;
}

std::string DueReason(const State& state, const std::string& task, Timestamp now) {
    const TaskSpec& spec = state.specs.at(task);
    const TaskMemory& memory = MemoryOf(state, task);
    if (!RunsByItself(spec)) return "";
    if (spec.partition) {
        std::optional<workspace::Part> part = NextPart(state, spec, now);
        return part && part->end <= now ? fmt::format("{} has ended", part->key) : "";
    }
    if (!memory.queued_at && (spec.eager || spec.timing.every)) return "first run";
    if (spec.eager && memory.tried_fingerprint != spec.fingerprint) return "definition";
    if (memory.outside_new) return "new data outside";
    std::optional<Timestamp> scheduled = NextScheduled(state, spec, now);
    if (scheduled && *scheduled <= now) return "schedule";
    for (const auto& [dataset, version] : InputVersions(state, spec)) {
        if (IsNew(memory.tried_inputs, dataset, version)) return "new data in " + dataset;
    }
    for (const auto& [name, run] : AfterRuns(state, spec)) {
        if (IsNew(memory.tried_after, name, run)) return "after " + name;
    }
    return "";
}

std::optional<Timestamp> NextDue(const State& state, const std::string& task, Timestamp now) {
    const TaskSpec& spec = state.specs.at(task);
    const TaskMemory& memory = MemoryOf(state, task);
    if (memory.current && memory.current->state == RunState::kWaitingRetry) return memory.retry_at;
    if (spec.timing.paused) return std::nullopt;
    if (spec.partition) {
        std::optional<workspace::Part> part = NextPart(state, spec, now);
        return part ? part->end : spec.partition->At(spec.partition->start).end;
    }
    return NextScheduled(state, spec, now);
}
Agenda NewAgenda(const State& state) {
    Agenda agenda;
    agenda.since = state.agenda.since;
    std::erase_if(agenda.since, [&](const auto& entry) { return !state.specs.contains(entry.first); });
    for (const std::string& task : state.order) {
        agenda.position[task] = agenda.position.size();
        agenda.touched.insert(task);
        const TaskSpec& spec = state.specs.at(task);
        for (const std::string& input : spec.inputs) {
            const TaskSpec* producer = ProducerOf(state, input);
            if (producer && producer->id != task) agenda.readers[producer->id].push_back(task);
        }
        for (const std::string& name : spec.after) {
            if (const TaskSpec* before = TaskOf(state, name)) agenda.readers[before->id].push_back(task);
        }
    }
    return agenda;
}

namespace {

// One task, looked at anew: takes what was known of it out of the agenda and puts in what holds now.
class Look {
  public:
    Look(const State& state, const TaskSpec& spec, Timestamp now)
        : state_(state), agenda_(state.agenda), spec_(spec), memory_(MemoryOf(state, spec.id)), now_(now) {}
    // Whether it moves otherwise than it did: what reads it has to be looked at too.
    bool Take() {
        const std::string& task = spec_.id;
        Forget();
        Moving moves = memory_.current ? TakeCurrent() : TakeDue();
        auto parts = state_.parts.find(task);
        if (PartsMove(state_, task)) {
            agenda_.by_part.insert(task);
            // A backfill holds up what reads it, not all that lies behind that.
            if (!moves && parts->second.Moving() == 1) {
                moves = Agenda::Moving{MemoryOf(state_, parts->second.AnyMoving()).wave, true};
            }
        }
        auto moved = agenda_.moving.find(task);
        if (moves == (moved == agenda_.moving.end() ? Moving() : Moving(moved->second))) return false;
        moves ? (void)(agenda_.moving[task] = *moves) : (void)agenda_.moving.erase(task);
        return true;
    }

  private:
    using Moving = std::optional<Agenda::Moving>;
    void Forget() {
        const std::string& task = spec_.id;
        agenda_.due.erase(agenda_.position.at(task));
        for (auto* tasks : {&agenda_.active, &agenda_.running, &agenda_.late, &agenda_.by_part, &agenda_.gathered}) {
            tasks->erase(task);
        }
        if (auto number = agenda_.ready_of.find(task); number != agenda_.ready_of.end()) {
            agenda_.ready.erase({number->second, task});
            agenda_.ready_of.erase(number);
        }
        if (auto timer = agenda_.timer_of.find(task); timer != agenda_.timer_of.end()) {
            agenda_.timers.erase({timer->second, task});
            agenda_.timer_of.erase(timer);
        }
    }
    void Wake(std::optional<Timestamp> at) {
        if (!at || *at <= now_) return;
        auto [timer, fresh] = agenda_.timer_of.emplace(spec_.id, *at);
        if (!fresh && timer->second <= *at) return;
        if (!fresh) agenda_.timers.erase({timer->second, spec_.id});
        timer->second = *at;
        agenda_.timers.emplace(*at, spec_.id);
    }
    Moving TakeCurrent() {
        const Run& run = *memory_.current;
        agenda_.active.insert(spec_.id);
        if (run.state != RunState::kQueued) agenda_.since.erase(spec_.id);
        bool moves = Moves(memory_) && !WaitsOutside(memory_);
        if (run.state == RunState::kRunning) agenda_.running.insert(spec_.id);
        if (run.state == RunState::kWaitingItems) {
            auto parts = state_.parts.find(spec_.id);
            if (parts == state_.parts.end() || parts->second.Rest()) agenda_.gathered.insert(spec_.id);
        }
        if (IsLate(spec_, run, now_)) agenda_.late.insert(spec_.id);
        if (spec_.timing.sla && !run.late) Wake(run.queued_at + *spec_.timing.sla);
        if (run.state == RunState::kWaitingRetry) Wake(memory_.retry_at);
        bool can_start =
            run.state == RunState::kQueued || (run.state == RunState::kWaitingRetry && memory_.retry_at <= now_);
        if (can_start) {
            // Asked for by hand before its inputs ever delivered, it is started all the same: it fails and says so.
            Obstacle obstacle = ObstacleOf(state_, spec_.id);
            moves = moves && !obstacle.waits_outside;
            if (!obstacle.moves && !obstacle.waits_outside) {
                int64_t number = IntegerOrZero(run.id);
                agenda_.ready.emplace(number, spec_.id);
                agenda_.ready_of[spec_.id] = number;
            }
        }
        return moves ? Moving({memory_.wave, true}) : std::nullopt;
    }
    Moving TakeDue() {
        Wake(NextDue(state_, spec_.id, now_));
        // After the clock was set back: when what lies in the future is taken for true again (NextScheduled).
        for (const auto& seen : {memory_.queued_at, memory_.scheduled_for}) {
            if (seen && *seen > now_) Wake(*seen - spec_.timing.every.value_or(kClockJump));
        }
        Moving behind = Upstream();
        if (DueReason(state_, spec_.id, now_).empty()) {
            agenda_.since.erase(spec_.id);
            // What will wait for a person when it is due holds up nothing.
            bool follows = behind && RunsOnNewData(spec_) && !spec_.timing.approval;
            return follows && ObstacleOf(state_, spec_.id).IsShort() ? behind : std::nullopt;
        }
        auto since = agenda_.since.find(spec_.id);
        if (since == agenda_.since.end()) {
            since = agenda_.since.emplace(spec_.id, Agenda::Since{state_.last_run + 1, WaveBefore()}).first;
        }
        Obstacle obstacle = ObstacleOf(state_, spec_.id);
        if (!obstacle.Holds()) agenda_.due.emplace(agenda_.position.at(spec_.id), spec_.id);
        // Held up by an input that never delivered, it does not move, so nothing waits for it.
        if (!obstacle.IsShort()) return std::nullopt;
        return Agenda::Moving{std::min(since->second.wave, behind ? behind->wave : since->second.wave), true};
    }
    // What moves before it, itself or because of others.
    Moving Upstream() const {
        Moving oldest;
        auto look = [&](const TaskSpec* before) {
            if (!before || before->id == spec_.id) return;
            auto moving = agenda_.moving.find(before->id);
            if (moving == agenda_.moving.end()) return;
            if (!oldest || moving->second.wave < oldest->wave) oldest = Agenda::Moving{moving->second.wave, false};
        };
        for (const std::string& input : spec_.inputs) look(ProducerOf(state_, input));
        for (const std::string& name : spec_.after) look(TaskOf(state_, name));
        return oldest;
    }
    // What brought about what is new to it, whichever came first.
    int64_t WaveBefore() const {
        int64_t wave = state_.last_run + 1;
        auto look = [&](const TaskSpec* before) {
            const TaskMemory& memory = MemoryOf(state_, before->id);
            if (memory.ended_wave > 0) wave = std::min(wave, memory.ended_wave);
        };
        for (const auto& [dataset, version] : InputVersions(state_, spec_)) {
            if (IsNew(memory_.tried_inputs, dataset, version)) look(ProducerOf(state_, dataset));
        }
        for (const auto& [name, run] : AfterRuns(state_, spec_)) {
            if (IsNew(memory_.tried_after, name, run)) look(TaskOf(state_, name));
        }
        return wave;
    }

    const State& state_;
    Agenda& agenda_;
    const TaskSpec& spec_;
    const TaskMemory& memory_;
    Timestamp now_;
};

using Ready = std::pair<int64_t, std::string>;  // a run's number and its lane: who came first starts first

// Looks at no more runs than can start: a backfill may have queued a hundred thousand.
void AddParts(const State& state, const TaskSpec& spec, Timestamp now, Decisions& decisions,
              std::vector<Ready>& ready) {
    const Parts& parts = state.parts.at(spec.id);
    auto wake = [&](Timestamp at) { decisions.wake_at = std::min(decisions.wake_at.value_or(at), at); };
    for (const auto& [number, lane] : parts.running) {
        const Run& run = *MemoryOf(state, lane).current;
        if (IsLate(spec, run, now)) decisions.late.push_back(lane);
        if (spec.timing.sla && !run.late) wake(run.queued_at + *spec.timing.sla);
    }
    // Items begin under what their list was made under.
    Obstacle obstacle = spec.fans_out ? Obstacle() : ObstacleOf(state, spec.id);
    if (obstacle.moves || obstacle.waits_outside) return;
    int free = spec.parts_parallel - static_cast<int>(parts.running.size());
    for (auto entry = parts.retrying.begin(); entry != parts.retrying.end() && free > 0; ++entry) {
        const auto& [at, lane] = *entry;
        if (at > now) {
            wake(at);
            break;
        }
        ready.emplace_back(IntegerOrZero(MemoryOf(state, lane).current->id), lane);
        --free;
    }
    for (auto entry = parts.queued.begin(); entry != parts.queued.end() && free > 0; ++entry, --free) {
        ready.push_back(*entry);
    }
}

// Of both, the longest waiting first, as far as there are places.
void Start(const State& state, std::vector<Ready> of_parts, Decisions& decisions) {
    Places places = PlacesOf(state);
    std::sort(of_parts.begin(), of_parts.end());
    auto part = of_parts.begin();
    auto task = state.agenda.ready.begin();
    while (places.taken < state.places && (part != of_parts.end() || task != state.agenda.ready.end())) {
        bool is_part = task == state.agenda.ready.end() || (part != of_parts.end() && *part < *task);
        const std::string& lane = is_part ? (part++)->second : (task++)->second;
        const TaskSpec& spec = state.specs.at(MemoryOf(state, lane).current->task);
        if (!places.WaitsFor(state, spec).empty()) continue;
        places.Take(spec);
        decisions.start.push_back(lane);
    }
}

}  // namespace

void Refresh(const State& state, Timestamp now) {
    Agenda& agenda = state.agenda;
    // What a clock that was set back makes of schedules is anybody's guess: all is looked at.
    bool all = now < agenda.looked_at - std::chrono::seconds(1) || agenda.up_since != state.up_since;
    agenda.looked_at = now;
    agenda.up_since = state.up_since;
    std::set<std::pair<size_t, std::string>> open;
    auto add = [&](const std::string& task) {
        auto position = agenda.position.find(task);
        if (position != agenda.position.end()) open.emplace(position->second, task);
    };
    auto add_readers = [&](const std::string& task) {
        auto readers = agenda.readers.find(task);
        if (readers == agenda.readers.end()) return;
        for (const std::string& reader : readers->second) add(reader);
    };
    if (all) agenda.touched.insert(state.order.begin(), state.order.end());
    for (const std::string& task : std::exchange(agenda.touched, {})) {
        add(task);
        add_readers(task);
    }
    for (const auto& [at, task] : agenda.timers) {
        if (at > now) break;
        add(task);
    }
    // In the order of the graph: what a task waits for has been looked at before.
    while (!open.empty()) {
        std::string task = open.begin()->second;
        open.erase(open.begin());
        if (Look(state, state.specs.at(task), now).Take()) add_readers(task);
    }
}

Decisions Decide(const State& state, Timestamp now) {
    Refresh(state, now);
    const Agenda& agenda = state.agenda;
    Decisions decisions;
    if (!agenda.timers.empty()) decisions.wake_at = agenda.timers.begin()->first;
    for (const auto& [position, task] : agenda.due) {
        const TaskSpec& spec = state.specs.at(task);
        std::optional<Timestamp> due = NextDue(state, task, now);
        bool scheduled = spec.timing.schedule && due && *due <= now;
        std::optional<workspace::Part> part;
        if (spec.partition) part = NextPart(state, spec, now);
        decisions.queue.push_back(
            {task, DueReason(state, task, now), scheduled ? due : std::nullopt, part, agenda.since.at(task).wave});
    }
    decisions.late.assign(agenda.late.begin(), agenda.late.end());
    decisions.gathered.assign(agenda.gathered.begin(), agenda.gathered.end());
    std::vector<Ready> of_parts;
    for (const std::string& task : agenda.by_part) AddParts(state, state.specs.at(task), now, decisions, of_parts);
    Start(state, std::move(of_parts), decisions);
    return decisions;
}

Event GatheredEvent(const State& state, const std::string& task, Timestamp now) {
    const Run& run = *MemoryOf(state, task).current;
    Event event;
    event.kind = EventKind::kSucceeded;
    event.run = IntegerOrZero(run.id);
    event.task = task;
    event.at = now;
    event.attempt = run.attempt;
    event.rows = 0;
    event.version = run.id;
    std::vector<std::string> failed;
    bool cancelled = false;
    for (auto lane = state.memory.lower_bound(task + "["); lane != state.memory.end(); ++lane) {
        if (!lane->first.starts_with(task + "[")) break;
        if (!lane->second.last || lane->second.last->batch != run.id) continue;
        const Run& item = *lane->second.last;
        event.changed = event.changed || item.state == RunState::kSucceeded;
        if (EndedWell(item)) {
            ++event.rows;
            continue;
        }
        cancelled = cancelled || item.state == RunState::kCancelled;
        auto value = item.parameters.find("item");
        failed.push_back(fmt::format("{} (run {}): {}", value == item.parameters.end() ? item.part : value->second,
                                     item.id, item.error));
    }
    if (failed.empty()) return event;
    event.kind = cancelled ? EventKind::kCancelled : EventKind::kFailed;
    std::string count = fmt::format("{} of {} items did not succeed: ", failed.size(), run.items);
    constexpr size_t kFailedShown = 5;
    if (failed.size() > kFailedShown) {
        failed.resize(kFailedShown);
        failed.emplace_back("...");
    }
    event.error = count + Join(failed, "; ");
    return event;
}

bool IsAtRest(const State& state, Timestamp now) {
    Refresh(state, now);
    const Agenda& agenda = state.agenda;
    return agenda.active.empty() && agenda.by_part.empty() && agenda.due.empty();
}

}  // namespace tarn::orchestrator
