#include "engines/engine.hpp"

namespace groupvit::detail {

std::vector<std::string> built_engines() { return {}; }

}  // namespace groupvit::detail
