/*
 * groupvit.h: segment images into any vocabulary of words with a bundle that `groupvit export` wrote.
 *
 * Ownership. What a *_load, *_open, *_encode or *_segment function hands out belongs to the caller, who
 * gives it back with the *_free function of its type; NULL may be given back. Strings and arrays that an
 * accessor returns belong to the object they were asked of and live as long as it does. What is passed in is
 * copied or only read during the call. A vocabulary and a result outlive the segmenter they came from.
 *
 * Threads. A groupvit_segmenter may be used by many threads at once; its engine computes as many calls at once as it
 * has streams (OpenVINO) or the machine processors, and the others wait, so that memory does not grow with the number
 * of threads. A groupvit_vocabulary is immutable, so the same holds. A groupvit_result belongs to one thread at a time. Nothing may be freed while a call with
 * it is running.
 *
 * Processes. A groupvit_segmenter belongs to the process that loaded it: in a forked child, calls with it give
 * GROUPVIT_ERROR_ENGINE, because the threads of its engine are not there. Load after the fork, or fork and exec.
 * A child may not load the targets torch and trt at all when its parent has.
 *
 * Locales. The host program may have set any, in C and C++; results, files and messages' numbers do not change.
 *
 * Errors. Functions that can fail return a groupvit_status; outputs are untouched unless it is GROUPVIT_OK.
 * The message of the last failure in this thread is groupvit_last_error(). No exception leaves the library,
 * and it never exits, aborts, or prints.
 *
 * Strings are UTF-8 and end with a zero. Sizes are in pixels.
 */
#ifndef GROUPVIT_GROUPVIT_H_
#define GROUPVIT_GROUPVIT_H_

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#if defined(GROUPVIT_BUILDING_SHARED)
#define GROUPVIT_API __declspec(dllexport)
#elif defined(GROUPVIT_STATIC)
#define GROUPVIT_API
#else
#define GROUPVIT_API __declspec(dllimport)
#endif
#else
#define GROUPVIT_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Raised by every change that breaks callers that were compiled earlier. */
#define GROUPVIT_ABI_VERSION 1

/* As `streams` of groupvit_params: as many as give the most images a second where many threads call, though each call
 * takes longer. OpenVINO chooses how many; ONNX Runtime computes every call on the thread that it came on. On the CPU
 * only. */
#define GROUPVIT_STREAMS_FOR_THROUGHPUT (-1)

typedef struct groupvit_segmenter groupvit_segmenter;
typedef struct groupvit_vocabulary groupvit_vocabulary;
typedef struct groupvit_result groupvit_result;

typedef enum groupvit_status {
  GROUPVIT_OK = 0,
  GROUPVIT_ERROR_USAGE = 1,       /* an argument, or a combination of arguments, that cannot mean anything */
  GROUPVIT_ERROR_BUNDLE = 2,      /* a bundle that is missing, damaged, tampered with, or of another schema */
  GROUPVIT_ERROR_IMAGE = 3,       /* an image that is outside what can be segmented */
  GROUPVIT_ERROR_LABEL = 4,       /* a label, vocabulary or prompt template that cannot be used */
  GROUPVIT_ERROR_ENGINE = 5,      /* an engine that cannot be loaded or run as it was asked to */
  GROUPVIT_ERROR_UNSUPPORTED = 6, /* an engine that this build of the library was made without */
  GROUPVIT_ERROR_MEMORY = 7,      /* out of memory */
  GROUPVIT_ERROR_INTERNAL = 8     /* a defect of the library */
} groupvit_status;

typedef enum groupvit_pixel_format {
  GROUPVIT_RGB = 0,
  GROUPVIT_BGR = 1,
  GROUPVIT_RGBA = 2, /* laid over white: (c * a + 255 * (255 - a) + 127) / 255 */
  GROUPVIT_BGRA = 3,
  GROUPVIT_RGBX = 4, /* the fourth byte means nothing */
  GROUPVIT_BGRX = 5
} groupvit_pixel_format;

