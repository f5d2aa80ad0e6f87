#include "choose_engine.hpp"

#include <algorithm>
#include <vector>

#include "error.hpp"

namespace groupvit::detail {
namespace {

using Names = std::vector<std::string>;

// What is native, the fastest first; float32, which always is, ends both.
const Names& order_on_cpu() {
  static const Names order = {"int8", "bf16", "fp32"};
  return order;
}

const Names& order_on_gpu() {
  static const Names order = {"fp16", "bf16", "fp32"};
  return order;
}

std::string joined(const Names& names, const std::string& separator) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : separator) + name;
  return text;
}

bool contains(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The first of `order` that is in `names`, which float32 is.
std::string first_of(const Names& order, const Names& names) {
  const auto found =
      std::find_if(order.begin(), order.end(), [&](const std::string& name) { return contains(names, name); });
  return found == order.end() ? "fp32" : *found;
}

bool runs_on_cpu(const std::string& target, const std::string& device) {
  return device.empty() ? target == "openvino" || target == "onnx" : device == "cpu";
}

}  // namespace

EngineChoice choose_image_engine(const Manifest& manifest, const std::string& precision, const std::string& device,
                                 const ProcessorFlags& flags) {
  Names names;
  for (const EngineInfo* engine : manifest.image_engines()) names.push_back(engine->precision);
  if (!precision.empty() && !contains(names, precision)) {
    throw Error(GROUPVIT_ERROR_USAGE, "the bundle has no image engine of this precision", precision,
                joined(names, " or "),
                "leave the precision away, or export one that has it: groupvit export --also " +
                    (precision == "fp32" ? precision : "fp32," + precision));
  }
  const auto chosen = [&](const std::string& name, const std::string& why) {
    for (const EngineInfo* engine : manifest.image_engines()) {
      if (engine->precision == name) {
        return EngineChoice{*engine, name + " of " + joined(names, ", ") + ", " + why};
      }
    }
    throw Error(GROUPVIT_ERROR_INTERNAL, "an engine was chosen that is not there", name);
  };
  const EngineInfo& first = manifest.engine("image");
  if (names.size() == 1) return {first, {}};
  if (!precision.empty()) return chosen(precision, "as asked");
  if (!runs_on_cpu(first.target, device)) return chosen(first_of(order_on_gpu(), names), "by the rule for GPUs");
  Names native;
  for (const std::string& name : names) {
    if (is_native(first.target, name, flags)) native.push_back(name);
  }
  const Names own = instruction_sets(flags);
  const std::string processor = own.empty() ? "an unknown processor" : joined(own, " and ");
  if (manifest.measured && manifest.measured->instruction_sets == own) {
    return chosen(first_of(manifest.measured->fastest_first, native), "the fastest at export on " + processor);
  }
  return chosen(first_of(order_on_cpu(), native), "by the rule for " + processor);
}

}  // namespace groupvit::detail
