// Preloaded into a process of the tests: a disk that fails. It counts what happens to files under
// FAULTY_UNDER. With FAULTY_FSYNC=n the n-th fsync fails with EIO. With FAULTY_WRITE=n the n-th
// write gets half of its bytes to the disk, and from then on there is no space. The file
// FAULTY_MARK is left behind when that has happened. To the file FAULTY_TRACE it appends a line for
// each call that changes such a file, and for each fsync, so that a test can tell what is on disk:
// a change once it was made, an fsync as it begins, so that no change looks synced that may not be.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

long setting(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? 0 : std::atol(text);
}

bool under(const std::string& path) {
  const char* root = std::getenv("FAULTY_UNDER");
  return root != nullptr && path.starts_with(root);
}

std::string path_of(int fd) {
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  char path[4096];
  const ssize_t size = readlink(link.c_str(), path, sizeof path);
  return size < 0 ? "" : std::string(path, size);
}

bool under(int fd) { return under(path_of(fd)); }

void mark() {
  if (const char* path = std::getenv("FAULTY_MARK")) close(open(path, O_CREAT | O_WRONLY, 0600));
}

template <typename F>
F* real(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

// One write to a file that is open for appending, so that lines of several threads do not mix.
void trace(const char* what, const std::string& path, const std::string& to = "") {
  const char* file = std::getenv("FAULTY_TRACE");
  if (file == nullptr || !under(path)) return;
  const int error = errno;
  const std::string line = std::string(what) + "\t" + path + "\t" + to + "\n";
  const int fd = open(file, O_CREAT | O_WRONLY | O_APPEND, 0600);
  if (real<ssize_t(int, const void*, size_t)>("write")(fd, line.data(), line.size()) < 0) abort();
  close(fd);
  errno = error;
}

std::atomic<long> syncs{0};
std::atomic<long> writes{0};

int sync_or_fail(int fd, const char* name) {
  if (under(fd) && ++syncs == setting("FAULTY_FSYNC")) {
    mark();
    errno = EIO;
    return -1;
  }
  trace("sync", path_of(fd));
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
  if (allowed < 0) return -1;
  const ssize_t written =
      real<ssize_t(int, const void*, size_t)>("write")(fd, data, static_cast<size_t>(allowed));
  trace("write", path_of(fd));
  return written;
}

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t at) {
  const ssize_t allowed = room(fd, size);
  if (allowed < 0) return -1;
  const ssize_t written = real<ssize_t(int, const void*, size_t, off64_t)>("pwrite64")(
      fd, data, static_cast<size_t>(allowed), at);
  trace("write", path_of(fd));
  return written;
}

ssize_t writev(int fd, const iovec* parts, int count) {
  const ssize_t written = real<ssize_t(int, const iovec*, int)>("writev")(fd, parts, count);
  trace("write", path_of(fd));
  return written;
}

int ftruncate64(int fd, off64_t size) {
  const int result = real<int(int, off64_t)>("ftruncate64")(fd, size);
  trace("write", path_of(fd));
  return result;
}

int mkdir(const char* path, mode_t mode) {
  const int result = real<int(const char*, mode_t)>("mkdir")(path, mode);
  if (result == 0) trace("mkdir", path);
  return result;
}

int rename(const char* from, const char* to) {
  const int result = real<int(const char*, const char*)>("rename")(from, to);
  if (result == 0) trace("rename", from, to);
  return result;
}
}
