#include "analysis/reports/drawing.h"

#include "analysis/reports/draw.h"

namespace tarn::reports {
namespace {

constexpr size_t kReportBytesMax = 48 << 20;
constexpr int64_t kMemoryBytesMax = 1536 << 20;
constexpr int64_t kScratchBytesMax = 160 << 20;
constexpr int64_t kOutputBytesMax = 32 << 20;
constexpr Duration kCpuMax = std::chrono::minutes(1);
constexpr int kProcessesMax = 64;

}  // namespace

Result<std::string> Draw(const DrawDependencies& dependencies, const Json& report, const CancelToken& cancel) {
    std::string script = TRY(dependencies.script());
    SandboxOptions options;
    options.command = {"/opt/tarn/tarn", std::string(kDrawWord)};
    options.environment = {{"TZ", "UTC"}};
    options.files["draw.js"] = std::move(script);
    options.files["report.json"] = DumpJson(report);
    if (options.files["report.json"].size() > kReportBytesMax) {
        return Error(ErrorCode::kResourceExhausted, "the tiles' rows have more than {} MiB", kReportBytesMax >> 20)
            .WithHint("aggregate in the tiles' SQL, or take csv");
    }
    options.programs = dependencies.programs;
    options.memory_bytes_max = kMemoryBytesMax;
    options.scratch_bytes_max = kScratchBytesMax;
    options.output_bytes_max = kOutputBytesMax;
    options.cpu_max = kCpuMax;
    options.processes_max = kProcessesMax;
    std::string output;
    auto ended = dependencies.sandbox.Run(options, cancel, [&](std::string_view piece) { output += piece; });
    if (!ended.ok()) return Error(ended.error()).Context("a report is drawn in a sandbox");
    if (!ended->killed_for.empty()) {
        return Error(ErrorCode::kResourceExhausted, "drawing the report took too much {}", ended->killed_for)
            .WithHint("show fewer tiles, or fewer points in them");
    }
    return DrawnIn(output);
}

}  // namespace tarn::reports
