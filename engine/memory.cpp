// A request is rounded up to a size class (multiples of 64 bytes up to 512, then four classes an
// octave, so at most a quarter is wasted); each thread keeps one list of free blocks a class, and
// uses it without a lock.
//
// A block may be freed on another thread than the one that took it: what the pool's threads make
// for a pullback, the caller frees with the tape. A thread therefore keeps no more blocks of a
// class than it has fetched from the system itself. The surplus goes to one shared list a class,
// and no thread asks the system before that list is empty. So no thread ever fetches more blocks
// of a class than have been in use at the same time, and memory stops growing.
#include "engine/memory.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)  // gcc
#define UNDER_ADDRESS_SANITIZER 1
#elif defined(__has_feature)  // clang
#define UNDER_ADDRESS_SANITIZER __has_feature(address_sanitizer)
#else
#define UNDER_ADDRESS_SANITIZER 0
#endif

namespace tapesort::arrays {
namespace {

constexpr bool recycle = !UNDER_ADDRESS_SANITIZER;

std::atomic<std::size_t> fresh{0};

struct Class {
  std::size_t index, bytes;
};
constexpr std::size_t classes = 256;

Class class_of(std::size_t bytes) {
  constexpr std::size_t unit = Storage::alignment;
  const std::size_t units = bytes == 0 ? 1 : (bytes + unit - 1) / unit;
  if (units <= 8) return {units, units * unit};
  const int octave = 63 - __builtin_clzll(units - 1);  // 2^octave < units <= 2^(octave + 1)
  const std::size_t step = std::size_t{1} << (octave - 2);
  const std::size_t steps = (units + step - 1) / step;  // 5 .. 8
  return {std::size_t(octave) * 4 + steps - 8, steps * step * unit};
}

struct Block {
  Block* next;
};

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

struct SharedList {
  std::mutex mutex;
  List list;
};
SharedList& shared_list(std::size_t c) {
  static std::array<SharedList, classes> lists;
  return lists[c];
}

struct Lists {
  std::array<List, classes> of_class;
  bool closed = false;   // set when the thread ends: statics may still give blocks back
  void* lent = nullptr;  // for the next take()
  void free_all() noexcept {
    for (List& list : of_class) {
      list.fetched -= list.length;
      while (Block* block = list.pop()) std::free(block);
    }
  }
};
// Without a destructor, as each use would have to ask whether it is there already. Only a thread that
// has fetched blocks keeps any, and it has made this beside them.
thread_local Lists own_lists;
struct AtThreadEnd {
  ~AtThreadEnd() {
    own_lists.closed = true;
    own_lists.free_all();
  }
};

// What has been lent and not given back; one memory may be lent several times.
struct Loans {
  std::mutex mutex;
  std::vector<void*> memory;
  std::atomic<std::size_t> count{0};  // mostly 0, and then nobody has to look

  void add(void* lent) {
    std::lock_guard<std::mutex> lock(mutex);
    memory.push_back(lent);
    count = memory.size();
  }
  [[gnu::noinline]] bool end(void* given) noexcept {
    std::lock_guard<std::mutex> lock(mutex);
    const auto found = std::find(memory.begin(), memory.end(), given);
    if (found == memory.end()) return false;
    *found = memory.back();
    memory.pop_back();
    count = memory.size();
    return true;
  }
} loans;

// What is rare, apart: the usual few instructions then need no registers saved.
[[gnu::noinline]] void* take_from_others(std::size_t bytes, Class c, List& own) {
  if (bytes > Storage::most_bytes) throw std::bad_alloc();
  thread_local const AtThreadEnd at_thread_end;
  if (recycle) {
    SharedList& shared = shared_list(c.index);
    std::lock_guard<std::mutex> lock(shared.mutex);
    if (Block* block = shared.list.pop()) return block;
  }
  void* block = std::aligned_alloc(Storage::alignment, c.bytes);
  if (block == nullptr) throw std::bad_alloc();
  fresh.fetch_add(1, std::memory_order_relaxed);
  own.fetched += recycle;
  return block;
}

[[gnu::noinline]] void give_to_others(void* memory, std::size_t c) noexcept {
  if (!recycle || own_lists.closed) return std::free(memory);
  SharedList& shared = shared_list(c);
  std::lock_guard<std::mutex> lock(shared.mutex);
  shared.list.push(memory);
}

}  // namespace

void Storage::lend(void* memory) {
  loans.add(memory);
  own_lists.lent = memory;
}

void* Storage::take(std::size_t bytes) {
  if (own_lists.lent != nullptr) return std::exchange(own_lists.lent, nullptr);
  const Class c = class_of(bytes);
  List& own = own_lists.of_class[c.index];
  if (Block* block = own.pop()) return block;
  return take_from_others(bytes, c, own);
}

void Storage::give(void* memory, std::size_t bytes) noexcept {
  if (memory == nullptr || (loans.count != 0 && loans.end(memory))) return;
  const std::size_t c = class_of(bytes).index;
  List& own = own_lists.of_class[c];
  if (own.length < own.fetched && !own_lists.closed) return own.push(memory);
  give_to_others(memory, c);
}

void Storage::release() noexcept { own_lists.free_all(); }

std::size_t Storage::fresh_blocks() { return fresh; }

bool Storage::recycles() { return recycle; }

}  // namespace tapesort::arrays
