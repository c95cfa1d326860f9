// The two halves of drawing: the script makes pages of SVG, a painter measures letters for it and paints them.
// Internal to the component.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace tarn::reports {

struct Page {
    double width = 0;
    double height = 0;
    std::string svg;
};

// How wide a text is, in pixels.
struct LetterFont {
    double size = 12;
    int weight = 400;
    std::string family;
};
using Measure = std::function<double(const std::string& text, const LetterFont& font)>;

// Runs the script's `tarnReport` over a report's data (JSON).
Result<std::vector<Page>> RunDrawScript(const std::string& script, const std::string& report, const Measure& measure);

class Painter {
  public:
    static Result<std::unique_ptr<Painter>> Create();
    virtual ~Painter() = default;
    virtual double Width(const std::string& text, const LetterFont& font) = 0;
    virtual Result<std::string> Png(const Page& page) = 0;
    virtual Result<std::string> Pdf(const std::vector<Page>& pages, const std::string& title) = 0;
};

}  // namespace tarn::reports
