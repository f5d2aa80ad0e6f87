// OpenVINO alone from its start to its first inference: what no runtime upon it can be faster than.
// Nothing is verified, read or decoded. bare_openvino IMAGE.xml f32|bf16 prints CLOCK_MONOTONIC in milliseconds.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <openvino/openvino.hpp>

int main(int count, char** arguments) {
  if (count != 3) return 2;
  ov::Core core;
  const ov::element::Type precision(arguments[2]);
  ov::CompiledModel model =
      core.compile_model(arguments[1], "CPU", ov::hint::inference_precision(precision),
                         ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY));
  ov::InferRequest request = model.create_infer_request();
  for (const ov::Output<const ov::Node>& input : model.inputs()) {
    ov::Shape shape;
    for (const ov::Dimension& size : input.get_partial_shape()) {
      shape.push_back(size.is_static() ? static_cast<std::size_t>(size.get_length()) : 1);
    }
    ov::Tensor zeros(input.get_element_type(), shape);
    std::memset(zeros.data(), 0, zeros.get_byte_size());
    request.set_tensor(input, zeros);
  }
  request.infer();
  const std::chrono::duration<double, std::milli> now = std::chrono::steady_clock::now().time_since_epoch();
  std::printf("%.6f\n", now.count());
  return 0;
}
