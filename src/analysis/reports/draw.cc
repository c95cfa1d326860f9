#include "analysis/reports/draw.h"

#include "analysis/reports/draw_parts.h"
#include "base/json.h"
#include "base/number.h"
#include "base/text.h"

namespace tarn::reports {
namespace {

constexpr uint64_t kScriptBytesMax = 16 << 20;
constexpr uint64_t kReportBytesMax = 64 << 20;
constexpr std::string_view kMark = "\ntarn-report ";

}  // namespace

Result<std::string> DrawInSandbox(Env& env) {
    std::string script = TRY(ReadFile(env, "/job/draw.js", kScriptBytesMax));
    std::string text = TRY(ReadFile(env, "/job/report.json", kReportBytesMax));
    Json report = TRY(ParseJson(text));
    auto painter = TRY(Painter::Create());
    auto measure = [&](const std::string& letters, const LetterFont& font) { return painter->Width(letters, font); };
    std::vector<Page> pages = TRY(RunDrawScript(script, text, measure));
    if (pages.empty()) return Error(ErrorCode::kInternal, "the report has no page");
    if (report.value("format", "") == "png") return painter->Png(pages[0]);
    return painter->Pdf(pages, report.at("dashboard").value("title", ""));
}

std::string DrawnHead(const Result<std::string>& drawn) {
    if (drawn.ok()) return fmt::format("{}ok {}\n", kMark, drawn->size());
    Json error = {{"code", static_cast<int>(drawn.error().code())},
                  {"message", drawn.error().message()},
                  {"hint", drawn.error().hint()}};
    return fmt::format("{}error {}\n", kMark, DumpJson(error));
}

Result<std::string> DrawnIn(std::string_view output) {
    size_t at = output.find(kMark);
    size_t end = at == std::string_view::npos ? at : output.find('\n', at + kMark.size());
    if (end == std::string_view::npos) return Error(ErrorCode::kInternal, "the drawing of the report broke off");
    std::string_view head = output.substr(at + kMark.size(), end - at - kMark.size());
    std::string_view rest = output.substr(end + 1);
    if (head.starts_with("error ")) {
        Json error = TRY(ParseJson(head.substr(6)));
        return Error(static_cast<ErrorCode>(error.value("code", static_cast<int>(ErrorCode::kInternal))),
                     error.value("message", ""))
            .WithHint(error.value("hint", ""));
    }
    int64_t bytes = head.starts_with("ok ") ? ParseInteger(head.substr(3)).value_or(-1) : -1;
    if (bytes < 0 || rest.size() < static_cast<size_t>(bytes)) {
        return Error(ErrorCode::kInternal, "the drawing of the report broke off");
    }
    return std::string(rest.substr(0, static_cast<size_t>(bytes)));
}

}  // namespace tarn::reports
