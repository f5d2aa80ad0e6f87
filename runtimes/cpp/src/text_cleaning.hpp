// What NVlabs' tokenizer does to a text before it splits it.
#pragma once

#include <string>
#include <string_view>

namespace groupvit::detail {

// ftfy.fix_text, html.unescape twice, white space to single spaces and str.lower, as the Python runtime has them.
//
// Throws Error(GROUPVIT_ERROR_LABEL) for a text that ftfy suspects of having been decoded by the wrong encoding: to
// guess the right one is not done here.
std::u32string clean_as_nvlabs(std::u32string_view text);

}  // namespace groupvit::detail
