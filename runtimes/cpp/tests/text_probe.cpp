// The inner interfaces of manifest, vocabulary, prompts and tokenizer as C functions, for tests from Python.
//
// Every function returns a groupvit_status, or -1 for an exception that is not the library's. What it has to say
// (a message, or results) is in probe_text().
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "decimal.hpp"
#include "error.hpp"
#include "json.hpp"
#include "manifest.hpp"
#include "sha256.hpp"
#include "text_cleaning.hpp"
#include "tokenizer.hpp"
#include "unicode.hpp"
#include "utf8.hpp"
#include "vocabulary.hpp"

#define PROBE extern "C" __attribute__((visibility("default")))

namespace {

using namespace groupvit::detail;

std::string& output() {
  thread_local std::string text;
  return text;
}

int guarded(const std::function<std::string()>& body) {
  try {
    output() = body();
    return GROUPVIT_OK;
  } catch (const Error& error) {
    output() = error.what();
    return error.status();
  } catch (const json::SyntaxError& error) {
    output() = error.what();
    return GROUPVIT_ERROR_BUNDLE;
  } catch (const std::exception& error) {
    output() = error.what();
    return -1;
  }
}

// Lists of strings come and go with a zero between them.
std::vector<std::string> split_list(std::string_view text, std::size_t count) {
  std::vector<std::string> list;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t end = text.find('\0');
    list.emplace_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return list;
}

std::string join_list(const std::vector<std::string>& list) {
  std::string text;
  for (std::size_t i = 0; i < list.size(); ++i) text += (i == 0 ? std::string() : std::string(1, '\0')) + list[i];
  return text;
}

template <typename T>
std::string raw_bytes(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

std::string numbers(const std::vector<double>& values) {
  std::string text;
  for (const double value : values) {
    text += (text.empty() ? "" : " ") + decimal_text(value, 17);
  }
  return text;
}

std::string joined(const std::vector<std::string>& parts, const char* between) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) text += (i == 0 ? "" : between) + parts[i];
  return text;
}

std::string described(const EngineInfo& engine) {
  std::vector<std::string> parts{engine.role, engine.target, engine.precision, engine.hardware,
                                 engine.normalizes.value_or("-")};
  std::vector<FileInfo> files = engine.files;
  if (engine.source) files.push_back(*engine.source);
  for (const FileInfo& file : files) parts.push_back(file.path + ":" + file.sha256 + ":" + std::to_string(file.bytes));
  for (const auto* tensors : {&engine.inputs, &engine.outputs}) {
    for (const TensorInfo& tensor : *tensors) {
      parts.push_back(tensor.name + ":" + tensor.dtype + ":" + numbers({tensor.shape.begin(), tensor.shape.end()}));
    }
  }
  for (const auto& [tool, version] : engine.versions) parts.push_back(tool + "=" + version);
  if (engine.tensorrt) {
    const TensorRTInfo& plan = *engine.tensorrt;
    parts.insert(parts.end(), {plan.flavor, plan.version});
    parts.insert(parts.end(), plan.compute_capabilities.begin(), plan.compute_capabilities.end());
    parts.insert(parts.end(), {plan.rebuild, plan.hardware_compatibility});
    parts.push_back(numbers({static_cast<double>(plan.version_compatible), static_cast<double>(plan.tf32),
                             static_cast<double>(plan.stripped), static_cast<double>(plan.refittable)}));
  }
  if (engine.quantization) {
    parts.push_back(engine.quantization->instruction_set.value_or("-"));
    parts.push_back(numbers({static_cast<double>(engine.quantization->never_saturates)}));
  }
  parts.push_back(engine.max_batch() ? std::to_string(*engine.max_batch()) : "-");
  return joined(parts, "|");
}

std::string described(const Preprocessing& spec) {
  constexpr const char* kFilters[] = {"nearest", "bilinear", "bicubic",        "lanczos",
                                      "box",     "hamming",  "opencv_bilinear"};
  std::vector<double> values{static_cast<double>(spec.antialias)};
  values.insert(values.end(), spec.mean.begin(), spec.mean.end());
  values.insert(values.end(), spec.std.begin(), spec.std.end());
  values.push_back(spec.rescale);
  return std::string(spec.resize == ResizeMode::kWhole ? "whole " : "short_side ") +
         kFilters[static_cast<int>(spec.filter)] + (spec.color_order == ColorOrder::kRgb ? " RGB " : " BGR ") +
         numbers(values);
}

// What `described` of test_manifest.py prints.
std::string described(const Manifest& manifest) {
  const ModelInfo& model = manifest.model;
  std::vector<double> sides;
  for (const std::int64_t side : {model.image_size.height, model.image_size.width, model.patch_size,
                                  model.grid.height, model.grid.width}) {
    sides.push_back(static_cast<double>(side));
  }
  sides.insert(sides.end(), model.groups.begin(), model.groups.end());
  std::vector<std::string> lines{manifest.name, manifest.fingerprint, manifest.verdict.value_or("-"),
                                 manifest.default_decode, numbers(sides)};
  lines.push_back(numbers({static_cast<double>(model.projection_dim), model.logit_scale,
                           static_cast<double>(model.text_max_length), static_cast<double>(model.text_pad_id)}));
  for (const EngineInfo& engine : manifest.engines) lines.push_back(described(engine));
  lines.push_back(manifest.tokenizer ? manifest.tokenizer->path : "-");
  lines.insert(lines.end(), manifest.prompts.begin(), manifest.prompts.end());
  lines.push_back(described(manifest.hf));
  lines.push_back(described(manifest.paper));
  if (manifest.paper_decode) {
    const PaperDecode& paper = *manifest.paper_decode;
    lines.push_back(numbers({static_cast<double>(paper.window.size), static_cast<double>(paper.window.stride),
                             static_cast<double>(paper.window.long_side_max),
                             paper.background_threshold.value_or(-1), static_cast<double>(paper.top_classes),
                             paper.max_logit_scale}));
  }
  for (const VocabularyInfo& vocabulary : manifest.vocabularies) {
    lines.push_back(vocabulary.name + " " + std::to_string(vocabulary.size) + " " + vocabulary.file.path);
  }
  return joined(lines, "\n");
}

}  // namespace

