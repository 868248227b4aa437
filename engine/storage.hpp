// RecyclingAllocator: memory for arrays and nodes that is kept, not returned, when freed.
//
// One training step frees exactly the blocks that the next one asks for. glibc hands large blocks
// back to the kernel, which then faults and zeroes every page anew; here they wait in a list.
// A request is rounded up to a size class (multiples of 64 bytes up to 512, then four classes an
// octave, so at most a quarter is wasted); each thread keeps one list of free blocks a class, and
// uses it without a lock.
//
// A block may be freed on another thread than the one that took it: what the pool's threads make
// for a pullback, the caller frees with the tape. A thread therefore keeps no more blocks of a
// class than it has fetched from the system itself. The surplus goes to one shared list a class,
// and no thread asks the system before that list is empty. So no thread ever fetches more blocks
// of a class than have been in use at the same time, and memory stops growing.
//
// Under the address sanitizer nothing is kept, so that use after free is still found.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <new>

#if defined(__SANITIZE_ADDRESS__)  // gcc
#define TAPESORT_RECYCLE 0
#elif defined(__has_feature)  // clang
#if __has_feature(address_sanitizer)
#define TAPESORT_RECYCLE 0
#endif
#endif
#ifndef TAPESORT_RECYCLE
#define TAPESORT_RECYCLE 1
#endif

namespace tapesort {

class Storage {
 public:
  static constexpr std::size_t alignment = 64;  // one cache line, one AVX-512 register
  // No object is larger: distances within it are std::ptrdiff_t.
  static constexpr std::size_t most_bytes = std::numeric_limits<std::ptrdiff_t>::max();

  // A block of at least `bytes` bytes, aligned to `alignment`, contents undefined; std::bad_alloc
  // when there is none.
  static void* take(std::size_t bytes) {
    if (bytes > most_bytes) throw std::bad_alloc();
    const Class c = class_of(bytes);
#if TAPESORT_RECYCLE
    List& own = thread_lists().of_class[c.index];
    if (Block* block = own.pop()) return block;
    {
      SharedList& shared = shared_list(c.index);
      std::lock_guard<std::mutex> lock(shared.mutex);
      if (Block* block = shared.list.pop()) return block;
    }
#endif
    void* fresh = std::aligned_alloc(alignment, c.bytes);
    if (fresh == nullptr) throw std::bad_alloc();
    fresh_blocks_.fetch_add(1, std::memory_order_relaxed);
#if TAPESORT_RECYCLE
    ++own.fetched;
#endif
    return fresh;
  }

  // Gives back what take(bytes) returned, on any thread.
  static void give(void* memory, [[maybe_unused]] std::size_t bytes) noexcept {
    if (memory == nullptr) return;
#if TAPESORT_RECYCLE
    Lists& lists = thread_lists();
    if (!lists.closed) {
      const std::size_t c = class_of(bytes).index;
      List& own = lists.of_class[c];
      if (own.length < own.fetched) return own.push(memory);
      SharedList& shared = shared_list(c);
      std::lock_guard<std::mutex> lock(shared.mutex);
      return shared.list.push(memory);
    }
#endif
    std::free(memory);
  }

  // Returns every block that this thread keeps to the system.
  static void release() noexcept { thread_lists().free_all(); }

  // How many blocks have come from the system so far, on all threads: a steady loop takes no more.
  static std::size_t fresh_blocks() { return fresh_blocks_; }

 private:
  struct Block {
    Block* next;
  };
  struct Class {
    std::size_t index, bytes;
  };
  static inline std::atomic<std::size_t> fresh_blocks_{0};

  static Class class_of(std::size_t bytes) {
    const std::size_t units = bytes == 0 ? 1 : (bytes + alignment - 1) / alignment;
    if (units <= 8) return {units, units * alignment};
    const int octave = 63 - __builtin_clzll(units - 1);  // 2^octave < units <= 2^(octave + 1)
    const std::size_t step = std::size_t{1} << (octave - 2);
    const std::size_t steps = (units + step - 1) / step;  // 5 .. 8
    return {std::size_t(octave) * 4 + steps - 8, steps * step * alignment};
  }

  struct List {
    Block* head = nullptr;
    std::size_t length = 0;
    std::size_t fetched = 0;  // from the system by this list's thread, and not returned to it

    Block* pop() noexcept {
      Block* first = head;
      if (first != nullptr) head = first->next, --length;
      return first;
    }
    void push(void* memory) noexcept {
      head = new (memory) Block{head};
      ++length;
    }
  };
  static constexpr std::size_t classes = 256;
  struct SharedList {
    std::mutex mutex;
    List list;
  };
  static SharedList& shared_list(std::size_t c) {
    static std::array<SharedList, classes> lists;
    return lists[c];
  }

  struct Lists {
    std::array<List, classes> of_class;
    bool closed = false;  // set when the thread ends: statics may still give blocks back
    void free_all() noexcept {
      for (List& list : of_class) {
        list.fetched -= list.length;
        while (Block* block = list.pop()) std::free(block);
      }
    }
    ~Lists() {
      closed = true;
      free_all();
    }
  };
  static Lists& thread_lists() {
    thread_local Lists lists;
    return lists;
  }
};

// The standard allocator interface over Storage; all instances are equal.
template <class T> struct RecyclingAllocator {
  using value_type = T;
  RecyclingAllocator() = default;
  template <class U> RecyclingAllocator(const RecyclingAllocator<U>&) noexcept {}
  T* allocate(std::size_t n) {
    if (n > Storage::most_bytes / sizeof(T)) throw std::bad_alloc();
    return static_cast<T*>(Storage::take(n * sizeof(T)));
  }
  void deallocate(T* p, std::size_t n) noexcept { Storage::give(p, n * sizeof(T)); }
  template <class U> bool operator==(const RecyclingAllocator<U>&) const noexcept { return true; }
  template <class U> bool operator!=(const RecyclingAllocator<U>&) const noexcept { return false; }
};

}  // namespace tapesort
