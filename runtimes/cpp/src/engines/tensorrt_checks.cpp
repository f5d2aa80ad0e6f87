#include "engines/tensorrt_checks.hpp"

#include <algorithm>
#include <utility>

#include "engines/support.hpp"
#include "error.hpp"

namespace groupvit::detail {
namespace {

std::string package_name(const std::string& flavor) { return flavor == "rtx" ? "tensorrt-rtx" : "tensorrt"; }

// "10.14.1.48.post1": the suffix is of the package, not of the library.
std::vector<long> numbers(const std::string& version) {
  return version_numbers(version.substr(0, version.find(".post")), 8);
}

bool version_fits(const TensorRTInfo& facts, const std::string& version) {
  const std::vector<long> here = numbers(version), built = numbers(facts.version);
  if (!facts.version_compatible) return here == built;
  return !here.empty() && !built.empty() && here.front() == built.front() && here >= built;
}

bool device_fits(const TensorRTInfo& facts, const std::string& compute_capability) {
  const auto& built = facts.compute_capabilities;
  if (built.empty()) return true;
  if (facts.hardware_compatibility == "ampere+")
    return numbers(compute_capability) >= std::vector<long>{8, 0};
  return std::find(built.begin(), built.end(), compute_capability) != built.end();
}

bool accepts(const ProfileInfo& profile, const Shape& shape) {
  if (shape.size() != profile.min.size()) return false;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] < profile.min[axis] || shape[axis] > profile.max[axis]) return false;
  }
  return true;
}

const Tensor& input_of(const Tensors& inputs, const ProfileInfo& profile) {
  const auto found = inputs.find(profile.name);
  if (found != inputs.end() && !found->second.shape.empty()) return found->second;
  throw Error(GROUPVIT_ERROR_ENGINE, "the engine's profile is of an input that was not given",
              "no " + profile.name, profile.name, "export the bundle again");
}

}  // namespace

std::string flavor_title(const std::string& flavor) { return flavor == "rtx" ? "TensorRT-RTX" : "TensorRT"; }

void check_bound_to(const TensorRTInfo& facts, const std::string& flavor, const std::string& version,
                    const std::string& compute_capability, const std::string& device) {
  const std::string title = flavor_title(facts.flavor);
  if (facts.flavor != flavor) {
    throw Error(GROUPVIT_ERROR_UNSUPPORTED,
                "the engine was built by " + title + ", and this library runs " + flavor_title(flavor),
                flavor_title(flavor) + " " + version, title + " " + facts.version,
                "build this library with the other one, or build the engine anew: " + facts.rebuild);
  }
  if (!version_fits(facts, version)) {
    throw Error(GROUPVIT_ERROR_ENGINE, "the engine was built by another version of " + title,
                title + " " + version + " here",
                title + " " + facts.version +
                    (facts.version_compatible ? " or a newer one of the same major version" : " exactly"),
                "install " + package_name(facts.flavor) + " " + facts.version +
                    ", or build it anew: " + facts.rebuild);
  }
  if (!device_fits(facts, compute_capability)) {
    std::string built;
    for (const std::string& one : facts.compute_capabilities) built += (built.empty() ? "" : ", ") + one;
    throw Error(GROUPVIT_ERROR_ENGINE, "the engine was built for another kind of GPU",
                device + ", compute capability " + compute_capability,
                "compute capability " + built +
                    (facts.hardware_compatibility == "ampere+" ? " or any GPU from 8.0 on" : ""),
                "build it anew on this machine: " + facts.rebuild);
  }
}

void check_profiles(const TensorRTInfo& facts, const Tensors& inputs) {
  for (const ProfileInfo& profile : facts.profiles) {
    const Shape& shape = input_of(inputs, profile).shape;
    if (accepts(profile, shape)) continue;
    throw Error(GROUPVIT_ERROR_ENGINE, "the shape of " + profile.name + " is outside the engine's profile",
                to_text(shape), "from " + to_text(profile.min) + " to " + to_text(profile.max),
                "smaller batches, or build it with a larger profile: " + facts.rebuild);
  }
}

Tensors filled_up(const TensorRTInfo& facts, const Tensors& inputs) {
  std::int64_t smallest = 1;
  for (const ProfileInfo& profile : facts.profiles) smallest = std::max(smallest, profile.min.front());
  const std::int64_t given = input_of(inputs, facts.profiles.front()).shape.front();
  if (given < 1 || given >= smallest) return inputs;
  Tensors filled = inputs;
  for (const ProfileInfo& profile : facts.profiles) {
    Tensor& tensor = filled.at(profile.name);
    if (tensor.shape.front() != given) continue;
    std::visit(
        [&](auto& values) {
          const auto row = values.size() / static_cast<std::size_t>(given);
          const typename std::decay_t<decltype(values)> last(values.end() - static_cast<std::ptrdiff_t>(row),
                                                             values.end());
          for (std::int64_t n = given; n < smallest; ++n)
            values.insert(values.end(), last.begin(), last.end());
        },
        tensor.values);
    tensor.shape.front() = smallest;
  }
  return filled;
}

Tensor first_of(Tensor tensor, std::int64_t count) {
  if (tensor.shape.empty() || tensor.shape.front() <= count) return tensor;
  const std::int64_t had = tensor.shape.front();
  tensor.shape.front() = count;
  std::visit(
      [&](auto& values) {
        values.resize(values.size() / static_cast<std::size_t>(had) * static_cast<std::size_t>(count));
      },
      tensor.values);
  return tensor;
}

}  // namespace groupvit::detail
