// Events: what changes in runs, told to every browser that listens. One thread for all of them: a listener that waits
// costs its connection and nothing else.
//
// A listener is told of runs that its person may see, and a tick at once and every two seconds: it says that the stream
// is there, and finds out who has left or may no longer ask. Owned by app; stopped before what it asks. Limits:
// kListenersMax; more are refused, to be tried again. Who reads too slowly is cut off (base/http_stream.h).
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/http_stream.h"
#include "ingestion/orchestrator/orchestrator.h"
#include "security/authenticator.h"

namespace tarn::app {

class Events {
  public:
    Events(Env& env, orchestrator::Orchestrator& orchestrator, security::Authenticator& authenticator,
           Metrics& metrics);
    ~Events();
    // kResourceExhausted when too many listen.
    Status Add(const security::Principal& principal, HttpStreams& responder);
    void Stop();

  private:
    struct Listener {
        security::Principal principal;
        std::shared_ptr<HttpStream> stream;  // shared with its connection
        bool told = false;  // the first tick
    };
    void Serve();
    // False: it has left, or may no longer listen.
    bool Tell(Listener& listener, const std::deque<orchestrator::Run>& runs, bool tick, const std::string& tick_text);

    Env& env_;
    orchestrator::Orchestrator& orchestrator_;
    security::Authenticator& authenticator_;
    Gauge& listening_;
    std::mutex mutex_;  // guards all below
    std::condition_variable changed_;
    std::deque<orchestrator::Run> runs_;  // not told yet
    std::vector<Listener> young_;  // not taken by the thread yet
    size_t count_ = 0;  // of all listeners
    bool stopping_ = false;
    std::shared_ptr<void> subscription_;  // of the orchestrator, which may be calling it
    std::thread thread_;
};

}  // namespace tarn::app
