# The codecs of the Kafka protocol: tools/kafka_codec.py makes them from src/wire/kafka/schema/ into the build folder,
# as "wire/kafka/messages/<api>.h". Files whose content stays the same are not touched.

set(schema_dir ${PROJECT_SOURCE_DIR}/src/wire/kafka/schema)
set(generator ${PROJECT_SOURCE_DIR}/tools/kafka_codec.py)
set(out ${CMAKE_BINARY_DIR}/generated)
set(folder ${out}/wire/kafka/messages)
file(GLOB schemas CONFIGURE_DEPENDS ${schema_dir}/*.schema)
set(headers ${folder}/api_key.h ${folder}/error_codes.h)
foreach(schema ${schemas})
    get_filename_component(name ${schema} NAME_WE)
    list(APPEND headers ${folder}/${name}.h)
endforeach()
set(sources ${folder}/api_table.cc ${folder}/error_table.cc)
set(test_sources ${folder}/cases.cc)
set(parts 16)  # so that each compiles in a few seconds
math(EXPR last_part "${parts} - 1")
foreach(part RANGE ${last_part})
    list(APPEND sources ${folder}/messages_${part}.cc)
    list(APPEND test_sources ${folder}/fill_${part}.cc)
endforeach()
add_custom_command(OUTPUT ${headers} ${sources} ${test_sources}
    COMMAND ${Python3_EXECUTABLE} ${generator} ${schema_dir} ${out} ${parts}
    DEPENDS ${generator} ${schemas} ${schema_dir}/errors.list
    COMMENT "Making the codecs of the Kafka protocol"
    VERBATIM)
add_custom_target(kafka_messages DEPENDS ${headers})
target_sources(tarn_wire_kafka PRIVATE ${headers} ${sources})
target_include_directories(tarn_wire_kafka PUBLIC ${out})
target_sources(wire_kafka_test PRIVATE ${test_sources})
add_dependencies(wire_kafka_test kafka_messages)