PROBE const char* probe_text(std::size_t* size) {
  *size = output().size();
  return output().data();
}

PROBE int probe_json(const char* text, std::size_t size) {
  return guarded([&] { return json::parse({text, size}).shown(); });
}

PROBE int probe_parse_manifest(const char* text, std::size_t size) {
  return guarded([&] { return described(parse_manifest({text, size}, "here")); });
}

// Reads the manifest of a folder and locates every file, as opening a bundle does; `verify` also hashes them.
PROBE int probe_open_bundle(const char* root, int verify) {
  return guarded([&] {
    const auto folder = std::filesystem::u8path(root);
    const Manifest manifest = read_manifest(folder);
    const auto look = [&](const FileInfo& file) { verify != 0 ? static_cast<void>(file.read(folder)) : static_cast<void>(file.locate(folder)); };
    for (const EngineInfo& engine : manifest.engines) {
      for (const FileInfo& file : engine.files) look(file);
      if (engine.source) look(*engine.source);
    }
    for (const VocabularyInfo& vocabulary : manifest.vocabularies) look(vocabulary.file);
    if (manifest.tokenizer) look(*manifest.tokenizer);
    return described(manifest);
  });
}

PROBE int probe_sha256(const char* data, std::size_t size, std::size_t chunk, int portable) {
  return guarded([&] {
    Sha256 hash(portable != 0);
    for (std::size_t start = 0; start < size; start += chunk) hash.update(data + start, std::min(chunk, size - start));
    return hash.hex_digest();
  });
}

PROBE int probe_load_vocabulary(const char* path) {
  return guarded([&] {
    const Vocabulary vocabulary = load_vocabulary(std::filesystem::u8path(path));
    std::vector<std::string> list{std::to_string(vocabulary.names.size()), std::to_string(vocabulary.templates.size()),
                                  std::to_string(vocabulary.width), vocabulary.fingerprint};
    list.insert(list.end(), vocabulary.names.begin(), vocabulary.names.end());
    list.insert(list.end(), vocabulary.templates.begin(), vocabulary.templates.end());
    list.push_back(raw_bytes(vocabulary.embeddings));
    return join_list(list);
  });
}

PROBE int probe_average_templates(const float* values, std::size_t size, std::int64_t classes, std::int64_t width) {
  return guarded([&] {
    return raw_bytes(average_templates(std::vector<float>(values, values + size), classes, width));
  });
}

PROBE int probe_check_labels(const char* text, std::size_t size, std::size_t count) {
  return guarded([&] { return join_list(check_labels(split_list({text, size}, count))); });
}

PROBE int probe_fill_prompt(const char* prompt, const char* name) {
  return guarded([&] { return fill_prompt(prompt, name); });
}

// `what`: 0 NFC, 1 lower case, 2 case folding; or for every code point a bit each of letter, number, space, word,
// Python's space.
PROBE int probe_unicode(int what, const char* text, std::size_t size) {
  return guarded([&]() -> std::string {
    const std::u32string codes = decode_utf8({text, size}).value();
    if (what == 0) return encode_utf8(to_nfc(codes));
    if (what == 1) return encode_utf8(to_lower(codes));
    if (what == 2) return encode_utf8(fold_case(codes));
    std::string bits;
    for (const char32_t code : codes) {
      bits += static_cast<char>(is_letter(code) | is_number(code) << 1 | is_space(code) << 2 | is_word(code) << 3 |
                                is_python_space(code) << 4);
    }
    return bits;
  });
}

PROBE int probe_open_tokenizer(const char* path, int cleans, void** tokenizer) {
  return guarded([&] {
    *tokenizer = new Tokenizer(read_text(std::filesystem::u8path(path), 1 << 28), path,
                               cleans != 0 ? TextCleaning::kNvlabs : TextCleaning::kNone);
    return std::string();
  });
}

PROBE void probe_close_tokenizer(void* tokenizer) { delete static_cast<Tokenizer*>(tokenizer); }

// int64 ids, after a first int64 each that counts them.
PROBE int probe_encode(void* tokenizer, const char* text, std::size_t size, std::size_t count) {
  return guarded([&] {
    std::vector<std::int64_t> all;
    for (const std::string& sentence : split_list({text, size}, count)) {
      const auto ids = static_cast<Tokenizer*>(tokenizer)->encode(sentence);
      all.push_back(static_cast<std::int64_t>(ids.size()));
      all.insert(all.end(), ids.begin(), ids.end());
    }
    return raw_bytes(all);
  });
}

PROBE int probe_clean_as_nvlabs(const char* text, std::size_t size) {
  return guarded([&] { return encode_utf8(clean_as_nvlabs(decode_utf8({text, size}).value())); });
}

PROBE int probe_special_token_in(void* tokenizer, const char* text, std::size_t size) {
  return guarded([&] { return static_cast<Tokenizer*>(tokenizer)->special_token_in({text, size}).value_or(""); });
}

// One sentence, which may hold zeros.
PROBE int probe_encode_one(void* tokenizer, const char* text, std::size_t size) {
  return guarded([&] { return raw_bytes(static_cast<Tokenizer*>(tokenizer)->encode({text, size})); });
}
