// The files of the web UI, embedded in the program: a generated table (cmake/web_assets.cmake). Empty when the
// program was built without web/. Any thread may read it; it lives as long as the program.
#pragma once

#include <span>
#include <string_view>

namespace tarn::app {

struct WebAsset {
    std::string_view path;  // "/index.html", "/assets/app-3f2a.js"
    std::string_view content_type;
    std::span<const unsigned char> gzip_bytes;
    std::string_view etag;  // with its quotes, as it stands in the header
};

std::span<const WebAsset> WebAssets();

}  // namespace tarn::app
