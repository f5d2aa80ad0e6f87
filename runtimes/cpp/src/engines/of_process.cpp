#include "engines/of_process.hpp"

#include <utility>

#include "process.hpp"

namespace groupvit::detail {
namespace {

class OfProcess final : public Engine {
 public:
  explicit OfProcess(std::unique_ptr<Engine> engine) : engine_(std::move(engine)) {}
  ~OfProcess() override {
    // To destroy it is to wait for its threads, and those stayed in the parent.
    if (!process_.is_here()) static_cast<void>(engine_.release());
  }

  std::string description() const override { return engine_->description(); }

  Tensors run(const Tensors& inputs, const std::vector<std::string>& wanted) override {
    process_.check();
    return engine_->run(inputs, wanted);
  }

 private:
  OwningProcess process_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace

EngineLoader of_process(EngineLoader loader) {
  return [loader = std::move(loader)](const EngineInfo& info, const std::filesystem::path& root,
                                      const EngineOptions& options) -> std::unique_ptr<Engine> {
    return std::make_unique<OfProcess>(loader(info, root, options));
  };
}

}  // namespace groupvit::detail
