#include "access/budget/budgeted_engine.h"

#include "base/text.h"

namespace tarn::access {
namespace {

using engine::Chunk;
using engine::ResultColumn;
using engine::ResultStream;
using engine::SqlValue;
using engine::Statement;
using engine::StatementInfo;

// The statement was ended by us and not by its client: the reason is ours to tell.
Error Told(Error error, const Work::Place* place) {
    if (place == nullptr || error.code() != ErrorCode::kCancelled) return error;
    std::optional<Error> ended = place->ended();
    return ended ? *ended : error;
}

// What a statement and its result share with the session, which may be gone before them.
struct Shared {
    Work& work;
    security::Principal principal;
    std::unique_ptr<engine::Session> session;

    Result<std::unique_ptr<Work::Place>> Begin() {
        return work.Begin(principal, [this] { session->Cancel(); });
    }
};

// The first rows of another chunk.
class CutChunk : public Chunk {
  public:
    void Set(const Chunk& inner, size_t rows) {
        inner_ = &inner;
        rows_ = rows;
    }
    size_t rows() const override { return rows_; }
    bool IsNull(size_t row, size_t column) const override { return inner_->IsNull(row, column); }
    const void* Data(size_t row, size_t column) const override { return inner_->Data(row, column); }
    std::string_view View(size_t row, size_t column) const override { return inner_->View(row, column); }
    std::string Text(size_t row, size_t column) const override { return inner_->Text(row, column); }
    Json Value(size_t row, size_t column) const override { return inner_->Value(row, column); }

  private:
    const Chunk* inner_ = nullptr;
    size_t rows_ = 0;
};

class BudgetedResult : public ResultStream {
  public:
    BudgetedResult(std::shared_ptr<Shared> shared, std::unique_ptr<ResultStream> inner,
                   std::unique_ptr<Work::Place> place)
        : shared_(std::move(shared)), inner_(std::move(inner)), place_(std::move(place)) {}
    const std::vector<ResultColumn>& columns() const override { return inner_->columns(); }
    Result<const Chunk*> Next() override {
        Result<const Chunk*> chunk = past_ ? *past_ : inner_->Next();
        if (!chunk.ok()) {
            Error error = Told(std::move(chunk).error(), place_.get());
            place_.reset();
            return error;
        }
        if (*chunk == nullptr) {
            place_.reset();
            return chunk;
        }
        return place_ && !place_->role.empty() ? Within(**chunk) : *chunk;
    }

  private:
    // What the role may still have of a chunk; that there was more is told when the reader asks for it.
    const Chunk* Within(const Chunk& chunk) {
        const RoleLimits& limits = place_->limits;
        size_t rows = chunk.rows();
        if (limits.rows > 0 && rows_ + static_cast<int64_t>(rows) > limits.rows) {
            rows = static_cast<size_t>(limits.rows - rows_);
            past_ = place_->Past("rows", Error(ErrorCode::kResourceExhausted,
                                               "the answer has more than the {} rows that the role {} may have",
                                               limits.rows, place_->role)
                                             .WithDetailCode("53400"));
        }
        rows_ += static_cast<int64_t>(rows);
        if (limits.bytes.bytes > 0 && !past_) {
            bytes_ += BytesOf(chunk, rows);
            if (bytes_ > limits.bytes.bytes) {
                past_ = place_->Past("bytes", Error(ErrorCode::kResourceExhausted,
                                                    "the answer has more than the {} that the role {} may have",
                                                    FormatSize(limits.bytes.bytes), place_->role)
                                                  .WithDetailCode("53400"));
            }
        }
        if (rows == chunk.rows()) return &chunk;
        cut_.Set(chunk, rows);
        return &cut_;
    }
    int64_t BytesOf(const Chunk& chunk, size_t rows) const {
        int64_t bytes = 0;
        for (size_t column = 0; column < columns().size(); ++column) {
            engine::CellKind kind = columns()[column].kind;
            bool is_text = kind == engine::CellKind::kText || kind == engine::CellKind::kBlob;
            for (size_t row = 0; row < rows; ++row) {
                bool counted = is_text && !chunk.IsNull(row, column);
                bytes += counted ? static_cast<int64_t>(chunk.View(row, column).size()) : 8;
            }
        }
        return bytes;
    }

