#include <algorithm>
#include <cmath>

#include "analysis/reports/draw_libraries.h"
#include "analysis/reports/draw_parts.h"

namespace tarn::reports {
namespace {

constexpr double kPdfWidthPoints = 841.89;  // A4, lying
constexpr double kPngScale = 2;
constexpr double kPixelsMax = 60e6;
constexpr double kSideMax = 32'000;  // cairo draws no larger pictures
constexpr size_t kPictureBytesMax = 24 << 20;

struct Written {
    std::string bytes;
    bool too_large = false;
};

cairo_status_t Take(void* closure, const unsigned char* data, unsigned int length) {
    auto& written = *static_cast<Written*>(closure);
    if (written.bytes.size() + length > kPictureBytesMax) {
        written.too_large = true;
        return CAIRO_STATUS_WRITE_ERROR;
    }
    written.bytes.append(reinterpret_cast<const char*>(data), length);
    return CAIRO_STATUS_SUCCESS;
}

class CairoPainter : public Painter {
  public:
    explicit CairoPainter(DrawLibraries libraries) : lib_(libraries) {}
    ~CairoPainter() override {
        if (layout_) lib_.g_object_unref(layout_);
        if (context_) lib_.g_object_unref(context_);
    }
    Status Start() {
        PangoFontMap* fonts = lib_.pango_cairo_font_map_get_default();  // not ours
        context_ = lib_.pango_font_map_create_context(fonts);
        layout_ = lib_.pango_layout_new(context_);
        // Pango names families even where there is none: whether it has letters, only a text tells.
        Width("Abc 0", {12, 400, "sans-serif"});
        if (lib_.pango_layout_get_unknown_glyphs_count(layout_) > 0) {
            return Error(ErrorCode::kNotSupported, "this machine has no fonts to write reports with")
                .WithHint("install the package fonts-dejavu-core (Debian: apt install fonts-dejavu-core)");
        }
        return Ok();
    }
    double Width(const std::string& text, const LetterFont& font) override;
    Result<std::string> Png(const Page& page) override;
    Result<std::string> Pdf(const std::vector<Page>& pages, const std::string& title) override;

  private:
    Status Paint(cairo_t* cairo, const Page& page);
    Status Good(cairo_status_t status, const Written& written) const;

    const DrawLibraries lib_;
    PangoContext* context_ = nullptr;
    PangoLayout* layout_ = nullptr;
};

double CairoPainter::Width(const std::string& text, const LetterFont& font) {
    PangoFontDescription* description = lib_.pango_font_description_new();
    lib_.pango_font_description_set_family(description, font.family.c_str());
    lib_.pango_font_description_set_weight(description, static_cast<PangoWeight>(std::clamp(font.weight, 100, 1000)));
    lib_.pango_font_description_set_absolute_size(description, std::clamp(font.size, 1.0, 500.0) * PANGO_SCALE);
    lib_.pango_layout_set_font_description(layout_, description);
    lib_.pango_layout_set_text(layout_, text.data(), static_cast<int>(text.size()));
    int width = 0;
    int height = 0;
    lib_.pango_layout_get_size(layout_, &width, &height);
    lib_.pango_font_description_free(description);
    return static_cast<double>(width) / PANGO_SCALE;
}

Status CairoPainter::Paint(cairo_t* cairo, const Page& page) {
    GError* wrong = nullptr;
    const auto* bytes = reinterpret_cast<const guint8*>(page.svg.data());
    RsvgHandle* handle = lib_.rsvg_handle_new_from_data(bytes, page.svg.size(), &wrong);
    RsvgRectangle place{0, 0, page.width, page.height};
    bool painted = handle && lib_.rsvg_handle_render_document(handle, cairo, &place, &wrong);
    if (handle) lib_.g_object_unref(handle);
    if (painted) return Ok();
    std::string what = wrong ? wrong->message : "no reason given";
    if (wrong) lib_.g_error_free(wrong);
    return Error(ErrorCode::kInternal, "a page of the report can't be painted: {}", what);
}

Status CairoPainter::Good(cairo_status_t status, const Written& written) const {
    if (written.too_large) {
        return Error(ErrorCode::kResourceExhausted, "the report is larger than {} MiB", kPictureBytesMax >> 20)
            .WithHint("show fewer tiles, or fewer points in them");
    }
    if (status == CAIRO_STATUS_SUCCESS) return Ok();
    return Error(ErrorCode::kInternal, "the report can't be painted: {}", lib_.cairo_status_to_string(status));
}

Result<std::string> CairoPainter::Png(const Page& page) {
    double area = std::max(1.0, page.width * page.height);
    double scale = std::min({kPngScale, std::sqrt(kPixelsMax / area), kSideMax / page.height, kSideMax / page.width});
    int width = std::max(1, static_cast<int>(page.width * scale));
    int height = std::max(1, static_cast<int>(page.height * scale));
    cairo_surface_t* surface = lib_.cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    cairo_t* cairo = lib_.cairo_create(surface);
    lib_.cairo_scale(cairo, scale, scale);
    Status painted = Paint(cairo, page);
    Written written;
    if (painted.ok()) painted = Good(lib_.cairo_status(cairo), written);
    if (painted.ok()) painted = Good(lib_.cairo_surface_write_to_png_stream(surface, Take, &written), written);
    lib_.cairo_destroy(cairo);
    lib_.cairo_surface_destroy(surface);
    TRY(std::move(painted));
    return std::move(written.bytes);
}

Result<std::string> CairoPainter::Pdf(const std::vector<Page>& pages, const std::string& title) {
    double scale = kPdfWidthPoints / pages[0].width;
    Written written;
    cairo_surface_t* surface =
        lib_.cairo_pdf_surface_create_for_stream(Take, &written, kPdfWidthPoints, pages[0].height * scale);
    lib_.cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_TITLE, title.c_str());
    lib_.cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_CREATOR, "Tarn");
    cairo_t* cairo = lib_.cairo_create(surface);
    lib_.cairo_scale(cairo, scale, scale);
    Status painted = Ok();
    for (const Page& page : pages) {
        painted = Paint(cairo, page);
        if (!painted.ok()) break;
        lib_.cairo_show_page(cairo);
    }
    if (painted.ok()) painted = Good(lib_.cairo_status(cairo), written);
    lib_.cairo_destroy(cairo);
    lib_.cairo_surface_finish(surface);
    if (painted.ok()) painted = Good(lib_.cairo_surface_status(surface), written);
    lib_.cairo_surface_destroy(surface);
    TRY(std::move(painted));
    return std::move(written.bytes);
}

}  // namespace

Result<std::unique_ptr<Painter>> Painter::Create() {
    auto painter = std::make_unique<CairoPainter>(TRY(LoadDrawLibraries()));
    TRY(painter->Start());
    return std::unique_ptr<Painter>(std::move(painter));
}

}  // namespace tarn::reports
