// A system that lets this process have no more threads, and what is said about it.
#pragma once

#include <doctest/doctest.h>
#include <pthread.h>
#include <unistd.h>

#include <cstdio>
#include <string>

namespace tapesort::testing {

// While one lives, no thread can be made: its stack would not fit into the address space.
class NoThreads {
 public:
  NoThreads() {
    pthread_getattr_default_np(&before_);
    pthread_attr_t huge;
    pthread_attr_init(&huge);
    pthread_attr_setstacksize(&huge, std::size_t{1} << 47);
    REQUIRE(pthread_setattr_default_np(&huge) == 0);
    pthread_attr_destroy(&huge);
  }
  ~NoThreads() {
    pthread_setattr_default_np(&before_);
    pthread_attr_destroy(&before_);
  }
  NoThreads(const NoThreads&) = delete;
  NoThreads& operator=(const NoThreads&) = delete;

 private:
  pthread_attr_t before_;
};

// What comes to standard error while one lives.
class StderrText {
 public:
  StderrText() : before_(dup(STDERR_FILENO)), file_(std::tmpfile()) {
    REQUIRE(file_ != nullptr);
    dup2(fileno(file_), STDERR_FILENO);
  }
  ~StderrText() {
    dup2(before_, STDERR_FILENO);
    close(before_);
    std::fclose(file_);
  }
  StderrText(const StderrText&) = delete;
  StderrText& operator=(const StderrText&) = delete;

  std::string get() const {
    std::string text;
    std::rewind(file_);
    for (int c = std::fgetc(file_); c != EOF; c = std::fgetc(file_)) text += char(c);
    return text;
  }

 private:
  int before_;
  std::FILE* file_;
};

}  // namespace tapesort::testing
