// Demo: a complete, real example in a folder: the workspace of examples/flights, and live sources for it.
//
// Does: writes the workspace's files where they are missing, twelve monthly csv.gz files into DIR/inbox, a PostgreSQL
// of its own (SQLite where none is installed) and a REST API on loopback. The sources live as long as the object: the
// database is a child process that dies with the program, the API is served by it; events are produced into a topic.
// Run again on the same folder, it goes on with what is there: same data, same passwords, same ports while they are
// free. Never: overwrites a file of the workspace that somebody changed (only the ports in it), runs a database as
// root, touches another database. Who: the command `demo`. Threads: one. State: DIR/.demo.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/env.h"
#include "base/result.h"

namespace tarn::buffer {
class Topics;
}

namespace tarn::app {

class Demo {
  public:
    // `say` is told what is being done, for people.
    static Result<std::unique_ptr<Demo>> Create(Env& env, const std::string& name, const std::string& directory,
                                                std::function<void(const std::string&)> say);
    virtual ~Demo() = default;
    // Starts the sources; then the folder is a workspace that can be applied, once the secrets are set.
    virtual Status StartSources() = 0;
    virtual std::map<std::string, std::string> secrets() const = 0;
    // Once the platform runs, until StopReplay: the year's events go into topic `flight_events`.
    virtual void StartReplay(buffer::Topics& topics, int64_t events_a_second) = 0;
    // Whether all events are in the topic, or why they are not.
    virtual Result<bool> Replayed() const = 0;
    virtual void StopReplay() = 0;
};

}  // namespace tarn::app
