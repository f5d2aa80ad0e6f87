#include "grouping_attention_plugin.h"

#include <atomic>
#include <cstdio>
#include <cstring>
#include <new>

#include "groupvit/grouping_attention.h"

namespace groupvit::tensorrt {
namespace {

using nvinfer1::AsciiChar;
using nvinfer1::DataType;
using nvinfer1::PluginFieldType;

constexpr AsciiChar kName[] = "GroupingAttention";
constexpr AsciiChar kVersion[] = "1";
constexpr AsciiChar kNamespace[] = "groupvit";
constexpr AsciiChar kEps[] = "eps";

static_assert(GROUPVIT_GROUPING_ATTENTION_VERSION == 1, "the version of the plugin is that of the operator");

enum Input : int32_t { kQuery, kTokens, kBias, kInputs };
enum Output : int32_t { kMeans, kSoft, kIndex, kCount, kOutputs };

constexpr int32_t kInputRanks[kInputs] = {3, 3, 2};
constexpr DataType kOutputTypes[kOutputs] = {DataType::kFLOAT, DataType::kFLOAT, DataType::kINT64, DataType::kFLOAT};

// Set while a library is loaded and read from any thread that reports.
std::atomic<nvinfer1::ILoggerFinder*> logger_finder{nullptr};

// To TensorRT's logger if there is one: a plugin that was registered by hand is told of none.
int32_t fail(char const* what) noexcept {
  char line[512];
  snprintf(line, sizeof line, "%s::%s: %s", kNamespace, kName, what);
  nvinfer1::ILoggerFinder* const finder = logger_finder.load();
  nvinfer1::ILogger* const logger = finder != nullptr ? finder->findLogger() : nullptr;
  if (logger != nullptr) {
    logger->log(nvinfer1::ILogger::Severity::kERROR, line);
  } else {
    fprintf(stderr, "%s\n", line);
  }
  return -1;
}

bool is_supported(DataType type) noexcept {
  return type == DataType::kFLOAT || type == DataType::kHALF || type == DataType::kBF16;
}

// `type` has passed supportsFormatCombination().
groupvit_dtype to_dtype(DataType type) noexcept {
  return type == DataType::kFLOAT  ? GROUPVIT_FLOAT32
         : type == DataType::kHALF ? GROUPVIT_FLOAT16
                                   : GROUPVIT_BFLOAT16;
}

}  // namespace

GroupingAttentionPlugin::GroupingAttentionPlugin(float eps) noexcept
    : eps_(eps), field_(kEps, &eps_, PluginFieldType::kFLOAT32, 1), fields_{1, &field_} {}

nvinfer1::IPluginCapability* GroupingAttentionPlugin::getCapabilityInterface(
    nvinfer1::PluginCapabilityType type) noexcept {
  switch (type) {
    case nvinfer1::PluginCapabilityType::kCORE:
      return static_cast<nvinfer1::IPluginV3OneCore*>(this);
    case nvinfer1::PluginCapabilityType::kBUILD:
      return static_cast<nvinfer1::IPluginV3OneBuild*>(this);
    case nvinfer1::PluginCapabilityType::kRUNTIME:
      return static_cast<nvinfer1::IPluginV3OneRuntime*>(this);
  }
  return nullptr;
}

nvinfer1::IPluginV3* GroupingAttentionPlugin::clone() noexcept {
  return new (std::nothrow) GroupingAttentionPlugin(eps_);
}

AsciiChar const* GroupingAttentionPlugin::getPluginName() const noexcept { return kName; }

AsciiChar const* GroupingAttentionPlugin::getPluginVersion() const noexcept { return kVersion; }

AsciiChar const* GroupingAttentionPlugin::getPluginNamespace() const noexcept { return kNamespace; }

int32_t GroupingAttentionPlugin::getNbOutputs() const noexcept { return kOutputs; }

int32_t GroupingAttentionPlugin::configurePlugin(nvinfer1::DynamicPluginTensorDesc const* /*inputs*/,
                                                 int32_t input_count,
                                                 nvinfer1::DynamicPluginTensorDesc const* /*outputs*/,
                                                 int32_t output_count) noexcept {
  if (input_count != kInputs || output_count != kOutputs) {
    return fail("expected 3 inputs and 4 outputs");
  }
  return 0;
}

bool GroupingAttentionPlugin::supportsFormatCombination(int32_t position,
                                                        nvinfer1::DynamicPluginTensorDesc const* tensors,
                                                        int32_t input_count, int32_t output_count) noexcept {
  if (input_count != kInputs || output_count != kOutputs || position < 0 || position >= kInputs + kOutputs) {
    return false;
  }
  nvinfer1::PluginTensorDesc const& tensor = tensors[position].desc;
  if (tensor.format != nvinfer1::TensorFormat::kLINEAR) {
    return false;
  }
  if (position == kQuery) {
    return is_supported(tensor.type);
  }
  // One dtype for all three inputs: those before `position` are decided.
  return position < kInputs ? tensor.type == tensors[kQuery].desc.type
                            : tensor.type == kOutputTypes[position - kInputs];
}

int32_t GroupingAttentionPlugin::getOutputDataTypes(DataType* output_types, int32_t output_count,
                                                    DataType const* input_types,
                                                    int32_t input_count) const noexcept {
  if (input_count != kInputs || output_count != kOutputs) {
    return fail("expected 3 inputs and 4 outputs");
  }
  if (!is_supported(input_types[kQuery]) || input_types[kTokens] != input_types[kQuery] ||
      input_types[kBias] != input_types[kQuery]) {
    return fail("expected query, tokens and bias to be all float32, all float16 or all bfloat16");
  }
  for (int32_t output = 0; output < kOutputs; ++output) {
    output_types[output] = kOutputTypes[output];
  }
  return 0;
}

int32_t GroupingAttentionPlugin::getOutputShapes(nvinfer1::DimsExprs const* inputs, int32_t input_count,
                                                 nvinfer1::DimsExprs const* /*shape_inputs*/,
                                                 int32_t /*shape_input_count*/, nvinfer1::DimsExprs* outputs,
                                                 int32_t output_count,
                                                 nvinfer1::IExprBuilder& /*builder*/) noexcept {
  if (input_count != kInputs || output_count != kOutputs) {
    return fail("expected 3 inputs and 4 outputs");
  }
  for (int32_t input = 0; input < kInputs; ++input) {
    if (inputs[input].nbDims != kInputRanks[input]) {
      return fail("expected query [B, G, C], tokens [B, N, C] and bias [B, G]");
    }
  }
  nvinfer1::IDimensionExpr const* const batch = inputs[kQuery].d[0];
  nvinfer1::IDimensionExpr const* const groups = inputs[kQuery].d[1];
  nvinfer1::IDimensionExpr const* const channels = inputs[kQuery].d[2];
  nvinfer1::IDimensionExpr const* const length = inputs[kTokens].d[1];
  outputs[kMeans].nbDims = 3;
  outputs[kMeans].d[0] = batch;
  outputs[kMeans].d[1] = groups;
  outputs[kMeans].d[2] = channels;
  outputs[kSoft].nbDims = 3;
  outputs[kSoft].d[0] = batch;
  outputs[kSoft].d[1] = groups;
  outputs[kSoft].d[2] = length;
  outputs[kIndex].nbDims = 2;
  outputs[kIndex].d[0] = batch;
  outputs[kIndex].d[1] = length;
  outputs[kCount].nbDims = 2;
  outputs[kCount].d[0] = batch;
  outputs[kCount].d[1] = groups;
  return 0;
}

int32_t GroupingAttentionPlugin::onShapeChange(nvinfer1::PluginTensorDesc const* inputs, int32_t input_count,
                                               nvinfer1::PluginTensorDesc const* /*outputs*/,
                                               int32_t output_count) noexcept {
  if (input_count != kInputs || output_count != kOutputs) {
    return fail("expected 3 inputs and 4 outputs");
  }
  nvinfer1::Dims const& query = inputs[kQuery].dims;
  nvinfer1::Dims const& tokens = inputs[kTokens].dims;
  nvinfer1::Dims const& bias = inputs[kBias].dims;
  if (query.nbDims != 3 || tokens.nbDims != 3 || bias.nbDims != 2 || tokens.d[0] != query.d[0] ||
      tokens.d[2] != query.d[2] || bias.d[0] != query.d[0] || bias.d[1] != query.d[1]) {
    return fail("B, G or C differ between query [B, G, C], tokens [B, N, C] and bias [B, G]");
  }
  return 0;
}

int32_t GroupingAttentionPlugin::enqueue(nvinfer1::PluginTensorDesc const* input_descriptions,
                                         nvinfer1::PluginTensorDesc const* /*output_descriptions*/,
                                         void const* const* inputs, void* const* outputs, void* /*workspace*/,
                                         cudaStream_t stream) noexcept {
  nvinfer1::Dims const& query = input_descriptions[kQuery].dims;
  groupvit_grouping_attention_arguments arguments{};
  arguments.dtype = to_dtype(input_descriptions[kQuery].type);
  arguments.eps = eps_;
  arguments.batch = query.d[0];
  arguments.groups = query.d[1];
  arguments.length = input_descriptions[kTokens].dims.d[1];
  arguments.channels = query.d[2];
  arguments.query = inputs[kQuery];
  arguments.tokens = inputs[kTokens];
  arguments.bias = inputs[kBias];
  arguments.query_strides[0] = arguments.groups * arguments.channels;
  arguments.query_strides[1] = arguments.channels;
  arguments.query_strides[2] = 1;
  arguments.tokens_strides[0] = arguments.length * arguments.channels;
  arguments.tokens_strides[1] = arguments.channels;
  arguments.tokens_strides[2] = 1;
  arguments.bias_strides[0] = arguments.groups;
  arguments.bias_strides[1] = 1;
  arguments.means = static_cast<float*>(outputs[kMeans]);
  arguments.soft = static_cast<float*>(outputs[kSoft]);
  arguments.index = static_cast<int64_t*>(outputs[kIndex]);
  arguments.count = static_cast<float*>(outputs[kCount]);
  groupvit_kernel_status const status = groupvit_grouping_attention(&arguments, stream);
  return status == GROUPVIT_KERNEL_OK ? 0 : fail(groupvit_kernel_status_text(status));
}

nvinfer1::IPluginV3* GroupingAttentionPlugin::attachToContext(
    nvinfer1::IPluginResourceContext* /*context*/) noexcept {
  return clone();
}

nvinfer1::PluginFieldCollection const* GroupingAttentionPlugin::getFieldsToSerialize() noexcept { return &fields_; }

GroupingAttentionCreator::GroupingAttentionCreator() noexcept
    : field_(kEps, nullptr, PluginFieldType::kFLOAT32, 1), fields_{1, &field_} {}

AsciiChar const* GroupingAttentionCreator::getPluginName() const noexcept { return kName; }

AsciiChar const* GroupingAttentionCreator::getPluginVersion() const noexcept { return kVersion; }

AsciiChar const* GroupingAttentionCreator::getPluginNamespace() const noexcept { return kNamespace; }

nvinfer1::PluginFieldCollection const* GroupingAttentionCreator::getFieldNames() noexcept { return &fields_; }

nvinfer1::IPluginV3* GroupingAttentionCreator::createPlugin(AsciiChar const* /*name*/,
                                                            nvinfer1::PluginFieldCollection const* fields,
                                                            nvinfer1::TensorRTPhase /*phase*/) noexcept {
  float eps = 0.0f;
  for (int32_t position = 0; fields != nullptr && position < fields->nbFields; ++position) {
    nvinfer1::PluginField const& field = fields->fields[position];
    // Other fields are the parser's own, the namespace of the plugin among them.
    if (strcmp(field.name, kEps) == 0 && field.type == PluginFieldType::kFLOAT32 && field.length == 1) {
      memcpy(&eps, field.data, sizeof eps);
    }
  }
  if (!(eps > 0.0f)) {
    fail("the attribute eps is missing or not positive; expected one positive float");
    return nullptr;
  }
  return new (std::nothrow) GroupingAttentionPlugin(eps);
}

namespace {

// TensorRT keeps the address for as long as the library is loaded.
GroupingAttentionCreator& creator() {
  static GroupingAttentionCreator instance;
  return instance;
}

}  // namespace
}  // namespace groupvit::tensorrt

void setLoggerFinder(nvinfer1::ILoggerFinder* finder) { groupvit::tensorrt::logger_finder.store(finder); }

nvinfer1::IPluginCreatorInterface* const* getCreators(int32_t& count) {
  static nvinfer1::IPluginCreatorInterface* const creators[] = {&groupvit::tensorrt::creator()};
  count = 1;
  return creators;
}

bool groupvit_register_tensorrt_plugin() {
  return getPluginRegistry()->registerCreator(groupvit::tensorrt::creator(), groupvit::tensorrt::kNamespace);
}
