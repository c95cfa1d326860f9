// Pins: stored files stay on the disk while somebody reads them, though no row names them any more.
//
// A reader looks into the index and then pins what it found; between the two, a delete may commit. So a file that lost
// its last row is removed only when no pin holds it and every look-up that began before has ended. Thread-safe.
#pragma once

#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"

namespace tarn::lake {

class Pins {
  public:
    explicit Pins(std::function<void(const std::string&)> remove) : remove_(std::move(remove)) {}

    class Pin {  // holds its files until destroyed
      public:
        Pin() = default;
        Pin(Pins* pins, std::vector<std::string> files) : pins_(pins), files_(std::move(files)) {}
        Pin(Pin&& other) noexcept : pins_(other.pins_), files_(std::move(other.files_)) { other.pins_ = nullptr; }
        Pin& operator=(Pin&& other) noexcept;
        ~Pin();

      private:
        Pins* pins_ = nullptr;
        std::vector<std::string> files_;
    };

    // Runs `look_up`, which reads the index and names the files it found, and pins them.
    Result<Pin> PinFound(const std::function<Result<std::vector<std::string>>()>& look_up);
    // Files that no committed row names any more: removed now, or when their last reader is done.
    void Discard(const std::vector<std::string>& files);

    class Hold {  // nothing is removed until the last one is destroyed
      public:
        explicit Hold(Pins& pins) : pins_(pins) { pins_.ChangeHolds(1); }
        ~Hold() { pins_.ChangeHolds(-1); }
        Hold(const Hold&) = delete;
        Hold& operator=(const Hold&) = delete;

      private:
        Pins& pins_;
    };

  private:
    struct Doomed {
        std::string file;
        uint64_t discarded_at = 0;
    };
    void ChangeHolds(int by);
    void Unpin(const std::vector<std::string>& files);
    std::vector<std::string> TakeRemovable();  // with mutex_ held
    void Remove(const std::vector<std::string>& files);

    std::function<void(const std::string&)> remove_;
    std::mutex mutex_;
    uint64_t sequence_ = 0;
    int holds_ = 0;
    std::set<uint64_t> looking_;  // when each look-up under way began
    std::unordered_map<std::string, int> pinned_;
    std::vector<Doomed> doomed_;
};

}  // namespace tarn::lake
