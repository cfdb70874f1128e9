// Preloaded into a process of the tests: a disk that fails. It counts what happens to files under
// FAULTY_UNDER. With FAULTY_FSYNC=n the n-th fsync fails with EIO. With FAULTY_WRITE=n the n-th
// write gets half of its bytes to the disk, and from then on there is no space. The file
// FAULTY_MARK is left behind when that has happened.
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

long setting(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? 0 : std::atol(text);
}

bool under(int fd) {
  const char* root = std::getenv("FAULTY_UNDER");
  if (root == nullptr) return false;
  char link[64];
  char path[4096];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t size = readlink(link, path, sizeof path - 1);
  if (size < 0) return false;
  path[size] = 0;
  return std::strncmp(path, root, std::strlen(root)) == 0;
}

void mark() {
  if (const char* path = std::getenv("FAULTY_MARK")) close(open(path, O_CREAT | O_WRONLY, 0600));
}

template <typename F>
F* real(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

std::atomic<long> syncs{0};
std::atomic<long> writes{0};

int sync_or_fail(int fd, const char* name) {
  if (under(fd) && ++syncs == setting("FAULTY_FSYNC")) {
    mark();
    errno = EIO;
    return -1;
  }
  return real<int(int)>(name)(fd);
}

// How many bytes may be written; -1 when there is no space.
ssize_t room(int fd, size_t size) {
  const long full = setting("FAULTY_WRITE");
  if (full == 0 || !under(fd)) return static_cast<ssize_t>(size);
  const long count = ++writes;
  if (count < full) return static_cast<ssize_t>(size);
  mark();
  if (count == full && size > 1) return static_cast<ssize_t>(size / 2);
  errno = ENOSPC;
  return -1;
}

}  // namespace

extern "C" {

int fsync(int fd) { return sync_or_fail(fd, "fsync"); }

int fdatasync(int fd) { return sync_or_fail(fd, "fdatasync"); }

ssize_t write(int fd, const void* data, size_t size) {
  const ssize_t allowed = room(fd, size);
  return allowed < 0 ? -1 : real<ssize_t(int, const void*, size_t)>("write")(fd, data, allowed);
}

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t at) {
  const ssize_t allowed = room(fd, size);
  return allowed < 0
             ? -1
             : real<ssize_t(int, const void*, size_t, off64_t)>("pwrite64")(fd, data, allowed, at);
}
}