    // In this order: the place, whose cancelling uses the session, goes first.
    std::shared_ptr<Shared> shared_;
    std::unique_ptr<ResultStream> inner_;
    std::unique_ptr<Work::Place> place_;
    CutChunk cut_;
    std::optional<Error> past_;
    int64_t rows_ = 0;
    int64_t bytes_ = 0;
};

class BudgetedStatement : public Statement {
  public:
    BudgetedStatement(std::shared_ptr<Shared> shared, std::unique_ptr<Statement> inner)
        : shared_(std::move(shared)), inner_(std::move(inner)) {}
    const StatementInfo& info() const override { return inner_->info(); }
    Result<std::unique_ptr<ResultStream>> Execute(const std::vector<SqlValue>& parameters) override {
        using Kind = engine::StatementKind;
        Kind kind = info().kind;
        if (kind == Kind::kSet || kind == Kind::kShow || kind == Kind::kTransaction) return inner_->Execute(parameters);
        auto place = TRY(shared_->Begin());
        auto result = inner_->Execute(parameters);
        if (!result.ok()) return Told(std::move(result).error(), place.get());
        return std::unique_ptr<ResultStream>(
            std::make_unique<BudgetedResult>(shared_, *std::move(result), std::move(place)));
    }

  private:
    std::shared_ptr<Shared> shared_;
    std::unique_ptr<Statement> inner_;
};

class BudgetedSession : public engine::Session {
  public:
    explicit BudgetedSession(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
    Result<std::vector<Part>> Split(const std::string& script) override { return inner().Split(script); }
    Result<std::unique_ptr<Statement>> Prepare(const std::string& sql, const std::vector<std::string>& types) override {
        return std::unique_ptr<Statement>(
            std::make_unique<BudgetedStatement>(shared_, TRY(inner().Prepare(sql, types))));
    }
    Result<std::vector<engine::WrittenFile>> WriteQuery(const std::string& sql,
                                                        const engine::WriteOptions& options) override {
        auto place = TRY(shared_->Begin());
        auto written = inner().WriteQuery(sql, options);
        if (!written.ok()) return Told(std::move(written).error(), place.get());
        return written;
    }
    // Rows that the program pushes are gathered in small pieces: waiting is enough.
    Result<std::unique_ptr<engine::RowWriter>> StartRows(const engine::RowWriterOptions& options) override {
        auto place = TRY(shared_->Begin());
        return inner().StartRows(options);
    }
    Status Provide(const std::string& name, engine::Relation relation) override {
        return inner().Provide(name, std::move(relation));
    }
    Status Substitute(const std::string& schema, const std::string& name, engine::Relation relation) override {
        return inner().Substitute(schema, name, std::move(relation));
    }
    void Cancel() override { inner().Cancel(); }
    double progress() const override { return shared_->session->progress(); }

  private:
    engine::Session& inner() { return *shared_->session; }
    // Shared with its statements and results, which may outlive it.
    std::shared_ptr<Shared> shared_;
};

class BudgetedEngine : public engine::Engine {
  public:
    BudgetedEngine(engine::Engine& inner, Work& work, EnginesOfRoles of_roles)
        : inner_(inner), work_(work), of_roles_(std::move(of_roles)) {}
    Result<std::unique_ptr<engine::Session>> OpenSession(engine::SessionOptions options) override {
        security::Principal principal = options.principal;
        // The role of this moment: who gets another one has its engine from the next session on.
        auto found = of_roles_.find(work_.RoleOf(principal));
        engine::Engine& engine = found == of_roles_.end() ? inner_ : *found->second;
        auto session = TRY(engine.OpenSession(std::move(options)));
        auto shared = std::make_shared<Shared>(Shared{work_, std::move(principal), std::move(session)});
        return std::unique_ptr<engine::Session>(std::make_unique<BudgetedSession>(std::move(shared)));
    }
    Result<engine::QueryAnalysis> Analyze(const std::string& sql) override { return inner_.Analyze(sql); }
    Result<std::vector<engine::ColumnLineage>> Lineage(const security::Principal& principal, const std::string& sql,
                                                       const std::string& default_schema) override {
        return inner_.Lineage(principal, sql, default_schema);
    }
    std::vector<std::string> Words() override { return inner_.Words(); }

  private:
    engine::Engine& inner_;
    Work& work_;
    const EnginesOfRoles of_roles_;
};

}  // namespace

std::unique_ptr<engine::Engine> MakeBudgetedEngine(engine::Engine& inner, Work& work, EnginesOfRoles of_roles) {
    return std::make_unique<BudgetedEngine>(inner, work, std::move(of_roles));
}

}  // namespace tarn::access
