// The assembler's .incbin copies a file into the object as it is: nothing is generated, and it
// takes no time. TAPESORT_DIGITS, the folder, comes from meson.build. (ninja does not know that
// this object depends on those files: touch this one after changing them.)
#include "apps/data/embedded_digits.hpp"

#define TAPESORT_EMBED(symbol, file)                                            \
  extern "C" const std::uint8_t tapesort_##symbol[], tapesort_##symbol##_end[]; \
  asm(".section .rodata\n"                                                      \
      ".global tapesort_" #symbol ", tapesort_" #symbol                         \
      "_end\n"                                                                  \
      ".balign 16\n"                                                            \
      "tapesort_" #symbol                                                       \
      ":\n"                                                                     \
      ".incbin \"" TAPESORT_DIGITS "/" file                                     \
      "\"\n"                                                                    \
      "tapesort_" #symbol                                                       \
      "_end:\n"                                                                 \
      ".byte 0\n"                                                               \
      ".previous\n")

TAPESORT_EMBED(train_images, "train-images-idx3-ubyte.gz");
TAPESORT_EMBED(train_labels, "train-labels-idx1-ubyte.gz");
TAPESORT_EMBED(test_images, "t10k-images-idx3-ubyte.gz");
TAPESORT_EMBED(test_labels, "t10k-labels-idx1-ubyte.gz");

#define TAPESORT_EMBEDDED(symbol)                                \
  {                                                              \
    "embedded " #symbol, tapesort_##symbol,                      \
        std::size_t(tapesort_##symbol##_end - tapesort_##symbol) \
  }

tapesort::EmbeddedDigits tapesort::embedded_digits() {
  return {TAPESORT_EMBEDDED(train_images), TAPESORT_EMBEDDED(train_labels),
          TAPESORT_EMBEDDED(test_images), TAPESORT_EMBEDDED(test_labels)};
}
