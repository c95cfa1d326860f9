#include <duktape.h>

#include "analysis/reports/draw_parts.h"
#include "base/json.h"

namespace tarn::reports {
namespace {

struct HeapEnd {
    void operator()(duk_context* heap) const { duk_destroy_heap(heap); }
};

constexpr const char* kMeasureKey =
    "\xFF"
    "measure";

// tarnMeasure(text, size, weight, family)
duk_ret_t MeasureForScript(duk_context* heap) {
    duk_size_t bytes = 0;
    const char* text = duk_require_lstring(heap, 0, &bytes);
    double size = duk_require_number(heap, 1);
    int weight = duk_require_int(heap, 2);
    const char* family = duk_require_string(heap, 3);
    duk_push_global_stash(heap);
    duk_get_prop_string(heap, -1, kMeasureKey);
    const auto* measure = static_cast<const Measure*>(duk_get_pointer(heap, -1));
    duk_push_number(heap, (*measure)(std::string(text, bytes), {size, weight, family}));
    return 1;
}

// What was thrown, with the place.
Error Thrown(duk_context* heap, const char* doing) {
    std::string what;
    if (duk_is_object(heap, -1)) {
        duk_get_prop_string(heap, -1, "stack");
        what = duk_safe_to_string(heap, -1);
    } else {
        what = duk_safe_to_string(heap, -1);
    }
    return Error(ErrorCode::kInternal, "the script that draws reports fails {}: {}", doing, what);
}

}  // namespace

Result<std::vector<Page>> RunDrawScript(const std::string& script, const std::string& report, const Measure& measure) {
    std::unique_ptr<duk_context, HeapEnd> owned(duk_create_heap_default());
    duk_context* heap = owned.get();
    if (!heap) return Error(ErrorCode::kResourceExhausted, "no memory to draw a report");
    duk_push_global_stash(heap);
    duk_push_pointer(heap, const_cast<Measure*>(&measure));
    duk_put_prop_string(heap, -2, kMeasureKey);
    duk_pop(heap);
    duk_push_c_function(heap, MeasureForScript, 4);
    duk_put_global_string(heap, "tarnMeasure");
    duk_push_string(heap, "draw.js");
    bool loaded = duk_pcompile_lstring_filename(heap, 0, script.data(), script.size()) == 0;
    loaded = loaded && duk_pcall(heap, 0) == DUK_EXEC_SUCCESS;
    if (!loaded) return Thrown(heap, "to load");
    duk_pop(heap);
    duk_get_global_string(heap, "tarnReport");
    duk_push_lstring(heap, report.data(), report.size());
    if (duk_pcall(heap, 1) != DUK_EXEC_SUCCESS) return Thrown(heap, "to draw");
    duk_size_t bytes = 0;
    const char* text = duk_get_lstring(heap, -1, &bytes);
    if (!text) return Error(ErrorCode::kInternal, "the script that draws reports gave nothing");
    Json drawn = TRY(ParseJson(std::string_view(text, bytes)));
    std::vector<Page> pages;
    for (const Json& page : drawn.at("pages")) {
        pages.push_back({page.at("width").get<double>(), page.at("height").get<double>(), page.at("svg")});
    }
    return pages;
}

}  // namespace tarn::reports
