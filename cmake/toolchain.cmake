# Compiler flags, ccache, the linker, and how many jobs run at once.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

set(flags_dev "-O1 -g1")
set(flags_release "-O2 -g1")
set(flags_asan "-O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined")
set(flags_tsan "-O1 -g1 -fno-omit-frame-pointer -fsanitize=thread")
string(TOLOWER ${CMAKE_BUILD_TYPE} type)
if(NOT DEFINED flags_${type})
    message(FATAL_ERROR "CMAKE_BUILD_TYPE is dev, release, asan or tsan, not ${CMAKE_BUILD_TYPE}")
endif()
# These replace CMake's own flags for a type of that name. NDEBUG stays undefined: a library's broken invariant ends the
# program rather than corrupting what it holds.
string(TOUPPER ${CMAKE_BUILD_TYPE} upper)
set(CMAKE_CXX_FLAGS_${upper} ${flags_${type}})
set(CMAKE_C_FLAGS_${upper} ${flags_${type}})

# Paths in the program are relative to the project, whatever the build folder is called; this also lets ccache share
# objects between build folders.
file(RELATIVE_PATH upward ${CMAKE_BINARY_DIR} ${PROJECT_SOURCE_DIR})
foreach(language C CXX)
    string(APPEND CMAKE_${language}_FLAGS
        " -ffile-prefix-map=${PROJECT_SOURCE_DIR}/= -ffile-prefix-map=${upward}=")
endforeach()

find_program(CCACHE ccache)
if(CCACHE)
    set(launcher ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
        CCACHE_SLOPPINESS=time_macros,include_file_mtime,include_file_ctime ${CCACHE})
    set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()

find_program(MOLD mold)
if(MOLD)
    add_link_options(-fuse-ld=mold)
endif()

# Ninja alone would start cores + 2 jobs; templates need about a gigabyte each.
cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
set_property(GLOBAL PROPERTY JOB_POOLS all=${cores})
set(CMAKE_JOB_POOL_COMPILE all)
set(CMAKE_JOB_POOL_LINK all)

# Warnings are errors in our code; dependencies are compiled before this is called.
macro(tarn_warnings)
    add_compile_options(-Wall -Wextra -Werror -Wno-missing-field-initializers)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
        add_compile_options(-Wthread-safety)
    endif()
endmacro()
