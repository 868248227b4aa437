// Broadcasting, printing, storage, the pool of threads, and BLAS.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <set>
#include <thread>

#include "engine/blas.hpp"
#include "engine/broadcast.hpp"
#include "engine/parallel.hpp"
#include "engine/print.hpp"
#include "engine/threads.hpp"
#include "no_threads.hpp"
#include "op_table.hpp"
#include "ops/elementwise.hpp"
#include "ops/reduce.hpp"

using namespace tapesort;
using namespace tapesort::testing;

// --- broadcasting

TEST_CASE("broadcasting follows NumPy's rules") {
  CHECK(broadcast_shape("f", {2, 1, 3}, {4, 1}) == Shape{2, 4, 3});
  CHECK(broadcast_shape("f", {}, {2, 0}) == Shape{2, 0});
  CHECK(broadcast_shape("f", {1}, {0}) == Shape{0});
  CHECK(broadcast_to("f", full<double>({2, 1}, 3.0), {2, 3}) == full<double>({2, 3}, 3.0));
  CHECK(error_of([] {
          broadcast_shape("f", {2, 3}, {2});
        }) ==
        "invalid_argument: f: shapes (2, 3) and (2) do not broadcast; counted from the last axis, "
        "extents must be equal or 1");
}

TEST_CASE("broadcast_to copies along the stretched axis alone") {
  CHECK(broadcast_to("f", Array<double>{1.0, 2.0}, {2, 2}) ==
        Array<double>{{1.0, 2.0}, {1.0, 2.0}});
}

TEST_CASE("sum_to_shape is the transpose of broadcast_to: <u, B x> = <B' u, x>") {
  Generator random(7);
  const std::vector<std::pair<Shape, Shape>> cases{
      {{}, {2, 3}},           {{3}, {2, 3}},          {{2, 1}, {2, 3}},
      {{1, 3}, {2, 3}},       {{2, 1, 4}, {2, 3, 4}}, {{1, 3, 1}, {2, 3, 4}},
      {{3, 1}, {2, 5, 3, 4}}, {{1, 1}, {1, 1}},       {{1, 4}, {0, 4}}};
  for (const auto& shapes : cases) {
    const Shape &small = shapes.first, &large = shapes.second;
    CAPTURE(to_text(small));
    const Array<double> x = random.normal<double>(small), u = random.normal<double>(large);
    const Array<double> bx = broadcast_to("f", x, large), btu = sum_to_shape(u, small);
    double left = 0, right = 0;
    for (std::size_t i = 0; i < u.size(); ++i) left += u.data()[i] * bx.data()[i];
    for (std::size_t i = 0; i < x.size(); ++i) right += btu.data()[i] * x.data()[i];
    CHECK(left == doctest::Approx(right).epsilon(1e-13));
  }
}

TEST_CASE("shapes whose product of extents is no number of elements are refused, by name") {
  const std::size_t large = std::size_t{1} << 32;
  const std::string remedy =
      " is too large; need fewer than 2^60 elements, where extents of 0 count as 1";
  CHECK(element_count({2, 3, 4}) == 24);
  CHECK(element_count({}) == 1);
  CHECK(element_count({large, 0, 1 << 27}) == 0);
  for (const Shape& shape :
       {Shape{large, large}, Shape{large, 0, large}, Shape{std::size_t(6148914691236517206), 3, 2},
        Shape{1 << 30, 1 << 30}}) {
    CAPTURE(to_text(shape));
    const std::string error = "invalid_argument: array: shape " + to_text(shape) + remedy;
    CHECK(error_of([&] { element_count(shape); }) == error);
    CHECK(error_of([&] { uninitialized<float>(shape); }) == error);
    CHECK(error_of([&] { zeros<double>(shape); }) == error);
    CHECK(error_of([&] { full<std::uint8_t>(shape, 1); }) == error);
    CHECK(error_of([&] { with_shape(zeros<float>({4}), shape); }) == error);
    CHECK(error_of([&] { Generator(1).normal<float>(shape); }) == error);
  }
  CHECK(error_of([&] {
          broadcast_to("f", scalar(1.0f), {large, large});
        }) == "invalid_argument: f: shape (4294967296, 4294967296)" + remedy);
}

