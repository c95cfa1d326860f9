#include "analysis/reports/draw_libraries.h"

#include <dlfcn.h>

namespace tarn::reports {
namespace {

class Library {
  public:
    static Result<Library> Open(const char* file, const char* package) {
        void* handle = ::dlopen(file, RTLD_NOW | RTLD_LOCAL);
        if (handle) return Library(handle, file);
        return Error(ErrorCode::kNotSupported, "reports as PNG and PDF need {}, which is not on this machine", file)
            .WithHint(fmt::format("install the package {} (Debian: apt install {}) where Tarn runs", package, package));
    }
    template <typename Function>
    Status Take(const char* name, Function& function) const {
        function = reinterpret_cast<Function>(::dlsym(handle_, name));
        if (function) return Ok();
        return Error(ErrorCode::kNotSupported, "{} of this machine is too old: it has no {}", file_, name);
    }

  private:
    Library(void* handle, const char* file) : handle_(handle), file_(file) {}
    void* handle_;  // open until the process ends
    const char* file_;
};

Status LoadCairo(DrawLibraries& all) {
    Library cairo = TRY(Library::Open("libcairo.so.2", "libcairo2"));
    TRY(cairo.Take("cairo_create", all.cairo_create));
    TRY(cairo.Take("cairo_destroy", all.cairo_destroy));
    TRY(cairo.Take("cairo_image_surface_create", all.cairo_image_surface_create));
    TRY(cairo.Take("cairo_pdf_surface_create_for_stream", all.cairo_pdf_surface_create_for_stream));
    TRY(cairo.Take("cairo_pdf_surface_set_metadata", all.cairo_pdf_surface_set_metadata));
    TRY(cairo.Take("cairo_scale", all.cairo_scale));
    TRY(cairo.Take("cairo_show_page", all.cairo_show_page));
    TRY(cairo.Take("cairo_status", all.cairo_status));
    TRY(cairo.Take("cairo_status_to_string", all.cairo_status_to_string));
    TRY(cairo.Take("cairo_surface_destroy", all.cairo_surface_destroy));
    TRY(cairo.Take("cairo_surface_finish", all.cairo_surface_finish));
    TRY(cairo.Take("cairo_surface_status", all.cairo_surface_status));
    return cairo.Take("cairo_surface_write_to_png_stream", all.cairo_surface_write_to_png_stream);
}

Status LoadPango(DrawLibraries& all) {
    Library pango = TRY(Library::Open("libpango-1.0.so.0", "libpango-1.0-0"));
    TRY(pango.Take("pango_font_description_free", all.pango_font_description_free));
    TRY(pango.Take("pango_font_description_new", all.pango_font_description_new));
    TRY(pango.Take("pango_font_description_set_absolute_size", all.pango_font_description_set_absolute_size));
    TRY(pango.Take("pango_font_description_set_family", all.pango_font_description_set_family));
    TRY(pango.Take("pango_font_description_set_weight", all.pango_font_description_set_weight));
    TRY(pango.Take("pango_font_map_create_context", all.pango_font_map_create_context));
    TRY(pango.Take("pango_layout_get_size", all.pango_layout_get_size));
    TRY(pango.Take("pango_layout_get_unknown_glyphs_count", all.pango_layout_get_unknown_glyphs_count));
    TRY(pango.Take("pango_layout_new", all.pango_layout_new));
    TRY(pango.Take("pango_layout_set_font_description", all.pango_layout_set_font_description));
    TRY(pango.Take("pango_layout_set_text", all.pango_layout_set_text));
    Library pango_cairo = TRY(Library::Open("libpangocairo-1.0.so.0", "libpangocairo-1.0-0"));
    return pango_cairo.Take("pango_cairo_font_map_get_default", all.pango_cairo_font_map_get_default);
}

}  // namespace

Result<DrawLibraries> LoadDrawLibraries() {
    DrawLibraries all;
    Library rsvg = TRY(Library::Open("librsvg-2.so.2", "librsvg2-2"));
    TRY(rsvg.Take("rsvg_handle_new_from_data", all.rsvg_handle_new_from_data));
    TRY(rsvg.Take("rsvg_handle_render_document", all.rsvg_handle_render_document));
    TRY(LoadCairo(all));
    TRY(LoadPango(all));
    Library glib = TRY(Library::Open("libglib-2.0.so.0", "libglib2.0-0"));
    TRY(glib.Take("g_error_free", all.g_error_free));
    Library objects = TRY(Library::Open("libgobject-2.0.so.0", "libglib2.0-0"));
    TRY(objects.Take("g_object_unref", all.g_object_unref));
    return all;
}

}  // namespace tarn::reports
