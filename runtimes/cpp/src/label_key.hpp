// When two class names are one to whoever reads them.
#pragma once

#include <string>
#include <string_view>

namespace groupvit::detail {

// Equal for names that look alike: no case, composed, and without what does not show.
std::u32string label_key(std::u32string_view name);

}  // namespace groupvit::detail
