# Cross-building for 64-bit ARM with the distribution's compiler. Libraries come from a folder that
# scripts/arm64_sysroot.sh fills; what is built runs under qemu-user where it is installed.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)

if(DEFINED ENV{XDG_CACHE_HOME} AND NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
    set(SMIDGE_SYSROOT $ENV{XDG_CACHE_HOME}/smidge/arm64-sysroot)
else()
    set(SMIDGE_SYSROOT $ENV{HOME}/.cache/smidge/arm64-sysroot)
endif()

# On an ARM machine this is the machine's own compiler, with its own libraries.
if(NOT CMAKE_HOST_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    set(CMAKE_FIND_ROOT_PATH ${SMIDGE_SYSROOT})
    set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
    set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
    set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
    set(CMAKE_EXE_LINKER_FLAGS_INIT -Wl,-rpath-link,${SMIDGE_SYSROOT}/usr/lib/aarch64-linux-gnu)
endif()

find_program(SMIDGE_QEMU qemu-aarch64)
if(SMIDGE_QEMU)
    set(CMAKE_CROSSCOMPILING_EMULATOR ${SMIDGE_QEMU};-L;/usr/aarch64-linux-gnu)
endif()
