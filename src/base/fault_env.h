// FaultEnv: an Env for tests. Files lie in memory, time stands still, randomness repeats, and the disk fails on demand.
//
// It knows what is durable (synced bytes, names in synced folders) apart from what is visible, so a test can stop a
// component at every operation and look at what a power cut would have left. Every method may be called from any
// thread. Open files and locks from before a PowerCut or Kill stay valid objects whose every call fails.
//
//   for (int64_t crash = 0;; crash++) {
//       FaultEnv env(seed);
//       env.CrashAt(crash);                      // this operation and all later ones fail
//       Run(env);                                // the component under test, up to its error
//       if (env.operations() <= crash) break;    // it got through: every operation was a crash once
//       env.PowerCut(seed + crash);              // or env.Kill(): the process died, the machine did not
//       CheckRecovery(env);
//   }
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/env.h"

namespace tarn {

// What is counted and can be made to fail. Reads, listings, locks and Open are neither.
enum class FaultOperation : uint8_t {
    kCreate,
    kWrite,  // Append and WriteAt
    kTruncate,
    kSync,
    kSyncDirectory,
    kRename,
    kRemove,  // and RemoveTree
    kCreateDirectories,
};
inline constexpr size_t kFaultOperationCount = 8;

// Constructed before Env, which keeps references into it.
class FaultEnvParts {
  protected:
    explicit FaultEnvParts(uint64_t seed);
    ~FaultEnvParts();
    struct State;
    std::unique_ptr<State> state_;
};

class FaultEnv : private FaultEnvParts, public Env {
  public:
    // The clock starts at 2026-01-01T00:00:00Z; the root folder "/" exists and relative paths begin there.
    explicit FaultEnv(uint64_t seed = 1);
    ~FaultEnv();

    // The machine loses power. Of what was not synced, the seed decides: appends survive up to a random byte (the
    // rest is missing or zeros), overwritten 512-byte sectors in any combination, name changes as an ordered prefix or
    // one by one. Ends all faults.
    void PowerCut(uint64_t seed);
    // The process dies: everything written stays. Ends all faults.
    void Kill();
    // Makes all that is visible durable: the start of a test.
    void SyncEverything();

    // Operations so far, failed ones too.
    int64_t operations() const;
    int64_t operations(FaultOperation operation) const;
    // The operation with this index (0 is the first) fails once with kIo. A failing write may leave a torn rest and
    // poison its file; a failing sync poisons it and writes some of it.
    void FailAt(int64_t index);
    void FailAt(FaultOperation operation, int64_t index);
    void FailNext(FaultOperation operation) { FailAt(operation, operations(operation)); }
    // The operation with this index and all later ones fail, until PowerCut or Kill.
    void CrashAt(int64_t index);
    // All files together; writes that need more fail with kResourceExhausted. 1 TiB unless told.
    void SetDiskBytes(uint64_t bytes);
    // Flips a bit of a stored byte. kNotFound or kOutOfRange.
    Status Corrupt(const std::string& path, uint64_t offset);

    void AdvanceTime(Duration duration);
    // Sleep moves the clock on at once (the default), or blocks until AdvanceTime got there.
    void SetSleepAdvances(bool advances);
};

}  // namespace tarn
