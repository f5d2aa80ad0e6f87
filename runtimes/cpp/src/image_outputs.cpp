#include "image_outputs.hpp"

#include <utility>

#include "engines/support.hpp"
#include "error.hpp"

namespace groupvit::detail {

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

}  // namespace groupvit::detail
