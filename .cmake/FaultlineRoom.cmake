# How a room (a folder of the table in the architecture) becomes a library, a program or a test.
#
#   faultline_room(checker DEPENDS history)             library faultline::checker from ./*.cpp, public face ./faultline/
#   faultline_room(base DIR base SOURCES_FROM . extra)   sources from the named folders, relative to DIR
#   faultline_room(serve WAITS DEPENDS reports)          its code mostly waits: the tests' build does not optimise it, which compiles faster
#   faultline_room(sim HOT DEPENDS workloads)           what simulated campaigns spend their time in: a release optimises it further
#   faultline_room(cli BATCHED ALONE a.cpp DEPENDS …)    its sources but a.cpp are compiled several at a time, see FAULTLINE_BATCHES
#   faultline_program(faultline main.cpp DEPENDS cli)    an executable from one file; its room is a library, so that tests reach it
#   faultline_tests(history DEPENDS history)             one GoogleTest binary from tests/<folder>/*_test.cpp, compiled several at a time
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEV "-O1 -g1 -fno-omit-frame-pointer -D_GLIBCXX_ASSERTIONS")
find_package(Threads REQUIRED)

add_library(faultline_flags INTERFACE)
target_compile_options(faultline_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Woverloaded-virtual -Wold-style-cast
  -Wimplicit-fallthrough -Wno-missing-field-initializers -Werror
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict -Wno-maybe-uninitialized -Wduplicated-cond -Wlogical-op>)
# Without two checks of UBSan that cost a third of the time to compile: a null pointer that is followed traps without them, too, and
# nothing of ours reads through a misaligned pointer on machines that mind.
if(FAULTLINE_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize=null,alignment -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
endif()

# Most of what it takes to compile a file of ours goes into headers that the next one includes too, and into the same instances of the
# same templates. So sources that bear it are compiled some at a time, which halves their cost. A file whose names clash with those of
# another of its target (the compiler says so) is named after ALONE; rooms that planted bugs replace file by file (tests/mutants) are
# not BATCHED at all. Off where a compiler cache is in use: it serves single files better.
if(CMAKE_CXX_COMPILER_LAUNCHER)
  set(batches OFF)
else()
  set(batches ON)
endif()
option(FAULTLINE_BATCHES "Compile several sources at a time" ${batches})

function(faultline_batch target folder)
  if(FAULTLINE_BATCHES)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
    list(TRANSFORM ARGN PREPEND "${folder}/")
    set_source_files_properties(${ARGN} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  endif()
endfunction()

set_property(GLOBAL PROPERTY FAULTLINE_EXPORTED "")

function(faultline_room name)
  cmake_parse_arguments(ROOM "EXPORTED;WAITS;HOT;BATCHED" "DIR;EXCEPT" "SOURCES_FROM;DEPENDS;PRIVATE;ALONE" ${ARGN})
  set(dir "${CMAKE_CURRENT_SOURCE_DIR}")
  if(ROOM_DIR)
    set(dir "${dir}/${ROOM_DIR}")
  endif()
  if(NOT ROOM_SOURCES_FROM)
    set(ROOM_SOURCES_FROM ".")
  endif()
  set(globs "")
  foreach(folder IN LISTS ROOM_SOURCES_FROM)
    list(APPEND globs "${dir}/${folder}/*.cpp")
  endforeach()
  file(GLOB sources CONFIGURE_DEPENDS ${globs})
  if(ROOM_EXCEPT)
    list(FILTER sources EXCLUDE REGEX "/${ROOM_EXCEPT}$")
  endif()
  set(target "faultline_${name}")
  set(public PUBLIC)
  if(sources)
    add_library(${target} STATIC ${sources})
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:faultline_flags> ${ROOM_PRIVATE})
  else()
    add_library(${target} INTERFACE)
    set(public INTERFACE)
  endif()
  if(ROOM_BATCHED AND sources)
    faultline_batch(${target} "${dir}" ${ROOM_ALONE})
  endif()
  if(ROOM_HOT AND sources)
    target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O3>)
  endif()
  if(ROOM_WAITS AND sources)
    target_compile_options(${target} PRIVATE $<$<CONFIG:Dev>:-O0>)
  endif()
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  add_library(faultline::${name} ALIAS ${target})
  target_include_directories(${target} ${public} "$<BUILD_INTERFACE:${dir}>" "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  foreach(dependency IN LISTS ROOM_DEPENDS)
    target_link_libraries(${target} ${public} faultline::${dependency})
  endforeach()
  target_compile_features(${target} ${public} cxx_std_20)
  if(ROOM_EXPORTED)
    set_property(GLOBAL APPEND PROPERTY FAULTLINE_EXPORTED ${target})
    install(DIRECTORY "${dir}/faultline" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.hpp")
  endif()
endfunction()

function(faultline_program name main)
  cmake_parse_arguments(PROGRAM "" "" "DEPENDS;PRIVATE" ${ARGN})
  add_executable(${name} ${main})
  foreach(dependency IN LISTS PROGRAM_DEPENDS)
    target_link_libraries(${name} PRIVATE faultline::${dependency})
  endforeach()
  target_link_libraries(${name} PRIVATE faultline_flags Threads::Threads ${PROGRAM_PRIVATE})
  target_include_directories(${name} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
  install(TARGETS ${name} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endfunction()

# Its own sources are not optimised, as they take longer to compile than to run; COMPUTES says that they do search or simulate much.
# Labels let `ctest -L` choose. tests/run has two slots for each core: WAITS says that a test mostly waits for daemons, timeouts and
# sockets and takes one of them; whatever computes takes two, which is a core.
function(faultline_tests name)
  cmake_parse_arguments(TESTS "COMPUTES;WAITS" "TIMEOUT" "DEPENDS;PRIVATE;PROPERTIES;ALONE" ${ARGN})
  if(NOT TESTS_TIMEOUT)
    set(TESTS_TIMEOUT 300)
  endif()
  set(slots 2)
  if(TESTS_WAITS)
    set(slots 1)
  endif()
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  if(NOT sources)
    return()
  endif()
  set(target "${name}_test")
  add_executable(${target} ${sources})
  faultline_batch(${target} "${CMAKE_CURRENT_SOURCE_DIR}" ${TESTS_ALONE})
  foreach(dependency IN LISTS TESTS_DEPENDS)
    target_link_libraries(${target} PRIVATE faultline::${dependency})
  endforeach()
  target_link_libraries(${target} PRIVATE faultline_flags GTest::gtest_main Threads::Threads ${TESTS_PRIVATE})
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}" "${CMAKE_CURRENT_SOURCE_DIR}")
  target_compile_definitions(${target} PRIVATE FL_SOURCE_DIR="${PROJECT_SOURCE_DIR}" FL_BINARY_DIR="${CMAKE_BINARY_DIR}")
  if(NOT TESTS_COMPUTES)
    target_compile_options(${target} PRIVATE $<$<CONFIG:Dev>:-O0>)
  endif()
  gtest_discover_tests(${target} TEST_PREFIX "${name}." DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
                       PROPERTIES TIMEOUT ${TESTS_TIMEOUT} PROCESSORS ${slots} ${TESTS_PROPERTIES})
endfunction()

function(faultline_install_package)
  get_property(exported GLOBAL PROPERTY FAULTLINE_EXPORTED)
  install(TARGETS ${exported} EXPORT faultline ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  install(EXPORT faultline NAMESPACE faultline:: DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/faultline")
  file(WRITE "${CMAKE_BINARY_DIR}/faultlineConfig.cmake"
"include(CMakeFindDependencyMacro)
find_dependency(Threads)
find_dependency(fmt)
find_dependency(simdjson)
find_dependency(ZLIB)
include(\"\${CMAKE_CURRENT_LIST_DIR}/faultline.cmake\")
")
  write_basic_package_version_file("${CMAKE_BINARY_DIR}/faultlineConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
  install(FILES "${CMAKE_BINARY_DIR}/faultlineConfig.cmake" "${CMAKE_BINARY_DIR}/faultlineConfigVersion.cmake"
          DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/faultline")
endfunction()