typedef enum groupvit_decode {
  GROUPVIT_DECODE_DEFAULT = 0, /* the bundle's own */
  GROUPVIT_DECODE_HF = 1,
  GROUPVIT_DECODE_PAPER = 2
} groupvit_decode;

/* An image: uint8, interleaved, `stride` bytes from one row to the next. */
typedef struct groupvit_image {
  const uint8_t* pixels;
  int64_t width;
  int64_t height;
  int64_t stride; /* 0: rows without gaps */
  int32_t format; /* a groupvit_pixel_format */
} groupvit_image;

/* How to load and run. Always start from groupvit_default_params(). */
typedef struct groupvit_params {
  size_t size;        /* set by groupvit_default_params(); another is refused */
  const char* device; /* "cpu" or "cuda"; NULL for the usual one of the target; never a fallback */
  int32_t threads;    /* of the engine; 0 for its own choice */
  int32_t decode;     /* a groupvit_decode, of calls that do not say; DEFAULT: the bundle's own */
  /* Calls that OpenVINO computes at once, its threads divided among them; 0 for one; or
   * GROUPVIT_STREAMS_FOR_THROUGHPUT. */
  int32_t streams;
  int32_t batch_size; /* most windows that run at once; 0 for 8, or fewer if the engine takes fewer */
} groupvit_params;

/* How to segment one image. Always start from groupvit_default_options(). */
typedef struct groupvit_options {
  size_t size;    /* set by groupvit_default_options(); another is refused */
  int32_t decode; /* a groupvit_decode; DEFAULT: as the segmenter was loaded */
  /* Of the paper decode, 0 to 1: below it a pixel is background, which then is label 0; negative for none. */
  double background_threshold;
} groupvit_options;

/* ABI version of the library that is loaded; compare with GROUPVIT_ABI_VERSION. */
GROUPVIT_API int32_t groupvit_abi_version(void);
/* Version of the toolkit, "0.2.0". */
GROUPVIT_API const char* groupvit_version(void);
/* Targets that this library can run, separated by commas: "openvino,onnx". Empty where there is none. */
GROUPVIT_API const char* groupvit_engines(void);
/* Message of the last failure in this thread; empty where there was none. Valid until the next failure
 * there. */
GROUPVIT_API const char* groupvit_last_error(void);
/* Name of a status, "GROUPVIT_ERROR_BUNDLE". */
GROUPVIT_API const char* groupvit_status_name(int32_t status);

GROUPVIT_API groupvit_params groupvit_default_params(void);
GROUPVIT_API groupvit_options groupvit_default_options(void);

/* Open the bundle folder, check its manifest, verify the image engine's hash and load it. `params` NULL:
 * defaults. */
GROUPVIT_API groupvit_status groupvit_segmenter_load(const char* bundle, const groupvit_params* params,
                                                     groupvit_segmenter** segmenter);
/* The same for the bundle with this digest only: 64 hexadecimal digits, as `groupvit inspect` prints them, from where
 * the bundle is trusted. It covers manifest.json and by that all files that a runtime opens, so another bundle, or one
 * of which anything was changed, is refused with GROUPVIT_ERROR_BUNDLE. */
GROUPVIT_API groupvit_status groupvit_segmenter_load_pinned(const char* bundle, const char* digest,
                                                            const groupvit_params* params,
                                                            groupvit_segmenter** segmenter);
/* The same with the image engine of this precision, "fp32", where the bundle has several; another than it has is
 * GROUPVIT_ERROR_USAGE. `precision` NULL, as for the functions above: the fastest that the processor computes natively;
 * groupvit_segmenter_engine() says which and why. `digest` NULL: any. */
GROUPVIT_API groupvit_status groupvit_segmenter_load_precision(const char* bundle, const char* digest,
                                                               const char* precision, const groupvit_params* params,
                                                               groupvit_segmenter** segmenter);
