#include "base/metrics.h"

#include <gtest/gtest.h>

#include <limits>
#include <thread>

namespace tarn {
namespace {

TEST(Metrics, RendersPrometheusText) {
    Metrics metrics;
    metrics.GetCounter("tarn_lake_requests_total", "Requests\nserved.", {{"call", "Get\"Object\\"}}).Add(3);
    metrics.GetGauge("tarn_buffer_bytes", "Bytes.").Set(1.5);
    metrics.GetGauge("tarn_buffer_bytes", "Bytes.").Add(-2);
    EXPECT_EQ(metrics.Render(),
              "# HELP tarn_buffer_bytes Bytes.\n"
              "# TYPE tarn_buffer_bytes gauge\n"
              "tarn_buffer_bytes -0.5\n"
              "# HELP tarn_lake_requests_total Requests\\nserved.\n"
              "# TYPE tarn_lake_requests_total counter\n"
              "tarn_lake_requests_total{call=\"Get\\\"Object\\\\\"} 3\n");
}

TEST(Metrics, RendersHistograms) {
    Metrics metrics;
    Histogram& histogram = metrics.GetHistogram("tarn_sql_seconds", "Time.", {{"kind", "select"}});
    for (double value : {0.0001, 0.0002, 0.5, 1000.0}) histogram.Observe(value);
    std::string text = metrics.Render();
    EXPECT_NE(text.find("tarn_sql_seconds_bucket{kind=\"select\",le=\"0.0001\"} 1\n"), std::string::npos) << text;
    EXPECT_NE(text.find("tarn_sql_seconds_bucket{kind=\"select\",le=\"0.0003\"} 2\n"), std::string::npos) << text;
    EXPECT_NE(text.find("tarn_sql_seconds_bucket{kind=\"select\",le=\"100\"} 3\n"), std::string::npos) << text;
    EXPECT_NE(text.find("tarn_sql_seconds_bucket{kind=\"select\",le=\"+Inf\"} 4\n"), std::string::npos) << text;
    EXPECT_NE(text.find("tarn_sql_seconds_count{kind=\"select\"} 4\n"), std::string::npos) << text;
    EXPECT_DOUBLE_EQ(histogram.sum(), 1000.5003);
}

TEST(Metrics, SameNameAndLabelsAreTheSameInstrument) {
    Metrics metrics;
    Counter& first = metrics.GetCounter("a_total", "A.", {{"x", "1"}});
    EXPECT_EQ(&first, &metrics.GetCounter("a_total", "A.", {{"x", "1"}}));
    EXPECT_NE(&first, &metrics.GetCounter("a_total", "A.", {{"x", "2"}}));
    first.Add();
    auto samples = metrics.Samples();
    ASSERT_EQ(samples.size(), 2u);
    EXPECT_EQ(samples[0].labels.at("x"), "1");
    EXPECT_EQ(samples[0].value, 1);
}

TEST(Metrics, SeriesAreLimited) {
    Metrics metrics;
    for (size_t i = 0; i < Metrics::kSeriesMax + 50; i++) {
        metrics.GetCounter("a_total", "A.", {{"x", std::to_string(i)}}).Add();
    }
    EXPECT_EQ(metrics.Samples().size(), Metrics::kSeriesMax + 1);
    EXPECT_EQ(metrics.GetCounter("a_total", "A.", {{"overflow", "true"}}).value(), 50);
    metrics.GetGauge("b", "B.").Set(std::numeric_limits<double>::infinity());
    EXPECT_NE(metrics.Render().find("b{overflow=\"true\"} +Inf\n"), std::string::npos);
}

TEST(Metrics, ReplacesWhatIsNotUtf8) {
    Metrics metrics;
    metrics.GetGauge("b", "B.", {{"x", "a\xff"}}).Set(1);
    EXPECT_NE(metrics.Render().find("b{x=\"a?\"} 1\n"), std::string::npos);
}

TEST(Metrics, ThreadsLoseNothing) {
    Metrics metrics;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++) {
        threads.emplace_back([&] {
            for (int j = 0; j < 10'000; j++) {
                metrics.GetCounter("a_total", "A.").Add();
                metrics.GetGauge("b", "B.").Add(0.5);
                metrics.GetHistogram("c_seconds", "C.").Observe(1);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(metrics.GetCounter("a_total", "A.").value(), 40'000);
    EXPECT_EQ(metrics.GetGauge("b", "B.").value(), 20'000);
    EXPECT_EQ(metrics.GetHistogram("c_seconds", "C.").sum(), 40'000);
}

}  // namespace
}  // namespace tarn
