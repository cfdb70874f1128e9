# The only place with compiler flags. Every kernel source is compiled once per instruction-set tier, into the
# namespace palimpsest::<tier>; which tier runs is decided at run time from cpuid.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

set(PALIMPSEST_TIERS portable avx2 avx512 avx512bf16 amx)
set(PALIMPSEST_FLAGS_portable -march=x86-64)
set(PALIMPSEST_FLAGS_avx2 -march=x86-64-v3)
set(PALIMPSEST_FLAGS_avx512 -march=x86-64-v4)
set(PALIMPSEST_FLAGS_avx512bf16 -march=x86-64-v4 -mavx512bf16)
set(PALIMPSEST_FLAGS_amx -march=x86-64-v4 -mavx512bf16 -mamx-tile -mamx-bf16)

# -ffp-contract=off: a multiply and an add are fused only where a kernel says so. What the compiler fuses may differ
# between a full tile and its edge, and then a batch mate could change an example's bits.
set(PALIMPSEST_COMMON_FLAGS -O3 -ffp-contract=off -fno-math-errno -fno-trapping-math -fvisibility=hidden -Wall -Wextra
    -Werror=return-type)

# The same sources and arithmetic, with each access to memory and each operation that C++ may leave undefined checked; what
# is found ends the process. -O2, since checked code takes minutes to compile at -O3.
option(PALIMPSEST_SANITIZE "build with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
if(PALIMPSEST_SANITIZE)
  list(APPEND PALIMPSEST_COMMON_FLAGS -O2 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined
       -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
endif()

function(palimpsest_add_tiers target sources)
  target_compile_options(${target} PRIVATE ${PALIMPSEST_COMMON_FLAGS})
  foreach(tier ${PALIMPSEST_TIERS})
    add_library(${target}_${tier} OBJECT ${sources})
    target_include_directories(${target}_${tier} PRIVATE include src)
    target_compile_options(${target}_${tier} PRIVATE ${PALIMPSEST_COMMON_FLAGS} ${PALIMPSEST_FLAGS_${tier}})
    target_compile_definitions(${target}_${tier} PRIVATE PALIMPSEST_TIER=${tier} PALIMPSEST_TIER_${tier}=1)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${target}_${tier}>)
  endforeach()
endfunction()
