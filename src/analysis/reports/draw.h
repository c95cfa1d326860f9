// The program that draws, in a sandbox of its own: a report's data in, a PNG or PDF out. It holds no key and no
// connection; it sees /job, /usr and nothing else (base/process_sandbox.h).
//
// The script is the web UI's own (web/src/report), so that a chart looks as it does on the page. It runs in Duktape and
// makes SVG; librsvg, cairo and pango paint that. They are loaded when they are needed, only here: the platform starts
// and runs without them. Threads: one. Fails: what is missing or wrong is said in one sentence.
#pragma once

#include <string>
#include <string_view>

#include "base/env.h"
#include "base/result.h"

namespace tarn::reports {

// The word by which the program knows that it shall draw.
inline constexpr std::string_view kDrawWord = "draw-report";

// Reads /job/draw.js and /job/report.json; the bytes of a PNG or PDF.
Result<std::string> DrawInSandbox(Env& env);
// What stands before the bytes on standard output, libraries may write there too: "\n<mark> ok 1234\n".
std::string DrawnHead(const Result<std::string>& drawn);
// The picture in such an output; its error is the one of DrawInSandbox.
Result<std::string> DrawnIn(std::string_view output);

}  // namespace tarn::reports
