// Children that were forked from the process that loaded an engine.
#include "process.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>

#include "c_api.hpp"
#include "small_bundle.hpp"

namespace groupvit::detail {
namespace {

// The exit code of `work` in a child; a child that hangs is ended by the system.
int in_child(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    ::_exit(work());
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

class EndsTheProcess final : public Engine {
 public:
  explicit EndsTheProcess(std::unique_ptr<Engine> engine) : engine_(std::move(engine)) {}
  ~EndsTheProcess() override {
    if (!owner_.is_here()) ::_exit(77);  // where a vendor's engine waits for its threads
  }
  std::string description() const override { return engine_->description(); }
  Tensors run(const Tensors& inputs, const std::vector<std::string>& wanted) override {
    if (!owner_.is_here()) ::_exit(78);
    return engine_->run(inputs, wanted);
  }

 private:
  OwningProcess owner_;
  std::unique_ptr<Engine> engine_;
};

EngineLoader engines_with_threads() {
  return [](const EngineInfo& info, const std::filesystem::path& root, const EngineOptions& options) {
    return std::make_unique<EndsTheProcess>(arithmetic_engines()(info, root, options));
  };
}

class Forks : public testing::Test {
 protected:
  Forks() : pixels_(20 * 20 * 3, 90), image_{pixels_.data(), 20, 20, 0, GROUPVIT_RGB} {
    segmenter_ = std::make_unique<groupvit_segmenter>(groupvit_segmenter{
        std::make_unique<Session>(bundle_.root(), SessionOptions{}, engines_with_threads()), ""});
    EXPECT_EQ(encode(&words_), GROUPVIT_OK);
    EXPECT_EQ(segment(), GROUPVIT_OK);
  }
  ~Forks() override { groupvit_vocabulary_free(words_); }

  groupvit_status encode(groupvit_vocabulary** words) {
    const char* const names[] = {"cat", "dog"};
    return groupvit_vocabulary_encode(segmenter_.get(), names, 2, nullptr, 0, words);
  }
  groupvit_status segment() {
    std::uint16_t labels[400];
    return groupvit_segment_into(segmenter_.get(), &image_, words_, nullptr, labels, 0);
  }

  const SmallBundle bundle_;
  std::vector<std::uint8_t> pixels_;
  groupvit_image image_;
  std::unique_ptr<groupvit_segmenter> segmenter_;
  groupvit_vocabulary* words_ = nullptr;
};

TEST_F(Forks, AChildIsToldToLoadAgain) {
  EXPECT_EQ(in_child([&] {
              if (segment() != GROUPVIT_ERROR_ENGINE) return 1;
              const std::string message = groupvit_last_error();
              if (message.find("load after the fork") == std::string::npos) return 2;
              groupvit_vocabulary* more = nullptr;
              return encode(&more) == GROUPVIT_ERROR_ENGINE && more == nullptr ? 0 : 3;
            }),
            0);
  EXPECT_EQ(segment(), GROUPVIT_OK);
}

TEST_F(Forks, AChildGivesBackWithoutDestroyingTheEngine) {
  EXPECT_EQ(in_child([&] {
              segmenter_.reset();
              return 0;
            }),
            0);
  EXPECT_EQ(segment(), GROUPVIT_OK);
}

TEST_F(Forks, AChildLoadsAnEngineOfItsOwn) {
  EXPECT_EQ(in_child([&] {
              Session own(bundle_.root(), {}, engines_with_threads());
              const VocabularyPointer words = own.encode({"cat", "dog"}, std::nullopt);
              return own.segment({{20, 20}, pixels_}, words).labels.size() == 400 ? 0 : 1;
            }),
            0);
}

}  // namespace
}  // namespace groupvit::detail
