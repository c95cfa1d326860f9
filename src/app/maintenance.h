// Maintenance: what the program does by itself every so often.
//
// Jobs run one after another on a thread of their own, first some time after Start; a job that fails says so in the log
// and is run again when it is due again. Never: runs two jobs at once, or one longer than until its `stop` is asked.
// Threads: Start and Stop by the owner; RunDue by anybody, one at a time.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/env.h"
#include "base/log.h"

namespace tarn::app {

struct MaintenanceJob {
    using Stop = std::function<bool()>;
    std::string name;
    Duration first_after{0};
    Duration every{0};
    std::function<Status(const Stop& stop)> run;
};

class Maintenance {
  public:
    Maintenance(Env& env, Log& log, std::vector<MaintenanceJob> jobs);
    ~Maintenance();
    void Start();
    void Stop();
    // Runs what is due now.
    void RunDue();

  private:
    struct Planned {
        MaintenanceJob job;
        Duration next{0};  // on the monotonic clock
    };
    void Serve();

    Env& env_;
    Log& log_;
    std::vector<Planned> jobs_;
    std::atomic<bool> stopping_{false};
    std::mutex mutex_;
    std::condition_variable stopped_;
    std::thread thread_;
};

}  // namespace tarn::app