// --- comparing

TEST_CASE("the distance of these tests is relative, and infinite for a NaN in any place") {
  const Array<double> x{1.0, -20.0, 3.0};
  CHECK(distance(x, x) == 0);
  CHECK(distance(Array<double>{1.0, -19.0, 3.0}, x) == 1 / 20.0);
  CHECK(distance(Array<double>{0.0}, Array<double>{0.5}) == 0.5);
  CHECK(std::isinf(distance(x, Array<double>{1.0, -20.0})));
  for (std::size_t i = 0; i < x.size(); ++i) {
    Array<double> y = x;
    y.data()[i] = std::numeric_limits<double>::quiet_NaN();
    CHECK(std::isinf(distance(y, x)));
    CHECK(std::isinf(distance(x, y)));
  }
}

// --- storage

TEST_CASE("storage is aligned, keeps blocks apart, and gives a freed one out again") {
  std::set<void*> seen;
  std::vector<std::pair<void*, std::size_t>> blocks;
  for (std::size_t bytes : {0, 1, 64, 65, 512, 513, 1000, 4096, 5000, 1 << 20, (1 << 20) + 1}) {
    void* block = Storage::take(bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(block) % Storage::alignment == 0);
    CHECK(seen.insert(block).second);
    std::fill_n(static_cast<char*>(block), bytes, 'x');
    blocks.push_back({block, bytes});
  }
  for (auto [block, bytes] : blocks) Storage::give(block, bytes);
  void* again = Storage::take(4000);  // the same class as 4096
  CHECK(seen.count(again) == Storage::recycles());
  Storage::give(again, 4000);
}

TEST_CASE("a number of bytes or of elements that overflows is no block") {
  const std::size_t most = std::numeric_limits<std::size_t>::max();
  for (std::size_t bytes : {most, most - 62, most / 2 + 1}) {
    CHECK_THROWS_AS(Storage::take(bytes), std::bad_alloc);
  }
  for (std::size_t n : {most, most / 4 + 2, most / 8 + 1}) {
    CHECK_THROWS_AS(RecyclingAllocator<float>().allocate(n), std::bad_alloc);
  }
}

TEST_CASE("blocks that travel between threads come back: each class stays within its bound" *
          doctest::skip(!Storage::recycles())) {
  const Threads two(2);
  constexpr std::size_t bytes = 50'000'000, most = 20;
  std::vector<void*> blocks;
  // f(0) on this thread, f(1) on the other one: each waits until both have begun, or one thread
  // might do both.
  const auto on_both = [](const auto& f) {
    std::atomic<int> begun{0};
    parallel_for(2, 1, [&](std::size_t, std::size_t, std::size_t part) {
      for (++begun; begun < 2;) std::this_thread::yield();
      f(part);
    });
  };
  // `most` blocks are taken on the thread that does part `taker`, and freed on the other one's.
  const auto travel = [&](std::size_t taker) {
    on_both([&](std::size_t part) {
      if (part != taker) return;
      for (std::size_t i = 0; i < most; ++i) blocks.push_back(Storage::take(bytes));
    });
    on_both([&](std::size_t part) {
      if (part == taker) return;
      for (void* block : blocks) Storage::give(block, bytes);
      blocks.clear();
    });
  };
  const std::size_t before = Storage::fresh_blocks();
  for (int i = 0; i < 300; ++i) travel(1);
  CHECK(Storage::fresh_blocks() <= before + most);
  for (int i = 0; i < 300; ++i) travel(0);  // the other way
  for (std::size_t i = 0; i < 300; ++i) travel(i % 2);
  CHECK(Storage::fresh_blocks() <= before + 2 * most);
}

