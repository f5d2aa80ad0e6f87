#include "image_outputs.hpp"

#include <utility>

#include "engines/support.hpp"
#include "error.hpp"

namespace groupvit::detail {
namespace {

void check_stage(std::int64_t stage, std::int64_t stages, const Tensors& outputs) {
  if (stage < 1 || stage > stages) {
    throw Error(GROUPVIT_ERROR_USAGE, "the model has no such stage", std::to_string(stage),
                "1 to " + std::to_string(stages) + ", the number of a grouping block, or 0 for the last");
  }
  for (std::int64_t below = 1; below <= stage && stage < stages; ++below) {
    if (outputs.count(soft_map_name(below)) != 0) continue;
    throw Error(GROUPVIT_ERROR_USAGE, "the engine gives the groups of its last stage only",
                "stage " + std::to_string(stage) + " of " + std::to_string(stages) + ", and no output " +
                    soft_map_name(below),
                std::to_string(stages) + ", or 0", "export the bundle again with this version of the toolkit");
  }
}

// `upper` [groups, below] by `lower` [below, cells].
std::vector<double> product(const float* upper, std::size_t groups, const std::vector<double>& lower,
                            std::size_t below) {
  const std::size_t cells = lower.size() / below;
  std::vector<double> result(groups * cells);
  for (std::size_t g = 0; g < groups; ++g) {
    for (std::size_t i = 0; i < below; ++i) {
      const double weight = upper[g * below + i];
      for (std::size_t cell = 0; cell < cells; ++cell) result[g * cells + cell] += weight * lower[i * cells + cell];
    }
  }
  return result;
}

}  // namespace

std::string soft_map_name(std::int64_t stage) { return "soft_map_" + std::to_string(stage); }


const std::vector<float>& float_output(const Tensors& outputs, const std::string& name, const Shape& shape) {
  const auto found = outputs.find(name);
  if (found == outputs.end()) {
    throw Error(GROUPVIT_ERROR_ENGINE, "the image engine lacks an output", "no " + name, name,
                "export the bundle again");
  }
  const Tensor& tensor = found->second;
  bool fits =
      tensor.shape.size() == shape.size() && std::holds_alternative<std::vector<float>>(tensor.values);
  for (std::size_t axis = 0; fits && axis < shape.size(); ++axis) {
    fits = shape[axis] < 0 ? tensor.shape[axis] >= 1 : tensor.shape[axis] == shape[axis];
  }
  if (!fits || tensor.as<float>().size() != element_count(tensor.shape)) {
    throw Error(GROUPVIT_ERROR_ENGINE, name + " from the engine cannot be decoded",
                dtype_name(tensor) + (" " + to_text(tensor.shape)), "float32 " + to_text(shape),
                "copy the bundle again, or export it again");
  }
  return tensor.as<float>();
}

void EncodedWindows::add(Tensors outputs, std::int64_t count, const ModelInfo& model) {
  auto run = std::make_unique<const Tensors>(std::move(outputs));
  const std::int64_t width = model.projection_dim;
  const auto& masks = float_output(*run, kMasks, {count, -1, -1, -1});
  const Shape& shape = run->at(kMasks).shape;
  const std::int64_t groups = shape[1], cells = shape[2] * shape[3];
  const auto& group_embeds = float_output(*run, kGroupEmbeds, {count, groups, width});
  const auto& image_embeds = float_output(*run, kImageEmbeds, {count, width});
  for (std::int64_t index = 0; index < count; ++index) {
    ImageOutputs window;
    window.groups = groups;
    window.grid = {shape[2], shape[3]};
    window.width = width;
    window.masks = masks.data() + index * groups * cells;
    window.group_embeds = group_embeds.data() + index * groups * width;
    window.image_embed = image_embeds.data() + index * width;
    windows_.push_back(window);
  }
  runs_.push_back(std::move(run));
}

StageMaps EncodedWindows::stage(std::int64_t stage, const ModelInfo& model) const {
  const auto stages = static_cast<std::int64_t>(model.groups.size());
  StageMaps maps{{}, windows_};
  if (stage == 0 || stage == stages) return maps;
  check_stage(stage, stages, *runs_.front());
  auto window = maps.windows.begin();
  for (const auto& run : runs_) {
    const std::int64_t count = run->at(kMasks).shape[0];
    for (std::int64_t index = 0; index < count; ++index, ++window) {
      std::int64_t below = window->grid.height * window->grid.width;
      std::vector<double> values;
      for (std::int64_t number = 1; number <= stage; ++number) {
        window->groups = model.groups[static_cast<std::size_t>(number - 1)];
        const auto& soft = float_output(*run, soft_map_name(number), {count, window->groups, below});
        window->masks = soft.data() + index * window->groups * below;
        if (stage == 1) break;
        values = number == 1 ? std::vector<double>(window->masks, window->masks + window->groups * below)
                             : product(window->masks, static_cast<std::size_t>(window->groups), values,
                                       static_cast<std::size_t>(below));
        below = window->groups;
      }
      if (stage == 1) continue;
      maps.computed.emplace_back(values.begin(), values.end());
      window->masks = maps.computed.back().data();
    }
  }
  return maps;
}

}  // namespace groupvit::detail
