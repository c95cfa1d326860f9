#include "ingestion/connectors/cancellable_dialer.h"

#include <mutex>
#include <set>

namespace tarn::connectors {
namespace {

// The streams that are open; shared by the dialer and its streams, whichever lives longer.
class OpenStreams {
  public:
    void Add(Stream* stream) {
        std::lock_guard lock(mutex_);
        streams_.insert(stream);
        if (ended_) stream->Shutdown();
    }
    void Remove(Stream* stream) {
        std::lock_guard lock(mutex_);
        streams_.erase(stream);
    }
    void End() {
        std::lock_guard lock(mutex_);
        ended_ = true;
        for (Stream* stream : streams_) stream->Shutdown();
    }

  private:
    std::mutex mutex_;
    std::set<Stream*> streams_;
    bool ended_ = false;
};

class TrackedStream : public Stream {
  public:
    TrackedStream(std::unique_ptr<Stream> stream, std::shared_ptr<OpenStreams> open)
        : stream_(std::move(stream)), open_(std::move(open)) {
        open_->Add(stream_.get());
    }
    ~TrackedStream() override { open_->Remove(stream_.get()); }
    Result<size_t> Read(MutableByteSpan buffer) override { return stream_->Read(buffer); }
    Status Write(ByteSpan bytes) override { return stream_->Write(bytes); }
    void SetTimeouts(Duration read, Duration write) override { stream_->SetTimeouts(read, write); }
    void Shutdown() override { stream_->Shutdown(); }
    void Trust() override { stream_->Trust(); }
    Status StartTlsServer(const std::shared_ptr<TlsContext>& context) override {
        return stream_->StartTlsServer(context);
    }
    bool Reusable() override { return stream_->Reusable(); }
    bool encrypted() const override { return stream_->encrypted(); }
    const Address& remote() const override { return stream_->remote(); }

  private:
    std::unique_ptr<Stream> stream_;
    std::shared_ptr<OpenStreams> open_;
};

class CancellableDialer : public Dialer {
  public:
    CancellableDialer(Dialer& dialer, const CancelToken& cancel)
        : dialer_(dialer), on_cancel_(cancel.OnCancel([open = open_] { open->End(); })) {}
    Result<std::unique_ptr<Stream>> Dial(const Address& address, const DialOptions& options) override {
        auto stream = TRY(dialer_.Dial(address, options));
        return std::unique_ptr<Stream>(new TrackedStream(std::move(stream), open_));
    }
    Result<std::string> ResolveChecked(const Address& address, const DialPolicy& policy) override {
        return dialer_.ResolveChecked(address, policy);
    }

  private:
    Dialer& dialer_;
    std::shared_ptr<OpenStreams> open_ = std::make_shared<OpenStreams>();
    std::shared_ptr<void> on_cancel_;  // shared as CancelToken gives it
};

}  // namespace

std::unique_ptr<Dialer> MakeCancellableDialer(Dialer& dialer, const CancelToken& cancel) {
    return std::make_unique<CancellableDialer>(dialer, cancel);
}

}  // namespace tarn::connectors
