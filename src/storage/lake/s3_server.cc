#include "storage/lake/s3_server.h"

#include <map>
#include <mutex>

#include "storage/lake/operations.h"
#include "storage/lake/s3_answer.h"
#include "storage/lake/s3_auth.h"
#include "storage/lake/s3_call.h"

namespace tarn::lake {
namespace {

// Who has how many calls under way.
class RunningCalls {
  public:
    bool Enter(const std::string& who) {
        std::lock_guard lock(mutex_);
        if (running_[who] >= kCallsOfOneMax) return false;
        ++running_[who];
        return true;
    }
    void Leave(const std::string& who) {
        std::lock_guard lock(mutex_);
        auto found = running_.find(who);
        if (--found->second == 0) running_.erase(found);
    }

  private:
    std::mutex mutex_;
    std::map<std::string, int> running_;
};

// One request from its first byte to its answer.
class S3Exchange {
  public:
    S3Exchange(const S3Dependencies& dependencies, RunningCalls& running, HttpRequest& request,
               HttpResponder& responder)
        : dependencies_(dependencies),
          running_(running),
          request_(request),
          responder_(responder),
          request_id_(dependencies.env.random().Hex(8)) {}

    Status Run() {
        Status status = Handle();
        if (status.ok()) return responder_.started() ? Ok() : responder_.Send(std::move(answer_));
        const Error& error = status.error();
        LogTrouble(error);
        if (responder_.started()) return status;
        HttpResponse answer = S3ErrorAnswer(error, request_.path, request_id_);
        AddIds(answer.headers);
        if (error.detail_code() == "InvalidRange") answer.headers.Set("Content-Range", "bytes */*");
        return responder_.Send(std::move(answer));
    }

  private:
    void AddIds(HttpHeaders& headers) const {
        headers.Set("x-amz-request-id", request_id_);
        headers.Set("x-amz-id-2", request_id_);
        headers.Set("Server", "Tarn");
    }

    Status Handle() {
        auto signer = Authenticate(request_, dependencies_.authenticator, dependencies_.env.clock());
        ObjectName name = TRY(NameOfRequest(request_));
        auto found = FindS3Operation(request_, name);
        // What is supported and what not is told to whom we know.
        if (!found.ok() && !signer.ok()) return std::move(signer).error();
        const S3Operation* row = TRY(std::move(found));
        security::Resource resource{"lake", ResourceOf(*row, request_, name)};
        std::string remote = request_.remote.ToString();
        // A stranger's call goes through dispatch too: it is what records the denial. Its own word tells more, though.
        auto anonymous = security::Principal::Anonymous();
        const security::Principal& principal = signer.ok() ? signer->principal : anonymous;
        std::string who = principal.Id();
        if (signer.ok() && !running_.Enter(who)) {
            return Error(ErrorCode::kResourceExhausted, "{} has {} calls under way, as many as one may", who,
                         kCallsOfOneMax)
                .WithDetailCode("SlowDown");
        }
        auto run = [&](security::Call& call) -> Status {
            std::shared_ptr<void> place;
            if (dependencies_.begin) place = TRY(dependencies_.begin(principal));
            return RunHandler(*row, name, *signer, call);
        };
        Status status = dependencies_.dispatcher.Run(row->operation, principal, resource, remote, run);
        if (!signer.ok()) return std::move(signer).error();
        running_.Leave(who);
        return status;
    }

    Status RunHandler(const S3Operation& row, const ObjectName& name, Signer& signer, security::Call& call) {
        // Logs of tables and manifests of loads are commit points: who could write them could forge data.
        bool own = name.bucket == kLakehouseBucket || name.bucket == kRawBucket;
        if (row.writes && own) {
            return Error(ErrorCode::kPermissionDenied,
                         "the bucket \"{}\" holds what Tarn commits; over S3 it can be read only", name.bucket)
                .WithHint("put files into another bucket; tables are made by files of the workspace")
                .WithDetailCode("AccessDenied");
        }
        auto body = TRY(S3Body::Create(request_, signer));
        if (body->bytes().value_or(0) > row.operation.limits.body_bytes_max) {
            return Error(ErrorCode::kInvalidArgument, "the body of {} has at most {} bytes", row.operation.name,
                         row.operation.limits.body_bytes_max)
                .WithDetailCode("EntityTooLarge");
        }
        call.details["request_id"] = request_id_;
        S3Call s3_call{dependencies_.env, dependencies_.lake, request_, responder_, call, name, *body, {}};
        AddIds(s3_call.answer.headers);
        TRY(row.handler(s3_call));
        answer_ = std::move(s3_call.answer);
        return Ok();
    }

    void LogTrouble(const Error& error) const {
        switch (error.code()) {
            case ErrorCode::kCorruption:
            case ErrorCode::kIo:
            case ErrorCode::kInternal:
                dependencies_.log.Error("an S3 request failed", {{"request_id", request_id_},
                                                                 {"method", request_.method},
                                                                 {"path", request_.path},
                                                                 {"error", error.ToString()}});
                return;
            default:
                return;
        }
    }

    const S3Dependencies& dependencies_;
    RunningCalls& running_;
    HttpRequest& request_;
    HttpResponder& responder_;
    std::string request_id_;
    HttpResponse answer_;
};

class LakeS3Server : public S3Server {
  public:
    explicit LakeS3Server(S3Dependencies dependencies) : dependencies_(dependencies) {}
    Status Serve(HttpRequest& request, HttpResponder& responder) override {
        return S3Exchange(dependencies_, running_, request, responder).Run();
    }

  private:
    S3Dependencies dependencies_;
    RunningCalls running_;
};

}  // namespace

Result<std::unique_ptr<S3Server>> S3Server::Create(S3Dependencies dependencies) {
    for (const S3Operation& row : S3Operations()) dependencies.registry.Add(row.operation);
    return std::make_unique<LakeS3Server>(dependencies);
}

}  // namespace tarn::lake
