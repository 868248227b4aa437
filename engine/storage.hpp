// RecyclingAllocator: memory for arrays and nodes that is kept, not returned, when freed.
//
// One training step frees exactly the blocks that the next one asks for. glibc hands large blocks
// back to the kernel, which then faults and zeroes every page anew; here they wait in a list.
// A request is rounded up to a size class (multiples of 64 bytes up to 512, then four classes an
// octave, so at most a quarter is wasted); each thread keeps one list of free blocks a class.
// Under a sanitizer nothing is kept, so that use after free is still found.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define TAPESORT_RECYCLE 0
#else
#define TAPESORT_RECYCLE 1
#endif

namespace tapesort {

class Storage {
 public:
  static constexpr std::size_t alignment = 64;  // one cache line, one AVX-512 register

  // A block of at least `bytes` bytes, aligned to `alignment`, contents undefined.
  static void* take(std::size_t bytes) {
    const Class c = class_of(bytes);
#if TAPESORT_RECYCLE
    Lists& lists = thread_lists();
    if (Block* block = lists.head[c.index]) {
      lists.head[c.index] = block->next;
      return block;
    }
#endif
    fresh_blocks_.fetch_add(1, std::memory_order_relaxed);
    void* fresh = std::aligned_alloc(alignment, c.bytes);
    if (fresh == nullptr) throw std::bad_alloc();
    return fresh;
  }

  // Gives back what take(bytes) returned, on any thread.
  static void give(void* memory, [[maybe_unused]] std::size_t bytes) noexcept {
    if (memory == nullptr) return;
#if TAPESORT_RECYCLE
    Lists& lists = thread_lists();
    if (!lists.closed) {
      Block*& head = lists.head[class_of(bytes).index];
      head = new (memory) Block{head};
      return;
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

  struct Lists {
    std::array<Block*, 256> head{};
    bool closed = false;  // set when the thread ends: statics may still give blocks back
    void free_all() noexcept {
      for (Block*& list : head) {
        while (list != nullptr) {
          Block* next = list->next;
          std::free(list);
          list = next;
        }
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
template <class T>
struct RecyclingAllocator {
  using value_type = T;
  RecyclingAllocator() = default;
  template <class U>
  RecyclingAllocator(const RecyclingAllocator<U>&) noexcept {}
  T* allocate(std::size_t n) { return static_cast<T*>(Storage::take(n * sizeof(T))); }
  void deallocate(T* p, std::size_t n) noexcept { Storage::give(p, n * sizeof(T)); }
  template <class U>
  bool operator==(const RecyclingAllocator<U>&) const noexcept {
    return true;
  }
  template <class U>
  bool operator!=(const RecyclingAllocator<U>&) const noexcept {
    return false;
  }
};

}  // namespace tapesort
