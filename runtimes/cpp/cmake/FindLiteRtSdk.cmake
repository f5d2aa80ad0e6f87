# LiteRT's library, in the wheel's folder (ai_edge_litert) or where the system has it. Nothing is linked with it: it is
# what the build and the installed library load.
find_library(LiteRtSdk_LIBRARY LiteRt)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LiteRtSdk REQUIRED_VARS LiteRtSdk_LIBRARY)
mark_as_advanced(LiteRtSdk_LIBRARY)
