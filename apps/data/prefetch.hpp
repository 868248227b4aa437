// Batches made ahead of their use, by one thread beside the training step.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace tapesort {

// Calls make(first), make(first + 1), ... in this order on a thread of its own, and holds at most
// `ahead` results (at least one) that have not been asked for. When make(i) depends on i alone, as
// with a generator seed.split(i), a run that is resumed at batch i sees the same batches. Where no
// thread can be made, which is said on standard error, next() makes its batch itself.
template <class Batch> class Prefetch {
 public:
  using Make = std::function<Batch(std::uint64_t)>;

  explicit Prefetch(Make make, std::uint64_t first = 0, std::size_t ahead = 2)
      : make_(std::move(make)), position_(first), ahead_(ahead > 0 ? ahead : 1) {
    try {
      thread_ = std::thread([this, first] { work(first); });
    } catch (const std::system_error& error) {
      std::fprintf(stderr, "tapesort: no thread to prepare batches on (%s); going on without\n",
                   error.what());
    }
  }
  // Waits for the batch being made, and drops what was made.
  ~Prefetch() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  Prefetch(const Prefetch&) = delete;
  Prefetch& operator=(const Prefetch&) = delete;

  // Batch number position(), which then moves on; valid until the next call. Throws what make threw
  // for it, as does every later call.
  const Batch& next() {
    std::unique_lock<std::mutex> lock(mutex_);
    if (current_) spent_.push_back(std::move(*current_));
    current_.reset();
    if (!thread_.joinable() && !error_) make_one(position_, lock);
    changed_.wait(lock, [this] { return !ready_.empty() || error_; });
    if (ready_.empty()) std::rethrow_exception(error_);
    current_ = std::move(ready_.front());
    ready_.pop_front();
    ++position_;
    changed_.notify_all();
    return *current_;
  }

  // The number of the batch that next() will give.
  std::uint64_t position() const { return position_; }

 private:
  void work(std::uint64_t number) {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;; ++number) {
      changed_.wait(lock, [this] { return stopping_ || ready_.size() < ahead_; });
      if (stopping_) return;
      make_one(number, lock);
      changed_.notify_all();
      if (error_) return;
    }
  }

  // Not under the lock, which is held before and after.
  void make_one(std::uint64_t number, std::unique_lock<std::mutex>& lock) {
    // Each thread keeps the memory of the arrays that it frees (engine/memory.hpp), so used
    // batches come back to the thread that asks for the next ones.
    std::vector<Batch> spent = std::exchange(spent_, {});
    lock.unlock();
    spent.clear();
    std::optional<Batch> made;
    std::exception_ptr error;
    try {
      made = make_(number);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (error) error_ = error;
    if (made) ready_.push_back(std::move(*made));
  }

  Make make_;
  std::uint64_t position_;
  std::size_t ahead_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> ready_;
  std::optional<Batch> current_;
  std::vector<Batch> spent_;
  std::exception_ptr error_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tapesort
