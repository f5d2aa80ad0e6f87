#include "engines/graph_file.hpp"

#include <string_view>

#include "error.hpp"

namespace groupvit::detail {
namespace {

// Of TensorProto.external_data what has the path. Searched for rather than parsed, so that no way to write it is
// missed: before it stands its length, 8, whose encoding may end in zeros.
constexpr std::string_view kKey = "location";

}  // namespace

void check_self_contained(const Bytes& graph) {
  const std::string_view text = graph.text();
  for (std::size_t found = text.find(kKey); found != std::string_view::npos; found = text.find(kKey, found + 1)) {
    if (found == 0 || (text[found - 1] != 0 && text[found - 1] != 8)) continue;
    throw Error(GROUPVIT_ERROR_BUNDLE, "the graph has weights in another file, which the manifest does not list",
                "external data", "an ONNX file with all of its weights inside",
                "do not use this bundle; get it again from where it was exported");
  }
}

}  // namespace groupvit::detail