GROUPVIT_API void groupvit_segmenter_free(groupvit_segmenter* segmenter);
/* Digest of the bundle that was loaded. */
GROUPVIT_API const char* groupvit_segmenter_digest(const groupvit_segmenter* segmenter);
/* Runtime, version, device and precision that are really in use; of several engines, why this one. */
GROUPVIT_API const char* groupvit_segmenter_engine(const groupvit_segmenter* segmenter);
/* Precision of the image engine that is in use, as the manifest has it: "fp32". */
GROUPVIT_API const char* groupvit_segmenter_precision(const groupvit_segmenter* segmenter);
/* What the user ought to know, such as parity that failed at export, or a precision that is slow on this processor;
 * empty where there is nothing. */
GROUPVIT_API const char* groupvit_segmenter_warning(const groupvit_segmenter* segmenter);

/* A vocabulary that is cached in the bundle under `name`. */
GROUPVIT_API groupvit_status groupvit_vocabulary_open(groupvit_segmenter* segmenter, const char* name,
                                                      groupvit_vocabulary** vocabulary);
/* A vocabulary file, as `groupvit vocab` writes it. */
GROUPVIT_API groupvit_status groupvit_vocabulary_open_file(groupvit_segmenter* segmenter, const char* path,
                                                           groupvit_vocabulary** vocabulary);
/* Encode `count` names with the bundle's tokenizer and text engine (loaded by the first such call).
 * `templates` NULL: the bundle's own prompts; each has the place of the name, {}, once. */
GROUPVIT_API groupvit_status groupvit_vocabulary_encode(groupvit_segmenter* segmenter,
                                                        const char* const* names, size_t count,
                                                        const char* const* templates, size_t template_count,
                                                        groupvit_vocabulary** vocabulary);
GROUPVIT_API void groupvit_vocabulary_free(groupvit_vocabulary* vocabulary);
GROUPVIT_API size_t groupvit_vocabulary_count(const groupvit_vocabulary* vocabulary);
/* NULL where there is no such index. */
GROUPVIT_API const char* groupvit_vocabulary_name(const groupvit_vocabulary* vocabulary, size_t index);

/* Segment one image. `options` NULL: defaults. */
GROUPVIT_API groupvit_status groupvit_segment(groupvit_segmenter* segmenter, const groupvit_image* image,
                                              const groupvit_vocabulary* vocabulary,
                                              const groupvit_options* options, groupvit_result** result);
/* The same into the caller's memory: uint16 [height, width], `stride` bytes from one row to the next (0: no
 * gaps). */
GROUPVIT_API groupvit_status groupvit_segment_into(groupvit_segmenter* segmenter, const groupvit_image* image,
                                                   const groupvit_vocabulary* vocabulary,
                                                   const groupvit_options* options, uint16_t* labels,
                                                   int64_t stride);

/* The same, where a pixel can be none of the labels: it is unlabeled where a name of `negatives` wins, and where the best
 * score (groupvit_result_confidence) is below `threshold`, 0 to 1. `negatives` NULL: none; `threshold` negative: none. One
 * name with a threshold and no negatives competes with the empty prompt, which is unlabeled. */
GROUPVIT_API groupvit_status groupvit_segment_abstaining(groupvit_segmenter* segmenter, const groupvit_image* image,
                                                         const groupvit_vocabulary* vocabulary,
                                                         const groupvit_vocabulary* negatives, double threshold,
                                                         const groupvit_options* options, groupvit_result** result);

GROUPVIT_API void groupvit_result_free(groupvit_result* result);
GROUPVIT_API int64_t groupvit_result_width(const groupvit_result* result);
GROUPVIT_API int64_t groupvit_result_height(const groupvit_result* result);
/* uint16 [height, width] without gaps: an index into the names of the result. */
GROUPVIT_API const uint16_t* groupvit_result_labels(const groupvit_result* result);
/* uint16 [height, width]: the group that every pixel belongs to; of windows, window * groups + group.
 * Computed by the first such call; the result keeps it. */
GROUPVIT_API groupvit_status groupvit_result_groups(groupvit_result* result, const uint16_t** groups);
/* The same of a grouping block, from 1; 0 for the last. The result keeps every stage that was asked for. */
GROUPVIT_API groupvit_status groupvit_result_groups_of_stage(groupvit_result* result, int32_t stage,
                                                             const uint16_t** groups);