TEST_CASE("storage taken on one thread may be given back on another") {
  Array<float> array;
  std::thread([&] { array = full<float>({1000}, 2.0f); }).join();
  CHECK(array.data()[999] == 2);
  std::thread([moved = std::move(array)]() mutable { moved = Array<float>(); }).join();
}

// --- threads

TEST_CASE(
    "parallel_for covers every position once, in parts that depend on the count and the threads "
    "alone") {
  const int before = threads();
  for (int count : {1, 2, 3}) {
    set_threads(count);
    std::vector<int> visits(1001, 0);
    parallel_for(visits.size(), 10, [&](std::size_t begin, std::size_t end, std::size_t part) {
      CHECK(begin == visits.size() * part / std::size_t(count));
      for (std::size_t i = begin; i < end; ++i) ++visits[i];
    });
    CHECK(visits == std::vector<int>(1001, 1));
  }
  set_threads(before);
  CHECK(error_of([] { set_threads(0); }) ==
        "invalid_argument: set_threads: need at least 1 thread, got 0");
}

TEST_CASE("parallel_for runs nested, passes a thread's exception on, and works again afterwards") {
  const int before = threads();
  set_threads(2);
  std::vector<int> visits(64, 0);
  parallel_for(8, 1, [&](std::size_t begin, std::size_t end, std::size_t) {
    for (std::size_t i = begin; i < end; ++i) {
      parallel_for(8, 1, [&](std::size_t from, std::size_t to, std::size_t) {
        for (std::size_t j = from; j < to; ++j) ++visits[i * 8 + j];
      });
    }
  });
  CHECK(visits == std::vector<int>(64, 1));
  CHECK(error_of([] {
          parallel_for(2, 1, [](std::size_t, std::size_t, std::size_t part) {
            if (part == 1) throw std::invalid_argument("from a worker");
          });
        }) == "invalid_argument: from a worker");
  int total = 0;
  parallel_for(1, 1, [&](std::size_t, std::size_t, std::size_t) { ++total; });
  CHECK(total == 1);
  set_threads(before);
}

TEST_CASE("where threads cannot be made, fewer work, and threads() says how many") {
  const Threads one(1);
  {
    const NoThreads none;
    const StderrText text;
    set_threads(3);
    CHECK(text.get() ==
          "tapesort: only 1 of 3 threads could be made (Resource temporarily unavailable); going "
          "on\n");
    set_threads(2);
    CHECK(threads() == 1);
    CHECK(text.get().find("of 2 threads") == std::string::npos);  // said once
  }
  CHECK(threads() == 1);
  std::vector<int> visits(100, 0);
  parallel_for(100, 1, [&](std::size_t begin, std::size_t end, std::size_t) {
    for (std::size_t i = begin; i < end; ++i) ++visits[i];
  });
  CHECK(visits == std::vector<int>(100, 1));
  set_threads(3);
  CHECK(threads() == 3);
}

