# The web UI inside the program: web/dist is built by npm when its sources changed, each file is gzipped and embedded.
# Library tarn_web_assets implements src/app/web_assets.h; without web/package.json its table is empty.

file(GLOB_RECURSE web_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/web/src/* ${PROJECT_SOURCE_DIR}/web/public/*)
file(GLOB web_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/web/*.json ${PROJECT_SOURCE_DIR}/web/*.ts
    ${PROJECT_SOURCE_DIR}/web/*.html)
set(web_generated ${CMAKE_BINARY_DIR}/web_assets)
set(web_embed ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tools/embed_web.py)

if(EXISTS ${PROJECT_SOURCE_DIR}/web/package.json AND TARN_WEB)
    set(web_arguments --web ${PROJECT_SOURCE_DIR}/web)
else()
    set(web_arguments)
    set(web_sources)
    set(web_files)
endif()

add_custom_command(
    OUTPUT ${web_generated}/web_assets.cc ${web_generated}/web_assets.S
    COMMAND ${web_embed} --out ${web_generated} ${web_arguments}
    DEPENDS ${PROJECT_SOURCE_DIR}/tools/embed_web.py ${web_sources} ${web_files}
    COMMENT "Embedding the web UI"
    VERBATIM)
add_library(tarn_web_assets STATIC ${web_generated}/web_assets.cc ${web_generated}/web_assets.S)