/* Names of the labels: the vocabulary's, after "background" where the threshold makes it label 0, and before "unlabeled"
 * where a pixel can be none of them. */
GROUPVIT_API size_t groupvit_result_name_count(const groupvit_result* result);
GROUPVIT_API const char* groupvit_result_name(const groupvit_result* result, size_t index);
/* Label of the pixels that are none of the labels; -1 where there cannot be any. */
GROUPVIT_API int32_t groupvit_result_unlabeled(const groupvit_result* result);
/* How well the vocabulary's class `index` fits the whole image; the scores of all classes sum to 1, those of the
 * negatives included. NaN where there is no such class. */
GROUPVIT_API double groupvit_result_score(const groupvit_result* result, size_t index);

/*
 * The score of every name that competes, at every pixel: a plane each. They are computed where they are asked for, some
 * rows at a time, into the caller's memory, and take no more of the library's than the result and a few rows. What is
 * computed for one plane at a pixel is nearly what all planes take there: ask for all planes of a strip rather than for
 * the strips of one after the other. Strips of 64 rows or more are fastest.
 *
 * By the hf decode they are probabilities, which sum to 1 up to rounding; by the paper decode they are 0 to 1, and do not.
 * docs/cpp.md says more. They are those of the Python runtime to the bit, and the label of a pixel is the plane with the
 * largest value there, whatever is unlabeled aside.
 *
 * Memory is float32 [planes, rows, width]; `stride` bytes from one row to the next, `plane_stride` from one plane to the
 * next, multiples of 4 (0: no gaps).
 */

/* Names of the planes: "background" where the background threshold makes it, the vocabulary's, the negatives'; "" for the
 * empty prompt. */
GROUPVIT_API size_t groupvit_result_score_count(const groupvit_result* result);
GROUPVIT_API const char* groupvit_result_score_name(const groupvit_result* result, size_t index);
/* `rows` rows from `first_row` on, of `count` planes from `first` on. */
GROUPVIT_API groupvit_status groupvit_result_scores(groupvit_result* result, size_t first, size_t count,
                                                    int64_t first_row, int64_t rows, float* scores, int64_t stride,
                                                    int64_t plane_stride);
/* The largest score at every pixel: float32 [rows, width]. */
GROUPVIT_API groupvit_status groupvit_result_confidence(groupvit_result* result, int64_t first_row, int64_t rows,
                                                        float* confidence, int64_t stride);
/* The scores before they are brought to the image's size: on the grid of patches, or on the image as the paper decode
 * resizes it. */
GROUPVIT_API int64_t groupvit_result_coarse_width(const groupvit_result* result);
GROUPVIT_API int64_t groupvit_result_coarse_height(const groupvit_result* result);
GROUPVIT_API groupvit_status groupvit_result_coarse_scores(groupvit_result* result, size_t first, size_t count,
                                                           int64_t first_row, int64_t rows, float* scores,
                                                           int64_t stride, int64_t plane_stride);
/* Plane `index` of Hugging Face's segmentation_logits: float32 [height, width] of the engine's input. The paper decode has
 * none: GROUPVIT_ERROR_USAGE, and sizes of 0. */
GROUPVIT_API int64_t groupvit_result_logits_width(const groupvit_result* result);
GROUPVIT_API int64_t groupvit_result_logits_height(const groupvit_result* result);
GROUPVIT_API groupvit_status groupvit_result_logits(groupvit_result* result, size_t index, float* logits,
                                                    int64_t stride);
/* Number of groups of the last stage, those of all windows together: what groupvit_result_groups numbers. */
GROUPVIT_API size_t groupvit_result_group_count(const groupvit_result* result);
/* How well each name fits a group of the last stage: float32 [groupvit_result_score_count], which sum to 1; 0 for a
 * background that a threshold makes. */
GROUPVIT_API groupvit_status groupvit_result_group_scores(groupvit_result* result, size_t group, float* scores);

#ifdef __cplusplus
}
#endif

#endif /* GROUPVIT_GROUPVIT_H_ */
