#include "ingestion/buffer/buffer.h"

#include <latch>

#include "ingestion/buffer/operations.h"
#include "ingestion/buffer/own_topics.h"
#include "ingestion/buffer/session.h"
#include "ingestion/buffer/topic_tables.h"

namespace tarn::buffer {
namespace {

constexpr int kBlockingThreads = 8;

class Connected final : public FrameHandler {
  public:
    explicit Connected(std::shared_ptr<Session> session) : session_(std::move(session)) {}
    Next OnFrame(Bytes frame) override { return session_->OnFrame(std::move(frame)); }
    void OnClosed() override { session_->OnClosed(); }

  private:
    const std::shared_ptr<Session> session_;  // shared with answers under way
};

class RunningBuffer final : public Buffer {
  public:
    RunningBuffer(BufferConfig config, BufferDependencies dependencies)
        : config_(config),
          dependencies_(dependencies),
          throughput_(dependencies.env.clock()),
          timers_(dependencies.env.clock()),
          groups_(GroupConfig{}, dependencies.env, timers_),
          acls_(dependencies.roles),
          transactions_(std::make_shared<Transactions>(TransactionConfig{.timeout_max = config.transaction_timeout_max},
                                                       dependencies.env, dependencies.log, timers_, groups_)),
          executor_(Executor::Create({.name = "kafka", .threads = kBlockingThreads, .queue_max = 20'000})) {}

    ~RunningBuffer() override {
        StopListening();
        // Answers under way use the broker: the log finishes them first.
        own_topics_.reset();
        topics_.reset();
    }

    Status Open(const std::string& directory) {
        Secret key = TRY(dependencies_.keys.KeyOf("buffer"));
        TopicStoreConfig config{.directory = directory,
                                .segment_bytes = static_cast<uint64_t>(config_.segment.bytes),
                                .tail_bytes = static_cast<size_t>(config_.memory.bytes)};
        topics_ = TRY(TopicStore::Create(
            config, {dependencies_.env, dependencies_.metadata, dependencies_.log, dependencies_.metrics}, key.bytes(),
            *transactions_));
        transactions_->Start(*topics_);
        own_topics_ = MakeOwnTopics(dependencies_.env, *topics_, dependencies_.dispatcher.gate());
        quotas_ = TRY(Quotas::Create(dependencies_.env, dependencies_.metadata, dependencies_.metrics));
        LookAtThroughput();
        tables_ = MakeTopicTables(*own_topics_);
        return Ok();
    }

    Status Listen(KafkaListener listener) override {
        FrameServerConfig config;
        config.listen = listener.listen;
        config.tls = listener.tls;
        broker_ = std::make_unique<Broker>(Broker{dependencies_.env, dependencies_.log, dependencies_.metrics,
                                                  dependencies_.authenticator, dependencies_.dispatcher, *topics_,
                                                  groups_, *quotas_, acls_, *transactions_, timers_, config_,
                                                  *executor_, listener.listen});
        if (!listener.advertised.empty()) broker_->advertised.host = listener.advertised;
        server_ =
            TRY(FrameServer::Create(config, dependencies_.log, [this](std::shared_ptr<FrameConnection> connection) {
                return std::make_unique<Connected>(std::make_shared<Session>(*broker_, std::move(connection)));
            }));
        broker_->advertised.port = server_->address().port;
        return Ok();
    }

    void StopListening() override {
        {
            std::lock_guard lock(look_mutex_);
            stopping_ = true;
        }
        server_.reset();
        transactions_->Stop();
        FinishAnswers();
    }

    Topics& topics() override { return *own_topics_; }
    catalog::DatasetProvider& AsProvider() override { return *tables_; }
    Address address() const override { return server_ ? server_->address() : Address(); }
    std::vector<security::Route> Routes() override {
        OperationsDependencies parts{dependencies_.env, dependencies_.dispatcher.gate(), *topics_, groups_, throughput_,
                                     *own_topics_,      dependencies_.authenticator,     config_};
        std::vector<security::Route> routes;
        for (auto& some : {TopicRoutes(parts), RecordRoutes(parts), GroupRoutes(parts)}) {
            routes.insert(routes.end(), some.begin(), some.end());
        }
        return routes;
    }
    void KeepFor(std::function<Result<Kept>()> archived) override { archived_ = std::move(archived); }
    Status Maintain() override {
        transactions_->Expire();
        // Without knowing what archives have, nothing is dropped.
        Kept archived;
        if (archived_) archived = TRY_CONTEXT(archived_(), "what was archived of topics");
        return topics_->Retain(dependencies_.env.clock().Now(), archived);
    }
    Status Health() override {
        TRY(topics_->Health());
        uint64_t held = topics_->held_bytes();
        if (held <= static_cast<uint64_t>(config_.held.bytes)) return Ok();
        return Error(
            ErrorCode::kResourceExhausted,
            "{} of records are older than their topics keep and wait for an archive that is behind (buffer.held "
            "is {}): see why its source does not load",
            FormatSize(static_cast<int64_t>(held)), FormatSize(config_.held.bytes));
    }
    Result<LogHold> HoldLog() override { return topics_->Hold(); }
    Result<LogReport> VerifyLog() override { return topics_->Verify(); }

  private:
    // Returns once the executor is through with everything that it was given before.
    void FinishAnswers() {
        // Shared: a thread that wakes up late looks at it once more.
        auto all = std::make_shared<std::latch>(kBlockingThreads + 1);
        for (int thread = 0; thread < kBlockingThreads; ++thread) {
            while (!executor_->Submit([all] { all->arrive_and_wait(); }).ok()) {
                dependencies_.env.clock().Sleep(std::chrono::milliseconds(1));
            }
        }
        all->arrive_and_wait();
    }

    void LookAtThroughput() {
        std::lock_guard lock(look_mutex_);
        if (stopping_) return;
        throughput_.Look(*topics_);
        timers_.After(kThroughputStep, [this] { LookAtThroughput(); });
    }

    const BufferConfig config_;
    BufferDependencies dependencies_;
    std::mutex look_mutex_;  // guards `stopping_`, and `topics_` while they are looked at
    bool stopping_ = false;
    Throughput throughput_;
    Timers timers_;
    Groups groups_;
    Acls acls_;
    const std::shared_ptr<Transactions> transactions_;  // shared with its timers
    std::unique_ptr<Broker> broker_;
    std::unique_ptr<Executor> executor_;
    std::unique_ptr<TopicStore> topics_;
    std::unique_ptr<Topics> own_topics_;
    std::unique_ptr<Quotas> quotas_;
    std::unique_ptr<catalog::DatasetProvider> tables_;
    std::function<Result<Kept>()> archived_;  // set before the first Maintain
    std::unique_ptr<FrameServer> server_;
};

}  // namespace

std::vector<security::Operation> KafkaOperations() {
    std::vector<security::Operation> operations;
    for (const ApiRow& row : ApiRows()) operations.push_back(row.operation);
    return operations;
}

Result<std::unique_ptr<Buffer>> Buffer::Create(BufferConfig config, std::string directory,
                                               BufferDependencies dependencies) {
    auto buffer = std::make_unique<RunningBuffer>(config, dependencies);
    TRY_CONTEXT(buffer->Open(directory), "the buffer");
    return std::unique_ptr<Buffer>(std::move(buffer));
}

}  // namespace tarn::buffer
