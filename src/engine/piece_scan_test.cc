// What a scan of rows that are made while it runs reads, and what it leaves.
#include <atomic>

#include "base/number.h"
#include "engine/engine_for_test.h"
#include "engine/row_pieces.h"

namespace tarn::engine {
namespace {

constexpr int64_t kPerPiece = 5000;
constexpr int64_t kSecond = 1'000'000;

struct Counts {
    std::atomic<int> read{0};
    std::atomic<int> made{0};
};

// Rows [first, end): n, its half as an INTEGER (every third is NULL), n seconds after 1970, n as text, n as bytes.
class Numbers final : public RowPiece {
  public:
    Numbers(int64_t first, int64_t end, bool whole, Counts& counts)
        : first_(first), next_(first), end_(end), whole_(whole), counts_(counts) {}

    std::optional<Bounds> BoundsOf(size_t column) const override {
        if (column == 0) return Bounds{first_, end_ - 1};
        if (column == 2) return Bounds{first_ * kSecond, (end_ - 1) * kSecond};
        return std::nullopt;
    }
    Result<std::vector<std::unique_ptr<RowPiece>>> Split() override {
        std::vector<std::unique_ptr<RowPiece>> parts;
        if (whole_) return parts;
        for (int64_t at = first_; at < end_; at += kPerPiece) {
            parts.push_back(std::make_unique<Numbers>(at, std::min(end_, at + kPerPiece), true, counts_));
        }
        return parts;
    }
    Result<bool> Read(const std::vector<bool>& wanted, size_t rows_max, RowSink& sink) override {
        if (next_ == first_) counts_.read++;
        if (end_ > 900'000) return Error(ErrorCode::kIo, "the disk is broken");
        for (; next_ < end_ && rows_max > 0; ++next_, --rows_max) {
            if (wanted[0]) sink.Integer(0, next_);
            if (wanted[1]) next_ % 3 == 0 ? sink.Null(1) : sink.Integer(1, next_ / 2);
            if (wanted[2]) sink.Integer(2, next_ * kSecond);
            if (wanted[3]) {
                counts_.made++;
                sink.Text(3, fmt::format("number {}", next_));
            }
            if (wanted[4]) sink.Text(4, std::string_view("\xff\x00", 2));
            sink.EndRow();
        }
        return next_ < end_;
    }

  private:
    const int64_t first_;
    int64_t next_;
    const int64_t end_;
    const bool whole_;
    Counts& counts_;
};

class PieceScanTest : public EngineFixture {
  protected:
    void SetUp() override {
        EngineFixture::SetUp();
        Add(0, 100'000);
    }
    void Add(int64_t first, int64_t end) {
        Relation relation{.schema = "topic",
                          .name = "t",
                          .columns = {{.name = "n", .type = "BIGINT"},
                                      {.name = "half", .type = "INTEGER"},
                                      {.name = "stamp", .type = "TIMESTAMP WITH TIME ZONE"},
                                      {.name = "text", .type = "VARCHAR"},
                                      {.name = "bytes", .type = "BLOB"}}};
        relation.source = StreamedRows({end - first, [this, first, end] {
                                            std::vector<std::unique_ptr<RowPiece>> pieces;
                                            int64_t middle = (first + end) / 2;
                                            pieces.push_back(std::make_unique<Numbers>(first, middle, false, counts));
                                            pieces.push_back(std::make_unique<Numbers>(middle, end, false, counts));
                                            return Result<std::vector<std::unique_ptr<RowPiece>>>(std::move(pieces));
                                        }});
        relations.Add(relation);
    }
    // The answer, and how many pieces were read for it.
    std::string Counted(const std::string& sql) {
        counts.read = 0;
        std::string answer = Ask(sql);
        return answer + std::to_string(counts.read.load());
    }

    Counts counts;
};

TEST_F(PieceScanTest, AllRowsOnce) {
    EXPECT_EQ(Counted("SELECT count(*), sum(n), count(DISTINCT n), count(half), max(half) FROM topic.t"),
              "100000|4999950000|100000|66666|49999\n20");
    EXPECT_EQ(Counted("SELECT count(*) FROM topic.t"), "100000\n20");
    EXPECT_EQ(counts.made.load(), 0);  // nobody asked for the text
    EXPECT_EQ(Counted("SELECT n, half, stamp, text, bytes FROM topic.t WHERE n BETWEEN 3 AND 4 ORDER BY n"),
              "3|NULL|1970-01-01 00:00:03+00|number 3|\\xff00\n"
              "4|2|1970-01-01 00:00:04+00|number 4|\\xff00\n1");
}

TEST_F(PieceScanTest, FiltersChooseThePieces) {
    EXPECT_EQ(Counted("SELECT count(*) FROM topic.t WHERE n >= 99990"), "10\n1");
    EXPECT_EQ(Counted("SELECT count(*) FROM topic.t WHERE n > 4998 AND n < 5002"), "3\n2");
    EXPECT_EQ(Counted("SELECT count(*) FROM topic.t WHERE n IN (1, 50001)"), "2\n2");
    EXPECT_EQ(Counted("SELECT count(*) FROM topic.t WHERE n = -1"), "0\n0");
    EXPECT_EQ(Counted("SELECT count(*) FROM topic.t WHERE stamp >= TIMESTAMPTZ '1970-01-02 03:46:30+00'"), "10\n1");
    EXPECT_EQ(Counted("SELECT count(*) FROM topic.t WHERE stamp > now() - INTERVAL 1 HOUR"), "0\n0");
    EXPECT_EQ(Counted("SELECT n FROM topic.t WHERE text = 'number 77' AND n < 100"), "77\n1");
    EXPECT_EQ(Counted("SELECT count(*) FROM topic.t WHERE half IS NULL AND n < 6"), "2\n1");
    EXPECT_EQ(Counted("SELECT count(*) FROM topic.t WHERE half = 3 OR half = 4"), "2\n20");
}

TEST_F(PieceScanTest, TheLastOnesAreFoundAtTheEnd) {
    std::string last = Counted("SELECT n FROM topic.t ORDER BY n DESC LIMIT 2");
    EXPECT_EQ(last.substr(0, 12), "99999\n99998\n");
    EXPECT_LE(ParseInteger(last.substr(12)), 4) << "threads may each have taken one before";
    std::string first = Counted("SELECT n FROM topic.t ORDER BY n LIMIT 2");
    EXPECT_EQ(first.substr(0, 4), "0\n1\n");
    EXPECT_LE(ParseInteger(first.substr(4)), 4);
}

TEST_F(PieceScanTest, PoliciesHold) {
    relations.relations.at("topic.t").obligations.row_filter = "n % 2 = 0";
    relations.relations.at("topic.t").obligations.masks = {{"text", "'***'"}};
    EXPECT_EQ(Counted("SELECT n, text FROM topic.t WHERE n >= 99997 ORDER BY n"), "99998|***\n1");
}

TEST_F(PieceScanTest, FailuresAndTheEnd) {
    Add(0, 0);
    EXPECT_EQ(Ask("SELECT count(*) FROM topic.t"), "0\n");
    Add(950'000, 960'000);
    auto broken = Rows(*session, "SELECT count(*) FROM topic.t");
    ASSERT_FALSE(broken.ok());
    EXPECT_EQ(broken.error().code(), ErrorCode::kIo);
    EXPECT_NE(broken.error().message().find("the disk is broken"), std::string::npos);
}

}  // namespace
}  // namespace tarn::engine