TEST_CASE("a forked process works on its own, and ends") {
  const int before = threads();
  set_threads(2);
  const auto total = [] {
    std::vector<double> sums(threads() > 1 ? 2 : 1);
    parallel_for(1000, 500, [&](std::size_t begin, std::size_t end, std::size_t part) {
      for (std::size_t i = begin; i < end; ++i) sums[part] += double(i);
    });
    return std::accumulate(sums.begin(), sums.end(), 0.0);
  };
  CHECK(total() == 499500);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    alarm(60);  // so that a child that waits for ever fails the test
    const bool alone = threads() == 1 && total() == 499500;
    set_threads(2);
    _exit(alone && total() == 499500 ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
  set_threads(before);
}

TEST_CASE("FlushDenormals reaches the pool's threads and is undone") {
  const int before = threads();
  set_threads(2);
  volatile float tiny = 1e-38f;
  const auto halves = [&] {
    std::vector<float> result(2);
    parallel_for(2, 1, [&](std::size_t begin, std::size_t end, std::size_t) {
      for (std::size_t i = begin; i < end; ++i) result[i] = tiny * 0.25f;
    });
    return result;
  };
#if defined(__SSE__)
  {
    const FlushDenormals flush;
    CHECK(halves() == std::vector<float>{0.0f, 0.0f});
  }
#endif
  for (float half : halves()) CHECK(half > 0);
  set_threads(before);
}

// --- BLAS

TEST_CASE("gemm agrees with a plain loop in every orientation, on any number of threads") {
  Generator random(5);
  const int before = threads();
  for (int count : {1, 2}) {
    set_threads(count);
    for (bool ta : {false, true}) {
      for (bool tb : {false, true}) {
        for (auto [m, n, k] :
             {std::array<std::size_t, 3>{3, 4, 5}, {200, 33, 170}, {1, 300, 200}}) {
          const Array<double> a = random.normal<double>({ta ? k : m, ta ? m : k});
          const Array<double> b = random.normal<double>({tb ? n : k, tb ? k : n});
          Array<double> c = random.normal<double>({m, n});
          Array<double> expected = c;
          for (std::size_t i = 0; i < m; ++i) {
            for (std::size_t j = 0; j < n; ++j) {
              double total = 0;
              for (std::size_t l = 0; l < k; ++l)
                total += (ta ? a(l, i) : a(i, l)) * (tb ? b(j, l) : b(l, j));
              expected(i, j) = 2 * total - c(i, j);
            }
          }
          gemm<double>(ta, tb, m, n, k, 2, a.data(), ta ? m : k, b.data(), tb ? k : n, -1, c.data(),
                       n);
          CHECK(distance(c, expected) < 1e-13);
        }
      }
    }
  }
  set_threads(before);
}

TEST_CASE("gemm refuses what BLAS cannot count") {
  const std::size_t large = std::size_t{1} << 31;
  double x = 0;
  CHECK(error_of([&] { gemm<double>(false, false, large, 1, 1, 1, &x, 1, &x, 1, 0, &x, 1); }) ==
        "invalid_argument: gemm: a product of (2147483648, 1) by (1, 1), rows stored 1, 1 and 1 "
        "apart, is too large for BLAS; need at most 2147483647 each");
  for (std::size_t at = 0; at < 6; ++at) {
    std::size_t sizes[] = {1, 1, 1, 1, 1, 1};
    sizes[at] = large + 1;
    CHECK_THROWS_AS(gemm<double>(false, false, sizes[0], sizes[1], sizes[2], 1, &x, sizes[3], &x,
                                 sizes[4], 0, &x, sizes[5]),
                    std::invalid_argument);
  }
}

TEST_CASE("the BLAS kernel in use is the best one that this CPU has, and multiplies rightly") {
  const BlasReport& report = blas_report();
  CHECK(report.check_error <= 1);
  CHECK(
      error_of(leave_blas_alone) ==
      "logic_error: leave_blas_alone: the choice has been made; call it before the first product");
  if (std::getenv("OPENBLAS_CORETYPE") == nullptr) {
    CHECK(better_blas_kernel(report.kernel) == report.kernel);
  } else {
    CHECK(report.chosen_by == "user (OPENBLAS_CORETYPE)");
    CHECK(report.kernel == report.kernel_at_load);
  }
}

TEST_CASE(
    "a kernel that is too old for the CPU is recognised and exchanged in the running library") {
  const std::string kernel = blas_report().kernel;
  if (!switch_blas_kernel("Prescott")) {
    MESSAGE("this BLAS allows no change of kernel");
    return;
  }
  CHECK(blas_kernel() == "Prescott");
  const std::string better = better_blas_kernel("Prescott");
  if (better != "Prescott") {
    CHECK(switch_blas_kernel(better));
    CHECK(better_blas_kernel(better) == better);
  }
  CHECK(!switch_blas_kernel("NoSuchKernel"));
  CHECK(switch_blas_kernel(kernel));
  CHECK(blas_kernel() == kernel);
}
