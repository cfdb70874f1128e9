package palimpsest.synth.text;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.util.Locale;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;
import palimpsest.engine.weights.Sha256;

/** A file's bytes, unpacked if its name says gzip, with a cap on their number. */
final class CappedInput extends FilterInputStream {
  private final String name;
  private final RecordOptions.Limits limits;
  private final DigestInputStream file;
  private long bytes;

  private CappedInput(
      String name, InputStream in, DigestInputStream file, RecordOptions.Limits limits) {
    super(in);
    this.name = name;
    this.file = file;
    this.limits = limits;
  }

  /**
   * Opens a file: as gzip exactly when its name ends in .gz. Its first bytes have no say, since
   * they may be a record's.
   *
   * @throws InputException if it is no regular file (what can be read but once cannot be looked at
   *     twice), or gzip by its name and nothing that can be unpacked
   */
  static CappedInput open(Path path, RecordOptions.Limits limits) throws IOException {
    String name = path.toString();
    if (Files.exists(path) && !Files.isRegularFile(path)) {
      throw new InputException(name + ": is a folder, pipe or device; name a regular file");
    }
    boolean gzip = name.toLowerCase(Locale.ROOT).endsWith(".gz");
    DigestInputStream file =
        new DigestInputStream(
            new BufferedInputStream(Files.newInputStream(path), 1 << 16), Sha256.start());
    try {
      return new CappedInput(name, gzip ? new GZIPInputStream(file, 1 << 16) : file, file, limits);
    } catch (ZipException | EOFException _) {
      file.close();
      throw damaged(name);
    } catch (IOException | RuntimeException e) {
      file.close();
      throw e;
    }
  }

  /**
   * SHA-256 of the file as it lies on disk, packed or not: of the very bytes that were read here.
   * Reads what is left of them, so ask once, at the end.
   */
  byte[] digest() throws IOException {
    file.transferTo(OutputStream.nullOutputStream());
    return file.getMessageDigest().digest();
  }

  private static InputException damaged(String name) {
    return new InputException(
        name
            + ": ends in .gz and cannot be unpacked; pack it again, or rename it if it is no gzip");
  }

  @Override
  public int read() throws IOException {
    byte[] one = new byte[1];
    return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
  }

  @Override
  public int read(byte[] buffer, int from, int length) throws IOException {
    int count;
    try {
      count = super.read(buffer, from, length);
    } catch (ZipException | EOFException _) {
      throw damaged(name);
    }
    bytes += Math.max(0, count);
    if (bytes > limits.fileBytes()) {
      throw new InputException(
          name + ": over " + limits.fileBytes() + " bytes when unpacked; split it");
    }
    return count;
  }
}
