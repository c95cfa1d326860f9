// The functions of librsvg, cairo, pango and GLib that drawing calls, loaded by name. Internal to the component.
#pragma once

#include <cairo-pdf.h>
#include <librsvg/rsvg.h>
#include <pango/pangocairo.h>

#include "base/result.h"

namespace tarn::reports {

struct DrawLibraries {
    decltype(&::cairo_create) cairo_create = nullptr;
    decltype(&::cairo_destroy) cairo_destroy = nullptr;
    decltype(&::cairo_image_surface_create) cairo_image_surface_create = nullptr;
    decltype(&::cairo_pdf_surface_create_for_stream) cairo_pdf_surface_create_for_stream = nullptr;
    decltype(&::cairo_pdf_surface_set_metadata) cairo_pdf_surface_set_metadata = nullptr;
    decltype(&::cairo_scale) cairo_scale = nullptr;
    decltype(&::cairo_show_page) cairo_show_page = nullptr;
    decltype(&::cairo_status) cairo_status = nullptr;
    decltype(&::cairo_status_to_string) cairo_status_to_string = nullptr;
    decltype(&::cairo_surface_destroy) cairo_surface_destroy = nullptr;
    decltype(&::cairo_surface_finish) cairo_surface_finish = nullptr;
    decltype(&::cairo_surface_status) cairo_surface_status = nullptr;
    decltype(&::cairo_surface_write_to_png_stream) cairo_surface_write_to_png_stream = nullptr;
    decltype(&::g_error_free) g_error_free = nullptr;
    decltype(&::g_object_unref) g_object_unref = nullptr;
    decltype(&::pango_cairo_font_map_get_default) pango_cairo_font_map_get_default = nullptr;
    decltype(&::pango_font_description_free) pango_font_description_free = nullptr;
    decltype(&::pango_font_description_new) pango_font_description_new = nullptr;
    decltype(&::pango_font_description_set_absolute_size) pango_font_description_set_absolute_size = nullptr;
    decltype(&::pango_font_description_set_family) pango_font_description_set_family = nullptr;
    decltype(&::pango_font_description_set_weight) pango_font_description_set_weight = nullptr;
    decltype(&::pango_font_map_create_context) pango_font_map_create_context = nullptr;
    decltype(&::pango_layout_get_size) pango_layout_get_size = nullptr;
    decltype(&::pango_layout_get_unknown_glyphs_count) pango_layout_get_unknown_glyphs_count = nullptr;
    decltype(&::pango_layout_new) pango_layout_new = nullptr;
    decltype(&::pango_layout_set_font_description) pango_layout_set_font_description = nullptr;
    decltype(&::pango_layout_set_text) pango_layout_set_text = nullptr;
    decltype(&::rsvg_handle_new_from_data) rsvg_handle_new_from_data = nullptr;
    decltype(&::rsvg_handle_render_document) rsvg_handle_render_document = nullptr;
};

// kNotSupported says which package is missing.
Result<DrawLibraries> LoadDrawLibraries();

}  // namespace tarn::reports
