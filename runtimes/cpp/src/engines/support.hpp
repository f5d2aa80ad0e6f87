// What every engine needs: tensors by the manifest's names for dtypes, and errors in the library's own words.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "error.hpp"
#include "manifest.hpp"
#include "tensor.hpp"

namespace groupvit::detail {

// The NumPy name of a tensor's dtype, as manifests have it: "float32", "int64", "int32", "uint8".
const char* dtype_name(const Tensor& tensor);

// "[1, 3, 224, 224]".
std::string to_text(const Shape& shape);

// Number of values of a shape. Throws Error(GROUPVIT_ERROR_ENGINE) for a negative side or a product that does
// not fit into memory.
std::size_t element_count(const Shape& shape);

// Zeros of a dtype and shape. Throws Error(GROUPVIT_ERROR_ENGINE) for a dtype that tensors do not have.
Tensor make_tensor(const std::string& dtype, const Shape& shape);
void* data_of(Tensor& tensor);
const void* data_of(const Tensor& tensor);
std::size_t bytes_of(const Tensor& tensor);

// The output `name` of the manifest. Throws Error(GROUPVIT_ERROR_ENGINE) where there is none.
const TensorInfo& output_info(const EngineInfo& info, const std::string& name);

// Refuses inputs that are missing, or of another dtype or shape than the manifest says. The runtimes are
// given bare addresses, so it is checked here that the memory is as large as the shape claims.
void check_inputs(const std::string& runtime, const EngineInfo& info, const Tensors& inputs);

// Compares what a loaded engine says of its tensors (-1 for a side that it leaves open) with the manifest.
// Throws Error(GROUPVIT_ERROR_ENGINE) where they differ.
void check_interface(const std::string& runtime, const EngineInfo& info, const std::vector<TensorInfo>& inputs,
                     const std::vector<TensorInfo>& outputs);

// The first numbers of a version: "2026.4.1-abc" -> {2026, 4, 1}.
std::vector<long> version_numbers(const std::string& version, std::size_t count);

// A foreign library's message, short and on one line.
std::string one_line(const std::string& message);

// The runtime (name and version) refused the engine's file.
Error load_failed(const std::string& runtime, const EngineInfo& info, const std::string& reason,
                  const std::string& fix);

// The runtime could not execute the engine on these inputs.
Error run_failed(const std::string& runtime, const EngineInfo& info, const Tensors& inputs,
                 const std::string& reason);

}  // namespace groupvit::detail
