#include "soft_result.hpp"

#include <limits>
#include <string>
#include <utility>

#include "error.hpp"
#include "window_scores.hpp"

namespace groupvit::detail {
namespace {

class WholeResult final : public SoftResult {
 public:
  explicit WholeResult(Encoded encoded) : encoded_(std::move(encoded)) {}

  std::unique_ptr<const ScoreMap> score_map() const override { return map(encoded_.model.image_size, encoded_.size); }
  std::unique_ptr<const ScoreMap> coarse_score_map() const override { return map(window().grid, window().grid); }
  Size coarse_size() const override { return window().grid; }

  LabelMap groups(std::int64_t stage) const override {
    const StageMaps maps = encoded_.outputs.stage(stage, encoded_.model);
    return hf_groups(maps.windows.front(), encoded_.model.image_size, encoded_.size);
  }

  std::size_t group_count() const override { return static_cast<std::size_t>(window().groups); }

  std::vector<float> group_scores() const override {
    return detail::group_scores(window(), encoded_.classes(), encoded_.model.logit_scale,
                                std::numeric_limits<double>::infinity());
  }

  Size logits_size() const override { return encoded_.model.image_size; }

  std::vector<float> logits(std::size_t word) const override {
    Classes one = encoded_.classes();
    one.embeddings += static_cast<std::int64_t>(word) * one.width;
    one.count = 1;
    return hf_logits(hf_scores(window(), one).data(), window().grid, encoded_.model.logit_scale,
                     encoded_.model.image_size);
  }

 private:
  const ImageOutputs& window() const { return encoded_.outputs.windows().front(); }

  std::unique_ptr<const ScoreMap> map(Size through, Size size) const {
    return hf_score_map(window(), encoded_.classes(), encoded_.model.logit_scale, through, size);
  }

  Encoded encoded_;
};

class WindowsResult final : public SoftResult {
 public:
  WindowsResult(Encoded encoded, WindowPlan plan, const PaperDecode& decode)
      : encoded_(std::move(encoded)), plan_(std::move(plan)), decode_(decode) {}

  std::unique_ptr<const ScoreMap> score_map() const override { return map(encoded_.size); }
  std::unique_ptr<const ScoreMap> coarse_score_map() const override { return map(plan_.size); }
  Size coarse_size() const override { return plan_.size; }

  LabelMap groups(std::int64_t stage) const override {
    return window_groups(plan_, encoded_.outputs.stage(stage, encoded_.model).windows, encoded_.size);
  }

  std::size_t group_count() const override {
    const std::vector<ImageOutputs>& windows = encoded_.outputs.windows();
    return windows.size() * static_cast<std::size_t>(windows.front().groups);
  }

  std::vector<float> group_scores() const override {
    std::vector<float> scores;
    for (const ImageOutputs& window : encoded_.outputs.windows()) {
      const std::vector<float> own = detail::group_scores(window, encoded_.classes(), encoded_.model.logit_scale,
                                                          decode_.max_logit_scale);
      scores.insert(scores.end(), own.begin(), own.end());
    }
    return scores;
  }

  Size logits_size() const override { return {}; }

  std::vector<float> logits(std::size_t) const override {
    throw Error(GROUPVIT_ERROR_USAGE, "segmentation logits are those of the hf decode", "a result of the paper decode",
                "the hf decode", "decode = GROUPVIT_DECODE_HF, or groupvit_result_scores");
  }

 private:
  std::unique_ptr<const ScoreMap> map(Size size) const {
    return paper_score_map(average_windows(plan_, encoded_.outputs.windows(), encoded_.classes(),
                                           encoded_.model.logit_scale, decode_),
                           plan_.size, size);
  }

  Encoded encoded_;
  WindowPlan plan_;
  PaperDecode decode_;
};

}  // namespace

Classes Encoded::classes() const {
  return {static_cast<std::int64_t>(words->names.size()), words->width, words->embeddings.data()};
}

std::shared_ptr<const SoftResult> soft_result_of_whole(Encoded encoded) {
  return std::make_shared<WholeResult>(std::move(encoded));
}

std::shared_ptr<const SoftResult> soft_result_of_windows(Encoded encoded, WindowPlan plan, const PaperDecode& decode) {
  return std::make_shared<WindowsResult>(std::move(encoded), std::move(plan), decode);
}

}  // namespace groupvit::detail
