// The page's engine as the browser calls it.
#include <sched.h>

#include <string>

#include "apps/page/page.hpp"

extern "C" {

// The answer stands until the next question.
const char* answer(const char* question) {
  static tapesort::Page page;
  static std::string text;
  text = page.answer(question);
  return text.c_str();
}

// Which cores may this process run on? None is named, and physical_cores (engine/parallel.cpp) makes one
// of that: a page has one thread.
int sched_getaffinity(pid_t, size_t, cpu_set_t*) { return 0; }
}
