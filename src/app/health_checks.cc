#include "app/health_checks.h"

#include "app/platform_state.h"

namespace tarn::app {
namespace {

constexpr Duration kProbeEvery = std::chrono::seconds(2);

// Writes, fsyncs and renames a small file, as every store does; at most every two seconds, for /health is public.
class DiskProbe {
  public:
    DiskProbe(Env& env, std::string path) : env_(env), path_(std::move(path)) {}
    Status Check() {
        Duration now = env_.clock().Monotonic();
        if (probed_at_ && now - *probed_at_ < kProbeEvery) return result_;
        probed_at_ = now;
        result_ = WriteFileDurably(env_, path_, FormatTime(env_.clock().Now()) + "\n", 0600);
        if (!result_.ok()) {
            result_ = Error(result_.error())
                          .Context("the disk of the state directory takes no writes")
                          .WithHint("look at the disk: is it full, or mounted read-only?");
        }
        return result_;
    }

  private:
    Env& env_;
    const std::string path_;
    std::optional<Duration> probed_at_;  // monitoring runs one check at a time
    Status result_;
};

// A transaction without a change: it is refused once a commit or an fsync has failed, and costs no fsync itself.
Status CheckMetadata(Components& parts) {
    TRY(parts.database->Query("SELECT 1"));
    return parts.database->Write([](metadata::Transaction&) { return Ok(); });
}

// To delete what is not there goes the way of every change of the lake, up to the index's commit.
Status CheckLake(Components& parts, Env& env) {
    if (!env.files().Exists(parts.state->PathOf("lake"))) {
        return Error(ErrorCode::kIo, "the folder {} is gone", parts.state->PathOf("lake"));
    }
    return parts.lake->Delete(security::Principal::System("app"), {"raw", "_health/nothing"});
}

Status CheckEngine(Components& parts, Env& env) {
    if (!env.files().Exists(parts.state->PathOf("tmp/engine"))) {
        return Error(ErrorCode::kIo, "{}, where queries spill, is gone", parts.state->PathOf("tmp/engine"))
            .WithHint("restart Tarn");
    }
    auto session = TRY(parts.engine->OpenSession({.principal = security::Principal::System("app")}));
    auto rows = TRY(session->Query("SELECT 1"));
    const engine::Chunk* chunk = TRY(rows->Next());
    bool answered = chunk && chunk->rows() == 1;
    return answered ? Ok() : Status(Error(ErrorCode::kInternal, "SELECT 1 gave no row"));
}

// Without these files the state cannot be opened again; better known while it still is open.
Status CheckEncryption(Components& parts, Env& env) {
    for (const std::string& path : {parts.encryption->root_key_file(), parts.state->PathOf("keys.json")}) {
        if (env.files().Exists(path)) continue;
        return Error(ErrorCode::kIo, "{} is gone: after a stop nothing could be read again", path)
            .WithHint("put it back from your copy before Tarn is stopped");
    }
    return Ok();
}

}  // namespace

void AddHealthChecks(Components& parts, Env& env) {
    access::Monitoring& monitoring = *parts.monitoring;
    // Shared with the check alone, which a std::function holds and may copy.
    auto disk = std::make_shared<DiskProbe>(env, parts.state->PathOf("tmp/health"));
    monitoring.AddCheck("state", [disk] { return disk->Check(); });
    monitoring.AddCheck("disk", [&parts] { return parts.budget->DiskHealth(); });
    monitoring.AddCheck("memory", [&parts] { return parts.budget->MemoryHealth(); });
    monitoring.AddCheck("metadata", [&parts] { return CheckMetadata(parts); });
    monitoring.AddCheck("encryption", [&parts, &env] { return CheckEncryption(parts, env); });
    monitoring.AddCheck("audit", [&parts] { return parts.audit->Health(); });
    monitoring.AddCheck("identity", [&parts] { return parts.identity->Health(); });
    monitoring.AddCheck("lake", [&parts, &env] { return CheckLake(parts, env); });
    monitoring.AddCheck("buffer", [&parts] { return parts.buffer->Health(); });
    monitoring.AddCheck("registry", [&parts] { return parts.schemas->Health(); });
    monitoring.AddCheck("engine", [&parts, &env] { return CheckEngine(parts, env); });
    monitoring.AddCheck("jobs", [&parts] { return parts.jobs->Health(); });
    monitoring.AddCheck("certificate", [&parts] { return parts.reloader ? parts.reloader->Health() : Ok(); });
    monitoring.AddCheck("backup", [&parts] { return access::AsWarning(parts.backup->Health()); });
    monitoring.AddCheck("warehouse", [&parts] { return access::AsWarning(parts.warehouse->Health()); });
    monitoring.AddCheck("orchestrator", [&parts] { return parts.orchestrator->Health(); });
    monitoring.AddCheck("alerting", [&parts] { return parts.alerting->Health(); });
}

}  // namespace tarn::app
