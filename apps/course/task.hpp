// What the course's tests are written with. A test program checks one task, the one that it is called
// with, and prints "right", "wrong: .." or "stub: ..".
#pragma once

#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <new>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

using std::abs;  // ::abs alone is that of integers

namespace course {

// Thrown by a hole that nobody has filled in yet.
struct Stub {
  std::string task;
};
[[noreturn]] inline void todo(const char* task) { throw Stub{task}; }

// Thrown by a check that does not hold; the message says what to look at.
struct Wrong {
  std::string message;
};

// An answer that is often given, and what to say to it.
struct Known {
  std::vector<double> answer;
  const char* message;
  Known(double one, const char* text) : answer{one}, message(text) {}
  Known(std::vector<double> several, const char* text)
      : answer(std::move(several)), message(text) {}
};

inline void check(bool holds, const std::string& message) {
  if (!holds) throw Wrong{message};
}

inline bool near(const std::vector<double>& a, const std::vector<double>& b, double tolerance) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!(std::abs(a[i] - b[i]) <= tolerance * (1 + std::abs(b[i])))) return false;  // nor NaN
  }
  return true;
}

inline std::string to_text(const std::vector<double>& numbers) {
  std::ostringstream out;
  out.precision(7);
  const std::size_t shown = numbers.size() < 12 ? numbers.size() : 12;
  for (std::size_t i = 0; i < shown; ++i) out << (i ? ", " : "") << numbers[i];
  if (shown < numbers.size()) out << ", ..";
  return numbers.size() == 1 ? out.str() : "(" + out.str() + ")";
}

// What `what` is, and should be.
inline void check_near(const std::string& what, const std::vector<double>& got,
                       const std::vector<double>& right, const std::vector<Known>& known = {},
                       double tolerance = 1e-9) {
  if (near(got, right, tolerance)) return;
  std::string message =
      what + " came out as " + to_text(got) + ", but should be " + to_text(right) + ".";
  for (double one : got) {
    const double size = std::abs(one);
    const char* hint =
        !std::isfinite(one) ? " (NaN and infinity come from exp(1000), 0 / 0, log(0).)"
        : size >= 1e15
            ? " (A std::size_t is never negative: 1 - 2 * i wraps around to 2e19. Write 1 - 2.0 * "
              "double(i).)"
        : size > 0 && size < 1e-300
            ? " (So small a number is often what stands in memory outside of an array, or no "
              "longer in use. Is an index too large? Has a lambda captured a reference, [&], to "
              "what is gone when it is called?)"
            : nullptr;
    if (hint == nullptr) continue;
    message += hint;
    break;
  }
  for (const Known& k : known) {
    if (near(got, k.answer, tolerance)) {
      message += std::string(" ") + k.message;
      break;
    }
  }
  throw Wrong{message};
}
inline void check_near(const std::string& what, double got, double right,
                       const std::vector<Known>& known = {}, double tolerance = 1e-9) {
  check_near(what, std::vector<double>{got}, std::vector<double>{right}, known, tolerance);
}

struct Task {
  const char* number;
  void (*test)();
};
inline std::vector<Task>& tasks() {
  static std::vector<Task> all;
  return all;
}
struct Registered {
  Registered(const char* number, void (*test)()) { tasks().push_back({number, test}); }
};

inline int run(const char* number) {
  const char* absurd_size =
      "an array of an absurd size was asked for. Usual causes: a size below 0; a reference, "
      "captured by a lambda, to what is gone when it is called";
  for (const Task& task : tasks()) {
    if (std::strcmp(task.number, number) != 0) continue;
    try {
      task.test();
      std::puts("right");
      return 0;
    } catch (const Stub& stub) {
      if (stub.task == number) {
        std::puts(
            "stub: it is not written yet (or the line course::todo(..) still stands before your "
            "code)");
      } else {
        std::printf("stub: its test needs task %s, which is not written yet\n", stub.task.c_str());
      }
    } catch (const Wrong& wrong) {
      std::printf("wrong: %s\n", wrong.message.c_str());
    } catch (const std::bad_function_call&) {
      std::puts(
          "wrong: a function was called that is not there: a leaf has no pullback (if "
          "(node.pullback) tells)");
    } catch (const std::bad_alloc&) {
      std::printf("wrong: %s\n", absurd_size);
    } catch (const std::length_error&) {
      std::printf("wrong: %s\n", absurd_size);
    } catch (const std::exception& error) {
      std::printf("wrong: it threw an exception: %s\n", error.what());
    }
    return 1;
  }
  std::printf("there is no task %s\n", number);
  return 2;
}

}  // namespace course

// TASK("2.3") { .. } defines the test of task 2.3.
#define COURSE_JOIN2(a, b) a##b
#define COURSE_JOIN(a, b) COURSE_JOIN2(a, b)
#define TASK(number)                                                  \
  static void COURSE_JOIN(test_, __LINE__)();                         \
  static const course::Registered COURSE_JOIN(registered_, __LINE__)( \
      number, COURSE_JOIN(test_, __LINE__));                          \
  static void COURSE_JOIN(test_, __LINE__)()
