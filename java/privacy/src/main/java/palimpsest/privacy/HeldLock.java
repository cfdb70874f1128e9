package palimpsest.privacy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A lock file that one user of one process holds.
 *
 * <p>The system gives a file's lock to a process, and takes it away when the process closes any
 * channel of that file, one that a second user opened in vain included. So within a process a set
 * of held files decides, and is asked before a channel is opened. The file stays when the lock is
 * let go: two processes that hold different files of one name would both hold the lock.
 */
public final class HeldLock implements AutoCloseable {
  private static final Set<Path> HELD = ConcurrentHashMap.newKeySet();
  private static final int PATIENCE_MILLIS = 60_000;
  private static final int PAUSE_MILLIS = 20;

  private final Path file;
  private final FileChannel channel;

  private HeldLock(Path file, FileChannel channel) {
    this.file = file;
    this.channel = channel;
  }

  /**
   * Takes the lock, if nobody holds it.
   *
   * @param file made with mode 0600 if it is missing; links are not followed
   * @throws IOException if the file cannot be opened
   */
  public static Optional<HeldLock> tryHold(Path file) throws IOException {
    Path own = file.toAbsolutePath().getParent().toRealPath().resolve(file.getFileName());
    if (!HELD.add(own)) {
      return Optional.empty();
    }
    FileChannel channel = null;
    boolean held = false;
    try {
      channel =
          FileChannel.open(
              own,
              Set.of(
                  StandardOpenOption.CREATE, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS),
              PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
      held = channel.tryLock() != null;
      return held ? Optional.of(new HeldLock(own, channel)) : Optional.empty();
    } finally {
      if (!held) {
        if (channel != null) {
          channel.close();
        }
        HELD.remove(own);
      }
    }
  }

  /**
   * Takes the lock as soon as it is free.
   *
   * @throws IOException if the file cannot be opened, or is held by another for a minute
   */
  static HeldLock await(Path file) throws IOException {
    for (int waited = 0; waited < PATIENCE_MILLIS; waited += PAUSE_MILLIS) {
      Optional<HeldLock> lock = tryHold(file);
      if (lock.isPresent()) {
        return lock.get();
      }
      try {
        Thread.sleep(PAUSE_MILLIS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IOException("interrupted while waiting for a lock", e);
      }
    }
    throw new IOException("another process holds the lock: " + file);
  }

  /** Whether the lock is still held. */
  boolean isOpen() {
    return channel.isOpen();
  }

  /** Lets go of the lock. Closing twice is harmless. */
  @Override
  public void close() {
    if (channel.isOpen()) {
      try {
        channel.close();
      } catch (IOException e) {
        throw new UncheckedIOException("a lock cannot be released", e);
      } finally {
        HELD.remove(file);
      }
    }
  }
}
