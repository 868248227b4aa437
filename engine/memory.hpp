// Where arrays and nodes get their memory. Not reverse mode: leave it for a second reading.
//
// One training step frees exactly the blocks that the next one asks for. glibc hands large blocks
// back to the kernel, which then faults and zeroes every page anew; here they wait in a list.
#pragma once

#include <cstddef>
#include <limits>
#include <new>

// In a namespace of its own, which is an Array's too: C++ looks for a function in the namespaces of
// its arguments as well, and xtensor's own sum should not become tapesort::sum.
namespace tapesort::arrays {

class Storage {
 public:
  static constexpr std::size_t alignment = 64;  // one cache line, one AVX-512 register
  static constexpr std::size_t most_bytes = std::numeric_limits<std::ptrdiff_t>::max();  // in one

  // A block of at least that size, aligned, contents undefined; std::bad_alloc if there is none.
  static void* take(std::size_t bytes);
  // Gives back what take(bytes) returned, on any thread.
  static void give(void* memory, std::size_t bytes) noexcept;
  // The next block that this thread takes is `memory`, somebody else's, and give() leaves it alone: for
  // an Array that shows what a host program holds. It has to end before that memory does.
  static void lend(void* memory);
  // Returns every block that this thread keeps to the system.
  static void release() noexcept;
  // How many blocks have come from the system so far, on all threads: a steady loop takes no more.
  static std::size_t fresh_blocks();
  // Not under the address sanitizer, so that use after free is still found.
  static bool recycles();
};

// Storage for arrays, by the standard allocator's interface; all instances are equal.
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

// Storage for single objects of the types that derive from it.
struct Recycled {
  static void* operator new(std::size_t bytes) { return Storage::take(bytes); }
  static void operator delete(void* memory, std::size_t bytes) { Storage::give(memory, bytes); }
};

}  // namespace tapesort::arrays

namespace tapesort {
using arrays::Recycled, arrays::RecyclingAllocator, arrays::Storage;
}
