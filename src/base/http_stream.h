// HttpStream: an answer that goes on after its handler has returned, while no thread waits for it: events for whoever
// listens. What is written lies in an outbox until the listener's IO thread sends it.
//
//   auto* streams = dynamic_cast<HttpStreams*>(&responder);   // the responders of HttpServer are one
//   auto stream = TRY(streams->StartStream(200, {{"Content-Type", "text/event-stream"}}));
//   hub.Add(std::move(stream));                                // writes now and then, from its own thread
//
// Threads: any. Limits: an outbox holds kHttpStreamBytesMax; who reads slower than that is cut off.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/http.h"

namespace tarn {

inline constexpr size_t kHttpStreamBytesMax = 256 << 10;

class HttpStream {
  public:
    explicit HttpStream(bool chunked) : chunked_(chunked) {}
    // False: nobody reads any more, or too slowly. Never blocks.
    bool Write(std::string_view text);
    // The answer is whole: what was written is still sent.
    void End();

    // Of the server. `wake` is called after each change, until Close returned.
    void Attach(std::function<void()> wake);
    // What is to be sent; `more` becomes false when nothing will follow.
    std::string Take(bool& more);
    void Close();

  private:
    const bool chunked_;
    std::mutex mutex_;  // guards all below
    std::function<void()> wake_;
    std::string waiting_;
    bool ended_ = false;
    bool closed_ = false;
};

class HttpStreams {
  public:
    virtual ~HttpStreams() = default;
    // In place of Send or Start. The handler returns; the stream lives as long as the server and its holder want it.
    virtual Result<std::shared_ptr<HttpStream>> StartStream(int status, HttpHeaders headers) = 0;
};

}  // namespace tarn
