package palimpsest.privacy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.Set;
import java.util.stream.Stream;

/**
 * The files of one ledger in a private directory: {@code NAME.ledger} (lines), {@code NAME.head}
 * (count and hash of the last record, sealed with the secret), {@code NAME.secret} (32 random
 * bytes) and {@code NAME.lock}. Directory 0700, files 0600, no links followed.
 */
final class LedgerStore {
  private static final Set<PosixFilePermission> OWNER_ONLY =
      PosixFilePermissions.fromString("rwx------");
  private static final FileAttribute<Set<PosixFilePermission>> PRIVATE_FILE =
      PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));
  private static final String NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}";
  private static final String LINES = ".ledger";
  private static final String HEAD = ".head";
  private static final long MAX_BYTES = 1L << 30;
  private static final int MAX_HEAD = 512;

  private final Path directory;
  private final String dataSet;

  LedgerStore(Path directory, String dataSet) {
    if (!dataSet.matches(NAME)) {
      throw new IllegalArgumentException(
          "ledger: a data set's name has 1 to 64 letters, digits, dots, dashes and underscores,"
              + " the first a letter or digit; choose such a --name");
    }
    this.directory = directory;
    this.dataSet = dataSet;
  }

  /**
   * The accounts that have lines or a head in a directory, by name; none if there is no directory.
   *
   * @throws LedgerException if others can look into the directory
   */
  static List<LedgerStore> all(Path directory) {
    if (!Files.exists(directory, LinkOption.NOFOLLOW_LINKS)) {
      return List.of();
    }
    requirePrivateDirectory(directory);
    try (Stream<Path> files = Files.list(directory)) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(file -> file.endsWith(LINES) || file.endsWith(HEAD))
          .map(file -> file.substring(0, file.lastIndexOf('.')))
          .filter(name -> name.matches(NAME))
          .distinct()
          .sorted()
          .map(name -> new LedgerStore(directory, name))
          .toList();
    } catch (IOException | UncheckedIOException e) {
      throw new LedgerException("the private directory cannot be listed: " + directory, e);
    }
  }

  /** The account's name. */
  String dataSet() {
    return dataSet;
  }

  private Path file(String kind) {
    return directory.resolve(dataSet + "." + kind);
  }

  boolean exists() {
    return Files.exists(file("head"), LinkOption.NOFOLLOW_LINKS)
        || Files.exists(file("ledger"), LinkOption.NOFOLLOW_LINKS);
  }

  /** Makes the directory if it is missing; refuses one that others can look into. */
  void requirePrivateDirectory() {
    requirePrivateDirectory(directory);
  }

  static void requirePrivateDirectory(Path directory) {
    try {
      if (!Files.exists(directory, LinkOption.NOFOLLOW_LINKS)) {
        Files.createDirectories(directory.toAbsolutePath().getParent());
        Files.createDirectory(directory, PosixFilePermissions.asFileAttribute(OWNER_ONLY));
      }
      if (!Files.isDirectory(directory, LinkOption.NOFOLLOW_LINKS)) {
        throw new LedgerException("the private directory is not a directory: " + directory);
      }
      Set<PosixFilePermission> granted =
          EnumSet.copyOf(Files.getPosixFilePermissions(directory, LinkOption.NOFOLLOW_LINKS));
      if (!OWNER_ONLY.containsAll(granted)) {
        throw new LedgerException(
            "others can look into the private directory; run: chmod 700 " + directory);
      }
    } catch (IOException | UnsupportedOperationException e) {
      throw new LedgerException("the private directory cannot be used: " + directory, e);
    }
  }

  /** Holds the ledger for one process and one user of it. */
  HeldLock lock() {
    try {
      return HeldLock.tryHold(file("lock"))
          .orElseThrow(() ->
              new LedgerException(
                  "another run is using the ledger of " + dataSet + "; wait for it"));
    } catch (IOException e) {
      throw new LedgerException("its lock file cannot be opened in " + directory, e);
    }
  }

  private static FileChannel open(Path path, OpenOption... options) throws IOException {
    Set<OpenOption> all = new HashSet<>(Set.of(options));
    all.add(LinkOption.NOFOLLOW_LINKS);
    return FileChannel.open(path, all, PRIVATE_FILE);
  }

  /**
   * Makes the secret, the head of an empty ledger and no lines. What an earlier call made before a
   * crash is kept or made anew, so a call that was cut short at any point can be made again.
   */
  void create() {
    try {
      forceAncestors();
      if (!Files.exists(file("secret"), LinkOption.NOFOLLOW_LINKS)) {
        writeSecret();
      }
      writeHead(new LedgerHead(0, LedgerChain.ORIGIN));
      if (Files.exists(file("ledger"), LinkOption.NOFOLLOW_LINKS)) {
        cut(0);
      }
    } catch (IOException e) {
      throw new LedgerException("it cannot be created in " + directory, e);
    }
  }

  /** Whole or not at all: a secret cut short would make the name unusable for good. */
  private void writeSecret() throws IOException {
    byte[] secret = new byte[SecretKey.BYTES];
    try (SecretKey random = SecretKey.fromOperatingSystem()) {
      MemorySegment.copy(random.words(), ValueLayout.JAVA_BYTE, 0, secret, 0, secret.length);
    }
    replace("secret", secret);
  }

  /** All bytes of the lines; empty if there are none yet. */
  byte[] readLines() {
    return readBounded(file("ledger"), MAX_BYTES);
  }

  private byte[] readBounded(Path path, long limit) {
    try {
      if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
        return new byte[0];
      }
      try (FileChannel in = open(path, StandardOpenOption.READ)) {
        if (in.size() > limit) {
          throw new LedgerException("file is larger than a ledger can be: " + path);
        }
        ByteBuffer bytes = ByteBuffer.allocate((int) in.size());
        while (bytes.hasRemaining() && in.read(bytes) >= 0) {
          continue;
        }
        return Arrays.copyOf(bytes.array(), bytes.position());
      }
    } catch (IOException e) {
      throw new LedgerException("file cannot be read: " + path, e);
    }
  }

  /**
   * The sealed head.
   *
   * @throws LedgerException if it is missing or its seal does not match
   */
  LedgerHead readHead() {
    byte[] bytes = readBounded(file("head"), MAX_HEAD);
    try {
      String text = new String(bytes, StandardCharsets.US_ASCII);
      SequencedMap<String, Object> fields = FlatJson.read(text.stripTrailing());
      LedgerHead head = new LedgerHead((Long) fields.get("count"), (String) fields.get("hash"));
      byte[] claimed = text.getBytes(StandardCharsets.US_ASCII);
      byte[] expected = headText(head).getBytes(StandardCharsets.US_ASCII);
      if (MessageDigest.isEqual(claimed, expected)) {
        return head;
      }
    } catch (IllegalArgumentException | ClassCastException | NullPointerException e) {
      throw new LedgerException("its head file is missing or broken: " + file("head"), e);
    }
    throw new LedgerException("its head file was changed: " + file("head"));
  }

  private String headText(LedgerHead head) {
    SequencedMap<String, Object> fields = new LinkedHashMap<>();
    fields.put("count", head.count());
    fields.put("hash", head.hash());
    byte[] text = FlatJson.write(fields).getBytes(StandardCharsets.US_ASCII);
    fields.put("seal", secret().code("head " + dataSet + " ", text));
    return FlatJson.write(fields) + "\n";
  }

  /**
   * The account's secret.
   *
   * @throws LedgerException if it is missing or cut short
   */
  LedgerSecret secret() {
    byte[] bytes = readBounded(file("secret"), SecretKey.BYTES);
    if (bytes.length != SecretKey.BYTES) {
      throw new LedgerException("its secret is missing or cut short: " + file("secret"));
    }
    return new LedgerSecret(bytes);
  }

  /**
   * HMAC-SHA256 of a file's digest under the account's secret, as hexadecimal digits: it tells
   * equal files, and to nobody without the secret whether a file that they guess is one of them.
   *
   * @param sha256 of the file's bytes
   */
  String hmacOf(byte[] sha256) {
    if (sha256.length != 32) {
      throw new IllegalArgumentException("ledger: a SHA-256 digest has 32 bytes");
    }
    return secret().code("file ", sha256);
  }

  /**
   * Appends a line at {@code position} and returns when it, the head and the directory are on disk.
   */
  void append(long position, String line, LedgerHead head) throws IOException {
    try (FileChannel out =
        open(file("ledger"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      if (out.size() != position) {
        throw new LedgerException("its file was changed by someone else while in use");
      }
      out.position(position);
      writeFully(out, line.getBytes(StandardCharsets.US_ASCII));
    }
    writeHead(head);
  }

  /** Cuts the file to its complete lines, and returns when these are on disk. */
  void cut(long completeBytes) throws IOException {
    try (FileChannel out = open(file("ledger"), StandardOpenOption.WRITE)) {
      out.truncate(completeBytes);
      out.force(true);
    }
  }

  /** Replaces the head: written beside, forced, renamed, directory forced. */
  void writeHead(LedgerHead head) throws IOException {
    replace("head", headText(head).getBytes(StandardCharsets.US_ASCII));
  }

  private void replace(String kind, byte[] content) throws IOException {
    Path beside = file(kind + ".new");
    try (FileChannel out =
        open(
            beside,
            StandardOpenOption.CREATE,
            StandardOpenOption.WRITE,
            StandardOpenOption.TRUNCATE_EXISTING)) {
      writeFully(out, content);
    }
    Files.move(
        beside, file(kind), StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    force(directory);
  }

  /**
   * Forces what lists the directory, all the way up: a crash that takes back a directory above it,
   * which may be as new, takes the ledger. Where this process may not write it made none.
   */
  private void forceAncestors() throws IOException {
    for (Path above = directory.toRealPath().getParent();
        above != null && Files.isWritable(above);
        above = above.getParent()) {
      force(above);
    }
  }

  private static void force(Path directory) throws IOException {
    try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
      channel.force(true);
    }
  }

  private static void writeFully(FileChannel out, byte[] bytes) throws IOException {
    ByteBuffer buffer = ByteBuffer.wrap(bytes);
    while (buffer.hasRemaining()) {
      out.write(buffer);
    }
    out.force(true);
  }
}
