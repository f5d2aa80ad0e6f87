#include <algorithm>
#include <string>

#include "decode.hpp"
#include "decode_checks.hpp"
#include "error.hpp"
#include "upsampled_argmax.hpp"

namespace groupvit::detail {
namespace {

std::vector<std::int64_t> nearest(std::int64_t src, std::int64_t dst) {
  std::vector<std::int64_t> result;
  result.reserve(static_cast<std::size_t>(dst));
  for (std::int64_t d = 0; d < dst; ++d) result.push_back((2 * d + 1) * src / (2 * dst));
  return result;
}

}  // namespace

LabelMap window_groups(const WindowPlan& plan, const std::vector<ImageOutputs>& windows, Size out_size) {
  check_window_masks(plan, windows);
  const std::int64_t groups = windows[0].groups;
  const auto count = static_cast<std::int64_t>(windows.size());
  if (count * groups > 65536) {
    throw Error(GROUPVIT_ERROR_IMAGE, "the groups of all windows cannot be numbered in 16 bits",
                std::to_string(count) + " windows of " + std::to_string(groups) + " groups", "65,536 at most",
                "use a smaller image, or a larger stride");
  }
  const Size padded = plan.padded_size;
  LabelMap canvas(static_cast<std::size_t>(padded.height * padded.width));
  // Where windows overlap the first one counts.
  for (std::int64_t i = count - 1; i >= 0; --i) {
    const ImageOutputs& window = windows[static_cast<std::size_t>(i)];
    const WindowPlan::Box& box = plan.boxes[static_cast<std::size_t>(i)];
    const Size side{plan.side, plan.side};
    const LabelMap own = upsampled_argmax(window.masks, groups, window.grid, side, side);
    for (std::int64_t y = 0; y < plan.side; ++y) {
      const std::uint16_t* from = own.data() + y * plan.side;
      std::uint16_t* to = canvas.data() + (box.top + y) * padded.width + box.left;
      std::transform(from, from + plan.side, to,
                     [&](std::uint16_t group) { return static_cast<std::uint16_t>(group + i * groups); });
    }
  }
  const std::vector<std::int64_t> rows = nearest(plan.size.height, out_size.height);
  const std::vector<std::int64_t> columns = nearest(plan.size.width, out_size.width);
  LabelMap result(rows.size() * columns.size());
  std::uint16_t* to = result.data();
  for (const std::int64_t y : rows) {
    const std::uint16_t* from = canvas.data() + y * padded.width;
    for (const std::int64_t x : columns) *to++ = from[x];
  }
  return result;
}

}  // namespace groupvit::detail
