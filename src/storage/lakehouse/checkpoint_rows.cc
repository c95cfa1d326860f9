#include "storage/lakehouse/delta_log.h"

#include "base/text.h"

namespace tarn::lakehouse {
namespace {

class EngineCheckpointRows : public CheckpointRows {
  public:
    explicit EngineCheckpointRows(engine::Engine& engine) : engine_(engine) {}

    Status Read(const std::string& path, const std::function<Status(std::string_view)>& row) override {
        auto session =
            TRY(engine_.OpenSession({.principal = security::Principal::System("lakehouse"), .trusted = true}));
        // Every column of a checkpoint is a struct that is null but for the row's action: as JSON, a line of a commit.
        auto result = TRY(session->Query("SELECT to_json(actions) FROM read_parquet(" + QuoteLiteral("tarn://" + path) +
                                         ") AS actions"));
        while (const engine::Chunk* chunk = TRY(result->Next())) {
            for (size_t i = 0; i < chunk->rows(); ++i) {
                if (!chunk->IsNull(i, 0)) TRY(row(chunk->View(i, 0)));
            }
        }
        return Ok();
    }

  private:
    engine::Engine& engine_;
};

}  // namespace

std::unique_ptr<CheckpointRows> MakeEngineCheckpointRows(engine::Engine& engine) {
    return std::make_unique<EngineCheckpointRows>(engine);
}

}  // namespace tarn::lakehouse
