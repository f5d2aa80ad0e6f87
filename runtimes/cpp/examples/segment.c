/* segment BUNDLE IMAGE.ppm NAME...: prints the share of every name, and writes labels.pgm. No other library. */
#include <groupvit/groupvit.h>
#include <stdio.h>
#include <stdlib.h>

static int failed(const char* what) {
  fprintf(stderr, "%s: %s\n", what, groupvit_last_error());
  return 1;
}

static uint8_t* read_ppm(const char* path, int* width, int* height) {
  uint8_t* pixels = NULL;
  FILE* file = fopen(path, "rb");
  if (file == NULL) return NULL;
  if (fscanf(file, "P6 %d %d 255", width, height) == 2 && fgetc(file) != EOF && *width > 0 && *height > 0 &&
      *width < 32768 && *height < 32768) {
    const size_t size = 3 * (size_t)*width * (size_t)*height;
    pixels = malloc(size);
    if (pixels != NULL && fread(pixels, 1, size, file) != size) {
      free(pixels);
      pixels = NULL;
    }
  }
  fclose(file);
  return pixels;
}

static int segment(groupvit_segmenter* segmenter, const groupvit_image* image, const char* const* names,
                   size_t count) {
  groupvit_vocabulary* words = NULL;
  groupvit_result* result = NULL;
  FILE* file;
  const size_t pixels = (size_t)(image->width * image->height);
  size_t i, k, found;
  if (groupvit_vocabulary_encode(segmenter, names, count, NULL, 0, &words) != GROUPVIT_OK)
    return failed("names");
  if (groupvit_segment(segmenter, image, words, NULL, &result) != GROUPVIT_OK) {
    groupvit_vocabulary_free(words);
    return failed("image");
  }
  if (*groupvit_segmenter_warning(segmenter) != 0) fprintf(stderr, "%s\n", groupvit_segmenter_warning(segmenter));
  printf("%s\n", groupvit_segmenter_engine(segmenter));
  for (k = 0; k < count; ++k) {
    for (i = found = 0; i < pixels; ++i) found += groupvit_result_labels(result)[i] == k;
    printf("%5.1f %%  %s\n", 100.0 * (double)found / (double)pixels, groupvit_result_name(result, k));
  }
  file = fopen("labels.pgm", "wb");
  if (file != NULL) {
    fprintf(file, "P5 %d %d 255\n", (int)image->width, (int)image->height);
    for (i = 0; i < pixels; ++i) fputc(groupvit_result_labels(result)[i], file);
    fclose(file);
    printf("labels.pgm: pixel values are indices of the names\n");
  }
  groupvit_result_free(result);
  groupvit_vocabulary_free(words);
  return file == NULL;
}

int main(int argc, char** argv) {
  groupvit_segmenter* segmenter = NULL;
  groupvit_image image = {NULL, 0, 0, 0, GROUPVIT_RGB};
  int width = 0, height = 0, code;
  uint8_t* pixels;
  if (argc < 4) {
    fprintf(stderr, "usage: %s BUNDLE IMAGE.ppm NAME...\n", argv[0]);
    return 2;
  }
  pixels = read_ppm(argv[2], &width, &height);
  if (pixels == NULL) {
    fprintf(stderr, "%s is no PPM of 8 bits (P6)\n", argv[2]);
    return 1;
  }
  image.pixels = pixels;
  image.width = width;
  image.height = height;
  if (groupvit_segmenter_load(argv[1], NULL, &segmenter) != GROUPVIT_OK) {
    free(pixels);
    return failed("bundle");
  }
  code = segment(segmenter, &image, (const char* const*)argv + 3, (size_t)argc - 3);
  groupvit_segmenter_free(segmenter);
  free(pixels);
  return code;
}
