# Writes OUTPUT (smg_version.h) from VERSION and the commit of SOURCE, and only when it changes.
# A source tree without .git, such as an unpacked release, gives the commit "unknown".
set(commit unknown)
if(EXISTS ${SOURCE}/.git)
    execute_process(COMMAND git -C ${SOURCE} rev-parse --short=12 HEAD
        OUTPUT_VARIABLE output RESULT_VARIABLE result OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(result EQUAL 0)
        set(commit ${output})
    endif()
endif()
set(text "#define SMG_VERSION \"${VERSION}\"\n#define SMG_COMMIT \"${commit}\"\n")
set(old "")
if(EXISTS ${OUTPUT})
    file(READ ${OUTPUT} old)
endif()
if(NOT text STREQUAL old)
    file(WRITE ${OUTPUT} "${text}")
endif()
