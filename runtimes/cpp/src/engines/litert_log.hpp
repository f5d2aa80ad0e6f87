// The line that LiteRT logs once in every process, and for which its C interface has no switch.
#pragma once

namespace groupvit::detail::litert {

// Has LiteRT log that it made its first XNNPACK delegate on a thread whose standard error is nowhere; that of the
// process, and of every other thread, is not touched. Only on Linux; elsewhere the line is seen, once. Throws as `api`.
void without_its_first_line();

}  // namespace groupvit::detail::litert
