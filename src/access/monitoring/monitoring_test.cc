#include "access/monitoring/monitoring.h"

#include <gtest/gtest.h>

#include "access/monitoring/http_for_test.h"

namespace tarn::access {
namespace {

class MonitoringTest : public testing::Test {
  protected:
    Metrics metrics_;
    std::unique_ptr<Monitoring> monitoring_ = Monitoring::Create({}, {SystemEnv(), metrics_, "/tmp", "9.9.9"});
    TestHttp http_{monitoring_->Routes()};
};

TEST_F(MonitoringTest, MetricsAreOpenAndCarryTheProcess) {
    metrics_.GetCounter("tarn_test_total", "A test").Add(3);
    monitoring_->AddCheck("lake", [] { return Ok(); });
    HttpResponse response = http_.Call("GET", "/metrics", "", "");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.headers.Get("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
    for (const char* line : {"tarn_test_total 3", "tarn_build_info{version=\"9.9.9\"} 1", "process_open_fds ",
                             "tarn_component_healthy{component=\"lake\"} 1"}) {
        EXPECT_NE(response.body.find(line), std::string::npos) << line << "\n" << response.body;
    }
    EXPECT_GT(metrics_.GetGauge("process_resident_memory_bytes", "").value(), 1e6);
    EXPECT_GE(metrics_.GetGauge("process_cpu_seconds_total", "").value(), 0);
    EXPECT_GE(metrics_.GetGauge("process_threads", "").value(), 1);
    EXPECT_GT(metrics_.GetGauge("process_open_fds", "").value(), 2);
    EXPECT_GT(metrics_.GetGauge("process_start_time_seconds", "").value(), 1.7e9);
    EXPECT_GT(metrics_.GetGauge("tarn_disk_free_bytes", "").value(), 1e6);
    EXPECT_TRUE(http_.audit().events.empty());
}

TEST_F(MonitoringTest, MetricsMayNeedALogin) {
    Metrics metrics;
    auto monitoring = Monitoring::Create({.metrics_public = false}, {SystemEnv(), metrics, "/tmp", "1"});
    TestHttp http(monitoring->Routes());
    EXPECT_EQ(http.Call("GET", "/metrics", "", "").status, 401);
    EXPECT_EQ(http.Call("GET", "/metrics", "", "bob").status, 403);
    EXPECT_EQ(http.Call("GET", "/metrics").status, 200);
}

TEST_F(MonitoringTest, HealthTellsStrangersNoReason) {
    EXPECT_EQ(http_.Call("GET", "/health", "", "").status, 200);
    bool well = false;
    monitoring_->AddCheck("audit", [&]() -> Status {
        if (well) return Ok();
        return Error(ErrorCode::kIo, "the disk sda1 fails").WithHint("look at it");
    });
    HttpResponse response = http_.Call("GET", "/health", "", "");
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(response.body, "failing\n");
    EXPECT_EQ(http_.Call("GET", "/api/v1/health", "", "").status, 401);
    Json details = http_.CallJson("GET", "/api/v1/health");
    EXPECT_EQ(details["healthy"], false);
    EXPECT_EQ(details["components"][0]["component"], "audit");
    EXPECT_EQ(details["components"][0]["message"], "the disk sda1 fails");
    EXPECT_EQ(details["components"][0]["hint"], "look at it");
    EXPECT_EQ(metrics_.GetGauge("tarn_component_healthy", "", {{"component", "audit"}}).value(), 0);
    well = true;
    EXPECT_EQ(http_.Call("GET", "/health", "", "").status, 200);
    monitoring_->RemoveCheck("audit");
    EXPECT_TRUE(monitoring_->Health().empty());
}

TEST_F(MonitoringTest, ReadyIsSetByTheProgram) {
    EXPECT_EQ(http_.Call("GET", "/ready", "", "").status, 503);
    monitoring_->SetReady(true);
    EXPECT_EQ(http_.Call("GET", "/ready", "", "").status, 200);
    monitoring_->SetReady(false);
    EXPECT_EQ(http_.Call("GET", "/ready", "", "").status, 503);
}

TEST_F(MonitoringTest, AWarningIsNoFault) {
    monitoring_->AddCheck("backup", [] { return AsWarning(Error(ErrorCode::kUnavailable, "the last backup failed")); });
    monitoring_->AddCheck("lake", [] { return AsWarning(Ok()); });
    HttpResponse response = http_.Call("GET", "/health", "", "");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "warning\n");
    Json details = http_.CallJson("GET", "/api/v1/health");
    EXPECT_EQ(details["healthy"], true);
    EXPECT_EQ(details["level"], "warning");
    EXPECT_EQ(details["components"][0]["level"], "warning");
    EXPECT_EQ(details["components"][0]["message"], "the last backup failed");
    EXPECT_EQ(details["components"][1]["level"], "ok");
    EXPECT_EQ(metrics_.GetGauge("tarn_component_healthy", "", {{"component", "backup"}}).value(), 1);
    EXPECT_EQ(metrics_.GetGauge("tarn_component_warning", "", {{"component", "backup"}}).value(), 1);
    EXPECT_EQ(metrics_.GetGauge("tarn_component_warning", "", {{"component", "lake"}}).value(), 0);
}

TEST_F(MonitoringTest, SystemRowsFitTheirColumns) {
    metrics_.GetCounter("tarn_test_total", "A test", {{"kind", "a\"b"}}).Add(3);
    bool found = false;
    for (const auto& row : monitoring_->SystemRows()) {
        ASSERT_EQ(row.size(), Monitoring::SystemColumns().size());
        if (row[0] != "tarn_test_total") continue;
        EXPECT_EQ(row[1], R"({"kind":"a\"b"})");
        EXPECT_EQ(row[2], "3");
        found = true;
    }
    EXPECT_TRUE(found);
}

}  // namespace
}  // namespace tarn::access
